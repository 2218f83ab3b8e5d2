// One layer: its channels over steps against the reference, in every arm.

import { bandChart, commonRange, lineChart } from "../charts.js";
import { columns, columnWidth } from "../columns.js";
import { ask } from "../data.js";
import { cssVariable, el, select } from "../dom.js";
import { modeText, number, words } from "../format.js";
import { runColor } from "../palettes.js";
import { change, state } from "../state.js";
import { metricTool, rangeTool } from "../tools.js";

export const title = "Layer";

const BANDS = {
  mean: ["Moving mean", "shift in reference SDs"],
  variance: ["Moving variance", "log ratio to the reference"],
  gamma: ["gamma", "over channels"],
  beta: ["beta", "over channels"],
};

/** Asks for the layer in all runs that have it and draws it. */
export async function make({ runs, metrics, dark }) {
  const models = await Promise.all(runs.map((run) => ask("model", { run: run.name })));
  const paths = [...new Set(models.flatMap((model) => model.rows.map((row) => row.path)))];
  const layer = paths.includes(state.layer) ? state.layer : paths[0];
  const having = runs.filter((_, i) => models[i].rows.some((row) => row.path === layer));
  const range = { first: state.first, last: state.last };
  const answers = await Promise.all(having.map((run) => ask("layer", { run: run.name, layer, ...range })));
  const metric = metrics.find((known) => known.name === state.metric) ?? metrics[0];
  const width = columnWidth(answers.length);
  const charts = [];
  const drift = driftChart(answers, having, metric, dark);
  charts.push(drift);
  const ranges = commonRanges(answers);
  const list = answers.map((answer, i) => {
    const bands = bandCharts(answer, ranges, width);
    charts.push(...bands);
    return {
      run: having[i],
      note: modeText(answer.layer),
      nodes: [bands.map((chart) => chart.node), movedMost(answer)],
    };
  });
  return {
    tools: [layerTool(paths, layer), metricTool(metrics, metric), rangeTool()],
    nodes: [
      el(
        "h1",
        { id: "layer_title", "data-layer": layer },
        layer,
        el("small", {}, ` ${answers[0].layer.channels} channels`),
      ),
      drift.node,
      el(
        "p",
        { class: "note" },
        "Below: the median over channels, and the ranges that hold 50 %, 90 % and all of them; 0 is the reference, SD its standard deviation.",
      ),
      columns(list, width, dark),
    ],
    attached: () => charts.forEach((chart) => chart.draw()),
    table: () => table(answers),
  };
}

function layerTool(paths, layer) {
  const at = paths.indexOf(layer);
  const go = (to) => change({ layer: paths[(to + paths.length) % paths.length] });
  return el(
    "span",
    { class: "field" },
    select(
      "Layer",
      "layer",
      paths.map((path) => [path, path]),
      layer,
      (path) => change({ layer: path }),
    ),
    el(
      "button",
      {
        id: "layer_before",
        title: "The layer before",
        "aria-label": "The layer before",
        onclick: () => go(at - 1),
      },
      "↑",
    ),
    el(
      "button",
      {
        id: "layer_after",
        title: "The layer after",
        "aria-label": "The layer after",
        onclick: () => go(at + 1),
      },
      "↓",
    ),
  );
}

function driftChart(answers, runs, metric, dark) {
  const lines = answers.map((answer, i) => {
    const { steps, metrics } = answer.drift[metric.series];
    return { label: runs[i].name, steps, values: metrics[metric.name], color: runColor(runs[i].color, dark) };
  });
  const range = commonRange(
    lines.map((line) => line.values),
    true,
  );
  const width = Math.min(1100, document.getElementById("view").clientWidth - 46);
  return lineChart({ title: words(metric.name), unit: metric.unit, width, lines, range, sync: "layer" });
}

function commonRanges(answers) {
  const of = (name) =>
    commonRange(
      answers.flatMap((answer) => answer.bands[name] ?? []),
      name === "mean" || name === "variance",
    );
  return Object.fromEntries(Object.keys(BANDS).map((name) => [name, of(name)]));
}

function bandCharts(answer, ranges, width) {
  return Object.entries(BANDS)
    .filter(([name]) => answer.bands[name])
    .map(([name, [heading, unit]]) =>
      bandChart({
        title: heading,
        unit,
        width,
        steps: answer.steps,
        levels: answer.levels,
        band: answer.bands[name],
        color: cssVariable("--blue"),
        range: ranges[name],
        sync: "layer",
        extra: name === "mean" || name === "variance" ? farthest(answer, name) : [],
      }),
    );
}

/** The channel that moved most, as a line of its own. */
function farthest(answer, name) {
  const channel = answer.channels.find((one) => one.kl > 0);
  return channel
    ? [{ label: `channel ${channel.channel}`, values: channel[name], color: cssVariable("--orange") }]
    : [];
}

function movedMost(answer) {
  const moved = answer.channels.filter((channel) => channel.kl > 0);
  if (!moved.length)
    return el(
      "p",
      { class: "note" },
      answer.channels.length ? "No channel moved from the reference." : "Nothing recorded of the channels.",
    );
  const change = (from, to) => `${number(from)} → ${number(to)}`;
  const cells = (channel) => [
    channel.channel,
    number(channel.kl),
    change(channel.reference[0], channel.now[0]),
    change(channel.reference[1], channel.now[1]),
    channel.now[2] == null ? "none" : change(channel.at_first[2], channel.now[2]),
    channel.now[3] == null ? "none" : change(channel.at_first[3], channel.now[3]),
  ];
  const heads = ["channel", "KL, nats", "mean", "variance", "gamma", "beta"];
  return el(
    "div",
    { class: "scroll" },
    el(
      "table",
      { class: "channels" },
      el("caption", {}, "Channels that moved most (dashed above: the first)"),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          heads.map((head) => el("th", { scope: "col" }, head)),
        ),
      ),
      el(
        "tbody",
        {},
        moved.map((channel) =>
          el(
            "tr",
            {},
            cells(channel).map((text) => el("td", {}, text)),
          ),
        ),
      ),
    ),
  );
}

function table(answers) {
  const rows = [["run", "layer", "step", "of", "quantile", "value"]];
  for (const answer of answers) {
    for (const [name, band] of Object.entries(answer.bands)) {
      (band ?? []).forEach((values, i) =>
        values.forEach((value, at) =>
          rows.push([answer.run, answer.layer.path, answer.steps[at], name, answer.levels[i], value]),
        ),
      );
    }
    for (const { steps, metrics } of Object.values(answer.drift)) {
      for (const [metric, values] of Object.entries(metrics)) {
        values.forEach((value, at) =>
          rows.push([answer.run, answer.layer.path, steps[at], metric, null, value]),
        );
      }
    }
  }
  return rows;
}
