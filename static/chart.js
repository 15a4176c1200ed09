/** Numbers over time: uPlot in the page's own colours, with a legend that reads what the pointer is at. */

import { make } from "./dom.js";
import { heading, moment, quantity, seconds, short } from "./format.js";
import { local } from "./period.js";

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

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const chart of drawn) chart.redraw();
});

/** Whether a column can be the x of a chart: every value a moment, in rising order, and more than one of them. */
export function isTimeline(values) {
  const times = values.map(seconds);
  return times.length > 1 && times.every((time, index) => time !== null && (index === 0 || time > times[index - 1]));
}

/**
 * @param {{title: string, moments: string[], series: {column: object, values: (number|null)[]}[]}} story
 * @returns {{node: HTMLElement, forget: () => void}} `forget` before the node is thrown away
 */
export function draw(story) {
  const legend = makeLegend(story);
  const canvas = make("div", { class: "canvas", tabindex: "0", role: "img", "aria-label": summary(story) });
  const node = make("div", { class: "chart" }, legend.node, canvas);
  const chart = new globalThis.uPlot(options(story, legend), columns(story), canvas);
  drawn.add(chart);
  canvas.addEventListener("keydown", (event) => step(chart, event));
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

/** A day that is not over yet would look like a fall: the way to it is a second, dashed line. */
function columns({ moments, series }) {
  const last = moments.length - 1;
  const lines = isUnderWay(moments)
    ? series.flatMap(({ values }) => [values.with(last, null), values.map((value, at) => (at < last - 1 ? null : value))])
    : series.map(({ values }) => values);
  return [moments.map(seconds), ...lines];
}

function isUnderWay(moments) {
  return moments.at(-1).slice(0, 10) >= local(new Date());
}

function size(canvas) {
  return { width: Math.max(canvas.clientWidth, 120), height: Math.max(canvas.clientHeight, 120) };
}

function options({ moments, series }, legend) {
  const styles = series.flatMap((one, index) => {
    const solid = line(index, one);
    return isUnderWay(moments) ? [solid, { ...solid, fill: undefined, dash: [4, 4] }] : [solid];
  });
  return {
    width: 600,
    height: 260,
    padding: [10, 26, 0, 0],
    tzDate: (time) => globalThis.uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { size: 8 } },
    hooks: { setCursor: [(chart) => legend.read(chart.cursor.idx)] },
    scales: { y: { range: (_chart, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [timeAxis(moments), countAxis()],
    series: [{}, ...styles],
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
  if (increment < DAY) return write({ hour: "2-digit", minute: "2-digit" });
  if (increment < 28 * DAY) return write({ day: "numeric", month: "short" });
  return write(date.getUTCMonth() === 0 ? { month: "short", year: "numeric" } : { month: "short" });
}

function countAxis() {
  return {
    ...axis,
    grid: { stroke: () => color("--line"), width: 1 },
    size: 44,
    space: 36,
    incrs: STEPS,
    values: (_chart, splits) => splits.map(short),
  };
}

function makeLegend({ moments, series }) {
  const when = make("span", { class: "when" });
  const values = series.map(() => make("strong"));
  const names = series.map(({ column }, index) => make(
    "span", { class: `series series-${(index % COLORS.length) + 1}` }, `${heading(column.name)} `, values[index],
  ));
  return {
    node: make("p", { class: "legend", "aria-live": "polite" }, ...names, when),
    read(index) {
      const at = index === null || index === undefined ? null : index;
      const unfinished = at === moments.length - 1 && isUnderWay(moments);
      when.textContent = at === null ? "" : `${moment(moments[at])}${unfinished ? ", so far" : ""}`;
      series.forEach(({ column, values: numbers }, place) => {
        const value = at === null ? null : numbers[at];
        values[place].textContent = value === null ? "" : quantity(value, column);
      });
    },
  };
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

function summary({ title, moments, series }) {
  const peaks = series.map(({ column, values }) => {
    const most = Math.max(...values.map((value) => value ?? 0));
    return `${heading(column.name)} up to ${quantity(most, column)}`;
  });
  return `${title}, ${moment(moments[0])} to ${moment(moments.at(-1))}: ${peaks.join(", ")}. Arrow keys read it day by day.`;
}
