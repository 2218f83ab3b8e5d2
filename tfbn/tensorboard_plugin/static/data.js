// The plugin's data routes. An answer is asked for once, until TensorBoard reloads.

const known = new Map();

/** Asks a route; rejects with the reason that the server gives. A list is given value by value. */
export function ask(route, values = {}) {
  const url = new URL(`./${route}`, import.meta.url);
  for (const [key, value] of Object.entries(values))
    for (const one of [value].flat()) if (one != null) url.searchParams.append(key, one);
  const key = url.href;
  if (!known.has(key))
    known.set(
      key,
      fetched(key).catch((error) => (known.delete(key), Promise.reject(error))),
    );
  return known.get(key);
}

/**
 * Asks a route for each group; a group that cannot be read is left out and named.
 *
 * @returns `{arms, answers, skipped}`: the groups that answered, their answers, and `{name, reason}` of runs that
 *   cannot be read. Rejects if no group answers.
 */
export async function askEach(arms, route, values) {
  const settled = await Promise.allSettled(
    arms.map((arm) => ask(route, { run: arm.runs.map((run) => run.name), ...values })),
  );
  const found = { arms: [], answers: [], skipped: [] };
  settled.forEach(({ value, reason }, i) => {
    if (reason) found.skipped.push({ name: arms[i].name, reason: reason.message });
    else {
      found.arms.push(arms[i]);
      found.answers.push(value);
      found.skipped.push(...(value.skipped ?? []));
    }
  });
  if (!found.arms.length) throw settled[0].reason;
  return found;
}

/** Forgets every answer. */
export function forget() {
  known.clear();
}

async function fetched(url) {
  const response = await fetch(url);
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new Error(`TensorBoard answered with status ${response.status}`);
  }
  if (!response.ok) throw new Error(answer.error ?? `TensorBoard answered with status ${response.status}`);
  return answer;
}

/** An array that came as base 64: `{rows, columns, at(row, column)}`. */
export function matrix({ shape, float32 }) {
  const bytes = Uint8Array.from(atob(float32), (letter) => letter.charCodeAt(0));
  const values = new Float32Array(bytes.buffer);
  const [rows, columns] = shape;
  return { rows, columns, values, at: (row, column) => values[row * columns + column] };
}
