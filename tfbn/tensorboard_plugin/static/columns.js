// Groups side by side: a column for each, with a heading in its look.

import { counted, swatch } from "./arms.js";
import { breakable, el } from "./dom.js";

const NARROWEST = 250;
const WIDEST = 720;
const GAP = 18;

/** The room of the view, in pixels. */
export function roomOfView() {
  return document.getElementById("view").clientWidth - 32;
}

/** The width of each of `count` columns in the page; if they do not fit, they wrap into further rows. */
export function columnWidth(count) {
  const room = roomOfView();
  const inRow = Math.max(1, Math.min(count, Math.floor((room + GAP) / (NARROWEST + GAP))));
  return Math.min(WIDEST, Math.floor((room - GAP * (inRow - 1)) / inRow));
}

/** Columns of nodes under headings; a column is `{arm, note, nodes}`. */
export function columns(list, width) {
  return el(
    "div",
    { class: "columns" },
    list.map(({ arm, note, nodes }) =>
      el(
        "section",
        { class: "column", "data-group": arm.name, "aria-label": arm.label, style: { width: `${width}px` } },
        el("h2", {}, swatch(arm), breakable(arm.label), el("small", {}, ` ${counted(arm)}`)),
        el("p", { class: "mode" }, note),
        nodes,
      ),
    ),
  );
}
