// One heat map: layers down, steps across.

import { el } from "./dom.js";
import { inStripe } from "./legend.js";

/** Borders of the columns in steps, halfway between neighbors. */
export function edges(steps) {
  if (steps.length === 1) return [steps[0] - 0.5, steps[0] + 0.5];
  const inner = steps.slice(1).map((step, i) => (step + steps[i]) / 2);
  return [2 * steps[0] - inner[0], ...inner, 2 * steps.at(-1) - inner.at(-1)];
}

/** The canvas of one map, with a cursor that the pointer and the arrow keys move. */
export class HeatCanvas {
  /**
   * @param map `{steps, matrix, label}`.
   * @param size `{width, height}` in CSS pixels.
   * @param look `{scale, color(share), zero}`: the shared scale, the palette, the hatch of exactly 0.
   * @param events `{moved(cursor, pointer), left(), opened(row)}`; a cursor is `{row, column}`.
   */
  constructor(map, size, look, events) {
    Object.assign(this, { map, size, look, events, cursor: null });
    this.edges = map.steps.length ? edges(map.steps) : [0, 1];
    this.canvas = el("canvas", {
      class: "heat",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "heat map",
      "aria-label": map.label,
      "data-layers": map.matrix.rows,
      "data-steps": map.matrix.columns,
      style: { width: `${size.width}px`, height: `${size.height}px` },
      onpointermove: (event) => this.point(event),
      onpointerleave: () => events.left(),
      onclick: (event) => (this.point(event), this.cursor && events.opened(this.cursor.row)),
      onkeydown: (event) => this.key(event),
      onfocus: () => this.cursor ?? this.move({ row: 0, column: map.matrix.columns - 1 }),
    });
    this.ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(size.width * this.ratio);
    this.canvas.height = Math.round(size.height * this.ratio);
    this.picture = this.paint();
    this.draw();
  }

  /** The column that a place on the x axis (in [0, 1]) is in. */
  columnAt(share) {
    const step = this.edges[0] + share * (this.edges.at(-1) - this.edges[0]);
    let low = 0;
    let high = this.edges.length - 2;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.edges[middle] <= step) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Where a step is on the x axis, in [0, 1]. */
  placeOf(step) {
    return (step - this.edges[0]) / (this.edges.at(-1) - this.edges[0]);
  }

  paint() {
    const { width, height } = this.canvas;
    const { matrix } = this.map;
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer); // stays transparent where nothing is recorded
    if (!matrix.columns) return image;
    const columns = Array.from({ length: width }, (_, x) => this.columnAt((x + 0.5) / width));
    const [ground, stripe] = this.look.zero.map(packed);
    for (let row = 0; row < matrix.rows; row++) {
      const colors = Array.from({ length: matrix.columns }, (_, column) => this.colorOf(matrix.at(row, column)));
      const end = Math.round(((row + 1) * height) / matrix.rows);
      for (let y = Math.round((row * height) / matrix.rows); y < end; y++) {
        for (let x = 0; x < width; x++) {
          const color = colors[columns[x]];
          pixels[y * width + x] = color ?? (inStripe(x, y, this.ratio) ? stripe : ground);
        }
      }
    }
    return image;
  }

  /** The packed color of a value; 0 where there is none, null for the hatch. */
  colorOf(value) {
    if (value === 0) return null;
    const share = this.look.scale.place(value);
    return Number.isNaN(share) ? 0 : packed(this.look.color(share));
  }

  /** Draws the picture and, over it, the cursor. */
  draw() {
    const context = this.canvas.getContext("2d");
    context.putImageData(this.picture, 0, 0);
    if (!this.cursor) return;
    const { x, y, width, height } = this.cell(this.cursor);
    context.lineWidth = 3;
    context.strokeStyle = "#000";
    context.strokeRect(x - 1.5, y - 1.5, width + 3, height + 3);
    context.lineWidth = 1.5;
    context.strokeStyle = "#fff";
    context.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
  }

  cell({ row, column }) {
    const { width, height } = this.canvas;
    const y = (row / this.map.matrix.rows) * height;
    const x = this.placeOf(this.edges[column]) * width;
    return {
      x,
      y,
      width: Math.max(3, this.placeOf(this.edges[column + 1]) * width - x),
      height: height / this.map.matrix.rows,
    };
  }

  point(event) {
    if (!this.map.matrix.columns) return;
    const row = Math.floor((event.offsetY / this.size.height) * this.map.matrix.rows);
    const column = this.columnAt(event.offsetX / this.size.width);
    this.move({ row: Math.max(0, Math.min(this.map.matrix.rows - 1, row)), column }, event);
  }

  move(cursor, pointer = null) {
    if (this.map.matrix.columns) this.events.moved(cursor, pointer);
  }

  key(event) {
    const { rows, columns } = this.map.matrix;
    const { row, column } = this.cursor ?? { row: 0, column: columns - 1 };
    const far = event.shiftKey ? 10 : 1;
    const to = {
      ArrowUp: [row - far, column],
      ArrowDown: [row + far, column],
      ArrowLeft: [row, column - far],
      ArrowRight: [row, column + far],
      Home: [row, 0],
      End: [row, columns - 1],
      PageUp: [0, column],
      PageDown: [rows - 1, column],
    }[event.key];
    if (to) this.move({ row: clamp(to[0], rows), column: clamp(to[1], columns) });
    else if (event.key === "Enter") this.events.opened(row);
    else return;
    event.preventDefault();
  }
}

function packed([red, green, blue]) {
  return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
}

function clamp(value, count) {
  return Math.max(0, Math.min(count - 1, value));
}
