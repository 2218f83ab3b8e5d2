// The runs at the left: which are shown, and their colours.

import { breakable, el, fill } from "./dom.js";
import { runColor } from "./palettes.js";
import { change } from "./state.js";

let filter = "";

/** Draws the list of all runs with the chosen ones ticked. */
export function runList(parent, all, chosen, dark) {
  const names = new Set(chosen.map((run) => run.name));
  const rows = el(
    "ul",
    {},
    all.map((run) => row(run, names, dark)),
  );
  const hide = () => {
    const matches = matcher(filter);
    for (const item of rows.children) item.hidden = !matches(item.dataset.run);
  };
  const box = el("input", {
    id: "run_filter",
    type: "search",
    placeholder: "Filter runs (regex)",
    "aria-label": "Filter runs by a regular expression",
    value: filter,
    oninput: (event) => ((filter = event.target.value), hide()),
  });
  const visible = () => [...rows.children].filter((item) => !item.hidden).map((item) => item.dataset.run);
  const buttons = el(
    "div",
    { class: "row" },
    el("button", { onclick: () => change({ runs: visible() }) }, "Show all listed"),
    el("button", { onclick: () => change({ runs: [] }) }, "None"),
  );
  const focused = document.activeElement?.id;
  const scrolled = parent.querySelector("ul")?.scrollTop ?? 0;
  fill(parent, el("h2", {}, "Runs"), box, buttons, rows);
  hide();
  rows.scrollTop = scrolled;
  if (focused?.startsWith("run_")) document.getElementById(focused)?.focus();
}

function row(run, names, dark) {
  const id = `run_${run.color}`;
  const toggle = (event) => {
    const next = new Set(names);
    if (event.target.checked) next.add(run.name);
    else next.delete(run.name);
    change({ runs: [...next] });
  };
  return el(
    "li",
    { "data-run": run.name },
    el("input", { type: "checkbox", id, checked: names.has(run.name), onchange: toggle }),
    el("label", { for: id, title: run.name }, swatch(run, dark), el("span", {}, breakable(run.name))),
  );
}

/** The mark in a run's colour. */
export function swatch(run, dark) {
  return el("span", { class: "swatch", style: { background: runColor(run.color, dark) } });
}

function matcher(text) {
  try {
    const expression = new RegExp(text, "i");
    return (name) => expression.test(name);
  } catch {
    return (name) => name.includes(text); // not a whole expression yet
  }
}
