/** What a chart opens: its table twin, and the days of one of its steps. */

import { make } from "./dom.js";
import { clock } from "./period.js";
import { plain } from "./rows.js";

const DAY_MS = 86400_000;

/**
 * The days of a step of a chart: of a week all seven, as far as they are over.
 * @param {string} start  as an answer has it: "2026-11-23", "2026-11" @param {string} interval @param {string} [tz]
 * @returns {{from: string, to: string}|null}  null of an hour
 */
export function days(start, interval, tz) {
  const first = Date.parse(`${start.slice(0, 10).padEnd(10, "-01")}T00:00:00Z`);
  const at = new Date(first);
  const last = { day: first, week: first + 6 * DAY_MS, month: Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 0) }[interval];
  if (last === undefined || Number.isNaN(first)) return null;
  const [from, to] = [first, last].map((time) => new Date(time).toISOString().slice(0, 10));
  const today = clock(tz).slice(0, 10);
  return { from, to: to > today ? today : to };
}

/**
 * The same numbers as a table, for whoever reads rather than looks.
 * @param {string} name @param {object} answer
 * @param {number} [place]  of the column of moments @param {(moment: string) => void} [open]  what a click on one does
 */
export function table(name, answer, place, open) {
  const act = open && { place, of: (row) => ({ click: () => open(row[place]), words: "Show only" }) };
  return make("div", { class: "twin", tabindex: "0", role: "group", "aria-label": name }, plain(answer, { act }));
}
