// The colour scale with its numbers, and what a hatch and blank cells mean.

import { el } from "./dom.js";
import { number } from "./format.js";
import { ticks } from "./scale.js";

const WIDTH = 300;
const EDGE = 0.06; // share of the bar that half a number takes
const GAP = 0.14; // from one number to the next
export const STRIPE = 6; // CSS pixels from stripe to stripe, across

/** Whether a pixel is in a stripe of the hatch. */
export function inStripe(x, y, ratio) {
  return (x + y) % Math.round(STRIPE * ratio) < Math.round(1.2 * ratio);
}

/** A bar of all colours and the hatch; `zero` is what exactly 0 means. */
export function legend(scale, look, unit, zero) {
  const canvas = el("canvas", { class: "bar", "aria-hidden": "true" });
  Object.assign(canvas.style, { width: `${WIDTH}px`, height: "12px" });
  [canvas.width, canvas.height] = [WIDTH, 1];
  const context = canvas.getContext("2d");
  for (let x = 0; x < WIDTH; x++) {
    context.fillStyle = `rgb(${look.color(x / (WIDTH - 1)).join(",")})`;
    context.fillRect(x, 0, 1, 1);
  }
  const place = (value) => (value === 0 && scale.signed ? 0.5 : scale.place(value) || 0);
  const places = ticks(scale).map((value) => [value, Math.min(1, Math.max(0, place(value)))]);
  const marks = apart(places).map(([value, at]) => {
    // In the middle below its place; at an end of the bar, inside.
    const shift = at < EDGE ? 0 : at > 1 - EDGE ? 75 : 50;
    // 1e−5, not 1.00e−5: round values need no zeros, and narrow ones do not touch.
    const text = number(value).replace(/\.?0+e/, "e");
    return el("span", { style: { left: `${100 * at}%`, transform: `translateX(-${shift}%)` } }, text);
  });
  return el(
    "div",
    { class: "legend" },
    el("div", { class: "scale", style: { width: `${WIDTH}px` } }, canvas, el("div", { class: "marks" }, marks)),
    el("span", {}, scale.log ? `${unit}, logarithmic` : unit),
    el("span", {}, hatch(look.zero), `exactly 0: ${zero}`),
    el("span", {}, el("span", { class: "blank" }), "nothing recorded"),
  );
}

/** Those values that have room for their number: 0 first, then the large ones; in their order. */
function apart(places) {
  const kept = [];
  for (const one of [...places].sort(([a], [b]) => (b === 0) - (a === 0) || Math.abs(b) - Math.abs(a)))
    if (kept.every(([, at]) => Math.abs(at - one[1]) >= GAP)) kept.push(one);
  return places.filter((one) => kept.includes(one));
}

function hatch([ground, stripe]) {
  const canvas = el("canvas", { class: "hatch", "aria-hidden": "true" });
  Object.assign(canvas.style, { width: "26px", height: "12px" });
  [canvas.width, canvas.height] = [26, 12];
  const image = new ImageData(26, 12);
  for (let at = 0; at < 26 * 12; at++)
    image.data.set([...(inStripe(at % 26, Math.floor(at / 26), 1) ? stripe : ground), 255], 4 * at);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
