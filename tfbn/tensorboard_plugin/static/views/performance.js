// Training against inference: how good the model is in both modes, with the mismatch under it.

import { commonRange, lineChart } from "../charts.js";
import { columns, columnWidth } from "../columns.js";
import { askEach } from "../data.js";
import { cssVariable, el } from "../dom.js";
import { number, words } from "../format.js";
import { state } from "../state.js";
import { seedsTool } from "../tools.js";

export const title = "Training against inference";

// Distinguished by dashes as well as by color.
const LINES = {
  training: { color: "--orange", dash: [7, 4], width: 2.2 },
  inference: { color: "--blue", dash: undefined, width: 2.2 },
  fit: { color: "--orange", dash: [2, 4], width: 1.4 },
  validation: { color: "--blue", dash: [2, 4], width: 1.4 },
};

/** Asks for the measures of all groups and draws them. */
export async function make({ arms }) {
  const found = await askEach(arms, "performance", {});
  const { answers } = found;
  const measures = [...new Set(answers.flatMap((answer) => Object.keys(answer.measures)))];
  const sources = Object.keys(LINES).filter((source) => answers.some((answer) => used(answer, source)));
  const width = columnWidth(answers.length);
  const ranges = Object.fromEntries(measures.map((measure) => [measure, measureRange(answers, measure)]));
  const mismatch = commonRange(answers.map((answer) => answer.mismatch.largest.high), true);
  const charts = [];
  const list = answers.map((answer, i) => {
    const own = measures.map((measure) => measureChart(answer, measure, ranges[measure], width));
    if (answer.mismatch.largest.steps.length) own.push(mismatchChart(answer.mismatch, mismatch, width));
    charts.push(...own);
    const nodes = own.length ? own.map((chart) => chart.node) : nothing();
    return { arm: found.arms[i], note: gap(answer), nodes };
  });
  return {
    skipped: found.skipped,
    tools: [seedsTool(arms, "Single runs")],
    nodes: [el("h1", {}, title), key(sources, answers[0].sources), columns(list, width)],
    attached: () => charts.forEach((chart) => chart.draw()),
    table: () => table(found),
  };
}

function used(answer, source) {
  return Object.values(answer.measures).some((bySource) => source in bySource);
}

function measureRange(answers, measure) {
  const values = answers.flatMap((answer) =>
    Object.values(answer.measures[measure] ?? {}).flatMap((line) => [line.low, line.high]),
  );
  const [low, high] = commonRange(values);
  return low >= 0 && high <= 1.1 && measure !== "loss" ? [0, 1.02] : [Math.min(low, 0), high];
}

function lineOf(curve, look) {
  const each = state.seeds && curve.each.length > 1 ? curve.each : [];
  return { ...curve, each, ...look, color: cssVariable(look.color) };
}

function measureChart(answer, measure, range, width) {
  const lines = Object.entries(LINES)
    .filter(([source]) => answer.measures[measure]?.[source])
    .map(([source, look]) => ({
      ...lineOf(answer.measures[measure][source], look),
      label: answer.sources[source],
    }));
  const title = words(measure);
  return lineChart({ title, unit: "", width, lines, range, sync: "performance", labeled: false });
}

function mismatchChart({ largest, median, unit }, range, width) {
  const lines = [
    { ...lineOf(largest, { color: "--ink" }), label: "largest layer" },
    { ...lineOf(median, { color: "--soft", dash: [7, 4] }), label: "median layer" },
  ];
  return lineChart({ title: "Mismatch", unit, width, lines, range, sync: "performance", labeled: false });
}

/** The last accuracy (or whatever comes first) in both modes, in words. */
function gap(answer) {
  for (const [measure, bySource] of Object.entries(answer.measures)) {
    for (const [one, other] of [
      ["training", "inference"],
      ["fit", "validation"],
    ]) {
      if (!bySource[one] || !bySource[other]) continue;
      const [a, b] = [bySource[one].mean.at(-1), bySource[other].mean.at(-1)];
      return `At the end: ${words(measure)} ${number(a)} in training mode, ${number(b)} in inference mode.`;
    }
  }
  return "\u00a0";
}

function nothing() {
  return el(
    "p",
    { class: "note" },
    "Nothing recorded. Give DriftRecorder a probe and probe_labels, or fit validation_data.",
  );
}

/** What every line is. */
function key(sources, names) {
  const sample = (kind, text) => el("li", {}, el("span", { class: `stroke ${kind}` }), text);
  return [
    el(
      "ul",
      { class: "key" },
      sources.map((source) => sample(source, names[source])),
      sample("largest", "mismatch of the largest layer"),
      sample("median_layer", "mismatch of the median layer"),
    ),
    el(
      "p",
      { class: "note" },
      "Of several runs: the line is their mean, the band from the lowest to the highest. Mismatch is the distance between what fit normalizes by and what predict will.",
    ),
  ];
}

function table({ arms, answers }) {
  const rows = [["group", "measure", "source", "step", "mean", "lowest", "highest"]];
  answers.forEach((answer, i) => {
    const push = (measure, source, { steps, mean, low, high }) =>
      steps.forEach((step, at) => rows.push([arms[i].name, measure, source, step, mean[at], low[at], high[at]]));
    for (const [measure, bySource] of Object.entries(answer.measures))
      for (const [source, curve] of Object.entries(bySource)) push(measure, source, curve);
    for (const over of ["largest", "median"]) push("mismatch", over, answer.mismatch[over]);
  });
  return rows;
}
