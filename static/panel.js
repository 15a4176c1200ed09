/** One query on the page: its title, its addresses, and its answer in the look the query asked for. */

import { Refusal, ask } from "./api.js";
import { draw, isTimeline } from "./chart.js";
import { button, make } from "./dom.js";
import { number } from "./format.js";
import * as period from "./period.js";
import { bars, isNumeric, plain, stats } from "./rows.js";

/**
 * @param {object} query  as the list of queries describes it
 * @param {string} root   the path Crumby is served below
 */
export function panel(query, root) {
  const id = `${query.collection}-${query.name}`;
  const links = make("p", { class: "links" });
  const body = make("div", { class: "body" });
  const wide = isWide(query);
  const node = make(
    "article", { class: `panel card ${query.chart.kind}${wide ? " wide" : ""}`, id, "aria-labelledby": `${id}-title`, "data-query": `${query.collection}/${query.name}` },
    make("header", {}, ...title(query, id), links),
    body,
  );
  let forget = () => {};

  function show(content, forgetting = () => {}) {
    forget();
    forget = forgetting;
    body.replaceChildren(content);
  }

  /** Asks for a period and shows what comes. @returns the answer, or null where none came */
  async function load(asked, signal) {
    node.setAttribute("aria-busy", "true");
    links.replaceChildren(...addresses(query, root, asked));
    if (!body.hasChildNodes()) show(words("Loading…"));
    try {
      const answer = await answerFor(query, root, asked, signal);
      const seen = look(query, answer, asked);
      if (seen.toggle) links.prepend(seen.toggle);
      show(seen.node, seen.forget);
      if (answer.truncated) body.append(words(`There are more rows than these ${number(answer.rows.length)}: a shorter period shows all of its own.`));
      return answer;
    } catch (error) {
      if (signal.aborted) return null;
      show(trouble(error, root, () => load(asked, signal)));
      return null;
    } finally {
      if (!signal.aborted) node.removeAttribute("aria-busy");
    }
  }

  return { node, query, wide, load };
}

/** Lines need the whole row; so does a table of many columns, or one that does not tell its columns. */
function isWide({ chart, columns }) {
  if (chart.kind === "timeseries") return true;
  if (chart.kind === "table") return columns.length === 0 || columns.length > 4;
  return chart.kind === "stat" && (chart.y.length || columns.length) > 2;
}

function title(query, id) {
  const name = make("h3", { id: `${id}-title` }, query.title || query.name);
  if (query.collection === "private") name.append(" ", make("span", { class: "badge", title: "Only people who signed in see this panel" }, "private"));
  if (!query.description) return [name];
  const [first] = query.description.split(/(?<=[.!?])\s/);
  return [name, make("p", { class: "subtitle", title: query.description }, first)];
}

function addresses(query, root, asked) {
  const url = `${root}${query.url}?${period.write(asked)}`;
  const link = (format, name) => make("a", { href: `${url}${format}`, "aria-label": `${query.title || query.name} as ${name}` }, name);
  return [link("", "JSON"), link("&format=csv", "CSV")];
}

async function answerFor(query, root, asked, signal) {
  if (query.error) throw new Refusal(query.error, 500);
  const { columns, data, truncated } = await ask(`${root}${query.url}?${period.write(asked)}`, signal);
  const described = new Map(query.columns.map((column) => [column.name, column]));
  return { columns: columns.map((name) => described.get(name) ?? { name }), rows: data, truncated };
}

/** The answer in the look of its chart; a table where the columns do not fit that look. */
function look(query, answer, asked) {
  const places = arrange(query.chart, answer);
  if (isEmpty(query.chart.kind, answer, places)) return { node: words(nothing(query, asked)) };
  switch (query.chart.kind) {
    case "timeseries": return overTime(query, answer, places);
    case "stat": return { node: stats(answer, places.values.length ? places.values : [...answer.columns.keys()]) };
    case "bars": return { node: places.values.length ? bars(answer, places) : plain(answer) };
    default: return { node: plain(answer) };
  }
}

/** Which column is the name, which ones are numbers to show, which only remarks: by the query's word, else by the data. */
function arrange({ kind, x, y }, { columns, rows }) {
  const at = (name) => columns.findIndex((column) => column.name === name);
  const numeric = [...columns.keys()].filter((place) => isNumeric(rows, place));
  const named = y.map(at).filter((place) => place >= 0);
  const name = Math.max(0, kind === "stat" ? 0 : at(x));
  const values = named.length ? named : numeric.filter((place) => kind === "stat" || place !== name);
  const others = [...columns.keys()].filter((place) => place !== name && !values.includes(place));
  const more = kind === "bars" ? others.filter((place) => numeric.includes(place)) : [];
  return { name, values: [...values, ...more], notes: others.filter((place) => !more.includes(place)) };
}

function isEmpty(kind, { rows }, { values }) {
  if (rows.length === 0) return true;
  return kind === "timeseries" && rows.every((row) => values.every((place) => !row[place]));
}

function nothing(query, asked) {
  return `${query.name === "visits" ? "No visits" : "Nothing"} ${period.words(asked)}.`;
}

function overTime(query, answer, places) {
  const moments = answer.rows.map((row) => row[places.name]);
  if (answer.rows.length === 1) return { node: stats(answer, places.values) };
  if (!isTimeline(moments)) return { node: bars(answer, places) };
  const chart = draw({
    title: query.title || query.name,
    moments,
    series: places.values.map((place) => ({ column: answer.columns[place], values: answer.rows.map((row) => row[place]) })),
  });
  const node = make("div", {}, chart.node);
  return { node, forget: chart.forget, toggle: twin(query, node, chart.node, answer) };
}

/** The same numbers as a table, for whoever reads rather than looks. The latest come first. */
function twin(query, host, chart, { columns, rows }) {
  const toggle = button("Table", () => {
    const table = toggle.getAttribute("aria-pressed") !== "true";
    host.replaceChildren(table ? plain({ columns, rows: rows.toReversed() }) : chart);
    toggle.setAttribute("aria-pressed", String(table));
  }, { "aria-pressed": "false", "aria-label": `${query.title || query.name} as a table` });
  return toggle;
}

function words(text) {
  return make("p", { class: "words" }, text);
}

function trouble(error, root, again) {
  const box = make("div", { class: "trouble" }, words(error instanceof Refusal ? error.message : `This panel could not be drawn: ${error.message}`));
  if (error.status === 401) {
    const here = encodeURIComponent(`/${location.search}`);
    box.append(make("a", { class: "button quiet", href: `${root}/login?next=${here}` }, "Sign in"));
  } else {
    box.append(button("Try again", again, { class: "quiet" }));
  }
  return box;
}
