// The tab BatchNorm: the frame around the views.

import { dressed } from "./arms.js";
import { ask, forget } from "./data.js";
import { breakable, el, fill } from "./dom.js";
import { exportCsv, exportPng } from "./export.js";
import { chosenGroups, grouped } from "./groups.js";
import { isDark, onReload, onThemeChange, onUrlChange } from "./host.js";
import { exportHtml } from "./page_export.js";
import { sidebar } from "./sidebar.js";
import { change, onChange, restore, state } from "./state.js";
import * as compare from "./views/compare.js";
import * as heatMap from "./views/heat_map.js";
import * as layer from "./views/layer.js";
import * as model from "./views/model.js";
import * as performance from "./views/performance.js";

const VIEWS = { heat_map: heatMap, layer, model, performance, compare };
const STYLES = ["./uplot/uPlot.min.css", "./style.css", "./views.css"];
const NARROW = 760; // pixels; a narrower page begins with the sidebar folded
const MOST = 24; // groups drawn at once; as many look different

const page = {
  fold: el("button", { id: "fold", "aria-controls": "sidebar", onclick: () => folded(!page.isFolded) }),
  sidebar: el("aside", { id: "sidebar", "aria-label": "Runs" }),
  tabs: el("div", { role: "tablist", "aria-label": "Views", class: "tabs" }),
  tools: el("div", { class: "tools" }),
  main: el("main", { id: "view", role: "tabpanel", tabindex: "-1" }),
  say: el("div", { class: "say", role: "status" }),
  isFolded: false,
};
let listing = { runs: [], metrics: [], skipped: [], skipped_in_all: 0 };
let shown = null; // what the view gave: {table(): rows for CSV, groups: those that are shown, if others}
let turn = 0;

/** What TensorBoard calls when the tab is opened. */
export async function render() {
  document.documentElement.lang = "en";
  document.title = "BatchNorm";
  await Promise.all(STYLES.map(styled));
  const bar = el("div", { class: "bar_of_tabs" }, page.fold, page.tabs);
  document.body.append(
    page.sidebar,
    el("div", { class: "content" }, el("header", {}, bar, page.tools), page.say, page.main),
  );
  page.isFolded = window.innerWidth < NARROW;
  restore();
  onChange(draw);
  onUrlChange(() => (restore(), draw()));
  onReload(() => (forget(), load()));
  onThemeChange(draw);
  window.addEventListener("resize", debounced(onResize, 150));
  load();
}

/** A style sheet that is in force when the views measure the page. */
function styled(path) {
  return new Promise((done) => {
    const href = new URL(path, import.meta.url).href;
    document.head.append(el("link", { rel: "stylesheet", href, onload: done, onerror: done }));
  });
}

let widthBefore = window.innerWidth;

function onResize() {
  const narrower = window.innerWidth < NARROW && widthBefore >= NARROW;
  widthBefore = window.innerWidth;
  if (narrower) page.isFolded = true;
  draw();
}

async function load() {
  page.main.setAttribute("aria-busy", "true");
  try {
    listing = await ask("runs");
  } catch (error) {
    complain(error);
    return;
  }
  draw();
}

function folded(yes) {
  page.isFolded = yes;
  draw();
}

async function draw() {
  const mine = ++turn;
  const dark = isDark();
  document.documentElement.classList.toggle("dark", dark);
  document.documentElement.classList.toggle("folded", page.isFolded);
  const { groups, how } = grouped(listing.runs, state.pattern);
  const chosen = chosenGroups(groups, state);
  const arms = dressed(chosen.slice(0, MOST), dark);
  const every = dressed(groups.map((group) => ({ ...group, label: group.name })), dark);
  drawFrame(groups, how, chosen.length, arms);
  if (!arms.length && state.view !== "compare") {
    shown = null;
    fill(page.tools);
    fill(page.main, listing.runs.length ? el("p", {}, "Choose runs in the list.") : howToRecord());
    say([], 0);
    finished();
    return;
  }
  page.main.setAttribute("aria-busy", "true");
  try {
    const content = await VIEWS[state.view].make({ arms, every, metrics: listing.metrics, dark });
    if (mine !== turn) return; // a later request replaced this one
    shown = content;
    say(content.skipped ?? [], chosen.length - arms.length);
    keepingFocus(() => {
      fill(page.tools, content.tools ?? [], exportButtons(arms));
      fill(page.main, content.nodes);
    });
    content.attached?.();
    finished();
  } catch (error) {
    if (mine === turn) complain(error);
  }
}

function drawFrame(groups, how, count, arms) {
  fill(page.fold, `☰ ${count} of ${groups.length}`);
  const what = `${page.isFolded ? "Show" : "Hide"} the list of runs; ${count} of ${groups.length} groups are shown`;
  page.fold.setAttribute("aria-label", what);
  page.fold.setAttribute("title", what);
  page.fold.setAttribute("aria-expanded", String(!page.isFolded));
  page.sidebar.hidden = page.isFolded;
  sidebar(page.sidebar, { groups, how, arms, skipped: listing.skipped, skippedInAll: listing.skipped_in_all });
  drawTabs();
}

function finished() {
  page.main.setAttribute("aria-busy", "false");
  page.main.dataset.view = state.view;
  page.main.setAttribute("aria-labelledby", `tab_${state.view}`);
}

function complain(error) {
  fill(page.say, el("p", {}, el("strong", {}, "This cannot be shown. "), error.message));
  fill(page.main);
  finished();
}

/** Names what is left out of a view. */
function say(skipped, tooMany) {
  const each = new Map(skipped.map(({ name, reason }) => [name, reason]));
  fill(
    page.say,
    [...each].slice(0, 5).map(([name, reason]) => el("p", {}, el("strong", {}, "Skipped: "), breakable(name), `: ${reason}`)),
    each.size > 5 && el("p", {}, `and ${each.size - 5} more.`),
    tooMany > 0 && el("p", {}, `The first ${MOST} groups are drawn, ${tooMany} more are chosen.`),
  );
}

function keepingFocus(redraw) {
  const id = document.activeElement?.id;
  const scrolled = page.main.scrollTop;
  const same = page.main.dataset.view === state.view;
  redraw();
  page.main.scrollTop = same ? scrolled : 0;
  if (id && document.activeElement?.id !== id) document.getElementById(id)?.focus({ preventScroll: true });
}

function drawTabs() {
  const focused = document.activeElement?.id;
  fill(
    page.tabs,
    Object.entries(VIEWS).map(([name, view]) =>
      el(
        "button",
        {
          id: `tab_${name}`,
          role: "tab",
          "aria-selected": String(name === state.view),
          "aria-controls": "view",
          tabindex: name === state.view ? 0 : -1,
          onclick: () => change({ view: name }, true),
          onkeydown: (event) => besides(event, name),
        },
        view.title,
      ),
    ),
  );
  if (focused?.startsWith("tab_")) document.getElementById(focused)?.focus();
}

/** The arrow keys go from tab to tab. */
function besides(event, name) {
  const names = Object.keys(VIEWS);
  const to = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!to) return;
  const next = names[(names.indexOf(name) + to + names.length) % names.length];
  change({ view: next }, true);
  document.getElementById(`tab_${next}`).focus();
}

function exportButtons(arms) {
  const name = `batchnorm_${state.view}`;
  const about = () => [
    VIEWS[state.view].title,
    `Groups: ${(shown.groups ?? arms).map((arm) => `${arm.name} (${arm.runs.length})`).join(", ")}`,
    `Saved from TensorBoard's tab BatchNorm on ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
  ];
  const button = (id, text, title, onclick) => el("button", { id, title, onclick }, text);
  return el(
    "span",
    { class: "export", role: "group", "aria-label": "Save" },
    button("csv", "CSV", "The numbers shown, as CSV", () => exportCsv(name, shown.table())),
    button("png", "PNG", "This view as a picture", () => exportPng(name, page.main)),
    button("html", "HTML", "This view as one page that opens without TensorBoard", () =>
      exportHtml(name, page.main, about()),
    ),
  );
}

function howToRecord() {
  return el(
    "section",
    { class: "empty" },
    el("h1", {}, "No BatchNorm data in this log folder"),
    el("p", {}, "Give the recorder to fit, then press TensorBoard's reload button:"),
    el("pre", {}, 'model.fit(x, y, callbacks=[tfbn.DriftRecorder("runs/first", probe=x[:64])])'),
    el("p", {}, "In a custom training loop, use tfbn.summary.writer."),
  );
}

function debounced(callback, milliseconds) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(callback, milliseconds);
  };
}
