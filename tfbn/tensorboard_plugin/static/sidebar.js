// The runs at the left, by condition and group: which are shown, and how they look.

import { swatch } from "./arms.js";
import { breakable, el, fill } from "./dom.js";
import { choiceOf } from "./groups.js";
import { change, state } from "./state.js";

let filter = "";
const unfolded = new Set(); // names of the groups whose runs are listed

/**
 * Draws the list.
 *
 * @param parent The element to fill.
 * @param given `{groups, how, arms, skipped, skippedInAll}`: all groups and what they were made from, those that are
 *   shown, and the runs that cannot be read.
 */
export function sidebar(parent, given) {
  const focused = document.activeElement?.id;
  const scrolled = parent.querySelector(".runs")?.scrollTop ?? 0;
  const tree = list(given, () => sidebar(parent, given));
  const hide = () => hideOthers(tree);
  const box = el("input", {
    id: "run_filter",
    type: "search",
    placeholder: "Filter runs (regex)",
    "aria-label": "Filter runs by a regular expression",
    value: filter,
    oninput: (event) => ((filter = event.target.value), hide()),
  });
  const showAll = () => change(choiceOf(given.groups, new Set(visible(tree, given.groups))));
  const buttons = el(
    "div",
    { class: "row" },
    el("button", { id: "run_all", onclick: showAll }, "All listed"),
    el("button", { id: "run_none", onclick: () => change({ groups: [], runs: null }) }, "None"),
    el("button", { id: "run_default", onclick: () => change({ groups: null, runs: null }) }, "Default"),
  );
  fill(parent, el("h2", {}, "Runs"), box, buttons, tree, skippedRuns(given), grouping(given), glossary());
  hide();
  tree.scrollTop = scrolled;
  if (focused?.startsWith("run_")) document.getElementById(focused)?.focus();
}

function glossary() {
  const href = new URL("glossary.html", import.meta.url).href;
  return el("p", {}, el("a", { href, target: "_blank", rel: "noopener" }, "Glossary: gap, mismatch, nats, ..."));
}

function list({ groups, arms }, redraw) {
  const conditions = [...new Set(groups.map((group) => group.condition))];
  const shown = new Map(arms.map((arm) => [arm.name, arm]));
  let id = 0;
  const section = (condition) => {
    const own = groups.filter((group) => group.condition === condition);
    return el(
      "section",
      { class: "condition" },
      conditions.length > 1 && el("h3", {}, condition ? breakable(condition) : "other runs"),
      el(
        "ul",
        {},
        own.map((group) => item(group, shown.get(group.name), arms, groups, id++, redraw)),
      ),
    );
  };
  return el("div", { class: "runs" }, conditions.map(section));
}

function item(group, arm, arms, groups, id, redraw) {
  const names = new Set(arms.flatMap((one) => one.runs.map((run) => run.name)));
  const toggle = (runs, on) => {
    const next = new Set(names);
    for (const run of runs) if (on) next.add(run.name);
      else next.delete(run.name);
    change(choiceOf(groups, next));
  };
  const count = arm?.runs.length ?? 0;
  const box = el("input", {
    type: "checkbox",
    id: `run_${id}`,
    checked: count > 0,
    onchange: (event) => toggle(group.runs, event.target.checked),
  });
  box.indeterminate = count > 0 && count < group.runs.length;
  const open = unfolded.has(group.name);
  const unfold = () => (open ? unfolded.delete(group.name) : unfolded.add(group.name), redraw());
  const several = group.runs.length > 1;
  return el(
    "li",
    { "data-group": group.name, ...(several ? {} : { "data-run": group.runs[0].name }) },
    el(
      "div",
      { class: "group" },
      box,
      el("label", { for: `run_${id}` }, arm && swatch(arm), el("span", {}, breakable(group.arm))),
      several &&
        el(
          "button",
          {
            class: "unfold",
            id: `run_unfold_${id}`,
            "aria-expanded": String(open),
            "aria-label": `${group.runs.length} runs of ${group.name}`,
            onclick: unfold,
          },
          `${group.runs.length} ${open ? "▾" : "▸"}`,
        ),
    ),
    several && open && el("ul", {}, group.runs.map((run, i) => single(run, `run_${id}_${i}`, names, toggle))),
  );
}

function single(run, id, names, toggle) {
  const box = el("input", {
    type: "checkbox",
    id,
    checked: names.has(run.name),
    onchange: (event) => toggle([run], event.target.checked),
  });
  return el(
    "li",
    { "data-run": run.name },
    el("div", { class: "group" }, box, el("label", { for: id }, el("span", {}, breakable(run.name)))),
  );
}

/** Hides the groups none of whose runs the filter matches. */
function hideOthers(tree) {
  const matches = matcher(filter);
  for (const node of tree.querySelectorAll(".condition > ul > li")) {
    const runs = [node, ...node.querySelectorAll("[data-run]")].map((one) => one.dataset.run).filter(Boolean);
    node.hidden = !matches(node.dataset.group) && !runs.some(matches);
  }
  for (const section of tree.children)
    section.hidden = [...section.querySelectorAll("ul > li")].every((node) => node.hidden);
}

function visible(tree, groups) {
  const names = [...tree.querySelectorAll(".condition > ul > li")]
    .filter((node) => !node.hidden)
    .map((node) => node.dataset.group);
  return groups.filter((group) => names.includes(group.name)).flatMap((group) => group.runs.map((run) => run.name));
}

function matcher(text) {
  try {
    const expression = new RegExp(text, "i");
    return (name) => expression.test(name);
  } catch {
    return (name) => name.includes(text); // not a whole expression yet
  }
}

function skippedRuns({ skipped, skippedInAll }) {
  if (!skippedInAll) return null;
  return el(
    "details",
    { class: "skipped", id: "skipped" },
    el("summary", {}, `⚠ ${skippedInAll} ${skippedInAll === 1 ? "run is" : "runs are"} skipped`),
    el("ul", {}, skipped.map(({ name, reason }) => el("li", {}, el("b", {}, breakable(name)), `: ${reason}`))),
  );
}

function grouping({ how }) {
  const box = el("input", {
    id: "run_pattern",
    placeholder: "{condition}/{arm}/seed{seed}",
    value: state.pattern ?? "",
    "aria-describedby": "run_how",
    onchange: (event) => change({ pattern: event.target.value.trim() || null, groups: null, runs: null }),
  });
  return el(
    "div",
    { class: "grouping" },
    el("label", { for: "run_pattern" }, "Group by pattern"),
    box,
    el("p", { class: "note", id: "run_how" }, `Grouped by ${how}.`),
  );
}
