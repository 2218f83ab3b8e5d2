// Elements made from plain data. Text goes in as text only, never as markup.

/** Makes an element: attributes, `on<event>` listeners, and children that are nodes or text. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(made.style, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, String(value));
  }
  made.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return made;
}

/** Puts new children in the place of all old ones. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return parent;
}

/** A labeled drop-down; `options` are `[value, text]`. */
export function select(label, id, options, chosen, onchange) {
  const made = el(
    "select",
    { id, onchange: (event) => onchange(event.target.value) },
    options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)),
  );
  return el("label", { class: "field" }, el("span", {}, label), made);
}

/** A path as text that may go on in the next line after each slash. */
export function breakable(path) {
  return path.split("/").flatMap((part, i) => (i ? ["/", el("wbr"), part] : [part]));
}

/** The value of a CSS variable, as `--ink`. */
export function cssVariable(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
