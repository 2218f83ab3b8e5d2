// Heat maps side by side: the same rows and one cursor for all of them.

import { behind, some } from "./behind.js";
import { roomOfView } from "./columns.js";
import { breakable, el, fill } from "./dom.js";
import { modesText, modeText, number } from "./format.js";
import { HeatCanvas } from "./heat_canvas.js";
import { gathered, rowsOf } from "./stages.js";
import { change, state } from "./state.js";
import { pageFont, textWidth } from "./text_width.js";
import { hideTooltip, showTooltip } from "./tooltip.js";

const NARROWEST = 230;
const GAP = 14;
const LINE = 15; // pixels of a line of a label

/**
 * Draws maps.
 *
 * @param maps `{name, caption, layers, steps, matrix, look, unit, low, high, recorded, plain, marks, sign}` of each:
 *   `caption` are nodes, `look` is what `HeatCanvas` takes, `low` and `high` are matrices or missing, of a `plain` one
 *   modes say nothing, `marks(rows, size, heat)` gives nodes to lay over it, `sign()` one to stand before a value.
 * @param what The metric in words.
 * @returns Nodes.
 */
export function heatMaps(maps, what) {
  const shown = maps.map((map) => prepared(map));
  const same = shown.every((map) => labelsOf(map) === labelsOf(shown[0]));
  const layout = layoutOf(shown, same);
  const readout = el("div", { class: "readout", id: "readout", "aria-live": "polite" }, hint());
  const canvases = [];
  const panels = shown.map((map, i) => {
    const size = { width: layout.width, height: layout.rowHeight * map.rows.length };
    const label = `${map.name}: ${what} of ${map.layers.length} layers at ${map.steps.length} steps`;
    const heat = new HeatCanvas({ steps: map.steps, matrix: map.shown, label }, size, map.look, {
      moved: (cursor, pointer) => moved(canvases, shown, map, cursor, pointer, readout),
      left: hideTooltip,
      opened: (row) => opened(map.rows[row]),
    });
    canvases.push(heat);
    return panel(map, heat, size, layout, i % layout.inRow === 0 || !same, what);
  });
  const lines = Array.from({ length: Math.ceil(panels.length / layout.inRow) }, (_, line) =>
    el("div", { class: "maps" }, panels.slice(line * layout.inRow, (line + 1) * layout.inRow)),
  );
  return [unfoldAll(shown), lines, readout];
}

function prepared(map) {
  const rows = rowsOf(map.layers.map((layer) => layer.path), state.open);
  const of = (matrix) => (matrix ? gathered(matrix, rows) : null);
  return { ...map, rows, shown: of(map.matrix), low: of(map.low), high: of(map.high) };
}

function labelsOf(map) {
  return map.rows.map((row) => row.name).join("\n");
}

/** The widths and heights that the page has room for, with every label whole. */
function layoutOf(maps, same) {
  const widths = maps.flatMap((map) => map.rows.map((row) => labelWidth(row)));
  const longest = Math.max(...widths) + 18;
  const room = roomOfView();
  const labels = Math.round(Math.min(longest, Math.max(110, 0.38 * Math.min(room, 900))));
  const fitting = Math.floor(same ? (room - labels) / (NARROWEST + GAP) : room / (NARROWEST + labels + GAP));
  const inRow = Math.max(1, Math.min(maps.length, fitting));
  const width = Math.floor((room - labels * (same ? 1 : inRow)) / inRow) - GAP;
  const lines = Math.ceil(longest / labels - 0.05); // what one line holds may be rounded
  const rows = Math.max(...maps.map((map) => map.rows.length));
  const fair = Math.floor((window.innerHeight - 340) / rows);
  return { labels, inRow, width, rowHeight: Math.max(LINE * lines + 1, Math.min(40, fair)) };
}

/** How wide the name of a row is in one line; that of a stage is bold. */
function labelWidth(row) {
  return textWidth(row.label, pageFont(12, row.layer ? "" : "600"));
}

function hint() {
  return "Point at a cell, or focus a map and use the arrow keys; a click or Enter opens the layer or unfolds the stage.";
}

function opened(row) {
  hideTooltip();
  if (row.layer) change({ view: "layer", layer: row.layer }, true);
  else toggle(row);
}

function toggle(row) {
  change({ open: row.open ? state.open.filter((name) => name !== row.name) : [...state.open, row.name] });
}

function unfoldAll(maps) {
  const stages = [...new Set(maps.flatMap((map) => map.rows.filter((row) => !row.layer).map((row) => row.name)))];
  if (!stages.length) return null;
  const all = stages.every((name) => state.open.includes(name));
  return el(
    "p",
    { class: "note" },
    "A stage shows the largest of its layers. ",
    el(
      "button",
      { id: "unfold_all", class: "link", onclick: () => change({ open: all ? [] : stages }) },
      all ? "Fold all stages" : "Unfold all stages",
    ),
  );
}

function panel(map, heat, size, layout, labeled, what) {
  const width = { style: { width: `${size.width}px` } };
  const note = map.steps.length
    ? `${map.steps.length} of ${map.recorded} steps kept for this tab`
    : "nothing in this range";
  return el(
    "figure",
    {
      class: labeled ? "map labeled" : "map",
      "data-group": map.name,
      style: labeled ? { gridTemplateColumns: `${layout.labels}px auto` } : {},
    },
    el("figcaption", width, map.caption),
    el("p", { class: "mode", ...width }, map.plain ? "\u00a0" : modesText(map.layers)),
    labeled && el("ol", { class: "names" }, map.rows.map((row) => name(row, map, layout.rowHeight))),
    el("div", { class: "picture" }, heat.canvas, map.marks?.(map.rows, size, heat)),
    el(
      "div",
      { class: "axis", ...width },
      el("span", {}, map.steps[0]),
      el("span", { title: note }, "train step"),
      el("span", {}, map.steps.at(-1)),
    ),
    el("div", width, behind(`${what}, ${map.name}`, () => rows(map))),
  );
}

function name(row, map, height) {
  const layer = row.layer && map.layers[row.members[0]];
  const attributes = row.layer
    ? { title: `${row.layer}: ${modeText(layer)}` }
    : { "aria-expanded": String(row.open), title: `${row.members.length} layers` };
  return el(
    "li",
    { class: row.layer ? "" : "stage", style: { height: `${height}px` } },
    el("button", { ...attributes, onclick: () => opened(row) }, breakable(row.label)),
  );
}

function moved(canvases, maps, map, cursor, pointer, readout) {
  const row = map.rows[cursor.row];
  const step = map.steps[cursor.column];
  const found = maps.map((other, i) => cellOf(other, canvases[i], row.name, step));
  canvases.forEach((heat, i) => {
    heat.cursor = found[i];
    heat.draw();
  });
  fill(
    readout,
    el("p", {}, el("strong", {}, row.layer ?? `${row.name}, the largest of ${row.members.length} layers`)),
    found.map((cell, i) => cell && reading(maps[i], cell)),
  );
  if (!pointer) hideTooltip();
  else
    showTooltip(pointer.clientX, pointer.clientY, [
      row.layer ?? row.name,
      `${number(map.shown.at(cursor.row, cursor.column))} ${map.unit}`,
      `step ${step}`,
      row.layer ? modeText(map.layers[row.members[0]]) : `the largest of ${row.members.length} layers`,
      map.name,
    ]);
}

/** The same row at the nearest step in another map. */
function cellOf(map, heat, rowName, step) {
  const row = map.rows.findIndex((one) => one.name === rowName);
  if (row < 0 || !map.steps.length) return null;
  return { row, column: heat.columnAt(heat.placeOf(step)) };
}

function reading(map, { row, column }) {
  const value = map.shown.at(row, column);
  const { layer, members } = map.rows[row];
  const range = map.low
    ? ` (${number(map.low.at(row, column))} to ${number(map.high.at(row, column))} over the runs)`
    : "";
  return el(
    "p",
    {
      class: "reading",
      "data-group": map.name,
      "data-layer": layer ?? map.rows[row].name,
      "data-step": map.steps[column],
      "data-value": value,
    },
    map.sign?.(value),
    el("b", {}, number(value)),
    ` ${map.unit}${range}, step ${map.steps[column]}${layer && !map.plain ? `, ${modeText(map.layers[members[0]])}` : ""} · ${map.name}`,
  );
}

function rows(map) {
  const columns = some(map.steps.length);
  const heads = ["layer", ...columns.map((column) => `step ${map.steps[column]}`)];
  const line = (layer, row) => [layer.path, ...columns.map((column) => map.matrix.at(row, column))];
  return [heads, ...map.layers.map(line)];
}

/** Rows for CSV of maps of one metric. */
export function csvOf(maps, metric) {
  const heads = ["group", "runs", "layer", "normalizes_by", "updates", "trains", "step", metric];
  const varies = maps.some((map) => map.low);
  const rows = [varies ? [...heads, "lowest", "highest"] : heads];
  for (const map of maps) {
    map.layers.forEach((layer, row) =>
      map.steps.forEach((step, column) => {
        const { path, normalizes_by, updates, trains } = layer;
        const at = (matrix) => matrix?.at(row, column) ?? null;
        const cells = [map.name, map.runs.length, path, normalizes_by, updates, trains, step, at(map.matrix)];
        rows.push(varies ? [...cells, at(map.low), at(map.high)] : cells);
      }),
    );
  }
  return rows;
}
