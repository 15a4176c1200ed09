/** Answers as rows: a ranking with a bar behind each name, a plain table, or a few large numbers. */

import { button, make, webAddress } from "./dom.js";
import { heading, number, text } from "./format.js";

const FIRST = 10;
/** Beyond this the page grows slow and nobody reads on; the CSV has them all. */
const MOST = 1000;

/**
 * @param {{columns: object[], rows: unknown[][]}} answer
 * @param {{name: number, values: number[], notes: number[]}} places  columns by their place; the first of `values` draws the bar
 */
export function bars({ columns, rows }, { name, values, notes }) {
  const most = Math.max(0, ...rows.map((row) => Number(row[values[0]]) || 0));
  const shown = soleOrigin(rows, columns, name);
  const line = (row) => make(
    "tr", {},
    barCell(row, columns, name, notes, share(row[values[0]], most), shown),
    ...values.map((place, rank) => numberCell(row[place], columns[place], rank > 0)),
  );
  return table(head(columns, [name, ...values], new Set(values)), rows, line, "bars");
}

function share(value, most) {
  return most > 0 ? Math.max(0, Number(value) || 0) / most : 0;
}

function barCell(row, columns, name, notes, part, shown) {
  const bar = make("span", { class: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--share", part.toFixed(4));
  const remarks = notes.filter((place) => row[place] !== null && row[place] !== "").map((place) => text(row[place], columns[place]));
  return make(
    "th", { scope: "row" }, bar,
    make(
      "span", { class: "name" }, content(row[name], columns[name], shown),
      remarks.length ? make("small", {}, remarks.join(" · ")) : null,
    ),
  );
}

/** Every column as it came. */
export function plain({ columns, rows }) {
  const places = [...columns.keys()];
  const numeric = new Set(places.filter((place) => isNumeric(rows, place)));
  const line = (row) => make("tr", {}, ...places.map((place) => (
    numeric.has(place) ? numberCell(row[place], columns[place]) : make("td", {}, content(row[place], columns[place]))
  )));
  return table(head(columns, places, numeric), rows, line, "plain");
}

/** The first row's values, large. @param {number[]} places */
export function stats({ columns, rows }, places) {
  return make("dl", { class: "stats" }, ...places.map((place) => make(
    "div", {},
    make("dt", { title: columns[place].description }, heading(columns[place].name)),
    make("dd", {}, text(rows[0][place], columns[place])),
  )));
}

export function isNumeric(rows, place) {
  return rows.length > 0 && rows.every((row) => row[place] === null || typeof row[place] === "number")
    && rows.some((row) => row[place] !== null);
}

function head(columns, places, numeric) {
  return make("thead", {}, make("tr", {}, ...places.map((place) => make(
    "th", { scope: "col", class: numeric.has(place) ? "number" : null, title: columns[place].description },
    heading(columns[place].name),
  ))));
}

function numberCell(value, column, minor = false) {
  return make("td", { class: minor ? "number minor" : "number" }, text(value, column));
}

/** A cell's text, as a link where it is a web address. @param {URL|null} shown  the one origin that need not be repeated */
function content(value, column, shown = null) {
  const address = addressIn(value, column);
  if (!address) {
    const words = text(value, column);
    return make("span", { title: words === value ? null : String(value ?? ""), class: value === null || value === "" ? "blank" : null }, words);
  }
  const path = readable(address.pathname + address.search + address.hash);
  const label = address.origin === shown ? path : `${address.host}${path === "/" ? "" : path}`;
  return make("a", { href: address.href, title: address.href, target: "_blank", rel: "noopener noreferrer" }, label);
}

function readable(path) {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

function addressIn(value, column) {
  return webAddress(value, /(^|_)(uri|url|page|origin|referrer)$/i.test(column.name));
}

/** The origin that all addresses of a column share; a site's own pages read better as paths. */
function soleOrigin(rows, columns, place) {
  const origins = new Set(rows.map((row) => addressIn(row[place], columns[place])?.origin).filter(Boolean));
  return origins.size === 1 ? [...origins][0] : null;
}

function table(headings, rows, line, look) {
  const body = make("tbody", {}, ...rows.slice(0, FIRST).map(line));
  const node = make("div", { class: "rows" }, make("table", { class: look }, headings, body));
  if (rows.length > FIRST) node.append(more(body, rows, line));
  return node;
}

function more(body, rows, line) {
  const label = () => (open ? `Show the first ${FIRST}` : `Show all ${number(rows.length)}`);
  let open = false;
  const toggle = button(label(), () => {
    open = !open;
    body.replaceChildren(...rows.slice(0, open ? MOST : FIRST).map(line));
    if (open && rows.length > MOST) body.append(cut(rows));
    toggle.textContent = label();
    toggle.setAttribute("aria-expanded", String(open));
  }, { class: "more", "aria-expanded": "false" });
  return toggle;
}

function cut(rows) {
  return make("tr", {}, make("td", { colspan: rows[0].length, class: "words" }, `The first ${number(MOST)} rows; the CSV has them all.`));
}
