// A small box that follows the pointer.

import { el, fill } from "./dom.js";

const box = el("div", { class: "tooltip", role: "tooltip", hidden: true });

/** Shows lines of text near a point of the window. */
export function showTooltip(x, y, lines) {
  if (!box.isConnected) document.body.append(box);
  fill(
    box,
    lines.map((line, i) => el(i ? "div" : "strong", {}, line)),
  );
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  box.style.left = `${Math.max(4, Math.min(x + 14, window.innerWidth - width - 8))}px`;
  box.style.top = `${Math.max(4, Math.min(y + 14, window.innerHeight - height - 8))}px`;
}

/** Hides it. */
export function hideTooltip() {
  box.hidden = true;
}
