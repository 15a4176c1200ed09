/** Answers as rows: a ranking with a bar behind each name, a plain table, or a few large numbers. */

import { button, make, webAddress } from "./dom.js";
import { change, heading, isNaming, number, text } from "./format.js";

const FIRST = 10;
const LONG = 30; // characters; more may be cut, and are read by a pointer that rests
/** Beyond this the page grows slow and nobody reads on; the CSV has them all. */
const MOST = 1000;

/**
 * @param {{columns: object[], rows: unknown[][]}} answer
 * @param {{name: number, values: number[], notes: number[]}} places  columns by their place; the first of `values` draws the bar
 */
export function bars({ columns, rows, compared }, { name, values, notes }, { first, more, act } = {}) {
  const most = Math.max(0, ...rows.map((row) => Number(row[values[0]]) || 0));
  const shown = soleOrigin(rows, columns, name);
  const line = (row, place) => make(
    "tr", {},
    barCell(row, columns, name, notes, share(row[values[0]], most), shown, act?.of(row)),
    ...values.flatMap((value, rank) => [
      numberCell(row[value], columns[value], rank),
      ...(compared && rank === 0 ? [changeCell(row[value], compared.rows[place]?.[value], columns[value], compared.words)] : []),
    ]),
  );
  const headings = head(columns, [name, ...values], new Set(values), numbered);
  if (compared) headings.rows[0].cells[1].after(make("th", { scope: "col", class: "number change", title: `against the visits ${compared.words}` }, "Change"));
  return table(headings, rows, line, "bars", first, more);
}

function changeCell(value, before, column, when) {
  const changed = difference(value, before ?? null, column, when, "td");
  if (!changed) return make("td", { class: "number change" }, before ? "–" : "new");
  changed.classList.add("number");
  return changed;
}

/** Bars, and what part of the whole each of them is. */
export function shares(answer, places, doing) {
  const counted = places.values[0];
  const whole = answer.rows.reduce((sum, row) => sum + (Number(row[counted]) || 0), 0);
  const part = (row) => (whole > 0 ? Math.round((Number(row[counted]) || 0) / whole * 1000) / 10 : 0);
  const columns = [...answer.columns, { name: "share", format: "percent", description: "of these rows together" }];
  return bars({ columns, rows: answer.rows.map((row) => [...row, part(row)]) }, { ...places, values: [counted, answer.columns.length, ...places.values.slice(1)] }, doing);
}

function share(value, most) {
  return most > 0 ? Math.max(0, Number(value) || 0) / most : 0;
}

function barCell(row, columns, name, notes, part, shown, act) {
  const bar = make("span", { class: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--share", part.toFixed(4));
  const remarks = notes.filter((place) => row[place] !== null && row[place] !== "").map((place) => text(row[place], columns[place]));
  return make(
    "th", { scope: "row" }, bar,
    make(
      "span", { class: "name" }, ...(act ? picked(row[name], columns[name], shown, act) : [content(row[name], columns[name], shown)]),
      remarks.length ? make("small", {}, remarks.join(" · ")) : null,
    ),
  );
}

/** A name that filters by it when it is clicked; where it is an address, the way there stands behind. */
function picked(value, column, shown, act) {
  const words = label(value, column, shown);
  const pick = button(words, act.click, { class: "pick", "aria-pressed": act.pressed?.toString(), title: `${act.words ?? (act.pressed ? "No longer filter by" : "Filter by")} ${words}` });
  const address = addressIn(value, column);
  return [pick, address ? make("a", { class: "out", href: address.href, target: "_blank", rel: "noopener noreferrer", "aria-label": `Visit ${words}` }, "↗") : null].filter(Boolean);
}

/** Every column as it came. @param {{first?: number, more?: () => void, act?: object}} [doing] */
export function plain({ columns, rows }, { first = FIRST, more, act } = {}) {
  const places = [...columns.keys()];
  const numeric = new Set(places.filter((place) => isNumeric(rows, place) && !isNaming(columns[place])));
  const cell = (row, place) => {
    if (numeric.has(place)) return numberCell(row[place], columns[place]);
    const doing = act?.place === place ? act.of(row) : null;
    return make("td", {}, ...(doing ? picked(row[place], columns[place], null, doing) : [content(row[place], columns[place])]));
  };
  const line = (row) => make("tr", {}, ...places.map((place) => cell(row, place)));
  return table(head(columns, places, numeric), rows, line, "plain", first, more);
}

/** Less of these is better. */
const LESS_IS_BETTER = /bounce|exit|refus|error|not_found/;

/**
 * The first row's values, large; and how they differ from those of another period.
 * @param {number[]} places @param {{columns: Set<string>, metric: string|null, plot: (name: string) => void}|null} [plots]
 */
export function stats({ columns, rows, compared }, places, plots = null) {
  const name = ({ name: column }) => {
    if (!plots?.columns.has(column)) return heading(column);
    return button(heading(column), () => plots.plot(column), { "aria-pressed": String(plots.metric === column), "data-metric": column });
  };
  return make("dl", { class: "stats" }, ...places.map((place) => make(
    "div", { class: plots?.metric === columns[place].name ? "plotted" : null },
    make("dt", { title: columns[place].description }, name(columns[place])),
    make("dd", {}, text(rows[0][place], columns[place])),
    compared ? difference(rows[0][place], compared.rows[0]?.[place], columns[place], compared.words) : null,
  )));
}

/** Seen: "▲ 12 %"; heard: "12 % more than before, 340 from …"; whether that is good is a colour's affair. */
function difference(value, before, column, when, tag = "dd") {
  const amount = change(value, before);
  if (amount === null) return null;
  const way = amount === change(1, 1) ? 0 : Math.sign(value - before); // less than can be shown is nothing
  const good = LESS_IS_BETTER.test(column.name) ? -way : way;
  const words = way === 0 ? "the same as before" : `${amount} ${way > 0 ? "more" : "less"} than before`;
  return make(
    tag, { class: `change ${good > 0 ? "better" : good < 0 ? "worse" : ""}`, title: `${text(before, column)} ${when}` },
    make("span", { "aria-hidden": "true" }, way === 0 ? amount : `${way > 0 ? "▲" : "▼"} ${amount}`),
    make("span", { class: "hidden" }, `${words}: ${text(before, column)} ${when}`),
  );
}

export function isNumeric(rows, place) {
  return rows.length > 0 && rows.every((row) => row[place] === null || typeof row[place] === "number")
    && rows.some((row) => row[place] !== null);
}

function head(columns, places, numeric, look = () => "number") {
  const counted = places.filter((place) => numeric.has(place));
  return make("thead", {}, make("tr", {}, ...places.map((place) => make(
    "th", { scope: "col", class: numeric.has(place) ? look(counted.indexOf(place)) : null, title: columns[place].description },
    columns[place].label ?? heading(columns[place].name),
  ))));
}

function numberCell(value, column, rank = 0) {
  return make("td", { class: numbered(rank) }, text(value, column));
}

/** A narrow panel shows the first numbers of a row alone. */
function numbered(rank) {
  return rank > 0 ? `number minor rank-${Math.min(rank, 4)}` : "number";
}

/** A cell's text, as a link where it is a web address. @param {URL|null} shown  the one origin that need not be repeated */
function content(value, column, shown = null) {
  const address = addressIn(value, column);
  const words = label(value, column, shown);
  if (!address) {
    return make("span", { title: words === value && words.length < LONG ? null : String(value ?? ""), class: value === null || value === "" ? "blank" : null }, words);
  }
  return make("a", { href: address.href, title: address.href, target: "_blank", rel: "noopener noreferrer" }, words);
}

function label(value, column, shown = null) {
  const address = addressIn(value, column);
  if (!address) return text(value, column);
  const path = readable(address.pathname + address.search + address.hash);
  return address.origin === shown ? path : `${address.host}${path === "/" ? "" : path}`;
}

function readable(path) {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

function addressIn(value, column) {
  if (column.format) return ["url", "host"].includes(column.format) ? webAddress(value, true) : null;
  return webAddress(value, /(^|_)(uri|url|page|origin|referrer)$/i.test(column.name));
}

/** The origin that all addresses of a column share: a site's own pages read better as paths, other sites' do not. */
function soleOrigin(rows, columns, place) {
  if (columns[place].format === "host" || /origin|referrer/i.test(columns[place].name)) return null;
  const origins = new Set(rows.map((row) => addressIn(row[place], columns[place])?.origin).filter(Boolean));
  return origins.size === 1 ? [...origins][0] : null;
}

function table(headings, rows, line, look, first = FIRST, all = null) {
  const body = make("tbody", {}, ...rows.slice(0, first).map(line));
  const node = make("div", { class: "rows" }, make("table", { class: look }, headings, body));
  if (rows.length <= first) return node;
  return make("div", {}, node, all ? button("More", all, { class: "more", "aria-haspopup": "dialog" }) : unfold(body, rows, line, first));
}

function unfold(body, rows, line, first) {
  const label = () => (open ? `Show the first ${first}` : `Show all ${number(rows.length)}`);
  let open = false;
  const toggle = button(label(), () => {
    open = !open;
    body.replaceChildren(...rows.slice(0, open ? MOST : first).map(line));
    if (open && rows.length > MOST) body.append(cut(rows));
    toggle.textContent = label();
    toggle.setAttribute("aria-expanded", String(open));
  }, { class: "more", "aria-expanded": "false" });
  return toggle;
}

function cut(rows) {
  return make("tr", {}, make("td", { colspan: rows[0].length, class: "words" }, `The first ${number(MOST)} rows; the CSV has them all.`));
}
