// What is shown, kept in the URL so that a view can be shared.

import { readUrl, writeUrl } from "./host.js";

export const VIEW_NAMES = ["heat_map", "layer", "model", "performance", "compare"];

const TEXT = (text) => text || undefined;
const FLAG = (text) => text === "true" || undefined;
const STEP = (text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined);
const ONE_OF = (choices) => (text) => (choices.includes(text) ? text : undefined);
const NAMES = (text) => {
  try {
    const names = JSON.parse(text);
    return Array.isArray(names) ? names.filter((name) => typeof name === "string") : undefined;
  } catch {
    return undefined; // not written by this page
  }
};

// Key -> its default, and how it is read from the URL; what cannot be read becomes the default.
const KEYS = {
  view: ["heat_map", ONE_OF(VIEW_NAMES)],
  groups: [null, NAMES], // null: the default, see `groups.js`
  runs: [null, NAMES], // single runs besides the groups
  pattern: [null, TEXT], // null: found out
  seeds: [false, FLAG], // single runs in place of groups
  metric: ["mean_shift", TEXT],
  layer: [null, TEXT],
  scale: ["auto", ONE_OF(["auto", "linear", "log"])],
  palette: ["cividis", ONE_OF(["cividis", "viridis"])],
  first: [null, STEP],
  last: [null, STEP],
  open: [[], NAMES], // stages that are unfolded
  a: [null, TEXT], // the groups that are compared
  b: [null, TEXT],
};
const DEFAULTS = Object.fromEntries(Object.entries(KEYS).map(([key, [value]]) => [key, value]));

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
  const url = readUrl();
  Object.assign(state, DEFAULTS);
  for (const [key, [, read]] of Object.entries(KEYS)) {
    const value = Object.hasOwn(url, key) ? read(url[key]) : undefined;
    if (value !== undefined) state[key] = value;
  }
}

function encoded() {
  const text = (value) => (Array.isArray(value) ? JSON.stringify(value) : String(value));
  const kept = Object.entries(state).filter(
    ([key, value]) => value != null && text(value) !== text(DEFAULTS[key] ?? ""),
  );
  return Object.fromEntries(kept.map(([key, value]) => [key, text(value)]));
}
