// The page's frame is TensorBoard itself: what is learned from it, and what is kept in its URL.

const frame = (() => {
  try {
    return window.parent.location.href ? window.parent : window;
  } catch {
    return window; // another origin
  }
})();

const PREFIX = "p.tfbn."; // TensorBoard's own form for what plugins keep in its URL

function hashParts() {
  return frame.location.hash.slice(1).split("&").filter(Boolean);
}

/** What the URL keeps for this page: `{key: text}`. */
export function readUrl() {
  const found = {};
  for (const part of hashParts()) {
    const [key, value] = part.split("=");
    if (value === undefined || !key.startsWith(PREFIX)) continue;
    try {
      found[key.slice(PREFIX.length)] = decodeURIComponent(value);
    } catch {
      // Not written by this page.
    }
  }
  return found;
}

/** Puts `{key: text}` into the URL; `step` makes it a step of the browser's history. */
export function writeUrl(values, step) {
  const others = hashParts().filter((part) => !part.startsWith(PREFIX));
  const own = Object.entries(values).map(([key, value]) => `${PREFIX}${key}=${encodeURIComponent(value)}`);
  const url = `${frame.location.pathname}${frame.location.search}#${[...others, ...own].join("&")}`;
  if (step) frame.history.pushState(frame.history.state, "", url);
  else frame.history.replaceState(frame.history.state, "", url);
}

/** Calls back when the user goes back or forward, or edits the URL. */
export function onUrlChange(callback) {
  frame.addEventListener("popstate", callback);
}

/** Whether TensorBoard is dark. */
export function isDark() {
  if (frame !== window) return frame.document.body.classList.contains("dark-mode");
  return window.matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Calls back when TensorBoard turns dark or light. */
export function onThemeChange(callback) {
  if (frame === window)
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", callback);
  else new MutationObserver(callback).observe(frame.document.body, { attributeFilter: ["class"] });
}

/** Calls back when TensorBoard reloads its data, by its button or by itself. */
export function onReload(callback) {
  const channel = new MessageChannel();
  channel.port1.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.isReply) return;
    channel.port1.postMessage(
      JSON.stringify({ type: message.type, id: message.id, payload: null, error: null, isReply: true }),
    );
    if (message.type === "experimental.DataReloaded") callback();
  };
  if (window.parent !== window) window.parent.postMessage("experimental.bootstrap", "*", [channel.port2]);
}
