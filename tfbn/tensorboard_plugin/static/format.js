// Numbers and modes in words.

/** A number with four digits; small and large ones in powers of ten. */
export function number(value) {
  if (value == null) return "–";
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5))
    return value.toExponential(2).replace("-", "−").replace("e+", "e");
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

const NAMES = {
  kl: "KL divergence",
  mean_l2: "mean, L2 distance",
  variance_l2: "variance, L2 distance",
  mismatch_mean_shift: "mismatch, mean shift",
};

/** A metric's name in words: `mean_shift` as `mean shift`. */
export function words(name) {
  return Object.hasOwn(NAMES, name) ? NAMES[name] : name.replaceAll("_", " ");
}

const EITHER = (value, yes, no) => (value == null ? "?" : value ? yes : no);

/** The three parts of a layer's mode, in words. */
export function modeParts(layer) {
  return {
    normalizesBy: layer.normalizes_by == null ? "?" : layer.normalizes_by,
    statistics: EITHER(layer.updates, "updating", "held"),
    affine: EITHER(layer.trains, "trained", "frozen"),
  };
}

/** A layer's mode in one line. */
export function modeText(layer) {
  if (layer.normalizes_by == null) return "unknown mode";
  const { normalizesBy, statistics, affine } = modeParts(layer);
  return `by ${normalizesBy} statistics, ${statistics}; gamma and beta ${affine}`;
}

/** The modes of many layers in one line, the most frequent first. */
export function modesText(layers) {
  const counts = new Map();
  for (const layer of layers) counts.set(modeText(layer), (counts.get(modeText(layer)) ?? 0) + 1);
  const ordered = [...counts].sort((a, b) => b[1] - a[1]);
  if (ordered.length === 1) return ordered[0][0];
  return ordered.map(([text, count]) => `${count} of ${layers.length}: ${text}`).join(" · ");
}
