// How a group looks: a hue and a dash by its place among what is chosen, so that no two look the same.

import { el } from "./dom.js";

// Light, dark. Each has a contrast of at least 3 to 1 against the paper.
const HUES = [
  ["#1f6fb2", "#6cb4f0"],
  ["#b8430a", "#ff9d5c"],
  ["#187a3c", "#62d491"],
  ["#9a1fa8", "#e591f2"],
  ["#806200", "#e3c34c"],
  ["#0b7285", "#4fd0e0"],
  ["#be1240", "#ff8fa8"],
  ["#57534e", "#c7c1ba"],
];
const DASHES = [[], [9, 4], [2, 3], [12, 3, 2, 3], [5, 3], [14, 4, 5, 4]];

/** Groups with `color`, `dash` and `key`, which tells what they hold. */
export function dressed(groups, dark) {
  return groups.map((group, place) => ({
    ...group,
    color: HUES[place % HUES.length][dark ? 1 : 0],
    dash: DASHES[place % DASHES.length],
  }));
}

/** A group's mark: a short line in its hue and dash. */
export function swatch(arm) {
  const canvas = el("canvas", {
    class: "swatch",
    "aria-hidden": "true",
    style: { width: "26px", height: "10px" },
  });
  [canvas.width, canvas.height] = [52, 20];
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  context.strokeStyle = arm.color;
  context.lineWidth = 3;
  context.setLineDash(arm.dash.map((length) => length * 0.75));
  context.moveTo(0, 5);
  context.lineTo(26, 5);
  context.stroke();
  return canvas;
}

/** The names of a group's runs, as a route takes them. */
export function runsOf(arm) {
  return arm.runs.map((run) => run.name);
}

/** `mean of 5 runs`; the run's name if it is one, unless that is the label. */
export function counted(arm) {
  if (arm.runs.length > 1) return `mean of ${arm.runs.length} runs`;
  return arm.runs[0].name === arm.label ? "" : arm.runs[0].name;
}

/** Each run as a group of its own, looking as its group does. */
export function single(arms) {
  return arms.flatMap((arm) =>
    arm.runs.map((run) => ({ ...arm, name: run.name, label: run.name, runs: [run] })),
  );
}
