// The tab BatchNorm: the frame around the views.

import { ask, forget } from "./data.js";
import { el, fill } from "./dom.js";
import { exportCsv, exportPng } from "./export.js";
import { isDark, onReload, onThemeChange, onUrlChange } from "./host.js";
import { runList } from "./run_list.js";
import { change, onChange, restore, state } from "./state.js";
import * as heatMap from "./views/heat_map.js";
import * as layer from "./views/layer.js";
import * as model from "./views/model.js";
import * as performance from "./views/performance.js";

const VIEWS = { heat_map: heatMap, layer, model, performance };
const RUNS_AT_FIRST = 4;

const page = {
  sidebar: el("aside", { "aria-label": "Runs" }),
  tabs: el("nav", { role: "tablist", "aria-label": "Views" }),
  tools: el("div", { class: "tools" }),
  main: el("main", { id: "view", role: "tabpanel", tabindex: "-1" }),
  say: el("p", { class: "say", role: "status" }),
};
let listing = { runs: [], metrics: [] };
let shown = null; // what the view gave: {table(): rows for CSV}
let turn = 0;

/** What TensorBoard calls when the tab is opened. */
export function render() {
  for (const path of ["./uplot/uPlot.min.css", "./style.css"]) {
    document.head.append(el("link", { rel: "stylesheet", href: new URL(path, import.meta.url).href }));
  }
  document.body.append(
    page.sidebar,
    el("div", { class: "content" }, el("header", {}, page.tabs, page.tools), page.say, page.main),
  );
  restore();
  onChange(draw);
  onUrlChange(() => (restore(), draw()));
  onReload(() => (forget(), load()));
  onThemeChange(draw);
  window.addEventListener("resize", debounced(draw, 150));
  load();
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

/** The runs that are shown, in the listing's order. */
function chosenRuns() {
  const wanted = state.runs ?? listing.runs.slice(0, RUNS_AT_FIRST).map((run) => run.name);
  return listing.runs.filter((run) => wanted.includes(run.name));
}

async function draw() {
  const mine = ++turn;
  const dark = isDark();
  document.documentElement.classList.toggle("dark", dark);
  const runs = chosenRuns();
  runList(page.sidebar, listing.runs, runs, dark);
  drawTabs();
  if (!runs.length) {
    shown = null;
    fill(page.tools);
    fill(page.main, listing.runs.length ? el("p", {}, "Choose a run at the left.") : howToRecord());
    finished();
    return;
  }
  const view = VIEWS[state.view];
  page.main.setAttribute("aria-busy", "true");
  try {
    const content = await view.make({ runs, metrics: listing.metrics, dark });
    if (mine !== turn) return; // something else was asked for meanwhile
    shown = content;
    fill(page.say);
    keepingFocus(() => {
      fill(page.tools, content.tools ?? [], exportButtons());
      fill(page.main, content.nodes);
    });
    content.attached?.();
    finished();
  } catch (error) {
    if (mine === turn) complain(error);
  }
}

function finished() {
  page.main.setAttribute("aria-busy", "false");
  page.main.dataset.view = state.view;
}

function complain(error) {
  fill(page.say, el("strong", {}, "This cannot be shown. "), error.message);
  fill(page.main);
  finished();
}

function keepingFocus(redraw) {
  const id = document.activeElement?.id;
  redraw();
  if (id && document.activeElement?.id !== id) document.getElementById(id)?.focus({ preventScroll: true });
}

function drawTabs() {
  fill(
    page.tabs,
    Object.entries(VIEWS).map(([name, view]) =>
      el(
        "button",
        {
          id: `tab_${name}`,
          role: "tab",
          "aria-selected": String(name === state.view),
          tabindex: name === state.view ? 0 : -1,
          onclick: () => change({ view: name }, true),
          onkeydown: (event) => besides(event, name),
        },
        view.title,
      ),
    ),
  );
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

function exportButtons() {
  const name = `batchnorm_${state.view}`;
  return el(
    "span",
    { class: "export" },
    el(
      "button",
      { id: "csv", title: "The numbers shown, as CSV", onclick: () => exportCsv(name, shown.table()) },
      "CSV",
    ),
    el(
      "button",
      { id: "png", title: "This view as a picture", onclick: () => exportPng(name, page.main) },
      "PNG",
    ),
  );
}

function howToRecord() {
  return el(
    "section",
    { class: "empty" },
    el("h2", {}, "No BatchNorm data in this log folder"),
    el("p", {}, "Give the recorder to fit, then press TensorBoard's reload button:"),
    el("pre", {}, 'model.fit(x, y, callbacks=[tfbn.DriftRecorder("runs/first", probe=x[:64])])'),
    el("p", {}, "In a training loop of your own, use tfbn.summary.writer."),
  );
}

function debounced(callback, milliseconds) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(callback, milliseconds);
  };
}
