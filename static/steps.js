/** Counts along a scale of whole numbers, such as the last thirty minutes: one bar beside the other, as on a chart. */

import { make } from "./dom.js";
import { heading, quantity } from "./format.js";

/**
 * @param {{columns: object[], rows: unknown[][]}} answer
 * @param {{name: number, values: number[], title: string}} places  at most two of `values` are drawn, the larger behind
 */
export function steps({ columns, rows }, { name, values, title }) {
  const drawn = values.slice(0, 2);
  const most = Math.max(1, ...rows.flatMap((row) => drawn.map((place) => Number(row[place]) || 0)));
  const said = (row) => drawn.map((place) => `${heading(columns[place].name)} ${quantity(Number(row[place]) || 0, columns[place])}`).join(", ");
  const step = (row) => make("span", { class: "step", title: `${heading(columns[name].name)} ${row[name]}: ${said(row)}` }, ...drawn.map((place, rank) => {
    const bar = make("i", { class: `step-${rank + 1}` });
    bar.style.setProperty("--share", ((Number(row[place]) || 0) / most).toFixed(4));
    return bar;
  }));
  const peaks = drawn.map((place) => `${heading(columns[place].name)} up to ${quantity(Math.max(...rows.map((row) => Number(row[place]) || 0)), columns[place])}`);
  return make(
    "div", { class: "steps" },
    make("p", { class: "legend" }, ...drawn.map((place, rank) => make("span", { class: `series series-${rank + 1}`, title: columns[place].description }, heading(columns[place].name)))),
    make("div", { class: "scale-of", role: "img", "aria-label": `${title}: ${peaks.join(", ")}` }, ...rows.map(step)),
    make("p", { class: "ends", title: columns[name].description }, make("span", {}, String(rows[0][name])), make("span", {}, heading(columns[name].name)), make("span", {}, String(rows.at(-1)[name]))),
  );
}
