// Controls that several views have.

import { el, select } from "./dom.js";
import { words } from "./format.js";
import { change, state } from "./state.js";

/** Chooses the metric. */
export function metricTool(metrics, chosen) {
  const options = metrics.map((metric) => [metric.name, words(metric.name)]);
  return select("Metric", "metric", options, chosen.name, (metric) => change({ metric }));
}

/** The metric that is chosen; the first where it is unknown. */
export function chosenMetric(metrics) {
  return metrics.find((known) => known.name === state.metric) ?? metrics[0];
}

/** Chooses the color scale and, where it is free, the palette. */
export function scaleTools(palettes = ["cividis", "viridis"]) {
  const scales = [
    ["auto", "automatic"],
    ["linear", "linear"],
    ["log", "logarithmic"],
  ];
  const names = palettes.map((name) => [name, name]);
  return [
    select("Scale", "scale", scales, state.scale, (scale) => change({ scale })),
    names.length > 1 && select("Colors", "palette", names, state.palette, (palette) => change({ palette })),
  ];
}

/** Shows single runs too, or instead of groups; nothing where every group is one run. */
export function seedsTool(arms, text) {
  if (arms.every((arm) => arm.runs.length === 1)) return null;
  const box = el("input", {
    id: "seeds",
    type: "checkbox",
    checked: state.seeds,
    onchange: (event) => change({ seeds: event.target.checked }),
  });
  return el("label", { class: "field" }, box, text);
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
    "span",
    { class: "field", role: "group", "aria-label": "Range of steps" },
    el("span", {}, "Steps"),
    box("first", "First step"),
    "–",
    box("last", "Last step"),
  );
}
