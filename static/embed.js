/** One panel that fills a frame of another page: what it shows is in its address, and nothing of it can be changed there. */

import { told } from "./api.js";
import { make } from "./dom.js";
import { said } from "./filters.js";
import { panel } from "./panel.js";
import * as period from "./period.js";
import { COMPARISONS, read, write } from "./state.js";

const ROW = 32.5; // px, of a table
const AROUND = 60; // px, of its head and of "More"
const FEWEST = 3;
const MOST = 50;
/** Every other word is a filter: whether there is such a one, the server says. */
const WORDS = new Set(["period", "days", "from", "to", "tz", "compare", "interval", "metric", "tabs", "theme", "accent", "title", "background"]);

const { root, panel: query, home, fixed = [] } = told();
const main = document.getElementById("main");
const words = make("p", { class: "words" });
const link = make("a", { class: "home", target: "_blank", rel: "noopener" }, "Crumby");
const page = { root, user: null, share: null, dimensions: new Map() };
const one = panel(query, page, { tag: "section", level: "h1", end: link });

show();

async function show() {
  const state = read(location.search, filters());
  one.open = true;
  one.node.append(make("footer", {}, words, link.parentNode));
  tell(state);
  main.replaceChildren(one.node);
  const room = one.node.querySelector(".body").clientHeight; // known, as all the rest is there
  page.first = Math.min(Math.max(Math.floor((room - AROUND) / ROW), FEWEST), MOST);
  one.expect(state);
  const answer = await one.load(state, new AbortController().signal);
  if (answer?.period) words.title = period.span(answer.period);
  main.removeAttribute("aria-busy");
}

function filters() {
  return new Set([...new URLSearchParams(location.search).keys()].filter((name) => !WORDS.has(name) && !name.includes(".")));
}

/** The days, the filters and the comparison stand below; the way to all of it beside them. Some reports are of now. */
function tell(state) {
  const column = (name) => (query.click?.dimension === name ? query.columns.find((each) => each.name === query.click.column) : undefined);
  const filtered = [...fixed, ...state.filters].map(([name, value]) => said(name, value, column(name)));
  const compared = state.compare ? [`vs ${COMPARISONS[state.compare].toLowerCase()}`] : [];
  const zone = state.tz ? [state.tz.replaceAll("_", " ")] : [];
  const days = query.refresh ? [] : [period.label(state.period)];
  words.textContent = [...days, ...filtered, ...compared, ...zone].join(" · ");
  link.href = home + write({ ...state, tabs: [] }, true);
}
