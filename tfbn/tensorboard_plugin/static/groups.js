// Runs grouped: the seeds of an arm under a condition are one group.

const NUMBER = /(\d+(?:\.\d+)?(?:e[+-]?\d+)?)/i;
const { compare } = new Intl.Collator("en");

/** Compares names as people expect: `seed2` before `seed10`, `lr0.01` before `lr0.1`. */
export function inOrder(one, other) {
  const [parts, others] = [one.split(NUMBER), other.split(NUMBER)];
  for (let i = 0; i < Math.min(parts.length, others.length); i++) {
    const order = i % 2 ? Number(parts[i]) - Number(others[i]) : compare(parts[i], others[i]);
    if (order) return order;
  }
  return parts.length - others.length || compare(one, other);
}

const MOST = 8; // groups shown at first
const SEED = /^(seed|fold|trial|repeat|replicate|repetition)s?$/i;
// The last part of a path that numbers repetitions, as `seed3`, `fold_3`, `run-3`.
const IN_PATH = /(^|[/_.-])(seed|fold|trial|repeat|replicate|repetition|rep|run|s)[_=.-]?(\d+)(?=$|[/_.-])/gi;

/**
 * Groups runs.
 *
 * @param runs `{name, layers, hparams}` of each.
 * @param pattern What the user wrote, as `{condition}/{arm}/seed{seed}`, or null: from the hyperparameters where
 *   every run has a seed among them, else from the paths.
 * @returns `{groups, how}`: each group is `{name, condition, arm, runs}`, in natural order; `how` says in words
 *   what they were made from.
 */
export function grouped(runs, pattern) {
  const [parts, how] = pattern
    ? [byPattern(pattern), "your pattern"]
    : seedName(runs)
      ? byHparams(runs)
      : [byPath, "the paths of the runs"];
  const groups = new Map();
  for (const run of [...runs].sort((x, y) => inOrder(x.name, y.name))) {
    const { condition, arm } = parts(run) ?? { condition: "", arm: run.name };
    const name = condition ? `${condition}/${arm}` : arm;
    if (!groups.has(name)) groups.set(name, { name, condition, arm, runs: [] });
    groups.get(name).runs.push(run);
  }
  // Runs without a condition come last: a stray one in the log folder is not what is shown at first.
  const ordered = [...groups.values()].sort(
    (x, y) =>
      (x.condition === "") - (y.condition === "") ||
      inOrder(x.condition, y.condition) ||
      inOrder(x.arm, y.arm),
  );
  return { groups: ordered, how };
}

/** The groups that are shown at first: all if they are few, else those of the first condition. */
export function shownAtFirst(groups) {
  if (groups.length <= MOST) return groups;
  return groups.filter((group) => group.condition === groups[0].condition).slice(0, MOST);
}

/** What is chosen: groups, each with only its chosen runs, labeled as short as is clear. */
export function chosenGroups(groups, { groups: names, runs: single }) {
  const kept =
    names === null && single === null
      ? shownAtFirst(groups)
      : groups
          .map((group) => ({
            ...group,
            runs: names?.includes(group.name)
              ? group.runs
              : group.runs.filter((run) => single?.includes(run.name)),
          }))
          .filter((group) => group.runs.length);
  const oneCondition = new Set(kept.map((group) => group.condition)).size === 1;
  return kept.map((group) => ({ ...group, label: oneCondition ? group.arm : group.name }));
}

/** The state that has these runs chosen: whole groups by name, others run by run. */
export function choiceOf(groups, names) {
  const whole = groups.filter((group) => group.runs.every((run) => names.has(run.name)));
  const inWhole = new Set(whole.flatMap((group) => group.runs.map((run) => run.name)));
  const rest = [...names].filter((name) => !inWhole.has(name));
  return { groups: whole.map((group) => group.name), runs: rest.length ? rest : null };
}

function seedName(runs) {
  const names = runs.map((run) => Object.keys(run.hparams ?? {}).find((name) => SEED.test(name)));
  return names.every((name) => name && name === names[0]) ? names[0] : null;
}

function byHparams(runs) {
  const seed = seedName(runs);
  const all = [...new Set(runs.flatMap((run) => Object.keys(run.hparams)))].sort(inOrder);
  const varied = all.filter((name) => name !== seed && new Set(runs.map((run) => run.hparams[name])).size > 1);
  const armName = varied.find((name) => /^arms?$/i.test(name));
  const rest = varied.filter((name) => name !== armName);
  const said = (run, names) => names.map((name) => `${name} ${run.hparams[name] ?? "none"}`).join(", ");
  const parts = (run) =>
    armName
      ? { condition: rest.length ? said(run, rest) : "", arm: run.hparams[armName] ?? "none" }
      : { condition: "", arm: rest.length ? said(run, rest) : "all runs" };
  return [parts, `HParams: ${[...varied, seed].join(", ")}`];
}

function byPath({ name }) {
  const found = [...name.matchAll(IN_PATH)].at(-1);
  if (!found) return null;
  const before = name.slice(0, found.index);
  const after = name.slice(found.index + found[0].length);
  const rest = `${before}${after}`.replace(/^[/_.-]+/, "");
  const cut = rest.lastIndexOf("/");
  if (!rest) return { condition: "", arm: "all runs" };
  return { condition: cut < 0 ? "" : rest.slice(0, cut), arm: rest.slice(cut + 1) };
}

/** A pattern such as `{condition}/{arm}/seed{seed}`: text stands for itself, `{name}` for any text without a slash. */
function byPattern(pattern) {
  const names = [];
  const source = pattern
    .split(/(\{\w+\}|\*)/)
    .map((part) => {
      if (part === "*") return ".*?";
      if (!/^\{\w+\}$/.test(part)) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      names.push(part.slice(1, -1));
      return "([^/]+?)";
    })
    .join("");
  const expression = new RegExp(`^${source}$`);
  return ({ name }) => {
    const found = expression.exec(name);
    if (!found) return null;
    const values = names.map((key, i) => [key, found[i + 1]]).filter(([key]) => !SEED.test(key));
    if (!values.length) return { condition: "", arm: "all runs" };
    const armAt = values.findIndex(([key]) => key === "arm");
    const [[, arm]] = values.splice(armAt < 0 ? values.length - 1 : armAt, 1);
    return { condition: values.map(([, value]) => value).join("/"), arm };
  };
}
