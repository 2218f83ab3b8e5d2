// What is shown, kept in the URL so that a view can be shared.

import { readUrl, writeUrl } from "./host.js";

const DEFAULTS = {
  view: "heat_map",
  runs: null, // names; null: the first few
  metric: "mean_shift",
  layer: null,
  scale: "auto",
  palette: "cividis",
  first: null,
  last: null,
};
const VIEWS = ["heat_map", "layer", "model", "performance"];

export const state = { ...DEFAULTS };
const listeners = [];

/** Calls back after every change. */
export function onChange(listener) {
  listeners.push(listener);
}

/** Changes what is shown; `step` makes it a step of the browser's history. */
export function change(values, step = false) {
  Object.assign(state, values);
  writeUrl(encoded(), step);
  for (const listener of listeners) listener();
}

/** Takes what is shown from the URL; what is missing there becomes the default. */
export function restore() {
  Object.assign(state, DEFAULTS, decoded(readUrl()));
}

function encoded() {
  const kept = Object.entries(state).filter(([key, value]) => value != null && value !== DEFAULTS[key]);
  return Object.fromEntries(
    kept.map(([key, value]) => [key, key === "runs" ? JSON.stringify(value) : String(value)]),
  );
}

function decoded(url) {
  const read = {};
  for (const key of ["metric", "layer"]) if (url[key]) read[key] = url[key];
  if (VIEWS.includes(url.view)) read.view = url.view;
  if (["auto", "linear", "log"].includes(url.scale)) read.scale = url.scale;
  if (["cividis", "viridis"].includes(url.palette)) read.palette = url.palette;
  for (const key of ["first", "last"]) if (/^\d{1,15}$/.test(url[key] ?? "")) read[key] = Number(url[key]);
  try {
    const runs = JSON.parse(url.runs ?? "null");
    if (Array.isArray(runs)) read.runs = runs.filter((run) => typeof run === "string");
  } catch {
    // Not written by this page.
  }
  return read;
}
