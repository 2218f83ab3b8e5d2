// A table behind every picture: the same numbers for who reads rather than looks, made when it is opened.

import { el } from "./dom.js";
import { number } from "./format.js";

const MOST = 400; // rows; all are in the CSV
const COLUMNS = 10; // steps next to each other

/**
 * A picture's table, folded.
 *
 * @param what What it holds, in words.
 * @param rows Gives the rows, the heads first.
 */
export function behind(what, rows) {
  const node = el("details", { class: "behind" }, el("summary", {}, `Table: ${what}`));
  const build = () => {
    if (node.childElementCount > 1) return;
    const [heads, ...all] = rows();
    const body = all.slice(0, MOST).map((row) => el("tr", {}, row.map(cell)));
    node.append(
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": what },
        el(
          "table",
          {},
          el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
          el("tbody", {}, body),
        ),
      ),
    );
    if (all.length > MOST) node.append(el("p", { class: "note" }, `${MOST} of ${all.length} rows; CSV has all.`));
  };
  node.addEventListener("toggle", () => node.open && build());
  node.build = build;
  return node;
}

/** Opens every table under a node, as a page that is saved needs them. */
export function buildAll(parent) {
  for (const node of parent.querySelectorAll("details.behind")) node.build?.();
}

function cell(value, i) {
  const text = typeof value === "number" ? number(value) : (value ?? "–");
  return i ? el("td", { class: typeof value === "number" ? "number" : "" }, text) : el("th", { scope: "row" }, text);
}

/** Positions of at most `most` of `count` things, evenly spaced and including both ends. */
export function some(count, most = COLUMNS) {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / (most - 1)));
}
