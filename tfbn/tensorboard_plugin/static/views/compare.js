// Two groups side by side: their maps, the difference, and the layers that separate first.

import { counted, runsOf, swatch } from "../arms.js";
import { ask, matrix } from "../data.js";
import { breakable, el, select } from "../dom.js";
import { number, words } from "../format.js";
import { legend } from "../legend.js";
import { csvOf, heatMaps } from "../maps.js";
import { palette, zeroColors } from "../palettes.js";
import { differenceScale, scaleOf } from "../scale.js";
import { change, state } from "../state.js";
import { chosenMetric, metricTool, rangeTool, scaleTools } from "../tools.js";

export const title = "Compare two";

/** Asks for two of all groups and draws them. */
export async function make({ arms, every, metrics, dark }) {
  if (every.length < 2) return { nodes: [el("h1", {}, title), el("p", {}, "There is only one group of runs.")] };
  const [a, b] = chosen(arms, every);
  const metric = chosenMetric(metrics);
  const { unit } = metric;
  const range = { columns: 400, first: state.first, last: state.last };
  const answer = await ask("compare", { a: runsOf(a), b: runsOf(b), metric: metric.name, ...range });
  const sides = answer.values.map(matrix);
  const difference = matrix(answer.difference);
  const scale = scaleOf(sides, state.scale);
  const zero = zeroColors(dark);
  const look = { scale, color: palette(state.palette), zero };
  const signed = { scale: differenceScale(difference, state.scale), color: palette("difference"), zero };
  const map = (name, caption, values, own) => ({ ...answer, name, caption, matrix: values, look: own, unit });
  const titled = (arm, letter) => [el("b", {}, `${letter} `), swatch(arm), breakable(arm.name), el("small", {}, ` ${counted(arm)}`)];
  const maps = [
    { ...map(a.name, titled(a, "A"), sides[0], look), runs: answer.a, layers: answer.layers_of_a },
    { ...map(b.name, titled(b, "B"), sides[1], look), runs: answer.b, layers: answer.layers_of_b },
    { ...map("B − A", ["B − A, the difference of the means"], difference, signed), runs: [], plain: true },
  ];
  const what = words(metric.name);
  return {
    skipped: answer.skipped,
    groups: [a, b],
    tools: [tools(a, b, every), metricTool(metrics, metric), rangeTool(), scaleTools()],
    nodes: [
      el("h1", {}, `${what}, A and B`, el("small", {}, ` in ${metric.unit}`)),
      legend(scale, look, metric.unit, metric.series === "drift" ? "did not move" : "no difference"),
      legend(signed.scale, signed, `B − A, ${metric.unit}: dark blue, A is larger; light orange, B is larger`, "the same"),
      heatMaps(maps, what),
      partedFirst(answer.parted, answer.layers.length, metric),
    ],
    table: () => csvOf(maps, metric.name),
  };
}

/** A and B: what the user chose, else the first two of what is shown. */
function chosen(arms, every) {
  const named = (name) => every.find((arm) => arm.name === name);
  const a = named(state.a) ?? arms[0] ?? every[0];
  const others = [...arms, ...every].filter((arm) => arm.name !== a.name);
  return [a, named(state.b) ?? others[0]];
}

function tools(a, b, every) {
  const options = every.map((arm) => [arm.name, arm.name]);
  return [
    select("A", "compare_a", options, a.name, (name) => change({ a: name, b: b.name })),
    select("B", "compare_b", options, b.name, (name) => change({ a: a.name, b: name })),
    el("button", { id: "swap", onclick: () => change({ a: b.name, b: a.name }) }, "Swap"),
  ];
}

function partedFirst(parted, count, metric) {
  const heading = el("h2", {}, "Layers that separate first");
  if (!parted.length) return [heading, el("p", { id: "parted" }, "No layer separates: the ranges over the runs overlap at the end.")];
  const row = ({ layer, step, a, b }) =>
    el(
      "tr",
      { "data-layer": layer },
      el(
        "th",
        { scope: "row" },
        el("button", { onclick: () => change({ view: "layer", layer }, true) }, breakable(layer)),
      ),
      [String(step), number(a), number(b), number(b - a)].map((text) => el("td", { class: "number" }, text)),
    );
  return [
    heading,
    el(
      "p",
      { class: "note" },
      `${parted.length} of ${count} layers separate: from that step on, every run of A stays on one side of every run of B. In ${metric.unit}.`,
    ),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Layers that separate first" },
      el(
        "table",
        { id: "parted" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ["layer", "from step", "A at the end", "B at the end", "B − A"].map((head) =>
              el("th", { scope: "col" }, head),
            ),
          ),
        ),
        el("tbody", {}, parted.map(row)),
      ),
    ),
  ];
}
