// All layers over all steps, arms side by side on one scale.

import { ask, matrix } from "../data.js";
import { cssVariable, el, fill } from "../dom.js";
import { modesText, modeText, number, words } from "../format.js";
import { HeatCanvas } from "../heat_canvas.js";
import { legend } from "../legend.js";
import { palette } from "../palettes.js";
import { swatch } from "../run_list.js";
import { scaleOf } from "../scale.js";
import { change, state } from "../state.js";
import { hideTooltip, showTooltip } from "../tooltip.js";
import { metricTool, rangeTool, scaleTools } from "../tools.js";

export const title = "Heat map";

const NARROWEST = 240;
const GAP = 14;
const LONGEST_LABEL = 26;

/** Asks for the maps of all runs and draws them. */
export async function make({ runs, metrics, dark }) {
  const metric = metrics.find((known) => known.name === state.metric) ?? metrics[0];
  const range = { first: state.first, last: state.last };
  const answers = await Promise.all(
    runs.map((run) => ask("heat_map", { run: run.name, metric: metric.name, columns: 400, ...range })),
  );
  const maps = answers.map((answer, i) => ({ ...answer, of: runs[i], matrix: matrix(answer.values) }));
  const scale = scaleOf(
    maps.map((map) => map.matrix),
    state.scale,
  );
  const look = { scale, color: palette(state.palette), empty: rgb(cssVariable("--nothing")) };
  const readout = el("div", { class: "readout", id: "readout", "aria-live": "polite" }, hint());
  const panels = panelsOf(maps, metric, look, readout, dark);
  return {
    tools: [metricTool(metrics, metric), rangeTool(), scaleTools()],
    nodes: [
      el("h1", {}, words(metric.name), el("small", {}, ` in ${metric.unit}, by layer and step`)),
      legend(scale, look, metric),
      panels.map((row) => el("div", { class: "maps" }, row)),
      readout,
    ],
    table: () => table(maps, metric),
  };
}

function hint() {
  return "Point at a cell, or focus a map and use the arrow keys; a click or Enter opens the layer.";
}

function panelsOf(maps, metric, look, readout, dark) {
  const same = maps.every((map) => map.layers.map(path).join("\n") === maps[0].layers.map(path).join("\n"));
  const labels =
    7 * Math.max(...maps.flatMap((map) => map.layers.map((layer) => shortened(layer.path).length))) + 16;
  const room = document.getElementById("view").clientWidth - 46;
  const fitting = Math.floor(same ? (room - labels) / (NARROWEST + GAP) : room / (NARROWEST + labels + GAP));
  const inRow = Math.max(1, Math.min(maps.length, fitting));
  const width = Math.floor((room - labels * (same ? 1 : inRow)) / inRow) - GAP;
  const rows = Math.max(...maps.map((map) => map.layers.length));
  const rowHeight = Math.max(3, Math.min(44, (window.innerHeight - 330) / rows));
  const canvases = [];
  const events = (map) => ({
    moved: (cursor, pointer) => moved(canvases, maps, map, cursor, pointer, metric, readout, dark),
    left: hideTooltip,
    opened: (row) => (hideTooltip(), change({ view: "layer", layer: map.layers[row].path }, true)),
  });
  const panels = maps.map((map, i) => {
    const size = { width, height: Math.round(rowHeight * map.layers.length) };
    const label = `${map.run}: ${words(metric.name)} of ${map.layers.length} layers at ${map.steps.length} steps`;
    const heat = new HeatCanvas({ steps: map.steps, matrix: map.matrix, label }, size, look, events(map));
    canvases.push(heat);
    return panel(map, heat, size, rowHeight, i % inRow === 0 || !same ? labels : 0, dark);
  });
  return Array.from({ length: Math.ceil(panels.length / inRow) }, (_, row) =>
    panels.slice(row * inRow, (row + 1) * inRow),
  );
}

/** A path of which only the end is shown if it is long: there layers differ. */
function shortened(path) {
  return path.length > LONGEST_LABEL ? `…${path.slice(1 - LONGEST_LABEL)}` : path;
}

function path(layer) {
  return layer.path;
}

function panel(map, heat, size, rowHeight, labels, dark) {
  const [first, last] = [map.steps[0], map.steps.at(-1)];
  const note = map.steps.length
    ? `${map.steps.length} of ${map.recorded} steps kept for this tab`
    : "nothing in this range";
  return el(
    "figure",
    {
      class: labels ? "map labelled" : "map",
      "data-run": map.run,
      style: labels ? { gridTemplateColumns: `${labels}px auto` } : {},
    },
    el("figcaption", { title: map.run, style: { width: `${size.width}px` } }, swatch(map.of, dark), map.run),
    el("p", { class: "mode", style: { width: `${size.width}px` } }, modesText(map.layers)),
    labels > 0 && el("ol", { class: "names" }, names(map.layers, rowHeight)),
    heat.canvas,
    el(
      "div",
      { class: "axis", style: { width: `${size.width}px` } },
      el("span", {}, first),
      el("span", { title: note }, "train step"),
      el("span", {}, last),
    ),
  );
}

function names(layers, rowHeight) {
  const every = Math.max(1, Math.ceil(11 / rowHeight));
  return layers
    .filter((_, i) => i % every === 0)
    .map((layer) =>
      el(
        "li",
        { style: { height: `${rowHeight * every}px`, lineHeight: `${Math.min(rowHeight * every, 44)}px` } },
        el(
          "button",
          {
            title: `${layer.path}: ${modeText(layer)}`,
            onclick: () => change({ view: "layer", layer: layer.path }, true),
          },
          shortened(layer.path),
        ),
      ),
    );
}

function moved(canvases, maps, map, cursor, pointer, metric, readout, dark) {
  const layer = map.layers[cursor.row];
  const step = map.steps[cursor.column];
  const found = maps.map((other, i) => cellOf(other, canvases[i], layer.path, step));
  canvases.forEach((heat, i) => {
    heat.cursor = found[i];
    heat.draw();
  });
  fill(
    readout,
    heading(layer, step),
    found.map((cell, i) => cell && reading(maps[i], cell, metric, dark)),
  );
  const value = map.matrix.at(cursor.row, cursor.column);
  if (pointer) {
    showTooltip(pointer.clientX, pointer.clientY, [
      layer.path,
      `${number(value)} ${metric.unit}`,
      `step ${step}`,
      modeText(layer),
      map.run,
    ]);
  } else hideTooltip();
}

/** The same layer at the nearest step in another map. */
function cellOf(map, heat, layerPath, step) {
  const row = map.layers.findIndex((layer) => layer.path === layerPath);
  if (row < 0 || !map.steps.length) return null;
  const share = (step - heat.edges[0]) / (heat.edges.at(-1) - heat.edges[0]);
  return { row, column: heat.columnAt(share) };
}

function heading(layer, step) {
  return el("p", {}, el("strong", {}, layer.path), ` at step ${step}`);
}

function reading(map, { row, column }, metric, dark) {
  const value = map.matrix.at(row, column);
  return el(
    "p",
    {
      class: "reading",
      "data-run": map.run,
      "data-layer": map.layers[row].path,
      "data-step": map.steps[column],
      "data-value": value,
    },
    swatch(map.of, dark),
    el("b", {}, number(value)),
    ` ${metric.unit}, step ${map.steps[column]}, ${modeText(map.layers[row])} · ${map.run}`,
  );
}

function table(maps, metric) {
  const rows = [["run", "layer", "normalizes_by", "updates", "trains", "step", metric.name]];
  for (const map of maps) {
    map.layers.forEach((layer, row) =>
      map.steps.forEach((step, column) =>
        rows.push([
          map.run,
          layer.path,
          layer.normalizes_by,
          layer.updates,
          layer.trains,
          step,
          map.matrix.at(row, column),
        ]),
      ),
    );
  }
  return rows;
}

function rgb(color) {
  return [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
}
