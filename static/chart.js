/** Numbers over time: uPlot in the page's own colours, with a legend that reads what the pointer is at. */

import { make } from "./dom.js";
import { heading, moment, quantity, seconds, short, week } from "./format.js";
import { clock } from "./period.js";

const COLORS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4"];
const STEPS = [1, 2, 5].flatMap((digit) => [...Array(10).keys()].map((power) => digit * 10 ** power)).sort((a, b) => a - b);
const DAY = 86400; // seconds
const DAYS = [
  ...[1, 2, 3, 4, 5, 7, 10, 15].map((days) => days * DAY),
  ...[1, 2, 3, 4, 6].map((months) => months * 30 * DAY),
  ...[1, 2, 5, 10, 25, 50, 100].map((years) => years * 365 * DAY),
];
const drawn = new Set();

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const redraw = () => { for (const chart of drawn) chart.redraw(); };

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("themechange", redraw);
matchMedia("print").addEventListener("change", redraw); // on paper it is light

/** Whether a column can be the x of a chart: every value a moment, in rising order, and more than one of them. */
export function isTimeline(values) {
  const times = values.map(seconds);
  return times.length > 1 && times.every((time, index) => time !== null && (index === 0 || time > times[index - 1]));
}

/**
 * @param {{title: string, moments: string[], interval?: string, zone?: string, when?: string,
 *   series: {column: object, values: (number|null)[], before?: (number|null)[]}[]}} story
 *   `before` are the values of another period, which `when` names; `opened` is what a click on a moment does
 * @returns {{node: HTMLElement, forget: () => void}} `forget` before the node is thrown away
 */
export function draw(story) {
  const legend = makeLegend(story);
  const canvas = make("div", { class: `canvas${story.opened ? " opens" : ""}`, tabindex: "0", role: "img", "aria-label": summary(story) });
  const node = make("div", { class: "chart" }, legend.node, canvas);
  const chart = new globalThis.uPlot(options(story, legend), columns(story), canvas);
  drawn.add(chart);
  const open = () => { if (chart.cursor.idx != null) story.opened?.(story.moments[chart.cursor.idx]); };
  canvas.addEventListener("keydown", (event) => (event.key === "Enter" ? open() : step(chart, event)));
  canvas.addEventListener("click", ({ pointerType }) => { if (pointerType !== "touch") open(); }); // a finger reads
  canvas.addEventListener("blur", () => chart.setCursor({ left: -10, top: -10 }));
  const watch = new ResizeObserver(() => chart.setSize(size(canvas)));
  watch.observe(canvas);
  return {
    node,
    forget() {
      watch.disconnect();
      drawn.delete(chart);
      chart.destroy();
    },
  };
}

/**
 * A day that is not over yet would look like a fall: the way to it is a second, dotted line.
 * What was before is dashed, and drawn first: behind the rest.
 */
function columns(story) {
  const { moments, series } = story;
  const last = moments.length - 1;
  const lines = isUnderWay(story)
    ? series.flatMap(({ values }) => [values.with(last, null), values.map((value, at) => (at < last - 1 ? null : value))])
    : series.map(({ values }) => values);
  return [moments.map(seconds), ...comparable(story).map(({ before }) => before), ...lines];
}

function comparable({ series }) {
  return series.filter(({ before }) => before?.some((value) => value !== null));
}

/** Whether the last bucket has not ended: an hour, a day, a week or a month, as its text and the interval tell. */
function isUnderWay({ moments, interval, zone }) {
  const last = moments.at(-1);
  const now = clock(zone);
  if (interval === "week") return seconds(last) + 7 * DAY > seconds(now);
  const length = { hour: 13, month: 7 }[interval] ?? 10;
  return last.slice(0, length) >= now.slice(0, Math.min(length, last.length));
}

function size(canvas) {
  return { width: Math.max(canvas.clientWidth, 120), height: Math.max(canvas.clientHeight, 60) };
}

function options(story, legend) {
  const { moments, series } = story;
  const styles = series.flatMap((one, index) => {
    const solid = line(index, one);
    return isUnderWay(story) ? [solid, { ...solid, fill: undefined, dash: [1, 5], cap: "round" }] : [solid];
  });
  const behind = comparable(story).map((one) => ({ ...line(series.indexOf(one), one), fill: undefined, width: 1.25, dash: [6, 4] }));
  return {
    width: 600,
    height: 260,
    padding: [10, 26, 0, 0],
    tzDate: (time) => globalThis.uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { size: 8 } },
    hooks: { setCursor: [(chart) => legend.read(chart.cursor.idx)] },
    scales: { y: { range: (_chart, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [timeAxis(moments), countAxis(series[0].column)],
    series: [{}, ...behind, ...styles],
  };
}

function line(index, { column }) {
  const stroke = () => color(COLORS[index % COLORS.length]);
  return {
    label: heading(column.name),
    stroke,
    width: index === 0 ? 2 : 1.5,
    fill: index === 0 ? shade : undefined,
    points: { show: false },
  };
}

/** The first line's ground fades downwards, so that the second stays readable through it. */
function shade(chart) {
  const { top, height } = chart.bbox;
  const fade = chart.ctx.createLinearGradient(0, top, 0, top + height);
  fade.addColorStop(0, color("--chart-fill"));
  fade.addColorStop(1, color("--chart-fade"));
  return fade;
}

const axis = {
  stroke: () => color("--ink-soft"),
  font: "12px system-ui, sans-serif",
  ticks: { show: false },
};

function timeAxis(moments) {
  const daily = moments.every((moment) => moment.length <= 10);
  return {
    ...axis,
    ...(daily ? { incrs: DAYS } : {}), // two days have no noon between them
    grid: { show: false },
    space: 70,
    size: 28,
    values: (_chart, splits, _index, _space, increment) => splits.map((time) => tick(time, increment)),
  };
}

function tick(time, increment) {
  const date = new Date(time * 1000);
  const write = (look) => new Intl.DateTimeFormat(undefined, { ...look, timeZone: "UTC" }).format(date);
  if (increment < 3600) return write({ hour: "2-digit", minute: "2-digit" });
  if (increment < DAY) return write({ hour: "numeric" });
  if (increment < 28 * DAY) return write({ day: "numeric", month: "short" });
  return write(date.getUTCMonth() === 0 ? { month: "short", year: "numeric" } : { month: "short" });
}

function countAxis({ format }) {
  const plain = format === "duration" || format === "percent"; // 3.6K seconds say little
  return {
    ...axis,
    grid: { stroke: () => color("--line"), width: 1 },
    size: format === "duration" ? 76 : 44,
    space: 36,
    incrs: STEPS,
    values: (_chart, splits) => splits.map((value) => (plain ? quantity(value, { format }) : short(value))),
  };
}

function makeLegend(story) {
  const { moments, series, interval, when: before } = story;
  const when = make("span", { class: "when" });
  const values = series.map(() => make("strong"));
  const others = series.map(() => make("span"));
  const names = series.map(({ column }, index) => make(
    "span", { class: `series series-${(index % COLORS.length) + 1}` }, `${heading(column.name)} `, values[index], others[index],
  ));
  const dotted = comparable(story).length ? [make("span", { class: "series dashed" }, before ?? "before")] : [];
  return {
    node: make("p", { class: "legend", "aria-live": "polite" }, ...names, ...dotted, when),
    read(index) {
      const at = index === null || index === undefined ? null : index;
      const unfinished = at === moments.length - 1 && isUnderWay(story);
      when.textContent = at === null ? "" : `${bucket(moments[at], interval)}${unfinished ? ", so far" : ""}`;
      series.forEach(({ column, values: numbers, before: olds }, place) => {
        const value = at === null ? null : numbers[at];
        const old = at === null ? null : olds?.[at] ?? null;
        values[place].textContent = value === null ? "" : quantity(value, column);
        others[place].textContent = old === null ? "" : ` (${quantity(old, column)})`;
      });
    },
  };
}

function bucket(value, interval) {
  return interval === "week" ? week(value) : moment(value);
}

/** The arrow keys walk along the line, as the pointer does. */
function step(chart, event) {
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!way) return;
  event.preventDefault();
  const last = chart.data[0].length - 1;
  const from = chart.cursor.idx ?? (way > 0 ? -1 : last + 1);
  const index = Math.min(Math.max(from + way, 0), last);
  chart.setCursor({ left: chart.valToPos(chart.data[0][index], "x"), top: 10 });
}

function summary({ title, moments, series, interval, opened }) {
  const peaks = series.map(({ column, values }) => {
    const most = Math.max(...values.map((value) => value ?? 0));
    return `${heading(column.name)} up to ${quantity(most, column)}`;
  });
  const steps = { hour: "hour by hour", week: "week by week", month: "month by month" }[interval] ?? "day by day";
  return `${title}, ${bucket(moments[0], interval)} to ${bucket(moments.at(-1), interval)}: ${peaks.join(", ")}. Arrow keys read it ${steps}${opened ? ", Enter shows only that" : ""}.`;
}
