// The plugin's data routes. An answer is asked for once, until TensorBoard reloads.

const known = new Map();

/** Asks a route; rejects with the reason that the server gives. */
export function ask(route, values = {}) {
  const url = new URL(`./${route}`, import.meta.url);
  for (const [key, value] of Object.entries(values)) if (value != null) url.searchParams.set(key, value);
  const key = url.href;
  if (!known.has(key))
    known.set(
      key,
      fetched(key).catch((error) => (known.delete(key), Promise.reject(error))),
    );
  return known.get(key);
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
