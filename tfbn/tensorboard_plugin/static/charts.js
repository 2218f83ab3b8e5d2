// Line charts and bands over steps, on uPlot.

import uPlot from "./uplot/uPlot.esm.js";
import { cssVariable, el, fill } from "./dom.js";
import { number } from "./format.js";

const HEIGHT = 190;
const POINTS = { size: 5, width: 1 };
const FEW = 24; // steps; with more, lines are clear without points

/**
 * A chart of lines.
 *
 * @param options `{title, unit, width, lines, range, sync}`; a line is
 *   `{label, steps, values, color, dash, width}`, `range` is `[low, high]` of the y axis or null.
 * @returns `{node, draw()}`; call `draw` when the node is in the page.
 */
export function lineChart({ title, unit, width, lines, range = null, sync = null }) {
  const { steps, columns } = aligned(lines);
  const series = lines.map((line) => ({
    label: line.label,
    stroke: line.color,
    width: line.width ?? 2,
    dash: line.dash,
    spanGaps: true,
    points: { ...POINTS, show: steps.length < FEW },
  }));
  return chart({ title, unit, width, range, sync, data: [steps, ...columns], series, bands: [] });
}

/**
 * Quantiles over the channels: the median as a line, ranges around it as bands.
 *
 * @param options `{title, unit, width, steps, levels, band, color, range, sync}`; `band` has a list over the steps
 *   for each of `levels`, which are symmetric around the median.
 */
export function bandChart({
  title,
  unit,
  width,
  steps,
  levels,
  band,
  color,
  range = null,
  sync = null,
  extra = [],
}) {
  const middle = (levels.length - 1) / 2;
  const series = levels.map((level, i) => ({
    label:
      i === middle
        ? "median"
        : level === 0
          ? "lowest"
          : level === 1
            ? "highest"
            : `${Math.round(100 * level)} %`,
    stroke: i === middle ? color : `${color}55`,
    width: i === middle ? 2 : 0.6,
    points: { ...POINTS, show: i === middle && steps.length < FEW },
  }));
  const bands = Array.from({ length: middle }, (_, i) => ({
    series: [levels.length - i, i + 1],
    fill: `${color}${["1c", "2e", "4a"][i] ?? "4a"}`,
  }));
  const more = extra.map((line) => ({
    label: line.label,
    stroke: line.color,
    width: 1.4,
    dash: [5, 4],
    points: { show: false },
  }));
  const data = [steps, ...band, ...extra.map((line) => line.values)];
  return chart({ title, unit, width, range, sync, data, series: [...series, ...more], bands });
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

/** Lines with steps of their own, put on all their steps. */
function aligned(lines) {
  const steps = [...new Set(lines.flatMap((line) => line.steps))].sort((a, b) => a - b);
  const place = new Map(steps.map((step, i) => [step, i]));
  const columns = lines.map((line) => {
    const column = new Array(steps.length).fill(null);
    line.steps.forEach((step, i) => (column[place.get(step)] = line.values[i]));
    return column;
  });
  return { steps, columns };
}

function chart({ title, unit, width, range, sync, data, series, bands }) {
  const readout = el("p", { class: "under" }, "\u00a0");
  const place = el("div", { class: "plot" });
  const node = el(
    "div",
    { class: "chart", style: { width: `${width}px` } },
    el("h3", { title: `${title} ${unit}` }, title, el("small", {}, ` ${unit}`)),
    place,
    readout,
  );
  const axis = {
    stroke: cssVariable("--ink"),
    grid: { stroke: cssVariable("--line"), width: 1 },
    ticks: { stroke: cssVariable("--line"), width: 1 },
    font: "11px system-ui, sans-serif",
  };
  const draw = () => {
    const options = {
      width,
      height: HEIGHT,
      series: [{ label: "step" }, ...series],
      bands,
      padding: [8, 12, 0, 0],
      legend: { show: false },
      cursor: { sync: sync ? { key: sync } : undefined, drag: { x: false, y: false }, points: { size: 6 } },
      scales: { x: { time: false, range: xRange(data[0]) }, y: range ? { range: () => range } : {} },
      axes: [
        {
          ...axis,
          size: 26,
          space: 60,
          values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? tick : "")),
        },
        { ...axis, size: 58, values: (_, ticks) => ticks.map(number) },
      ],
      hooks: { setCursor: [(plot) => report(plot, readout, series)] },
    };
    new uPlot(options, data, place);
  };
  return { node, draw };
}

function xRange(steps) {
  const [low, high] = [steps[0] ?? 0, steps.at(-1) ?? 1];
  return () => (low === high ? [low - 0.5, high + 0.5] : [low, high]);
}

function report(plot, readout, series) {
  const at = plot.cursor.idx;
  if (at == null) {
    fill(readout, "\u00a0");
    return;
  }
  const values = series
    .map((one, i) => [one.label, plot.data[i + 1][at]])
    .filter(([, value]) => value != null)
    .map(([label, value]) => `${label} ${number(value)}`);
  fill(readout, `step ${plot.data[0][at]}: ${values.join(", ")}`);
}
