// What is shown as one HTML file, which opens without TensorBoard and without a network.

import { buildAll } from "./behind.js";
import { el } from "./dom.js";
import { save } from "./export.js";

// Nothing in the file may run or be fetched.
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
const INTERACTIVE = "button, select, input";

/** Saves an element as a page: its pictures, its text, and the tables behind the pictures. */
export async function exportHtml(name, element, about) {
  save(new Blob([await standalone(element, about)], { type: "text/html" }), `${name}.html`);
}

/** The page as text; `about` are lines that say what it shows. */
export async function standalone(element, about) {
  buildAll(element);
  const copy = element.cloneNode(true);
  pictures(element, copy);
  calm(copy);
  const page = document.implementation.createHTMLDocument(`BatchNorm: ${about[0]}`);
  page.documentElement.lang = "en";
  page.documentElement.className = document.documentElement.className;
  page.head.prepend(el("meta", { charset: "utf-8" }), el("meta", { "http-equiv": "Content-Security-Policy", content: POLICY }));
  page.head.append(el("meta", { name: "viewport", content: "width=device-width" }), el("style", {}, await styles()));
  page.body.className = "alone";
  page.body.append(el("header", {}, about.map((line) => el("p", {}, line))), copy);
  return `<!DOCTYPE html>\n${page.documentElement.outerHTML}\n`;
}

/** Canvases as images, at the size at which they are shown. */
function pictures(element, copy) {
  const drawn = [...element.querySelectorAll("canvas")];
  [...copy.querySelectorAll("canvas")].forEach((canvas, i) => {
    const { width, height } = drawn[i].getBoundingClientRect();
    const image = el("img", {
      class: canvas.className,
      src: drawn[i].width && drawn[i].height ? drawn[i].toDataURL() : "data:,",
      alt: canvas.getAttribute("aria-label") ?? "",
      style: { width: `${width}px`, height: `${height}px` },
    });
    canvas.replaceWith(image);
  });
}

/** Without TensorBoard nothing can be clicked: buttons become text, tables stay foldable. */
function calm(copy) {
  for (const node of copy.querySelectorAll(INTERACTIVE)) {
    const text = el("span", { class: node.className, title: node.getAttribute("title") ?? false });
    text.style.cssText = node.style.cssText;
    text.append(...node.childNodes);
    node.replaceWith(text);
  }
  for (const node of copy.querySelectorAll(".u-over, .u-under, #readout, .under")) node.remove();
  copy.removeAttribute("aria-busy");
  copy.removeAttribute("aria-labelledby");
}

async function styles() {
  const texts = await Promise.all(
    ["./style.css", "./views.css", "./uplot/uPlot.min.css"].map(async (path) =>
      (await fetch(new URL(path, import.meta.url))).text(),
    ),
  );
  return texts.join("\n");
}
