// Arms side by side: a column for each run, with a heading in its colour.

import { el } from "./dom.js";
import { swatch } from "./run_list.js";

const NARROWEST = 255;
const WIDEST = 720;

/** The width of each of so many columns in the page. */
export function columnWidth(count) {
  const room = document.getElementById("view").clientWidth - 46 - 18 * (count - 1);
  return Math.min(WIDEST, Math.max(NARROWEST, Math.floor(room / count)));
}

/** Columns of nodes under headings; a column is `{run, note, nodes}`. */
export function columns(list, width, dark) {
  return el(
    "div",
    { class: "columns" },
    list.map(({ run, note, nodes }) =>
      el(
        "section",
        { class: "column", "data-run": run.name, style: { width: `${width}px` } },
        el("h2", { title: run.name }, swatch(run, dark), run.name),
        el("p", { class: "mode" }, note),
        nodes,
      ),
    ),
  );
}
