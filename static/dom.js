/**
 * Builds elements without ever parsing HTML: titles, addresses and event names are strings of strangers,
 * and here they can only become text.
 */

/**
 * @param {string} tag
 * @param {Object<string, string|number|boolean|null|undefined>} attributes  true sets a bare attribute; null, undefined and false set none
 * @param {...(Node|string|null|undefined)} children
 */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** What an address looks like that lost its scheme: a host with a dot in it, perhaps a port, perhaps a path. */
const BARE = /^([a-z0-9-]+\.)+[a-z]{2,}(:\d+)?([/?#]|$)/i;

/**
 * The address, if a click on it leads to a web page; null for `javascript:`, `data:` and everything else.
 *
 *     webAddress("http://example.org/a") → http://example.org/a
 *     webAddress("example.org/a", true)  → https://example.org/a
 *     webAddress("javascript:alert(1)")  → null
 *
 * @param {unknown} value
 * @param {boolean} bare  whether an address without its scheme counts, as some reports write them
 * @returns {URL|null}
 */
export function webAddress(value, bare = false) {
  if (typeof value !== "string") return null;
  const full = bare && BARE.test(value) ? `https://${value}` : value;
  if (!/^https?:\/\//i.test(full)) return null;
  try {
    return new URL(full);
  } catch {
    return null;
  }
}

export function button(text, onClick, attributes = {}) {
  const node = make("button", { type: "button", ...attributes }, text);
  node.addEventListener("click", onClick);
  return node;
}

/**
 * Copies the text of a node, and says so in another one.
 * The clipboard is only given to pages on https or localhost; elsewhere the selection is the next best.
 */
export async function copy(node, copied) {
  getSelection().selectAllChildren(node);
  try {
    await navigator.clipboard.writeText(node.textContent);
    copied.textContent = "Copied";
  } catch {
    copied.textContent = document.execCommand("copy") ? "Copied" : "Selected; press Ctrl+C or ⌘C";
  }
}
