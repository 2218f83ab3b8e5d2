// Line charts over steps, on uPlot: means with the range over a group's runs, and bands over channels.

import uPlot from "./uplot/uPlot.esm.js";
import { swatch } from "./arms.js";
import { behind, some } from "./behind.js";
import { cssVariable, el, fill } from "./dom.js";
import { endLabels, roomFor } from "./end_labels.js";
import { number } from "./format.js";

const HEIGHT = 190;
const POINTS = { size: 5, width: 1 };
const FEW = 24; // steps; with more, lines are clear without points
const LABELED_FROM = 520; // pixels; narrower charts have no room for names at the ends of lines
const TABLE_ROWS = 40;
const HIDDEN = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true };

/**
 * A chart of lines.
 *
 * @param options `{title, unit, width, lines, range, sync, marks, labeled}`; a line is `{label, steps, mean, low, high, each,
 *   color, dash, width}`, of which `low` and `high` (a band) and `each` (thin lines) may be missing; `range` is
 *   `[low, high]` of the y axis or null; `marks` are `{step, number}`; `labeled`: whether lines have their names.
 * @returns `{node, draw()}`; call `draw` when the node is in the page.
 */
export function lineChart({ title, unit, width, lines, range = null, sync = null, ...rest }) {
  const steps = [...new Set(lines.flatMap((line) => line.steps))].sort((a, b) => a - b);
  const place = new Map(steps.map((step, i) => [step, i]));
  const onAll = (line, values) => {
    const column = new Array(steps.length).fill(null);
    line.steps.forEach((step, i) => (column[place.get(step)] = values[i]));
    return column;
  };
  const data = [steps];
  const series = [];
  const bands = [];
  const add = (values, look) => (data.push(values), series.push(look), data.length - 1);
  const labels = lines.map((line) => {
    for (const values of line.each ?? [])
      add(onAll(line, values), { ...HIDDEN, stroke: `${line.color}80`, width: 1 });
    const varies = line.low && line.low.some((low, i) => low !== line.high[i]);
    const edges = varies && [line.low, line.high].map((values) => add(onAll(line, values), HIDDEN));
    if (edges) bands.push({ series: [edges[1], edges[0]], fill: `${line.color}2b` });
    const points = { ...POINTS, show: steps.length < FEW };
    const look = { stroke: line.color, width: line.width ?? 2, dash: line.dash, spanGaps: true, points };
    return { ...line, dash: line.dash ?? [], index: add(onAll(line, line.mean), look), edges };
  });
  return chart({ title, unit, width, range, sync, data, series, bands, labels, ...rest });
}

/**
 * Quantiles over the channels: the median as a line, ranges around it as bands.
 *
 * @param options `{title, unit, width, steps, levels, band, color, range, sync, extra, marks}`; `band` has a list over
 *   the steps for each of `levels`, which are symmetric around the median; `extra` are more lines.
 */
export function bandChart({ steps, levels, band, color, extra = [], ...rest }) {
  const middle = (levels.length - 1) / 2;
  const label = (level) =>
    level === 0.5 ? "median" : { 0: "lowest", 1: "highest" }[level] ?? `${Math.round(100 * level)} %`;
  const points = { ...POINTS, show: steps.length < FEW };
  const series = levels.map((level, i) =>
    i === middle ? { stroke: color, width: 2, points } : { ...HIDDEN, stroke: `${color}55`, width: 0.6 },
  );
  const bands = Array.from({ length: middle }, (_, i) => ({
    series: [levels.length - i, i + 1],
    fill: `${color}${["1c", "2e", "4a"][i] ?? "4a"}`,
  }));
  for (const line of extra) series.push({ ...HIDDEN, stroke: line.color, width: 1.4, dash: line.dash });
  const data = [steps, ...band, ...extra.map((line) => line.values)];
  const labels = [
    ...levels.map((level, i) => ({ label: label(level), index: i + 1, color, dash: [] })),
    ...extra.map((line, i) => ({ ...line, index: levels.length + i + 1 })),
  ];
  return chart({ ...rest, data, series, bands, labels, labeled: false });
}

/** The lowest and the highest of all values, with a little room, 0 included if `zero`. */
export function commonRange(lists, zero = false) {
  let low = zero ? 0 : Infinity;
  let high = zero ? 0 : -Infinity;
  for (const list of lists) {
    for (const value of list ?? []) {
      if (value == null || !Number.isFinite(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low === 0 ? 0 : low - room, high + room];
}

function chart({ title, unit, width, range, sync, data, series, bands, labels, marks = [], labeled = true }) {
  const readout = el("p", { class: "under" }, "\u00a0");
  const place = el("div", { class: "plot", role: "img", "aria-label": spoken(title, unit, data, labels, marks) });
  const named = labeled && labels.length > 1 && width >= LABELED_FROM;
  const node = el(
    "div",
    { class: "chart", style: { width: `${width}px` } },
    el("h3", {}, title, el("small", {}, ` ${unit}`)),
    place,
    labeled && labels.length > 1 && !named ? keyOf(labels) : null,
    readout,
    behind(title, () => rows(data, labels)),
  );
  const hooks = { setCursor: [(plot) => report(plot, readout, labels)], draw: [] };
  if (marks.length) hooks.draw.push((plot) => drawMarks(plot, marks));
  if (named) hooks.draw.push(endLabels(labels));
  const height = Math.max(HEIGHT, named ? 13 * labels.length + 50 : 0);
  const right = named ? roomFor(labels.map((line) => line.label)) : 12;
  const draw = () => {
    new uPlot(options({ width, height, right, range, sync, data, series, bands, hooks }), data, place);
  };
  return { node, draw };
}

function options({ width, height, right, range, sync, data, series, bands, hooks }) {
  const axis = {
    stroke: cssVariable("--ink"),
    grid: { stroke: cssVariable("--line"), width: 1 },
    ticks: { stroke: cssVariable("--line"), width: 1 },
    font: "11px system-ui, sans-serif",
  };
  const whole = (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? tick : ""));
  return {
    width,
    height,
    series: [{ label: "step" }, ...series],
    bands,
    padding: [14, right, 0, 0],
    legend: { show: false },
    cursor: { sync: sync ? { key: sync } : undefined, drag: { x: false, y: false }, points: { show: false } },
    scales: { x: { time: false, range: xRange(data[0]) }, y: range ? { range: () => range } : {} },
    axes: [
      { ...axis, size: 26, space: 60, values: whole },
      { ...axis, size: 58, values: (_, ticks) => ticks.map(number) },
    ],
    hooks,
  };
}

function xRange(steps) {
  const [low, high] = [steps[0] ?? 0, steps.at(-1) ?? 1];
  return () => (low === high ? [low - 0.5, high + 0.5] : [low, high]);
}

/** The names of the lines, where they have no room at their ends. */
function keyOf(labels) {
  return el(
    "ul",
    { class: "key" },
    labels.map((line) => el("li", {}, swatch(line), line.label)),
  );
}

/** Findings: a dotted line down the chart with the finding's number on top. */
function drawMarks(plot, marks) {
  const ratio = window.devicePixelRatio || 1;
  const { left, top, width, height } = plot.bbox;
  const context = plot.ctx;
  context.save();
  context.strokeStyle = context.fillStyle = cssVariable("--wrong");
  context.lineWidth = 1.5 * ratio;
  context.setLineDash([2 * ratio, 3 * ratio]);
  context.font = `bold ${11 * ratio}px system-ui, sans-serif`;
  context.textAlign = "center";
  for (const { step, number: name } of marks) {
    const x = Math.min(left + width, Math.max(left, plot.valToPos(step, "x", true)));
    context.beginPath();
    context.moveTo(x, top);
    context.lineTo(x, top + height);
    context.stroke();
    context.fillText(`⚠${name}`, x, top - 4 * ratio);
  }
  context.restore();
}

function valueIn(data, { index, edges }, at) {
  const value = data[index][at];
  if (value == null) return null;
  const range = edges ? ` (${edges.map((edge) => number(data[edge][at])).join(" to ")})` : "";
  return `${number(value)}${range}`;
}

function report(plot, readout, labels) {
  const at = plot.cursor.idx;
  const values =
    at == null
      ? []
      : labels
          .map((line) => [line.label, valueIn(plot.data, line, at)])
          .filter(([, value]) => value !== null)
          .map(([label, value]) => `${label} ${value}`);
  fill(readout, values.length ? `step ${plot.data[0][at]}: ${values.join(", ")}` : "\u00a0");
}

function rows(data, labels) {
  const kept = some(data[0].length, TABLE_ROWS);
  const heads = ["step", ...labels.map((line) => line.label)];
  return [heads, ...kept.map((at) => [String(data[0][at]), ...labels.map((line) => valueIn(data, line, at))])];
}

function spoken(title, unit, data, labels, marks) {
  const last = data[0].length - 1;
  if (last < 0) return `${title}: nothing recorded`;
  const ends = labels.slice(0, 12).map((line) => `${line.label} ${valueIn(data, line, last) ?? "nothing"}`);
  const found = marks.map(({ step, number: name }) => `; finding ${name} at step ${step}`).join("");
  return `${title} ${unit}, at step ${data[0][last]}: ${ends.join("; ")}${found}`;
}
