// Training against inference: how good the model is in both modes, with the mismatch under it.

import { commonRange, lineChart } from "../charts.js";
import { columns, columnWidth } from "../columns.js";
import { ask } from "../data.js";
import { cssVariable, el } from "../dom.js";
import { number, words } from "../format.js";

export const title = "Training against inference";

// Told apart by dashes as well as by colour.
const LINES = {
  training: { color: "--orange", dash: [7, 4], width: 2.2 },
  inference: { color: "--blue", dash: undefined, width: 2.2 },
  fit: { color: "--orange", dash: [2, 4], width: 1.4 },
  validation: { color: "--blue", dash: [2, 4], width: 1.4 },
};

/** Asks for the measures of all runs and draws them. */
export async function make({ runs, dark }) {
  const answers = await Promise.all(runs.map((run) => ask("performance", { run: run.name })));
  const measures = [...new Set(answers.flatMap((answer) => Object.keys(answer.measures)))];
  const sources = Object.keys(LINES).filter((source) => answers.some((answer) => used(answer, source)));
  const width = columnWidth(answers.length);
  const ranges = Object.fromEntries(measures.map((measure) => [measure, measureRange(answers, measure)]));
  const mismatch = commonRange(
    answers.map((answer) => answer.mismatch.largest),
    true,
  );
  const charts = [];
  const list = answers.map((answer, i) => {
    const own = measures.map((measure) => measureChart(answer, measure, ranges[measure], width));
    if (answer.mismatch.steps.length) own.push(mismatchChart(answer, mismatch, width));
    charts.push(...own);
    return {
      run: runs[i],
      note: gap(answer),
      nodes: own.length ? own.map((chart) => chart.node) : nothing(),
    };
  });
  return {
    nodes: [el("h1", {}, title), key(sources, answers[0].sources), columns(list, width, dark)],
    attached: () => charts.forEach((chart) => chart.draw()),
    table: () => table(answers),
  };
}

function used(answer, source) {
  return Object.values(answer.measures).some((bySource) => source in bySource);
}

function measureRange(answers, measure) {
  const values = answers.flatMap((answer) =>
    Object.values(answer.measures[measure] ?? {}).map((line) => line.values),
  );
  const [low, high] = commonRange(values);
  return low >= 0 && high <= 1.1 && measure !== "loss" ? [0, 1.02] : [Math.min(low, 0), high];
}

function measureChart(answer, measure, range, width) {
  const lines = Object.entries(LINES)
    .filter(([source]) => answer.measures[measure]?.[source])
    .map(([source, { color, dash, width: thick }]) => ({
      ...answer.measures[measure][source],
      label: answer.sources[source],
      color: cssVariable(color),
      dash,
      width: thick,
    }));
  return lineChart({ title: words(measure), unit: "", width, lines, range, sync: "performance" });
}

function mismatchChart(answer, range, width) {
  const { steps, largest, median, unit } = answer.mismatch;
  const lines = [
    { label: "largest layer", steps, values: largest, color: cssVariable("--ink") },
    { label: "median layer", steps, values: median, color: cssVariable("--soft"), dash: [7, 4] },
  ];
  return lineChart({ title: "Mismatch", unit, width, lines, range, sync: "performance" });
}

/** The last accuracy (or whatever comes first) in both modes, in words. */
function gap(answer) {
  for (const [measure, bySource] of Object.entries(answer.measures)) {
    for (const [one, other] of [
      ["training", "inference"],
      ["fit", "validation"],
    ]) {
      if (!bySource[one] || !bySource[other]) continue;
      const [a, b] = [bySource[one].values.at(-1), bySource[other].values.at(-1)];
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

function key(sources, names) {
  return el(
    "ul",
    { class: "key" },
    sources.map((source) => el("li", {}, el("span", { class: `stroke ${source}` }), names[source])),
    el(
      "li",
      {},
      el("span", { class: "stroke mismatch" }),
      "mismatch: distance between what fit normalises by and what predict will",
    ),
  );
}

function table(answers) {
  const rows = [["run", "measure", "source", "step", "value"]];
  for (const answer of answers) {
    for (const [measure, bySource] of Object.entries(answer.measures)) {
      for (const [source, { steps, values }] of Object.entries(bySource)) {
        steps.forEach((step, at) => rows.push([answer.run, measure, source, step, values[at]]));
      }
    }
    for (const over of ["largest", "median"]) {
      answer.mismatch.steps.forEach((step, at) =>
        rows.push([answer.run, "mismatch", over, step, answer.mismatch[over][at]]),
      );
    }
  }
  return rows;
}
