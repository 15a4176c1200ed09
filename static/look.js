/** An answer in the look that its query asked for: a chart, bars, a map, large numbers; a table where it does not fit. */

import { draw, isTimeline } from "./chart.js";
import { button, make } from "./dom.js";
import { isNaming } from "./format.js";
import { heatmap } from "./heatmap.js";
import * as period from "./period.js";
import { bars, isNumeric, plain, shares, stats } from "./rows.js";
import { isScale, steps } from "./steps.js";

/**
 * @param {object} query  as the list of queries describes it
 * @param {{columns: object[], rows: unknown[][], period?: object, compared?: {rows: (unknown[]|null)[], words: string}}} answer
 * @returns {{node: Node, forget?: () => void, toggle?: Node}|null}  null where there is nothing to show
 */
export function look(query, answer) {
  const { kind } = query.chart;
  const full = kind === "timeseries" ? soFar(query, answer) : answer;
  const places = arrange(query.chart, full);
  if (isEmpty(kind, full, places)) return null;
  switch (kind) {
    case "timeseries": return overTime(query, full, places);
    case "heatmap": return grid(query, full, places);
    case "stat": return { node: stats(full, places.values.length ? places.values : [...full.columns.keys()]) };
    case "map": return { node: places.values.length ? shares(full, places) : plain(full) };
    case "bars": return ranking(query, full, places);
    default: return { node: plain(full) };
  }
}

/** Which column is the name, which ones are numbers to show, which only remarks: by the query's word, else by the data. */
function arrange({ kind, x, y }, { columns, rows }) {
  const at = (name) => columns.findIndex((column) => column.name === name);
  const numeric = [...columns.keys()].filter((place) => isNumeric(rows, place) && !isNaming(columns[place]));
  const named = y.map(at).filter((place) => place >= 0);
  const name = Math.max(0, kind === "stat" ? 0 : at(x));
  const values = named.length ? named : numeric.filter((place) => kind === "stat" || place !== name);
  const others = [...columns.keys()].filter((place) => place !== name && !values.includes(place));
  const more = ["bars", "map"].includes(kind) ? others.filter((place) => numeric.includes(place)) : [];
  return { name, values: [...values, ...more], notes: others.filter((place) => !more.includes(place)) };
}

function isEmpty(kind, { rows }, { values }) {
  if (rows.length === 0) return true;
  return ["timeseries", "heatmap"].includes(kind) && rows.every((row) => values.every((place) => !row[place]));
}

/** Without the hours of today that are still to come. */
function soFar({ chart }, answer) {
  const place = Math.max(0, answer.columns.findIndex((column) => column.name === chart.x));
  const now = period.clock(answer.period?.tz);
  const isAhead = (row) => typeof row[place] === "string" && /^\d{4}-\d{2}/.test(row[place])
    && row[place].replace(" ", "T") > now.slice(0, row[place].length)
    && row.every((value, at) => at === place || !value);
  const last = answer.rows.findLastIndex((row) => !isAhead(row));
  return { ...answer, rows: answer.rows.slice(0, last + 1) };
}

function overTime(query, answer, places) {
  const moments = answer.rows.map((row) => row[places.name]);
  if (answer.rows.length === 1) return { node: stats(answer, places.values) };
  if (!isTimeline(moments)) return { node: bars(answer, places) };
  const before = (place) => answer.compared && answer.rows.map((_row, at) => answer.compared.rows[at]?.[place] ?? null);
  const chart = draw({
    title: query.title || query.name,
    moments,
    interval: answer.period?.interval,
    zone: answer.period?.tz,
    when: answer.compared?.words,
    series: places.values.map((place) => ({
      column: answer.columns[place],
      values: answer.rows.map((row) => row[place]),
      before: before(place),
    })),
  });
  const node = make("div", {}, chart.node);
  return { node, forget: chart.forget, toggle: twin(query, node, chart.node, { ...answer, rows: answer.rows.toReversed() }) };
}

function ranking(query, answer, places) {
  if (!places.values.length) return { node: plain(answer) };
  if (!isScale(answer.rows, places.name)) return { node: bars(answer, places) };
  const scale = steps(answer, { ...places, title: query.title || query.name });
  const node = make("div", {}, scale);
  return { node, toggle: twin(query, node, scale, answer) };
}

function grid(query, answer, places) {
  const [x, y] = (query.chart.by ?? []).map((name) => answer.columns.findIndex((column) => column.name === name));
  const [value] = places.values;
  if (!(x >= 0 && y >= 0 && value >= 0)) return { node: plain(answer) };
  const map = heatmap(answer, { x, y, value, title: query.title || query.name });
  const node = make("div", {}, map);
  return { node, toggle: twin(query, node, map, answer) };
}

/** The same numbers as a table, for whoever reads rather than looks. Of moments the latest come first. */
function twin(query, host, chart, answer) {
  const toggle = button("Table", () => {
    const table = toggle.getAttribute("aria-pressed") !== "true";
    host.replaceChildren(table ? plain(answer) : chart);
    toggle.setAttribute("aria-pressed", String(table));
  }, { "aria-pressed": "false", "aria-label": `${query.title || query.name} as a table` });
  return toggle;
}
