// The color scale with its numbers, and what a hatch and blank cells mean.

import { roomOfView } from "./columns.js";
import { el } from "./dom.js";
import { number } from "./format.js";
import { ticks } from "./scale.js";
import { pageFont, textWidth } from "./text_width.js";

const WIDEST = 300; // CSS pixels of the bar
const FONT_SIZE = 12; // of `.legend`
const GAP = 6; // from one number to the next
export const STRIPE = 6; // CSS pixels from stripe to stripe, across

/** Whether a pixel is in a stripe of the hatch. */
export function inStripe(x, y, ratio) {
  return (x + y) % Math.round(STRIPE * ratio) < Math.round(1.2 * ratio);
}

/** A bar of all colors and the hatch; `zero` is what exactly 0 means. */
export function legend(scale, look, unit, zero) {
  const width = Math.min(WIDEST, roomOfView());
  const placed = ticks(scale).map((value) => numbered(value, scale, width));
  const marks = apart(placed.filter(({ left }) => !Number.isNaN(left)));
  return el(
    "div",
    { class: "legend" },
    el(
      "div",
      { class: "scale", style: { width: `${width}px` } },
      bar(look, width),
      el("div", { class: "marks" }, marks.map(({ left, text }) => el("span", { style: { left: `${left}px` } }, text))),
    ),
    el("span", {}, scale.log ? `${unit}, logarithmic` : unit),
    el("span", {}, hatch(look.zero), `exactly 0: ${zero}`),
    el("span", {}, el("span", { class: "blank" }), "nothing recorded"),
  );
}

function bar(look, width) {
  const canvas = el("canvas", { class: "bar", "aria-hidden": "true" });
  Object.assign(canvas.style, { width: `${width}px`, height: "12px" });
  [canvas.width, canvas.height] = [width, 1];
  const context = canvas.getContext("2d");
  for (let x = 0; x < width; x++) {
    context.fillStyle = `rgb(${look.color(x / (width - 1)).join(",")})`;
    context.fillRect(x, 0, 1, 1);
  }
  return canvas;
}

/** A value's number and where it is: with its middle below the value's place, but within the bar. */
function numbered(value, scale, width) {
  // 1e−5, not 1.00e−5: round values need no zeros.
  const text = number(value).replace(/\.?0+e/, "e");
  const wide = Math.ceil(textWidth(text, pageFont(FONT_SIZE)));
  const place = value === 0 ? (scale.signed ? 0.5 : 0) : scale.place(value);
  const left = Math.max(0, Math.min(width - wide, place * width - wide / 2));
  return { value, text, left, right: left + wide };
}

/** Those numbers that have room: 0 first, then the large ones; in their order. */
function apart(marks) {
  const kept = [];
  const first = ({ value: a }, { value: b }) => (b === 0) - (a === 0) || Math.abs(b) - Math.abs(a);
  for (const one of [...marks].sort(first))
    if (kept.every(({ left, right }) => one.left >= right + GAP || one.right + GAP <= left)) kept.push(one);
  return marks.filter((one) => kept.includes(one));
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
