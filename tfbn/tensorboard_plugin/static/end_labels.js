// Names at the ends of lines, moved apart where the lines end close together.

import { cssVariable } from "./dom.js";
import { textWidth } from "./text_width.js";

const FONT = "11px system-ui, sans-serif";
const HEIGHT = 13; // CSS pixels of a label
const WIDEST = 190;
const STROKE = 16; // of the sample before the name

/** The room that labels need right of a chart, in CSS pixels. */
export function roomFor(labels) {
  return Math.min(WIDEST, Math.max(...labels.map((label) => textWidth(label, FONT)))) + STROKE + 14;
}

/** A hook for uPlot that labels lines `{index, label, color, dash}`. */
export function endLabels(lines) {
  return (plot) => {
    const ratio = window.devicePixelRatio || 1;
    const { left, top, width, height } = plot.bbox;
    const ends = lines
      .map((line) => ({ ...line, y: endOf(plot, line.index) }))
      .filter((line) => line.y !== null);
    apart(ends, HEIGHT * ratio, top, top + height);
    const context = plot.ctx;
    context.save();
    context.font = FONT.replace("11", String(11 * ratio));
    context.textBaseline = "middle";
    context.textAlign = "left";
    for (const { label, color, dash, y } of ends) {
      const x = left + width + 5 * ratio;
      context.strokeStyle = color;
      context.lineWidth = 2.5 * ratio;
      context.setLineDash(dash.map((length) => length * ratio * 0.6));
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + STROKE * ratio, y);
      context.stroke();
      context.fillStyle = cssVariable("--ink");
      context.fillText(shortened(context, label, WIDEST * ratio), x + (STROKE + 4) * ratio, y);
    }
    context.restore();
  };
}

function endOf(plot, index) {
  const value = plot.data[index].findLast((one) => one != null);
  return value == null ? null : plot.valToPos(value, "y", true);
}

/** Moves labels so that they are `distance` apart, in the order of their lines, between two borders. */
export function apart(ends, distance, low, high) {
  ends.sort((a, b) => a.y - b.y);
  ends.forEach((end, i) => (end.y = Math.max(end.y, i ? ends[i - 1].y + distance : low)));
  for (let i = ends.length - 1; i >= 0; i--)
    ends[i].y = Math.min(ends[i].y, i < ends.length - 1 ? ends[i + 1].y - distance : high);
}

function shortened(context, text, room) {
  let shown = text;
  while (shown.length > 4 && context.measureText(shown).width > room) shown = `${shown.slice(0, -2)}…`;
  return shown;
}
