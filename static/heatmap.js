/** Two things against each other, such as hours and weekdays: a table whose cells are the darker the more they hold. */

import { make } from "./dom.js";
import { heading, hour, moment, quantity, short, text, weekday } from "./format.js";

/** Values that an axis has, whether anything happened then or not; and how its heading is written. */
const WHOLE = {
  hour: { all: [...Array(24).keys()], label: (value) => String(value).padStart(2, "0"), full: hour },
  weekday: { all: [1, 2, 3, 4, 5, 6, 7], label: (value) => weekday(value, "short"), full: weekday },
};
const DAY = /^\d{4}-\d{2}(-\d{2})?$/;
const NARROW = matchMedia("(max-width: 46rem)");

/**
 * @param {{columns: object[], rows: unknown[][]}} answer
 * @param {{x: number, y: number, value: number, title: string}} places  columns by their place: across, down, and in the cells
 */
export function heatmap({ columns, rows }, { x, y, value, title }) {
  const across = axis(columns[x], rows.map((row) => row[x]));
  const down = axis(columns[y], rows.map((row) => row[y]));
  const known = new Map(rows.map((row) => [key(row[x], row[y]), row[value]]));
  const most = Math.max(0, ...rows.map((row) => Number(row[value]) || 0));
  // Hours go down where there is no room for 24 beside each other.
  const turned = NARROW.matches && across.values.length > down.values.length;
  const [head, side] = turned ? [down, across] : [across, down];
  const at = (top, left) => known.get(turned ? key(left, top) : key(top, left)) ?? (across.whole && down.whole ? 0 : null);
  const cell = (top, left) => shaded(at(top, left), most, columns[value], `${side.full(left)}, ${head.full(top)}`);
  const width = `${Math.floor(100 / (head.values.length + 1))}%`; // all alike, and never less than what stands in them
  const table = make(
    "table", { class: "heat" },
    make("caption", { class: "hidden" }, `${title}: ${heading(columns[value].name)} by ${heading(side.column.name)} and ${heading(head.column.name)}`),
    make("thead", {}, make("tr", {}, make("td", { class: "corner" }, side.whole && head.whole ? "" : `${heading(side.column.name)} / ${heading(head.column.name).toLowerCase()}`), ...head.values.map((top) => make("th", { scope: "col", width, title: head.full(top) }, head.label(top))))),
    make("tbody", {}, ...side.values.map((left) => make("tr", {}, make("th", { scope: "row" }, side.label(left)), ...head.values.map((top) => cell(top, left))))),
  );
  return make("div", {}, make("div", { class: "rows heatmap", tabindex: "0", role: "group", "aria-label": title }, table), scale(most, columns[value]));
}

function axis(column, found) {
  const whole = WHOLE[column.format];
  if (whole) return { column, whole: true, values: whole.all, label: whole.label, full: whole.full };
  const read = (value) => (DAY.test(value) ? moment(value) : text(value, column));
  return { column, whole: false, values: [...new Set(found)].sort(rising), label: read, full: (value) => `${heading(column.name)} ${read(value)}` };
}

function rising(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}

function key(x, y) {
  return JSON.stringify([x, y]);
}

function shaded(value, most, column, where) {
  const empty = value === null;
  const words = empty ? "" : column.format === "count" || !column.format ? short(value) : quantity(value, column);
  const cell = make("td", { title: empty ? null : `${where}: ${quantity(value, column)}`, class: empty ? "none" : value === 0 ? "zero" : null }, words);
  cell.style.setProperty("--heat", heat(most > 0 ? Math.max(0, Number(value) || 0) / most : 0, column).toFixed(3));
  return cell;
}

/** Of shares most are small beside the first, which is all: their root tells one from the other. */
function heat(part, { format }) {
  return format === "percent" ? Math.sqrt(part) : part;
}

function scale(most, column) {
  const steps = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const step = make("i", {});
    step.style.setProperty("--heat", heat(part, column).toFixed(3));
    return step;
  });
  return make("p", { class: "scale", "aria-hidden": "true" }, quantity(0, column), make("span", {}, ...steps), quantity(most, column), ` ${heading(column.name).toLowerCase()}`);
}
