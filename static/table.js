/** All rows of a panel in a dialog: searched, sorted, page by page. */

import { ask } from "./api.js";
import { dialog } from "./dialog.js";
import { button, make } from "./dom.js";
import { number, text } from "./format.js";
import { acting } from "./look.js";
import { plain } from "./rows.js";
import { isFiltered, parts, question } from "./state.js";

const PAGE = 50; // rows
const PAUSE = 250; // ms between the last letter of a search and the question

/** @param {{query: object, page: object, state: import("./state.js").State, title: string}} story */
export function table({ query, page, state, title }) {
  const wanted = { offset: 0, sort: "", search: "" };
  const found = make("div", { class: "found", tabindex: "-1" });
  const told = make("p", { class: "words", role: "status" });
  const search = make("input", { type: "search", "aria-label": `Search in ${title}`, placeholder: "Search", maxlength: "200", autocomplete: "off", spellcheck: "false" });
  const before = button("‹", () => turn(-PAGE), { class: "quiet arrow", "aria-label": "The rows before" });
  const after = button("›", () => turn(PAGE), { class: "quiet arrow", "aria-label": "The next rows" });
  const rows = source(query, page, state);
  let asked = 0;

  async function show() {
    const turn = ++asked;
    found.setAttribute("aria-busy", "true");
    try {
      const { answer, whole } = await rows(wanted);
      if (turn !== asked) return;
      draw(answer, whole);
    } catch (error) {
      if (turn !== asked) return;
      found.replaceChildren(make("p", { class: "alert" }, error.message));
      told.textContent = "";
    } finally {
      found.removeAttribute("aria-busy");
    }
  }

  function draw(answer, whole) {
    const shown = { ...answer, rows: answer.rows.slice(0, PAGE) };
    const act = acting(query, shown, page);
    const closing = act && { ...act, of: (row) => closed(act.of(row)) };
    const node = plain(shown, { first: PAGE, act: closing });
    sortable(node, answer.columns);
    found.replaceChildren(answer.rows.length ? node : make("p", { class: "words" }, wanted.search ? `Nothing with “${wanted.search}”.` : "Nothing."));
    before.disabled = wanted.offset === 0;
    after.disabled = answer.rows.length <= PAGE;
    const last = wanted.offset + shown.rows.length;
    told.textContent = shown.rows.length ? `${number(wanted.offset + 1)} – ${number(last)}${whole === null ? "" : ` of ${number(whole)}`}` : "";
  }

  function closed(doing) {
    return doing && { ...doing, click: () => { sheet.close(); doing.click(); } };
  }

  function sortable(node, columns) {
    if (!rows.sorts) return;
    [...node.querySelectorAll("thead th")].forEach((cell, place) => {
      const { name } = columns[place];
      const now = wanted.sort === name ? "ascending" : wanted.sort === `-${name}` ? "descending" : "none";
      cell.setAttribute("aria-sort", now);
      const numeric = cell.classList.contains("number");
      cell.replaceChildren(button(cell.textContent, () => {
        wanted.sort = now === "none" ? (numeric ? `-${name}` : name) : now === "ascending" ? `-${name}` : name;
        wanted.offset = 0;
        show().then(() => found.querySelectorAll("thead button")[place]?.focus());
      }, { class: "sorts" }));
    });
  }

  function turn(way) {
    wanted.offset = Math.max(0, wanted.offset + way);
    show().then(() => found.scrollTo?.(0, 0));
  }

  let pause;
  search.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(() => {
      Object.assign(wanted, { search: search.value.trim(), offset: 0 });
      show();
    }, PAUSE);
  });
  const sheet = dialog(title, make("div", { class: "finding" }, search, told, before, after), found);
  search.focus();
  show();
}

/**
 * Where rows come from: page by page from the server, which searches where a filter can, or all of them at once.
 * @returns {((wanted: object) => Promise<{answer: object, whole: number|null}>) & {sorts: boolean}}
 */
function source(query, page, state) {
  const { takes, click } = query;
  const plainly = { ...state, compare: null };
  const filters = click && isFiltered(query) && page.dimensions.has(click.dimension)
    && !state.filters.some(([name, value]) => name === click.dimension && !parts(value).not);
  let all = null;

  async function fetched(more) {
    const { columns, data, meta } = await ask(`${page.root}${query.url}?${question(plainly, query, more)}`);
    const described = new Map((meta?.columns ?? query.columns).map((column) => [column.name, column]));
    return { columns: columns.map((name) => described.get(name) ?? { name }), rows: data };
  }

  async function paged({ offset, sort, search }) {
    const more = { limit: PAGE + 1, offset };
    if (sort) more.sort = sort;
    if (search) more[click.dimension] = `~${search}`;
    return { answer: await fetched(more), whole: null };
  }

  async function local({ offset, sort, search }) {
    all ??= await fetched({});
    const { columns } = all;
    const small = search.toLowerCase();
    const holds = (row) => row.some((value, place) => text(value, columns[place]).toLowerCase().includes(small));
    const found = search ? all.rows.filter(holds) : [...all.rows];
    const place = columns.findIndex(({ name }) => name === sort.replace(/^-/, ""));
    if (place >= 0) found.sort((a, b) => compared(a[place], b[place]) * (sort.startsWith("-") ? -1 : 1));
    return { answer: { columns, rows: found.slice(offset, offset + PAGE + 1) }, whole: found.length };
  }

  const server = takes.includes("limit") && takes.includes("order_by") && filters;
  return Object.assign(server ? paged : local, { sorts: true });
}

function compared(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}
