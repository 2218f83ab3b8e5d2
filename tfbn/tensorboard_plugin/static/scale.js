// One color scale for all arms: from a value to a place in [0, 1].

/**
 * Makes the scale of all values shown.
 *
 * @param matrices What is shown; see `data.js`.
 * @param wish `linear`, `log`, or `auto`: logarithmic if the values go over two orders of magnitude.
 * @returns `{log, low, high, place(value)}`; `place` gives NaN for what has no place: 0, which has a hatch of its own,
 *   and what is not finite.
 */
export function scaleOf(matrices, wish) {
  const positive = matrices.flatMap(({ values }) =>
    Array.from(values).filter((value) => value > 0 && value < Infinity),
  );
  if (!positive.length) return { log: false, low: 0, high: 1, place: () => NaN };
  const sorted = Float64Array.from(positive).sort();
  const high = sorted.at(-1);
  const low = sorted[Math.floor(0.02 * (sorted.length - 1))];
  const log = wish === "log" || (wish === "auto" && high > 100 * low);
  if (!log)
    return { log, low: 0, high, place: (value) => (value > 0 && value < Infinity ? value / high : NaN) };
  const bottom = Math.max(low, high * 1e-6) / (low === high ? 10 : 1);
  const width = Math.log(high / bottom);
  return {
    log,
    low: bottom,
    high,
    place: (value) => (value > 0 && value < Infinity ? Math.log(value / bottom) / width : NaN),
  };
}

/**
 * Makes the scale of differences: 0.5 is in the middle, and both signs go equally far.
 *
 * @param matrix What is shown.
 * @param wish As in `scaleOf`; logarithmic is by size, on both sides.
 */
export function differenceScale(matrix, wish) {
  const sizes = { values: matrix.values.map(Math.abs) };
  const scale = scaleOf([sizes], wish);
  const place = (value) => {
    const share = Math.min(1, Math.max(0, scale.place(Math.abs(value))));
    return 0.5 + (Math.sign(value) * (scale.log ? 0.04 + 0.96 * share : share)) / 2;
  };
  return { ...scale, place, signed: true };
}

/** Round values to write next to the scale, ascending. */
export function ticks(scale) {
  if (scale.signed) {
    const positive = ticks({ ...scale, signed: false }).filter((value) => value > 0);
    const few = positive.filter((_, i) => i % Math.ceil(positive.length / 2) === (positive.length - 1) % Math.ceil(positive.length / 2));
    return [...few.map((value) => -value).reverse(), 0, ...few];
  }
  const found = [];
  if (scale.log) {
    const step = Math.max(1, Math.round(Math.log10(scale.high / scale.low) / 5));
    for (let power = Math.ceil(Math.log10(scale.low)); 10 ** power <= scale.high; power += step)
      found.push(10 ** power);
    return found.length > 1 ? found : [scale.low, scale.high];
  }
  const raw = scale.high / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= raw);
  for (let i = 0; i * step <= scale.high * (1 + 1e-9); i++) found.push(i * step);
  return found;
}
