// How wide text will be in the page, before it is there.

let measuring;

/** The font of the page's text at a size in CSS pixels. */
export function pageFont(size, weight = "") {
  return `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
}

/** The width of a text in CSS pixels; `font` is as in CSS. */
export function textWidth(text, font) {
  measuring ??= document.createElement("canvas").getContext("2d");
  measuring.font = font;
  return measuring.measureText(text).width;
}
