// The colour scale with its numbers.

import { el } from "./dom.js";
import { number } from "./format.js";
import { ticks } from "./scale.js";

const WIDTH = 320;

/** A bar of all colours, and what grey means. */
export function legend(scale, look, metric) {
  const canvas = el("canvas", {
    class: "bar",
    "aria-hidden": "true",
    style: { width: `${WIDTH}px`, height: "12px" },
  });
  canvas.width = WIDTH;
  canvas.height = 1;
  const context = canvas.getContext("2d");
  for (let x = 0; x < WIDTH; x++) {
    context.fillStyle = `rgb(${look.color(x / (WIDTH - 1)).join(",")})`;
    context.fillRect(x, 0, 1, 1);
  }
  const marks = ticks(scale).map((value) =>
    el(
      "span",
      { style: { left: `${100 * Math.min(1, Math.max(0, scale.place(value) || 0))}%` } },
      number(value),
    ),
  );
  return el(
    "div",
    { class: "legend" },
    el(
      "div",
      { class: "scale", style: { width: `${WIDTH}px` } },
      canvas,
      el("div", { class: "marks" }, marks),
    ),
    el("span", {}, scale.log ? `${metric.unit}, logarithmic` : metric.unit),
    el(
      "span",
      {},
      el("span", { class: "swatch", style: { background: "var(--nothing)" } }),
      metric.series === "drift" ? "exactly 0: did not move" : "exactly 0",
    ),
  );
}
