// What each layer was set to do, beside what it did.

import { ask } from "../data.js";
import { el } from "../dom.js";
import { modeParts, number, words } from "../format.js";
import { swatch } from "../run_list.js";
import { change, state } from "../state.js";
import { metricTool } from "../tools.js";

export const title = "Model";

const LISTED = 12;

/** Asks for the layers of all runs and draws the table. */
export async function make({ runs, metrics, dark }) {
  const models = await Promise.all(runs.map((run) => ask("model", { run: run.name })));
  const metric = metrics.find((known) => known.name === state.metric) ?? metrics[0];
  const rows = models.map((model) => new Map(model.rows.map((row) => [row.path, row])));
  const paths = [...new Set(models.flatMap((model) => model.rows.map((row) => row.path)))];
  const highest = Math.max(
    0,
    ...models.flatMap((model) => model.rows.map((row) => row.last[metric.name] ?? 0)),
  );
  return {
    tools: [metricTool(metrics, metric)],
    nodes: [
      el("h1", {}, "What each layer does in fit, and what became of it"),
      flagged(models, runs, dark),
      el(
        "div",
        { class: "scroll" },
        el(
          "table",
          { class: "model" },
          head(models, runs, metric, dark),
          el(
            "tbody",
            {},
            paths.map((path) => line(path, rows, metric, highest)),
          ),
        ),
      ),
    ],
    table: () => table(models, metrics),
  };
}

/** The layers that did what they should not, in words. */
function flagged(models, runs, dark) {
  const found = models.flatMap((model, i) =>
    model.rows.filter((row) => row.says).map((row) => [runs[i], row]),
  );
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
      .map(([run, row]) =>
        el("li", {}, swatch(run, dark), el("b", {}, `⚠ ${row.path}`), ` ${row.says} · ${run.name}`),
      ),
    found.length > LISTED && el("li", {}, `and ${found.length - LISTED} more, marked in the table`),
  );
}

function head(models, runs, metric, dark) {
  const heading = (model, run) =>
    el(
      "th",
      {
        scope: "colgroup",
        colspan: 4,
        title: `${run.name}, ${model.step == null ? "nothing recorded" : `step ${model.step}`}`,
        class: "run",
      },
      swatch(run, dark),
      run.name,
    );
  const parts = ["normalises by", "statistics", "gamma and beta", words(metric.name)];
  return el(
    "thead",
    {},
    el(
      "tr",
      {},
      el("th", { scope: "col", rowspan: 2 }, "layer"),
      models.map((model, i) => heading(model, runs[i])),
    ),
    el(
      "tr",
      {},
      models.flatMap(() => parts.map((part, i) => el("th", { scope: "col", class: i ? "" : "run" }, part))),
    ),
  );
}

function line(path, rows, metric, highest) {
  const channels = rows.find((byPath) => byPath.has(path)).get(path).channels;
  return el(
    "tr",
    { "data-layer": path },
    el(
      "th",
      { scope: "row" },
      el(
        "button",
        {
          title: `${channels} channels; opens the layer`,
          onclick: () => change({ view: "layer", layer: path }, true),
        },
        path,
      ),
    ),
    rows.flatMap((byPath) => cells(byPath.get(path), metric, highest)),
  );
}

function cells(row, metric, highest) {
  if (!row) return [el("td", { class: "run", colspan: 4 }, "–")];
  const { normalizesBy, statistics, affine } = modeParts(row);
  const value = row.last[metric.name];
  const bar = el("span", {
    class: "amount",
    style: { width: `${highest ? Math.round((28 * (value ?? 0)) / highest) : 0}px` },
  });
  const wrong = row.says ? " wrong" : "";
  return [
    el("td", { class: "run" }, normalizesBy),
    el("td", { class: `${statistics}${wrong}` }, row.says ? `⚠ ${statistics}` : statistics),
    el("td", { class: affine }, affine),
    el(
      "td",
      { class: `number drift${wrong}`, title: row.says ?? "", "data-moved": String(row.moved) },
      bar,
      number(value),
      row.says && el("em", {}, ` ${row.says.split(",")[0]}`),
    ),
  ];
}

function table(models, metrics) {
  const names = metrics.map((metric) => metric.name);
  const rows = [
    ["run", "layer", "channels", "normalizes_by", "updates", "trains", "step", "moved", "says", ...names],
  ];
  for (const model of models) {
    for (const row of model.rows) {
      rows.push([
        model.run,
        row.path,
        row.channels,
        row.normalizes_by,
        row.updates,
        row.trains,
        model.step,
        row.moved,
        row.says,
        ...names.map((name) => row.last[name]),
      ]);
    }
  }
  return rows;
}
