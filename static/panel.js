/** One query on the page: its title, its addresses, and its answer in the look the query asked for. */

import { Refusal, ask } from "./api.js";
import { button, make } from "./dom.js";
import { number } from "./format.js";
import { look } from "./look.js";
import * as period from "./period.js";

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
  let open = !query.closed;

  function show(content, forgetting = () => {}) {
    forget();
    forget = forgetting;
    body.replaceChildren(content);
  }

  /** Shows that an answer is on its way. */
  function expect(asked) {
    node.setAttribute("aria-busy", "true");
    links.replaceChildren(...addresses(query, root, asked));
    if (open && !body.hasChildNodes()) show(words("Loading…"));
  }

  /** Asks for a period and shows what comes. @returns the answer, or null where none came */
  async function load(asked, signal) {
    if (signal.aborted) return null;
    expect(asked);
    if (!open) {
      show(opener(() => {
        open = true;
        show(words("Loading…"));
        load(asked, signal);
      }));
      node.removeAttribute("aria-busy");
      return null;
    }
    try {
      const answer = await answerFor(query, root, asked, signal);
      present(answer, asked);
      refreshLater(asked, signal);
      return answer;
    } catch (error) {
      if (signal.aborted) return null;
      show(trouble(error, root, () => load(asked, signal)));
      return null;
    } finally {
      if (!signal.aborted) node.removeAttribute("aria-busy");
    }
  }

  function present(answer, asked) {
    const seen = look(query, answer) ?? { node: words(nothing(query, asked)) };
    links.replaceChildren(...(seen.toggle ? [seen.toggle] : []), ...addresses(query, root, asked));
    show(seen.node, seen.forget);
    if (answer.truncated) body.append(words(`There are more rows than these ${number(answer.rows.length)}: a shorter period shows all of its own.`));
  }

  /** Once more after the seconds that the query says; later, while nobody looks. */
  function refreshLater(asked, signal) {
    if (query.refresh) setTimeout(() => refresh(asked, signal), query.refresh * 1000);
  }

  async function refresh(asked, signal) {
    if (document.hidden) await seen(signal);
    if (signal.aborted) return;
    // Whoever reads in it, or opened something there, is not to be disturbed; and what was there is better than an error.
    const read = node.matches(":focus-within") || node.querySelector("[aria-pressed=true], [aria-expanded=true]");
    const answer = read ? null : await answerFor(query, root, asked, signal).catch(() => null);
    if (signal.aborted) return;
    if (answer) present(answer, asked);
    refreshLater(asked, signal);
  }

  return { node, query, wide, expect, load };
}

/** Until the page is looked at again. */
function seen(signal) {
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", () => resolve(), { once: true, signal });
  });
}

/** Lines need the whole row; so does a table of many columns, or one that does not tell its columns. */
function isWide({ chart, columns }) {
  if (chart.kind === "timeseries" || chart.kind === "heatmap") return true;
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

/** In the place of an answer that takes long, and that few look at. */
function opener(show) {
  return make("p", { class: "words" }, button("Open this report", show));
}

function addresses(query, root, asked) {
  const url = `${root}${query.url}?${period.write(asked)}`;
  const link = (format, name) => make("a", { href: `${url}${format}`, "aria-label": `${query.title || query.name} as ${name}` }, name);
  return [link("", "JSON"), link("&format=csv", "CSV")];
}

async function answerFor(query, root, asked, signal) {
  if (query.error) throw new Refusal(query.error, 500);
  // A large number says little without the one before it.
  const more = query.chart.kind === "stat" ? "&compare=previous" : "";
  const { columns, data, meta, truncated, compared } = await ask(`${root}${query.url}?${period.write(asked)}${more}`, signal);
  const described = new Map((meta?.columns ?? query.columns).map((column) => [column.name, column]));
  return {
    columns: columns.map((name) => described.get(name) ?? { name }),
    rows: data,
    truncated,
    period: meta?.period,
    compared: compared && { rows: compared.data, words: compared.period ? period.words(compared.period) : "before" },
  };
}

function nothing(query, asked) {
  const open = query.parameters.filter((parameter) => parameter.default === null).map(({ name }) => name);
  const without = open.length ? `, without its ${open.length === 1 ? "parameter" : "parameters"} ${open.join(", ")}` : "";
  return `${query.name === "visits" ? "No visits" : "Nothing"} ${period.words(asked)}${without}.`;
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
