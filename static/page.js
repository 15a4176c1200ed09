/** The dashboard: the list of queries becomes cards, the address a state, and both are kept together. */

import { ask, told } from "./api.js";
import { card, overview, pair, tabs } from "./cards.js";
import { Controls } from "./controls.js";
import { button, make } from "./dom.js";
import { listenToKeys } from "./keys.js";
import { panel } from "./panel.js";
import * as period from "./period.js";
import { Queue } from "./queue.js";
import { read, write } from "./state.js";

const { root, user: member, api = `${root}/api`, share = null } = told();
const user = share ? null : member; // behind a link everybody sees the same
const at = (id) => document.getElementById(id);
const board = at("board");
const dimensions = new Map();
let cards = [];
let controls;
let queue;
let state;
let pairing = null;
let live = null; // the module, once the panels are there
let counting = { filters: null, ending: new AbortController() };
let current = new AbortController();

/** What panels and controls may know of the page, and do to it. */
const page = {
  root,
  user,
  share,
  fixed: share?.filters ?? [],
  dimensions,
  go,
  set: (change) => go({ ...state, ...change }),
  only(days) {
    controls.choose(days);
    controls.period.trigger.focus({ preventScroll: true });
  },
  isPicked: (name, value) => state.filters.some(([dimension, wanted]) => dimension === name && wanted === value),
  pick,
  plots(query) {
    if (query.url !== pairing?.[0].query.url) return null;
    const columns = new Set(pairing[1].query.columns.map(({ name }) => name));
    return { columns, metric: state.metric, plot: (name) => page.set({ metric: state.metric === name ? null : name }) };
  },
  panels: () => cards.flatMap(({ members }) => members),
  reload: () => show(true),
};

open();

async function open() {
  try {
    const listed = await ask(api);
    for (const each of listed.dimensions) dimensions.set(each.name, each);
    arrange(listed.queries);
  } catch (error) {
    board.replaceChildren(make("div", { class: "trouble card" }, make("p", { class: "words" }, error.message), button("Try again", open)));
    return;
  } finally {
    board.removeAttribute("aria-busy");
  }
  controls = new Controls(page);
  listenToKeys(page, controls);
  addEventListener("popstate", () => show());
  await show();
  controls.offerSites();
  aim();
  if (!share) attend();
}

/** Who is here now; and how the counting goes, for those who read to the end. */
function attend() {
  import("./live.js").then((found) => {
    live = found;
    countNow();
  });
  const watch = new IntersectionObserver(async (entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    watch.disconnect();
    const { strip } = await import("./strip.js");
    at("strip").replaceChildren(strip(root, new AbortController().signal));
  });
  watch.observe(at("strip"));
}

/** One section a group, in the order in which the first panel of each group stands. */
function arrange(queries) {
  [cards, pairing] = [[], null];
  const groups = Map.groupBy([...queries].sort(byOrder), ({ group }) => group || "More reports");
  const sections = [...groups].map(([name, members], index) => make(
    "section", { class: "group", "aria-labelledby": `group-${index}` },
    make("h2", { id: `group-${index}` }, name),
    grid(gather(members)),
  ));
  board.replaceChildren(...sections);
  queue = new Queue(page.panels().map(({ node }) => node));
}

/** The panels of a group as cards: those of one tab together, the first large numbers over their chart. */
function gather(queries) {
  const sets = Map.groupBy(queries, (query) => query.tab ?? query);
  const found = [...sets].map(([set, members]) => {
    if (members.length === 1) return card(panel(members[0], page));
    return tabs(members.map((query) => panel(query, page, { tag: "section", role: "tabpanel" })), set, choose);
  });
  const numbers = pairing ? null : pair(found.filter(({ members }) => members.length === 1).map(({ members }) => members[0]));
  if (numbers) {
    pairing = numbers;
    const places = numbers.map((one) => found.findIndex(({ members }) => members[0] === one));
    for (const { node } of numbers) node.classList.remove("card");
    found.splice(places[0], 1, overview(...numbers));
    found.splice(places[1], 1);
  }
  cards.push(...found);
  return found;
}

/** Two in a row; the last one of an odd number takes the whole of it. */
function grid(found) {
  const isWide = ({ node, members }) => node.classList.contains("wide") || (members.length === 1 && members[0].wide);
  const small = found.filter((one) => !isWide(one));
  for (const one of found) one.node.classList.toggle("wide", isWide(one));
  if (small.length % 2) small.at(-1).node.classList.add("odd");
  return make("div", { class: "panels" }, ...found.map(({ node }) => node));
}

function byOrder(a, b) {
  return (a.order ?? Infinity) - (b.order ?? Infinity) || a.name.localeCompare(b.name);
}

/** Loads what the address asks for, and is not there yet; an earlier load that is still under way is given up. */
async function show(anew = false) {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  state = read(location.search || `?${share?.view ?? ""}`, new Set(dimensions.keys()));
  controls.mark(state);
  if (keepsOut()) return;
  countNow();
  const all = shown();
  for (const { expect } of all) expect(state);
  const answers = new Map(await Promise.all(all.map(async (one) => [one, await queue.run(one.node, () => load(one, signal, anew))])));
  if (signal.aborted) return;
  at("status").textContent = `Reports ${controls.words(state)}`;
  await welcome(answers, signal);
}

async function load(one, signal, anew) {
  const answer = await one.load(state, signal, anew);
  if (answer?.period) controls.days(answer.period);
  return answer;
}

/** The panels that are open: of a card's tabs the one that the address names, or the first. */
function shown() {
  return cards.flatMap((each) => {
    const wanted = each.members.find(({ id }) => state.tabs.includes(id)) ?? each.members[0];
    if (each.members.length > 1 && !each.both) each.show(wanted);
    return each.both ? each.members : [wanted];
  });
}

/** How many people are here now, of those that the filters leave. */
function countNow() {
  const filters = new URLSearchParams(state.filters).toString();
  if (!live || board.hidden || filters === counting.filters) return;
  counting.ending.abort();
  counting = { filters, ending: new AbortController() };
  live.count(at("now"), { search: filters, signal: counting.ending.signal });
}

/** Opens a tab. @param {object} one  a panel */
function choose(one) {
  const { members } = cards.find((each) => each.members.includes(one));
  const others = state.tabs.filter((id) => !members.some((each) => each.id === id));
  page.set({ tabs: one === members[0] ? others : [...others, one.id] });
}

/** The panel that the address points at is opened, and scrolled to. */
function aim() {
  const id = location.hash.slice(1);
  const one = page.panels().find((each) => each.id === id);
  if (!one) return;
  if (one.node.hidden) choose(one);
  one.node.closest(".card").scrollIntoView({ block: "center" });
}

/** A filter that takes a signed-in user is not left out in silence. */
function keepsOut() {
  const name = user ? null : state.filters.map(([each]) => each).find((each) => dimensions.get(each).private);
  const words = `This link shows visits by ${name}, which takes a signed-in user.`;
  const next = encodeURIComponent(`/${location.search}`);
  greet(name ? make("section", { class: "card trouble" }, make("p", { class: "words" }, words), make("a", { class: "button", href: `${root}/login?next=${next}` }, "Sign in")) : null, true);
  if (name) at("status").textContent = `Reports: ${words}`;
  return Boolean(name);
}

/** The first steps, where the large numbers of this period count no view, and those of all time neither. */
async function welcome(answers, signal) {
  if (share) return greet(null);
  const sum = [...answers.keys()].find(({ query }) => isSum(query));
  const answer = answers.get(sum);
  const views = answer?.columns.findIndex(({ name }) => name === "views");
  if (!answer || answer.rows.some((row) => row[views] > 0)) return greet(null);
  const { isFresh, onboarding } = await import("./onboarding.js");
  const url = root + sum.query.url;
  const fresh = await isFresh(url, signal).catch(() => false);
  if (signal.aborted) return;
  greet(fresh ? onboarding({ root, url, signal, arrived: () => show(true) }) : null);
}

/** Everybody's large numbers, with the views among them. */
function isSum({ collection, chart, columns }) {
  return collection === "public" && chart.kind === "stat" && columns.some(({ name }) => name === "views");
}

function greet(notice, bar = false) {
  at("notice").replaceChildren(...(notice ? [notice] : []));
  board.hidden = notice !== null;
  at("bar").hidden = notice !== null && !bar;
}

/** Filters by a value, or no longer. */
function pick(name, value) {
  const picked = page.isPicked(name, value);
  const filters = picked ? state.filters.filter(([dimension, wanted]) => dimension !== name || wanted !== value) : [...state.filters, [name, value]];
  go({ ...state, filters });
  controls.focusOn(picked ? null : name);
}

/** @param {import("./state.js").State} wanted */
function go(wanted) {
  const search = write(wanted, share !== null); // a link without a word is the one that was given
  if (search !== location.search) history.pushState(null, "", search || location.pathname);
  show();
}
