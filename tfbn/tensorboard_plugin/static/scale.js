// One colour scale for all arms: from a value to a place in [0, 1].

/**
 * Makes the scale of all values shown.
 *
 * @param matrices What is shown; see `data.js`.
 * @param wish `linear`, `log`, or `auto`: logarithmic if the values go over two orders of magnitude.
 * @returns `{log, low, high, place(value)}`; `place` gives NaN for what has no place: not finite, or 0 in a
 *   logarithmic scale.
 */
export function scaleOf(matrices, wish) {
  let high = 0;
  const positive = [];
  for (const { values } of matrices) {
    for (const value of values) {
      if (!(value > 0) || !Number.isFinite(value)) continue;
      if (value > high) high = value;
      positive.push(value);
    }
  }
  if (!positive.length) return { log: false, low: 0, high: 1, place: (value) => (value === 0 ? 0 : NaN) };
  const low = quantile(positive, 0.02);
  const log = wish === "log" || (wish === "auto" && high > 100 * low);
  if (!log) return { log, low: 0, high, place: (value) => (Number.isFinite(value) ? value / high : NaN) };
  const bottom = Math.max(low, high * 1e-6) / (low === high ? 10 : 1);
  const width = Math.log(high / bottom);
  return { log, low: bottom, high, place: (value) => (value > 0 ? Math.log(value / bottom) / width : NaN) };
}

function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.floor(share * (sorted.length - 1))];
}

/** Round values to write beside the scale, ascending. */
export function ticks(scale) {
  if (!scale.log) return [0, 0.25, 0.5, 0.75, 1].map((share) => share * scale.high);
  const found = [];
  const step = Math.max(1, Math.round(Math.log10(scale.high / scale.low) / 5));
  for (let power = Math.ceil(Math.log10(scale.low)); 10 ** power <= scale.high; power += step) found.push(10 ** power);
  return found.length > 1 ? found : [scale.low, scale.high];
}
