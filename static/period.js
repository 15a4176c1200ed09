/**
 * The period in the page's address: `?period=last_month`, `?days=30`, or `?from=2026-01-01&to=2026-01-31`.
 * @typedef {{period: string} | {days: number} | {from: string, to: string}} Period  both ends are included
 */

/** As the API knows them: in words, how they fit after "Reports" and "Nothing", and the key that shows them. */
export const PRESETS = {
  today: ["Today", "today", "d"],
  yesterday: ["Yesterday", "yesterday", "e"],
  last_7_days: ["Last 7 days", "in the last 7 days", "w"],
  last_30_days: ["Last 30 days", "in the last 30 days", "t"],
  last_90_days: ["Last 90 days", "in the last 90 days", "n"],
  this_month: ["This month", "this month", "m"],
  last_month: ["Last month", "last month", "p"],
  this_year: ["This year", "this year", "y"],
  last_12_months: ["Last 12 months", "in the last 12 months", "l"],
  all: ["All time", "of all time", "a"],
};
const USUAL = { period: "last_30_days" };
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const DAY_MS = 86400_000;

/** @param {string} search  such as location.search @returns {Period} the usual one where the address names none */
export function read(search) {
  const asked = new URLSearchParams(search);
  const from = asked.get("from");
  const to = asked.get("to");
  if (DAY.test(from) && DAY.test(to)) return { from, to };
  const days = asked.get("days");
  if (/^\d{1,5}$/.test(days ?? "")) return { days: Number(days) };
  const named = asked.get("period");
  return Object.hasOwn(PRESETS, named ?? "") ? { period: named } : USUAL;
}

/** @param {Period} period @returns {string} for an address, without the question mark */
export function write(period) {
  return new URLSearchParams(period).toString();
}

/** @param {Period} period */
export function isUsual(period) {
  return period.period === USUAL.period;
}

/** @param {Period} period @returns {string} fits after "Nothing" and "Reports": "in the last 30 days" */
export function words(period) {
  if ("from" in period) return period.from === period.to ? `on ${day(period.from)}` : `from ${day(period.from)} to ${day(period.to)}`;
  if ("period" in period) return PRESETS[period.period][1];
  return period.days === 0 ? "today" : period.days === 1 ? "since yesterday" : `in the last ${period.days} days`;
}

/** @param {Period} period @returns {string} for a button: "Last 30 days" */
export function label(period) {
  if ("period" in period) return PRESETS[period.period][0];
  if ("from" in period) return span(period);
  const text = words(period).replace(/^in the /, "");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @param {{from: string, to: string}} days @returns {string} "24 Oct – 22 Nov 2026" */
export function span({ from, to }) {
  const look = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
  const [first, last] = [from, to].map(date);
  if (Number.isNaN(first) || Number.isNaN(last)) return `${from} – ${to}`;
  return from === to ? look.format(first) : look.formatRange(first, last);
}

/**
 * The period of the same kind before or after: of whole months and years the next ones, else as many days.
 * @param {{from: string, to: string}} days  as an answer tells them @param {-1|1} way @param {string} today
 * @returns {{from: string, to: string}|null}  null where there is nothing yet
 */
export function beside(days, way, today) {
  const [first, last] = [date(days.from), date(days.to)];
  const length = Math.round((last - first) / DAY_MS) + 1;
  const unit = whole(first, last, days.to === today);
  const moved = (at, extra = 0) => unit === "year"
    ? Date.UTC(new Date(at).getUTCFullYear() + way + extra, 0, 1)
    : unit === "month" ? Date.UTC(new Date(at).getUTCFullYear(), new Date(at).getUTCMonth() + way + extra, 1) : at + way * length * DAY_MS;
  const from = moved(first);
  const to = unit ? moved(first, 1) - DAY_MS : moved(last);
  const found = { from: iso(from), to: iso(to) };
  if (found.from > today) return null;
  return found.to > today ? { from: found.from, to: today } : found;
}

/** "month" and "year" where the days are all of one, or all of it that there are yet. */
function whole(first, last, ends) {
  const [start, end] = [new Date(first), new Date(last)];
  const following = new Date(last + DAY_MS);
  if (start.getUTCDate() !== 1 || start.getUTCFullYear() !== end.getUTCFullYear()) return null;
  if (start.getUTCMonth() === 0 && (ends ? end.getUTCMonth() > 0 : following.getUTCMonth() === 0 && following.getUTCDate() === 1 && end.getUTCMonth() === 11)) return "year";
  const alone = start.getUTCMonth() === end.getUTCMonth();
  return alone && (ends || following.getUTCDate() === 1) && last - first > 0 ? "month" : null;
}

function date(text) {
  return Date.parse(`${text}T00:00:00Z`);
}

function iso(at) {
  return new Date(at).toISOString().slice(0, 10);
}

function day(text) {
  const at = date(text);
  return Number.isNaN(at) ? text : new Date(at).toLocaleDateString(undefined, { dateStyle: "medium", timeZone: "UTC" });
}

/**
 * What the clocks show, as the server writes moments: "2026-03-29T02:00".
 * @param {string} [zone]  the report's; without one, the viewer's own
 */
export function clock(zone) {
  const look = { timeZone: zone, dateStyle: "short", timeStyle: "short" };
  return new Intl.DateTimeFormat("sv-SE", look).format(new Date()).replace(" ", "T");
}
