/** The countries of the world, the darker the more they hold. The geometry is Natural Earth's, as jsvectormap has it. */

import { told } from "./api.js";
import { close } from "./popup.js";
import { heading, quantity, text } from "./format.js";
import { make } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
let geometry = null;

/**
 * @param {{columns: object[], rows: unknown[][]}} answer
 * @param {{code: number, value: number}} places  columns by their place
 * @param {object|null} act  what a click does
 */
export async function world({ columns, rows }, { code, value }, act) {
  geometry ??= load();
  const { width, height, paths } = await geometry;
  const known = new Map(rows.map((row) => [row[code], row]));
  const most = Math.max(1, ...rows.map((row) => Number(row[value]) || 0));
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, focusable: "false" });
  const said = make("p", { class: "said" });
  for (const [name, { path }] of Object.entries(paths)) {
    const land = element("path", { d: path });
    const row = known.get(name);
    if (row) {
      const share = (Number(row[value]) || 0) / most;
      land.style.setProperty("--heat", (0.12 + 0.88 * Math.sqrt(share)).toFixed(3)); // half the visitors of the first are to be seen
      land.classList.add("known");
      const doing = act?.of(row);
      if (doing) land.addEventListener("click", () => { close(); doing.click(); });
      if (doing?.pressed) land.classList.add("picked");
    }
    const words = row ? `${text(name, columns[code])} · ${heading(columns[value].name)} ${quantity(row[value], columns[value])}` : text(name, columns[code]);
    land.addEventListener("pointerenter", () => { said.textContent = words; });
    svg.append(land);
  }
  svg.addEventListener("pointerleave", () => { said.textContent = ""; });
  const node = document.createDocumentFragment();
  node.append(svg, said);
  return node;
}

/** The file hands its map to a global of that name, and is otherwise as it comes. */
async function load() {
  let map = null;
  globalThis.jsVectorMap = { addMap: (_name, given) => { map = given; } };
  await import(`${told().root}/static/vendor/jsvectormap/world.js`);
  delete globalThis.jsVectorMap;
  return map;
}

function element(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
