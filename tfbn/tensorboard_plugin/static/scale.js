// One colour scale for all arms: from a value to a place in [0, 1].

/**
 * Makes the scale of all values shown.
 *
 * @param matrices What is shown; see `data.js`.
 * @param wish `linear`, `log`, or `auto`: logarithmic if the values go over two orders of magnitude.
 * @returns `{log, low, high, place(value)}`; `place` gives NaN for what has no place: 0, for a layer that did not
 *   move at all, and what is not finite.
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

/** Round values to write beside the scale, ascending. */
export function ticks(scale) {
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
