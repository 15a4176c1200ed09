/** An answer in the look that its query asked for: a chart, bars, a map, large numbers; a table where it does not fit. */

import { draw, isTimeline } from "./chart.js";
import { button, make } from "./dom.js";
import { isNaming } from "./format.js";
import * as period from "./period.js";
import { bars, isNumeric, plain, shares, stats } from "./rows.js";
import { asFilter } from "./state.js";

const FEWEST = 12; // steps of a scale; fewer read better as rows

/**
 * @param {object} query  as the list of queries describes it
 * @param {{columns: object[], rows: unknown[][], period?: object, compared?: {rows: (unknown[]|null)[], words: string}}} answer
 * @param {object} page   what can be done there: rows be picked, a number plotted, all rows shown
 * @returns {{node: Node, forget?: () => void, toggle?: Node}|null}  null where there is nothing to show
 */
export function look(query, answer, page) {
  const { kind } = query.chart;
  const full = kind === "timeseries" ? soFar(query, answer) : answer;
  const places = arrange(query.chart, full);
  if (isEmpty(kind, full, places)) return null;
  const rows = { first: page.first, more: page.more, act: acting(query, full, page) };
  switch (kind) {
    case "timeseries": return overTime(query, full, places, rows, page.only);
    case "heatmap": return grid(query, full, places, rows);
    case "stat": return { node: stats(full, places.values.length ? places.values : [...full.columns.keys()], page.plots?.(query)) };
    case "map": return onMap(query, full, places, rows);
    case "bars": return ranking(query, full, places, rows);
    default: return { node: plain(full, rows) };
  }
}

/** What a click on a row does: it filters by the row's value, or no longer. */
export function acting(query, { columns }, page) {
  const { dimension, column } = query.click ?? {};
  const place = columns.findIndex(({ name }) => name === column);
  if (place < 0 || !page.dimensions?.has(dimension)) return null;
  return {
    place,
    of(row) {
      const value = asFilter(row[place]);
      return value === null ? null : { pressed: page.isPicked(dimension, value), click: () => page.pick(dimension, value) };
    },
  };
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

function overTime(query, answer, places, rows, only) {
  const moments = answer.rows.map((row) => row[places.name]);
  if (answer.rows.length === 1) return { node: stats(answer, places.values) };
  if (!isTimeline(moments)) return { node: bars(answer, places, rows) };
  const before = (place) => answer.compared && answer.rows.map((_row, at) => answer.compared.rows[at]?.[place] ?? null);
  const { interval, tz } = answer.period ?? {};
  const opened = only && interval && interval !== "hour"
    && ((moment) => import("./twin.js").then(({ days }) => only(days(moment, interval, tz))));
  const chart = draw({
    opened,
    title: query.title || query.name,
    moments,
    interval,
    zone: tz,
    when: answer.compared?.span,
    series: places.values.map((place) => ({
      column: answer.columns[place],
      values: answer.rows.map((row) => row[place]),
      before: before(place),
    })),
  });
  const node = make("div", {}, chart.node);
  return { node, forget: chart.forget, toggle: twin(query, node, chart.node, { ...answer, rows: answer.rows.toReversed() }, places.name, opened) };
}

function ranking(query, answer, places, rows) {
  if (!places.values.length) return { node: plain(answer, rows) };
  if (!isScale(answer.rows, places.name)) return { node: bars(answer, places, rows) };
  const scale = make("div", { class: "waits" });
  const node = make("div", {}, scale);
  const forget = whenSeen(scale, async () => {
    const { steps } = await import("./steps.js");
    scale.replaceChildren(steps(answer, { ...places, title: query.title || query.name }));
  });
  return { node, forget, toggle: twin(query, node, scale, answer) };
}

/** Whether the rows go on by one from each to the next, up or down. */
function isScale(rows, place) {
  const way = rows[1]?.[place] - rows[0]?.[place];
  return rows.length >= FEWEST && Math.abs(way) === 1
    && rows.every((row, index) => Number.isInteger(row[place]) && (index === 0 || row[place] - rows[index - 1][place] === way));
}

function onMap(query, answer, places, rows) {
  if (!places.values.length) return { node: plain(answer, rows) };
  const land = make("div", { class: "world", "aria-hidden": "true" });
  const list = shares(answer, places, { ...rows, first: 4 });
  const forget = whenSeen(land, async () => {
    const { world } = await import("./world.js");
    const { place } = rows.act ?? { place: places.name };
    land.replaceChildren(await world(answer, { code: place, value: places.values[0] }, rows.act));
  });
  return { node: make("div", {}, land, list), forget };
}

/** What takes a script or a map of its own is fetched once it is looked at, or about to be. @returns {() => void} what ends the wait */
function whenSeen(node, act) {
  const watch = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    watch.disconnect();
    act();
  }, { rootMargin: "100px 0px" });
  watch.observe(node);
  node.addEventListener("draw", ({ detail }) => detail.push(act())); // for paper
  return () => watch.disconnect();
}

function grid(query, answer, places, rows) {
  const [x, y] = (query.chart.by ?? []).map((name) => answer.columns.findIndex((column) => column.name === name));
  const [value] = places.values;
  if (!(x >= 0 && y >= 0 && value >= 0)) return { node: plain(answer, rows) };
  const map = make("div", { class: "waits" });
  const node = make("div", {}, map);
  const forget = whenSeen(map, async () => {
    const { heatmap } = await import("./heatmap.js");
    map.replaceChildren(heatmap(answer, { x, y, value, title: query.title || query.name }));
  });
  return { node, forget, toggle: twin(query, node, map, answer) };
}

/** The same numbers as a table. Of moments the latest come first. */
function twin(query, host, chart, answer, place, opened) {
  const name = `${query.title || query.name} as a table`;
  const toggle = button("Table", async () => {
    const wanted = toggle.getAttribute("aria-pressed") !== "true";
    toggle.setAttribute("aria-pressed", String(wanted));
    host.replaceChildren(wanted ? (await import("./twin.js")).table(name, answer, place, opened) : chart);
  }, { class: "icon", "data-twin": true, "aria-pressed": "false", "aria-label": name });
  return toggle;
}
