/** One query on the page: its addresses, its menu, and its answer in the look the query asked for. */

import { Refusal, ask } from "./api.js";
import { choosers } from "./choosers.js";
import { button, make } from "./dom.js";
import { number } from "./format.js";
import { look } from "./look.js";
import * as period from "./period.js";
import { popup } from "./popup.js";
import { isFiltered, question } from "./state.js";

const FIRST = 9; // rows; as many as a glance takes in
const SLOW = 1000; // ms without an answer, after which the panel says so

/**
 * @typedef {{root: string, share: object|null, dimensions: Map, pick?: Function, isPicked?: Function, plots?: Function, set?: Function, first?: number}} Page
 *   what a panel may ask of the page that it stands on
 * @param {object} query  as the list of queries describes it
 * @param {Page} page
 * @param {{tag?: string, role?: string, level?: string, end?: Node}} [dress]  `end` stands in the menu's place
 */
export function panel(query, page, { tag = "article", role, level = "h3", end } = {}) {
  const id = `${query.collection}-${query.name}`;
  const tools = make("div", { class: "tools" });
  const note = make("p", { class: "note", hidden: true });
  const body = make("div", { class: "body" });
  const title = query.title || query.name;
  const heading = make(level, { id: `${id}-title`, title: query.description }, title);
  const node = make(
    tag, { class: `panel ${query.chart.kind}`, id, role, "aria-labelledby": `${id}-title`, "data-query": `${query.collection}/${query.name}` },
    make("header", {}, heading, tools), note, body,
  );
  const menu = end ? { node: end } : popup("⋯", fillMenu, { name: `${title}: menu`, class: "menu", look: "icon" });
  const most = () => page.first ?? FIRST;
  tools.append(menu.node);
  let forget = () => {};
  let open = !query.closed;
  let known = null; // {url, answer}, the last that was shown
  let seen = null; // how it was
  let state = null;
  let signal = null;

  function show(content, forgetting = () => {}) {
    forget();
    forget = forgetting;
    body.replaceChildren(content);
  }

  async function fillMenu() {
    const { items } = await import("./menu.js");
    return items({ query, page, state, id, title, hasOwn: query.parameters.length > 0, search: question(state, query), reload: () => load(state, signal) });
  }

  function url(asked) {
    return `${page.root}${query.url}?${question(asked, query, first(query, most()))}`;
  }

  /** Shows that an answer is on its way. */
  function expect(asked) {
    [state, signal] = [asked, null];
    if (!open || (known && known.url === url(asked))) return;
    node.setAttribute("aria-busy", "true");
    if (!body.hasChildNodes()) show(make("p", { class: "words loading" }, "Loading…"));
  }

  /**
   * Asks what the state asks, and shows what comes; what is there already is not asked for again.
   * @returns the answer, or null where none came
   */
  async function load(asked, stop, anew = false) {
    [state, signal] = [asked, stop];
    if (stop.aborted) return null;
    if (!open) return offer();
    const wanted = url(asked);
    if (!anew && known?.url === wanted) {
      refreshLater(stop);
      return present(known.answer);
    }
    node.setAttribute("aria-busy", "true");
    if (!body.hasChildNodes()) show(make("p", { class: "words loading" }, "Loading…"));
    const patience = wait();
    try {
      const answer = await answerFor(wanted, query, stop);
      known = { url: wanted, answer };
      present(answer);
      refreshLater(stop);
      return answer;
    } catch (error) {
      if (stop.aborted) return null;
      known = null;
      clear();
      show(trouble(error, page, () => load(state, signal, true)));
      return null;
    } finally {
      patience();
      if (signal === stop) node.removeAttribute("aria-busy"); // else another one is under way
    }
  }

  function offer() {
    clear();
    node.classList.add("shut");
    menu.node.before(button("Open", () => {
      open = true;
      node.classList.remove("shut");
      clear();
      load(state, signal);
      menu.trigger.focus();
    }, { class: "icon", "aria-label": `${title}: open this report` }));
    return null;
  }

  /** Says after a while that the server is still at it. */
  function wait() {
    const begun = performance.now();
    const timer = setInterval(() => {
      note.textContent = `Still counting… ${Math.round((performance.now() - begun) / 1000)} s`;
      note.hidden = false;
    }, SLOW);
    return () => {
      clearInterval(timer);
      note.hidden = true;
    };
  }

  /** Without the tools that a look brought; the menu stays. */
  function clear() {
    for (const tool of [...tools.children]) if (tool !== menu.node) tool.remove();
  }

  function present(answer) {
    node.removeAttribute("aria-busy");
    clear();
    const shown = { ...query, chart: plotted(query.chart, answer.columns, state.metric) };
    seen = look(shown, answer, { ...page, first: most(), metric: state.metric, more }) ?? { node: words(nothing(query, state)) };
    menu.node.before(...(page.set ? choosers({ query, id, title, answer, state, set: page.set }) : []), ...(seen.toggle ? [seen.toggle] : []));
    show(seen.node, seen.forget);
    if (state.filters.length && !isFiltered(query)) body.append(make("p", { class: "words small" }, "Not filtered: this report counts everything."));
    const cut = answer.rows.length > most() && query.takes.includes("limit");
    if (answer.imported) {
      const said = body.appendChild(words(""));
      import("./imported.js").then(({ tell }) => tell(said, answer.imported));
    }
    if (answer.truncated && !cut) body.append(words(`There are more rows than these ${number(answer.rows.length)}: a shorter period shows all of its own.`));
    return answer;
  }

  /** All rows, to be searched and sorted. */
  async function more() {
    const { table } = await import("./table.js");
    table({ query, page, state, title });
  }

  /** Once more after the seconds that the query says; later, while nobody looks. */
  function refreshLater(stop) {
    if (query.refresh) setTimeout(() => refresh(stop), query.refresh * 1000);
  }

  async function refresh(stop) {
    if (document.hidden) await isSeen(stop);
    if (stop.aborted) return;
    // Whoever reads in it, or opened something there, is not to be disturbed; and what was there is better than an error.
    const read = node.hidden || node.matches(":focus-within") || node.querySelector("[data-twin][aria-pressed=true], [aria-expanded=true]");
    const wanted = url(state);
    const answer = read ? null : await answerFor(wanted, query, stop).catch(() => null);
    if (stop.aborted) return;
    if (answer) {
      known = { url: wanted, answer };
      present(answer);
    }
    refreshLater(stop);
  }

  return { node, query, id, title, wide: isWide(query), expect, load, more, get open() { return open; }, set open(value) { open = value; } };
}

/** As many rows as are shown, and one that tells of more; a map, and a scale of whole numbers, need them all. */
function first({ takes, chart, columns }, most) {
  const scale = columns.find(({ name }) => name === chart.x)?.type === "integer";
  return takes.includes("limit") && ["bars", "table"].includes(chart.kind) && !scale ? { limit: most + 1 } : {};
}

/** The chart of the column that somebody chose, if it is one of the answer's. */
function plotted(chart, columns, metric) {
  return chart.kind === "timeseries" && columns.some(({ name }) => name === metric) ? { ...chart, y: [metric] } : chart;
}

/** Until the page is looked at again. */
function isSeen(signal) {
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", () => resolve(), { once: true, signal });
  });
}

/** Lines need the whole row; so does a table of many columns, or one that does not tell its columns. */
function isWide({ chart, columns, tab }) {
  if (tab) return false;
  if (chart.kind === "timeseries" || chart.kind === "heatmap") return true;
  if (chart.kind === "table") return columns.length === 0 || columns.length > 4;
  return chart.kind === "stat" && (chart.y.length || columns.length) > 2;
}

async function answerFor(url, query, signal) {
  if (query.error) throw new Refusal(query.error, 500);
  const { columns, data, meta, truncated, compared, imported } = await ask(url, signal);
  const described = new Map((meta?.columns ?? query.columns).map((column) => [column.name, column]));
  return {
    columns: columns.map((name) => described.get(name) ?? { name }),
    rows: data,
    truncated,
    imported,
    period: meta?.period,
    compared: compared && { rows: compared.data, ...told(compared.period) },
  };
}

function told(days) {
  return days ? { words: period.words(days), span: period.span(days) } : { words: "before", span: "before" };
}

function nothing(query, state) {
  const given = new Set(state.own.map(([name]) => name));
  const isOpen = ({ name, default: usual }) => usual === null && !given.has(`${query.collection}-${query.name}.${name}`);
  const open = query.parameters.filter(isOpen).map(({ name }) => name);
  const without = open.length && open.length === query.parameters.length ? `: its menu has a form for ${open.join(", ")}` : "";
  const filtered = state.filters.length && isFiltered(query) ? ", with these filters" : "";
  return `Nothing ${period.words(state.period)}${filtered}${without}.`;
}

function words(text) {
  return make("p", { class: "words" }, text);
}

function trouble(error, { root, share, set }, again) {
  const box = make("div", { class: "trouble" }, words(error instanceof Refusal ? error.message : `This panel could not be drawn: ${error.message}`));
  if (error.status === 401 && share) {
    box.append(make("a", { class: "button quiet", href: location.href.replace(/#.*/, "") }, "Give the password"));
  } else if (error.status === 401 && set) {
    const here = encodeURIComponent(`/${location.search}`);
    box.append(make("a", { class: "button quiet", href: `${root}/login?next=${here}` }, "Sign in"));
  } else {
    box.append(button("Try again", again, { class: "quiet" }));
  }
  return box;
}
