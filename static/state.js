/**
 * What the page shows, as its address has it: nearly the words that the API takes.
 * @typedef {{period: import("./period.js").Period, compare: string|null, filters: [string, string][], tz: string|null,
 *   interval: string|null, metric: string|null, tabs: string[], own: [string, string][]}} State
 *   `filters` as the API has them, "!" and "~" before a value; `tabs` the panels that are open and not the first of
 *   their card; `own` the values of a panel's own parameters: "private-campaigns.by"
 */

import * as period from "./period.js";

export const COMPARISONS = { previous: "Previous period", year: "Year before", weekday: "Same weekdays" };
const INTERVALS = ["hour", "day", "week", "month"];
const OWN = /^(public|private)-[\w-]+\.\w+$/;

/** @param {string} search  such as location.search @param {Set<string>} dimensions  that can be filtered by @returns {State} */
export function read(search, dimensions) {
  const asked = new URLSearchParams(search);
  const one = (name, known) => (known.includes(asked.get(name)) ? asked.get(name) : null);
  return {
    period: period.read(search),
    compare: one("compare", Object.keys(COMPARISONS)),
    filters: [...asked].filter(([name]) => dimensions.has(name)),
    tz: asked.get("tz") || null,
    interval: one("interval", INTERVALS),
    metric: asked.get("metric") || null,
    tabs: (asked.get("tabs") ?? "").split(",").filter(Boolean),
    own: [...asked].filter(([name]) => OWN.test(name)),
  };
}

/** @param {State} state @param {boolean} [whole]  with the usual period too @returns {string} a search string; else empty for the usual state */
export function write(state, whole = false) {
  const usual = !whole && period.isUsual(state.period) ? "" : period.write(state.period);
  const said = new URLSearchParams(usual);
  for (const [name, value] of state.filters) said.append(name, value);
  for (const name of ["compare", "tz", "interval", "metric"]) if (state[name]) said.set(name, state[name]);
  if (state.tabs.length) said.set("tabs", state.tabs.join(","));
  for (const [name, value] of state.own) said.set(name, value);
  const text = said.toString().replaceAll("%2C", ",").replaceAll("%2F", "/").replaceAll("%21", "!");
  return text && `?${text}`;
}

/** Whether a query's answer hangs on the filters. @param {object} query  as the list of queries describes it */
export function isFiltered({ takes }) {
  return takes.includes("filters") || takes.includes("event_filters");
}

/**
 * What a panel asks, of all that the page's address says.
 * @param {State} state @param {object} query @param {Object<string, string|number>} [more]
 * @returns {string} a search string without its question mark
 */
export function question(state, query, more = {}) {
  const asked = new URLSearchParams(period.write(state.period));
  const { takes } = query;
  if (state.tz) asked.set("tz", state.tz);
  if (state.interval && takes.includes("bucket")) asked.set("interval", state.interval);
  if (isFiltered(query)) for (const [name, value] of state.filters) asked.append(name, value);
  const compare = comparison(state, query);
  if (compare) asked.set("compare", compare);
  const id = `${query.collection}-${query.name}.`;
  for (const [name, value] of state.own) if (name.startsWith(id)) asked.set(name.slice(id.length), value);
  for (const [name, value] of Object.entries(more)) asked.append(name, value);
  return asked.toString();
}

/** A large number says little without the one before it; a grid and a table have no room for another, the present none. */
function comparison({ compare, period: asked }, { chart, refresh }) {
  if (chart.kind === "stat") return compare ?? (asked.period === "all" ? null : "previous");
  return ["timeseries", "bars", "map"].includes(chart.kind) && !refresh ? compare : null;
}

/** A filter's parts: `!~draft` is not, contains, draft. @param {string} value */
export function parts(value) {
  const not = value.startsWith("!");
  const rest = not ? value.slice(1) : value;
  const contains = rest.startsWith("~");
  return { not, contains, value: contains ? rest.slice(1) : rest };
}

/** Whether a value can be said to be asked for as it is. @param {unknown} value  of a cell */
export function asFilter(value) {
  const text = String(value ?? "");
  return /^[!~]/.test(text) || text.length > 500 ? null : text;
}
