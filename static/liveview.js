/** The last half hour, as it happens: who is here, minute by minute, on which pages, from where. */

import { told } from "./api.js";
import { make } from "./dom.js";
import { heading, number, text } from "./format.js";
import { count, live } from "./live.js";
import { steps } from "./steps.js";

const ROWS = 12; // as many as a glance takes in
const at = (id) => document.getElementById(id);
const { user } = told();
const VIEWS = {
  "public/live": minutes,
  "public/live_pages": ranking,
  "private/live_sources": ranking,
  "public/live_countries": ranking,
};

const queries = Object.keys(VIEWS).filter((query) => user || !query.startsWith("private/"));
const { signal } = new AbortController();
live(queries, location.search, show, signal);
count(at("now"), { search: location.search, signal });

function show(answer) {
  const card = document.querySelector(`[data-query="${answer.query}"]`);
  const node = answer.error ? make("p", { class: "words" }, answer.error.message) : VIEWS[answer.query](answer);
  card.querySelector(".body").replaceChildren(node);
  card.removeAttribute("aria-busy");
}

function minutes({ columns, rows }) {
  const views = rows.reduce((sum, row) => sum + row[2], 0);
  at("views").textContent = `${number(views)} ${views === 1 ? "page view" : "page views"} in the last half hour`;
  return steps({ columns, rows }, { name: 0, values: [1, 2], title: "The last half hour" });
}

/** The answer's first column as names, each with its visitors and a bar behind. */
function ranking({ columns, rows }) {
  if (!rows.length) return make("p", { class: "words" }, "Nobody in the last half hour.");
  const most = Math.max(1, ...rows.map((row) => row[1]));
  const head = make("tr", {}, ...columns.slice(0, 2).map((column, place) => make("th", { scope: "col", class: place ? "number" : null }, heading(column.name))));
  const lines = rows.slice(0, ROWS).map((row) => {
    const bar = make("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", (row[1] / most).toFixed(4));
    return make(
      "tr", {},
      make("th", { scope: "row" }, bar, make("span", { class: "name" }, text(row[0], columns[0]))),
      make("td", { class: "number" }, number(row[1])),
    );
  });
  const rest = rows.length - lines.length;
  return make(
    "div", {},
    make("table", { class: "bars" }, make("thead", {}, head), make("tbody", {}, ...lines)),
    rest > 0 ? make("p", { class: "words" }, `And ${number(rest)} more.`) : null,
  );
}
