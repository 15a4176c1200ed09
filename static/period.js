/**
 * The period in the page's address: `?days=30`, or `?from=2026-01-01&to=2026-01-31`.
 * @typedef {{days: number} | {from: string, to: string}} Period  both ends are included
 */

const USUAL = { days: 30 };
const SHORTHANDS = { 0: "today", 1: "since yesterday", 365: "the last 12 months" };
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** @param {string} search  such as location.search @returns {Period} the usual one where the address names none */
export function read(search) {
  const asked = new URLSearchParams(search);
  const from = asked.get("from");
  const to = asked.get("to");
  if (DAY.test(from) && DAY.test(to)) return { from, to };
  const days = asked.get("days");
  return /^\d{1,5}$/.test(days ?? "") ? { days: Number(days) } : USUAL;
}

/** @param {Period} period @returns {string} for an address, without the question mark */
export function write(period) {
  return new URLSearchParams(period).toString();
}

/** @param {Period} period @returns {string} fits after "Nothing" and "Reports": "in the last 30 days" */
export function words(period) {
  if ("from" in period) {
    return period.from === period.to
      ? `on ${day(period.from)}`
      : `from ${day(period.from)} to ${day(period.to)}`;
  }
  const shorthand = SHORTHANDS[period.days];
  if (period.days <= 1) return shorthand;
  return `in ${shorthand ?? `the last ${period.days} days`}`;
}

function day(text) {
  const date = new Date(`${text}T00:00:00Z`);
  if (Number.isNaN(date.valueOf())) return text;
  return date.toLocaleDateString(undefined, { dateStyle: "medium", timeZone: "UTC" });
}

/** The dates the custom form opens with. @param {Period} period @param {Date} now */
export function dates(period, now) {
  if ("from" in period) return period;
  const start = new Date(now);
  start.setDate(start.getDate() - period.days);
  return { from: local(start), to: local(now) };
}

/** The day on the viewer's own calendar, as YYYY-MM-DD. @param {Date} date */
export function local(date) {
  const pad = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/**
 * What the clocks show, as the server writes moments: "2026-03-29T02:00".
 * @param {string} [zone]  the report's; without one, the viewer's own
 */
export function clock(zone) {
  const look = { timeZone: zone, dateStyle: "short", timeStyle: "short" };
  return new Intl.DateTimeFormat("sv-SE", look).format(new Date()).replace(" ", "T");
}
