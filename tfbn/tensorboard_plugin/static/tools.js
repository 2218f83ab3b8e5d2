// Controls that several views have.

import { el, select } from "./dom.js";
import { words } from "./format.js";
import { change, state } from "./state.js";

/** Chooses the metric. */
export function metricTool(metrics, chosen) {
  const options = metrics.map((metric) => [metric.name, words(metric.name)]);
  return select("Metric", "metric", options, chosen.name, (metric) => change({ metric }));
}

/** Chooses the colour scale and the palette. */
export function scaleTools() {
  const scales = [
    ["auto", "automatic"],
    ["linear", "linear"],
    ["log", "logarithmic"],
  ];
  const palettes = ["cividis", "viridis"].map((name) => [name, name]);
  return [
    select("Scale", "scale", scales, state.scale, (scale) => change({ scale })),
    select("Colours", "palette", palettes, state.palette, (palette) => change({ palette })),
  ];
}

/** Chooses the range of steps. */
export function rangeTool() {
  const box = (key, label) =>
    el("input", {
      id: key,
      type: "number",
      min: "0",
      "aria-label": label,
      placeholder: key,
      value: state[key] ?? "",
      onchange: (event) => change({ [key]: event.target.value === "" ? null : Number(event.target.value) }),
    });
  return el(
    "label",
    { class: "field" },
    el("span", {}, "Steps"),
    box("first", "First step"),
    "–",
    box("last", "Last step"),
  );
}
