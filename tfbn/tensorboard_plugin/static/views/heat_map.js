// All layers over all steps, groups side by side on one scale.

import { counted, single, swatch } from "../arms.js";
import { askEach, matrix } from "../data.js";
import { breakable, el } from "../dom.js";
import { cards, findingsOf, marks } from "../findings.js";
import { words } from "../format.js";
import { legend } from "../legend.js";
import { csvOf, heatMaps } from "../maps.js";
import { palette, zeroColors } from "../palettes.js";
import { scaleOf } from "../scale.js";
import { state } from "../state.js";
import { chosenMetric, metricTool, rangeTool, scaleTools, seedsTool } from "../tools.js";

export const title = "Heat map";

/** Asks for the maps of all groups and draws them. */
export async function make({ arms, metrics, dark }) {
  const metric = chosenMetric(metrics);
  const asked = state.seeds ? single(arms) : arms;
  const values = { metric: metric.name, columns: 400, first: state.first, last: state.last };
  const [found, findings] = await Promise.all([askEach(asked, "heat_map", values), findingsOf(asked)]);
  const of = (sent) => (sent ? matrix(sent) : null);
  const read = found.answers.map((answer, i) => ({
    arm: found.arms[i],
    ...answer,
    matrix: matrix(answer.values),
    low: of(answer.low),
    high: of(answer.high),
  }));
  const scale = scaleOf(
    read.map((map) => map.matrix),
    state.scale,
  );
  const look = { scale, color: palette(state.palette), zero: zeroColors(dark) };
  const maps = read.map((map) => drawn(map, look, metric, findings.found));
  const what = words(metric.name);
  const zero = metric.series === "drift" ? "did not move" : "no difference";
  return {
    skipped: [...found.skipped, ...findings.skipped],
    tools: [metricTool(metrics, metric), rangeTool(), scaleTools(), seedsTool(arms, "Single runs")],
    nodes: [
      el("h1", {}, what, el("small", {}, ` in ${metric.unit}, by layer and step`)),
      legend(scale, look, metric.unit, zero),
      heatMaps(maps, what),
      cards(findings.found),
    ],
    table: () => csvOf(maps, metric.name),
  };
}

function drawn(map, look, metric, findings) {
  const own = findings.filter((finding) => finding.arm === map.arm);
  return {
    ...map,
    name: map.arm.name,
    unit: metric.unit,
    look,
    caption: [swatch(map.arm), breakable(map.arm.label), el("small", {}, ` ${counted(map.arm)}`)],
    sign: () => swatch(map.arm),
    marks: (rows, size, heat) => marks(own, (finding) => placeOf(finding, map, rows, size, heat)),
  };
}

/** Where a finding's mark is on a map: at its layer's row, or its folded stage's; over the map if it has none. */
function placeOf(finding, map, rows, size, heat) {
  if (!map.steps.length) return null;
  const left = Math.max(0, Math.min(1, heat.placeOf(finding.step))) * size.width;
  if (finding.layer === null) return { left, top: 0 };
  const index = map.layers.findIndex((layer) => layer.path === finding.layer);
  const shown = rows.findIndex((row) => row.layer === finding.layer);
  const row = shown >= 0 ? shown : rows.findIndex((one) => one.members.includes(index));
  return row < 0 ? null : { left, top: ((row + 0.5) * size.height) / rows.length };
}
