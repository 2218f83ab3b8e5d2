// Many layers made readable: rows of stages that unfold into their layers.

const FOLDED_FROM = 40; // layers; fewer are shown one by one
const LARGEST = 60; // layers of a stage that cannot be divided by name
const RUN_LENGTH = 10; // layers of a part of such a stage

/**
 * The rows of a map.
 *
 * @param paths The layers' paths, in the model's order.
 * @param open Names of the stages that are unfolded.
 * @returns Rows `{name, label, members, layer}`: `members` are the layers' numbers; `layer` is a path, or null for
 *   a stage; a stage has `open`.
 */
export function rowsOf(paths, open) {
  const prefix = commonFolder(paths);
  const short = (path) => path.slice(prefix.length) || path;
  const one = (index, indent = "") => ({
    name: paths[index],
    label: indent + short(paths[index]),
    members: [index],
    layer: paths[index],
  });
  if (paths.length < FOLDED_FROM) return paths.map((_, index) => one(index));
  return stagesOf(paths.map(short)).flatMap(({ name, members }) => {
    if (members.length === 1) return [one(members[0])];
    const isOpen = open.includes(name);
    const stage = { name, label: `${isOpen ? "▾" : "▸"} ${name} (${members.length})`, members, layer: null };
    return [{ ...stage, open: isOpen }, ...(isOpen ? members.map((index) => one(index, "\u2003")) : [])];
  });
}

/** Stages in the model's order: `{name, members}`, from layers with neighboring names. */
export function stagesOf(paths) {
  const stages = [];
  paths.forEach((path, index) => {
    const name = stageName(path);
    if (stages.at(-1)?.name === name) stages.at(-1).members.push(index);
    else stages.push({ name, members: [index] });
  });
  const useful = stages.length <= 0.7 * paths.length;
  const parts = useful ? stages : [{ name: "", members: paths.map((_, index) => index) }];
  return unique(parts.flatMap((stage) => divided(stage, paths)));
}

/** The first folder; without folders, the words until the first number: `stage1` of `stage1_block2_bn1`. */
function stageName(path) {
  if (path.includes("/")) return path.slice(0, path.indexOf("/"));
  const words = path.split("_");
  const at = words.findIndex((word) => /\d/.test(word));
  return at < 0 ? path : words.slice(0, at + 1).join("_");
}

/** A stage that is too large, in runs of a few layers. */
function divided({ name, members }, paths) {
  if (name && members.length <= LARGEST) return [{ name, members }];
  const parts = [];
  for (let at = 0; at < members.length; at += RUN_LENGTH) {
    const part = members.slice(at, at + RUN_LENGTH);
    parts.push({ name: `${paths[part[0]]} … ${paths[part.at(-1)]}`, members: part });
  }
  return parts;
}

function unique(stages) {
  const seen = new Map();
  return stages.map(({ name, members }) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return { name: count > 1 ? `${name} #${count}` : name, members };
  });
}

/** The folders that all paths begin with, with the slash. */
export function commonFolder(paths) {
  const folders = paths.map((path) => path.split("/").slice(0, -1));
  const common = [];
  for (const [i, folder] of folders[0].entries()) {
    if (!folders.every((other) => other[i] === folder)) break;
    common.push(folder);
  }
  return common.length ? `${common.join("/")}/` : "";
}

/** A matrix with a row for each of `rows`: of a stage, the largest of its layers. */
export function gathered(matrix, rows) {
  const { columns } = matrix;
  const values = new Float32Array(rows.length * columns);
  rows.forEach(({ members }, row) => {
    for (let column = 0; column < columns; column++) {
      let found = NaN;
      for (const member of members) {
        const value = matrix.at(member, column);
        if (Number.isNaN(found) || Math.abs(value) > Math.abs(found)) found = value;
      }
      values[row * columns + column] = found;
    }
  });
  return { rows: rows.length, columns, values, at: (row, column) => values[row * columns + column] };
}
