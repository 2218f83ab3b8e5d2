// What is shown, as files.

import { cssVariable, el } from "./dom.js";

/** Saves rows as CSV (RFC 4180). */
export function exportCsv(name, rows) {
  const text = rows.map((row) => row.map(cell).join(",")).join("\r\n");
  save(new Blob([`${text}\r\n`], { type: "text/csv" }), `${name}.csv`);
}

function cell(value) {
  const text = value == null || Number.isNaN(value) ? "" : String(value);
  // A name that begins like a formula must not become one in a spreadsheet.
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Saves an element as a picture: its canvases, colors and text where they stand. */
export function exportPng(name, element) {
  picture(element).toBlob((blob) => save(blob, `${name}.png`), "image/png");
}

/** A canvas with the picture of an element. */
export function picture(element) {
  const ratio = window.devicePixelRatio || 1;
  const box = element.getBoundingClientRect();
  const size = { width: element.scrollWidth, height: element.scrollHeight };
  const canvas = el("canvas");
  canvas.width = Math.ceil(size.width * ratio);
  canvas.height = Math.ceil(size.height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = cssVariable("--paper");
  context.fillRect(0, 0, size.width, size.height);
  context.translate(element.scrollLeft - box.left, element.scrollTop - box.top);
  paint(context, element);
  return canvas;
}

function paint(context, element) {
  const style = getComputedStyle(element);
  if (style.display === "none" || style.visibility === "hidden") return;
  const box = element.getBoundingClientRect();
  const background = style.backgroundColor;
  if (background !== "rgba(0, 0, 0, 0)") {
    context.fillStyle = background;
    context.fillRect(box.left, box.top, box.width, box.height);
  }
  for (const side of ["Left", "Bottom"]) border(context, style, box, side);
  if (element instanceof HTMLCanvasElement && element.width && element.height) {
    context.drawImage(element, box.left, box.top, box.width, box.height);
  }
  for (const child of element.childNodes) {
    if (child.nodeType === Node.ELEMENT_NODE) paint(context, child);
    else if (child.nodeType === Node.TEXT_NODE && child.data.trim()) text(context, child, style);
  }
}

function border(context, style, box, side) {
  const width = parseFloat(style[`border${side}Width`]);
  if (!width) return;
  context.fillStyle = style[`border${side}Color`];
  if (side === "Left") context.fillRect(box.left, box.top, width, box.height);
  else context.fillRect(box.left, box.bottom - width, box.width, width);
}

function text(context, node, style) {
  context.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  context.fillStyle = style.color;
  context.textBaseline = "middle";
  const range = document.createRange();
  // Line by line: a new line begins where a letter stands lower than the one before.
  let begin = 0;
  let top = null;
  const write = (end) => {
    range.setStart(node, begin);
    range.setEnd(node, end);
    const box = range.getBoundingClientRect();
    if (box.width)
      context.fillText(node.data.slice(begin, end).trim(), box.left, box.top + box.height / 2, box.width + 1);
  };
  for (let i = 0; i < node.length; i++) {
    range.setStart(node, i);
    range.setEnd(node, i + 1);
    const box = range.getBoundingClientRect();
    if (!box.width) continue;
    if (top !== null && box.top > top + 2) {
      write(i);
      begin = i;
    }
    top = box.top;
  }
  write(node.length);
}

/** Lets the browser save a file. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
