// What was found wrong in the runs: marks at the step where it began, and cards with cause and remedy.

import { swatch } from "./arms.js";
import { askEach } from "./data.js";
import { el } from "./dom.js";
import { number } from "./format.js";
import { change } from "./state.js";

/**
 * The findings of all groups, those of one name and layer in a group's runs put together.
 *
 * @returns `{found, skipped}`; a finding has `number` (from 1, by step), `arm`, `step` (the earliest), `runs` and
 *   what `tfbn.summary.Finding` has.
 */
export async function findingsOf(arms) {
  const { arms: asked, answers, skipped } = await askEach(arms, "findings", {});
  const found = answers.flatMap(({ findings }, i) => {
    const together = new Map();
    for (const finding of findings) {
      const key = JSON.stringify([finding.name, finding.layer]);
      if (!together.has(key)) together.set(key, { ...finding, arm: asked[i], runs: new Set() });
      together.get(key).runs.add(finding.run);
    }
    return [...together.values()];
  });
  found.sort((a, b) => a.step - b.step);
  return { found: found.map((finding, i) => ({ ...finding, number: i + 1 })), skipped };
}

/** A finding in one line, as a mark says it. */
export function inWords(finding) {
  return `finding ${finding.number}: ${finding.name.replaceAll("_", " ")}, ${finding.layer ?? "the whole model"}, from step ${finding.step}`;
}

/** Opens what a finding is about: its layer, or its card where it is about the whole model. */
export function openFinding(finding) {
  if (finding.layer) change({ view: "layer", layer: finding.layer }, true);
  else document.getElementById(`finding_${finding.number}`)?.focus();
}

/** Marks on a heat map; `placed(finding)` gives `{left, top}` in pixels, or null. */
export function marks(found, placed) {
  return found.flatMap((finding) => {
    const place = placed(finding);
    if (!place) return [];
    return el(
      "button",
      {
        class: "mark",
        "data-finding": finding.number,
        title: inWords(finding),
        "aria-label": inWords(finding),
        style: { left: `${place.left}px`, top: `${place.top}px` },
        onclick: () => openFinding(finding),
      },
      `⚠${finding.number}`,
    );
  });
}

/** The cards of findings; nothing where there is none. */
export function cards(found) {
  if (!found.length) return null;
  return el(
    "section",
    { class: "findings", "aria-label": "Findings" },
    el("h2", {}, found.length === 1 ? "1 finding" : `${found.length} findings`),
    el("ol", {}, found.map(card)),
  );
}

function card(finding) {
  const { arm, layer, runs } = finding;
  const about = layer
    ? el("button", { class: "link", onclick: () => openFinding(finding) }, layer)
    : "the whole model";
  const values = [
    finding.measured != null && `measured ${said(finding.measured)}`,
    finding.expected != null && `expected ${said(finding.expected)}`,
  ].filter(Boolean);
  const many = arm.runs.length > 1 ? `, in ${runs.size} of ${arm.runs.length} runs` : "";
  return el(
    "li",
    { id: `finding_${finding.number}`, tabindex: "-1", "data-name": finding.name },
    el(
      "p",
      {},
      el("strong", {}, `⚠${finding.number} ${finding.name.replaceAll("_", " ")}`),
      " · ",
      about,
      ` · from step ${finding.step}${many} · `,
      swatch(arm),
      arm.label,
    ),
    el("p", {}, finding.cause, values.length ? ` (${values.join(", ")})` : ""),
    el("p", { class: "remedy" }, el("b", {}, "Remedy: "), el("code", {}, finding.remedy), link(finding.link)),
  );
}

function link(address) {
  if (address?.startsWith("docs/")) return el("span", { class: "note" }, ` See ${address} of tfbn.`);
  if (!address?.startsWith("https://")) return null;
  return el("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, "Learn more");
}

function said(value) {
  return typeof value === "number" ? number(value) : value;
}
