// What each layer was set to do, next to what it did.

import { counted, single, swatch } from "../arms.js";
import { askEach } from "../data.js";
import { breakable, el } from "../dom.js";
import { modeParts, number, words } from "../format.js";
import { inOrder } from "../groups.js";
import { change, state } from "../state.js";
import { chosenMetric, metricTool, seedsTool } from "../tools.js";

export const title = "Model";

const LISTED = 12;
const PARTS = ["normalizes by", "statistics", "gamma and beta"];

let sorting = { key: "order", descending: false }; // `order`, `layer`, or `<group>/<column>`

/** Asks for the layers of all groups and draws the table. */
export async function make({ arms, metrics }) {
  const found = await askEach(state.seeds ? single(arms) : arms, "model", {});
  const metric = chosenMetric(metrics);
  const rows = found.answers.map((model) => new Map(model.rows.map((row) => [row.path, row])));
  const paths = [...new Set(found.answers.flatMap((model) => model.rows.map((row) => row.path)))];
  const values = found.answers.flatMap((model) => model.rows.map((row) => row.last[metric.name] ?? 0));
  const highest = Math.max(0, ...values);
  const ordered = sorted(paths, rows, found.arms, metric);
  return {
    skipped: found.skipped,
    tools: [metricTool(metrics, metric), seedsTool(arms, "Single runs")],
    nodes: [
      el("h1", {}, "What each layer was set to do in fit, and what it did"),
      flagged(found),
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "Layers by group" },
        el(
          "table",
          { class: "model" },
          el("caption", {}, `${paths.length} layers; a click on a heading sorts by it`),
          head(found, metric),
          el("tbody", {}, ordered.map((path) => line(path, rows, metric, highest))),
        ),
      ),
    ],
    table: () => table(found, metrics),
  };
}

/** The layers that did what they should not, in words. */
function flagged({ arms, answers }) {
  const found = answers.flatMap((model, i) => model.rows.filter((row) => row.says).map((row) => [arms[i], row]));
  if (!found.length) {
    return el(
      "p",
      { class: "fine", id: "flags" },
      "✓ Every layer did what it was set to do: statistics that are held did not move, those that update did.",
    );
  }
  return el(
    "ul",
    { class: "flags", id: "flags" },
    found
      .slice(0, LISTED)
      .map(([arm, row]) => el("li", {}, swatch(arm), el("b", {}, `⚠ ${row.path}`), ` ${row.says} · ${arm.name}`)),
    found.length > LISTED && el("li", {}, `and ${found.length - LISTED} more, marked in the table`),
  );
}

function sorted(paths, rows, arms, metric) {
  if (sorting.key === "order") return sorting.descending ? [...paths].reverse() : paths;
  const at = arms.findIndex((arm) => sorting.key.startsWith(`${arm.name}\n`));
  const column = sorting.key.split("\n")[1];
  if (sorting.key !== "layer" && at < 0) return paths; // of a group that is not shown any more
  const keyed = paths.map((path) => [path, sorting.key === "layer" ? path : cellOf(rows[at].get(path), column, metric)]);
  const sign = sorting.descending ? -1 : 1;
  keyed.sort(([, a], [, b]) => {
    if (a == null || b == null) return (a == null) - (b == null); // what is missing comes last
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : inOrder(String(a), String(b)));
  });
  return keyed.map(([path]) => path);
}

function cellOf(row, column, metric) {
  if (!row) return null;
  if (column === "value") return row.last[metric.name];
  return Object.values(modeParts(row))[Number(column)];
}

/** A heading that sorts: first ascending (numbers descending), then the other way, then the model's order. */
function sortable(key, text, attributes = {}) {
  const active = sorting.key === key;
  const first = key.endsWith("\nvalue");
  const next = () => {
    if (!active) sorting = { key, descending: first };
    else if (sorting.descending === first) sorting = { key, descending: !first };
    else sorting = { key: "order", descending: false };
    change({});
  };
  const arrow = active ? (sorting.descending ? " ▼" : " ▲") : "";
  const order = active ? (sorting.descending ? "descending" : "ascending") : "none";
  const id = `sort_${key.replace(/[^\w]/g, "_")}`;
  return el(
    "th",
    { scope: "col", "aria-sort": order, ...attributes },
    el("button", { id, "data-sort": key.replace("\n", "/"), onclick: next }, `${text}${arrow}`),
  );
}

function head({ arms, answers }, metric) {
  const heading = (arm, i) =>
    el(
      "th",
      { scope: "colgroup", colspan: 4, class: "group" },
      swatch(arm),
      breakable(arm.label),
      el("small", {}, ` ${counted(arm)}, ${answers[i].step == null ? "nothing recorded" : `step ${answers[i].step}`}`),
    );
  const columns = (arm) => [
    ...PARTS.map((part, i) => sortable(`${arm.name}\n${i}`, part, { class: i ? "" : "group" })),
    sortable(`${arm.name}\nvalue`, words(metric.name), { class: "number" }),
  ];
  return el(
    "thead",
    {},
    el("tr", {}, sortable("layer", "layer", { rowspan: 2 }), arms.map(heading)),
    el("tr", {}, arms.flatMap(columns)),
  );
}

function line(path, rows, metric, highest) {
  const channels = rows.find((byPath) => byPath.has(path)).get(path).channels;
  const open = () => change({ view: "layer", layer: path }, true);
  const title = `${channels} channels; opens the layer`;
  return el(
    "tr",
    { "data-layer": path },
    el("th", { scope: "row" }, el("button", { title, onclick: open }, breakable(path))),
    rows.flatMap((byPath) => cells(byPath.get(path), metric, highest)),
  );
}

function cells(row, metric, highest) {
  if (!row) return [el("td", { class: "group", colspan: 4 }, "–")];
  const { normalizesBy, statistics, affine } = modeParts(row);
  const value = row.last[metric.name];
  const width = highest ? Math.round((28 * (value ?? 0)) / highest) : 0;
  const wrong = row.says ? " wrong" : "";
  const range = row.of > 1 ? `${number(row.low[metric.name])} to ${number(row.high[metric.name])}` : "";
  return [
    el("td", { class: "group" }, normalizesBy),
    el("td", { class: `${statistics}${wrong}` }, row.says ? `⚠ ${statistics}` : statistics),
    el("td", { class: affine }, affine),
    el(
      "td",
      { class: `number drift${wrong}`, title: row.says ?? range, "data-moved": String(row.moved > 0) },
      el("span", { class: "amount", style: { width: `${width}px` } }),
      number(value),
      row.says && el("em", {}, ` ${row.says.split(",")[0]}`),
    ),
  ];
}

function table({ arms, answers }, metrics) {
  const names = metrics.map((metric) => metric.name);
  const heads = ["group", "runs", "layer", "channels", "normalizes_by", "updates", "trains", "step", "moved", "says"];
  const rows = [[...heads, ...names]];
  answers.forEach((model, i) => {
    for (const row of model.rows) {
      const { path, channels, normalizes_by, updates, trains, moved, says } = row;
      const cells = [arms[i].name, row.of, path, channels, normalizes_by, updates, trains, model.step, moved, says];
      rows.push([...cells, ...names.map((name) => row.last[name])]);
    }
  });
  return rows;
}
