// One layer: its channels over steps against the reference, in every group.

import { commonRange, bandChart, lineChart } from "../charts.js";
import { columns, columnWidth, roomOfView } from "../columns.js";
import { askEach } from "../data.js";
import { cssVariable, el, select } from "../dom.js";
import { cards, findingsOf } from "../findings.js";
import { modeText, number, words } from "../format.js";
import { change, state } from "../state.js";
import { chosenMetric, metricTool, rangeTool, seedsTool } from "../tools.js";

export const title = "Layer";

const BANDS = {
  mean: ["Moving mean", "shift in reference SDs"],
  variance: ["Moving variance", "log ratio to the reference"],
  gamma: ["gamma", "over channels"],
  beta: ["beta", "over channels"],
};
const DASHED = [5, 4];

/** Asks for the layer in all groups that have it and draws it. */
export async function make({ arms, metrics }) {
  const models = await askEach(arms, "model", {});
  const paths = [...new Set(models.answers.flatMap((model) => model.rows.map((row) => row.path)))];
  const layer = paths.includes(state.layer) ? state.layer : paths[0];
  const having = models.arms.filter((_, i) => models.answers[i].rows.some((row) => row.path === layer));
  const metric = chosenMetric(metrics);
  const range = { layer, first: state.first, last: state.last };
  const [channels, curves, findings] = await Promise.all([
    askEach(having, "layer", range),
    askEach(having, "curves", { ...range, metric: metric.name }),
    findingsOf(having),
  ]);
  const own = findings.found.filter((finding) => finding.layer === layer || finding.layer === null);
  const drift = driftChart(curves, metric, own);
  const { nodes, charts } = channelColumns(channels, own);
  return {
    skipped: [models, channels, curves, findings].flatMap((one) => one.skipped),
    tools: [layerTool(paths, layer), metricTool(metrics, metric), rangeTool(), seedsTool(arms, "Single runs")],
    nodes: [
      el(
        "h1",
        { id: "layer_title", "data-layer": layer },
        layer,
        el("small", {}, ` ${channels.answers[0].layer.channels} channels`),
      ),
      cards(own),
      drift.node,
      key(),
      nodes,
    ],
    attached: () => [drift, ...charts].forEach((chart) => chart.draw()),
    table: () => table(channels, curves, metric, layer),
  };
}

function layerTool(paths, layer) {
  const at = paths.indexOf(layer);
  const go = (to) => change({ layer: paths[(to + paths.length) % paths.length] });
  const options = paths.map((path) => [path, path]);
  const arrow = (id, label, to, text) =>
    el("button", { id, title: label, "aria-label": label, onclick: () => go(to) }, text);
  return el(
    "span",
    { class: "field" },
    select("Layer", "layer", options, layer, (path) => change({ layer: path })),
    arrow("layer_before", "Previous layer", at - 1, "↑"),
    arrow("layer_after", "Next layer", at + 1, "↓"),
  );
}

function driftChart({ arms, answers }, metric, findings) {
  const lines = answers.map(({ steps, mean, low, high, each }, i) => ({
    label: arms[i].label,
    steps,
    mean,
    low,
    high,
    each: state.seeds && each.length > 1 ? each : [],
    color: arms[i].color,
    dash: arms[i].dash,
  }));
  const range = commonRange(lines.flatMap((line) => [line.low, line.high]), true);
  const several = arms.some((arm) => arm.runs.length > 1);
  const unit = several ? `${metric.unit}; line: mean, band: lowest to highest run` : metric.unit;
  const width = Math.min(1200, roomOfView());
  const marks = findings.map(({ step, number }) => ({ step, number }));
  return lineChart({ title: words(metric.name), unit, width, lines, range, sync: "layer", marks });
}

/** What the lines and bands of the charts below are. */
function key() {
  const sample = (kind, text) => el("li", {}, el("span", { class: `stroke ${kind}` }), text);
  return el(
    "ul",
    { class: "key" },
    sample("median", "median over channels"),
    sample("band half", "50 %"),
    sample("band most", "90 %"),
    sample("band all", "all channels"),
    sample("farthest", "the channel that moved most"),
    el("li", {}, "0 is the reference, SD its standard deviation"),
  );
}

function channelColumns({ arms, answers }, findings) {
  const width = columnWidth(answers.length);
  const ranges = Object.fromEntries(Object.keys(BANDS).map((name) => [name, rangeOf(answers, name)]));
  const charts = [];
  const list = answers.map((answer, i) => {
    const marks = findings.filter((finding) => finding.arm === arms[i]);
    const own = bandCharts(answer, ranges, width, marks);
    charts.push(...own);
    const nodes = [own.map((chart) => chart.node), movedMost(answer)];
    return { arm: arms[i], note: modeText(answer.layer), nodes };
  });
  return { nodes: columns(list, width), charts };
}

function rangeOf(answers, name) {
  const zero = name === "mean" || name === "variance";
  return commonRange(answers.flatMap((answer) => answer.bands[name] ?? []), zero);
}

function bandCharts(answer, ranges, width, marks) {
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
        marks,
      }),
    );
}

/** The channel that moved most, as a dashed line of its own. */
function farthest(answer, name) {
  const channel = answer.channels.find((one) => one.kl > 0);
  if (!channel) return [];
  const label = `channel ${channel.channel}, the farthest`;
  return [{ label, values: channel[name], color: cssVariable("--orange"), dash: DASHED }];
}

function movedMost(answer) {
  const moved = answer.channels.filter((channel) => channel.kl > 0);
  if (!moved.length)
    return el(
      "p",
      { class: "note" },
      answer.channels.length ? "No channel moved from the reference." : "No channels were recorded.",
    );
  const from = (before, now) => `${number(before)} → ${number(now)}`;
  const several = answer.runs.length > 1;
  const heads = [several && "run", "channel", "KL, nats", "mean", "variance", "gamma", "beta"].filter(Boolean);
  const row = (channel) =>
    [
      several && channel.run,
      String(channel.channel),
      number(channel.kl),
      from(channel.reference[0], channel.now[0]),
      from(channel.reference[1], channel.now[1]),
      channel.now[2] == null ? "none" : from(channel.at_first[2], channel.now[2]),
      channel.now[3] == null ? "none" : from(channel.at_first[3], channel.now[3]),
    ].filter(Boolean);
  const what = "Channels that moved most";
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": what },
    el(
      "table",
      { class: "channels" },
      el("caption", {}, `${what}; the first is dashed above`),
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, moved.map((channel) => el("tr", {}, row(channel).map((text) => el("td", {}, text))))),
    ),
  );
}

function table(channels, curves, metric, layer) {
  const rows = [["group", "layer", "step", "of", "quantile", "value"]];
  channels.answers.forEach((answer, i) => {
    for (const [name, band] of Object.entries(answer.bands))
      (band ?? []).forEach((values, level) =>
        values.forEach((value, at) =>
          rows.push([channels.arms[i].name, layer, answer.steps[at], name, answer.levels[level], value]),
        ),
      );
  });
  curves.answers.forEach((answer, i) => {
    for (const over of ["mean", "low", "high"])
      answer[over].forEach((value, at) =>
        rows.push([curves.arms[i].name, layer, answer.steps[at], `${metric.name}, ${over}`, null, value]),
      );
  });
  return rows;
}
