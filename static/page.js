/** The dashboard: the list of queries becomes panels, the address becomes a period, and both are kept together. */

import { ask, told } from "./api.js";
import { button, make } from "./dom.js";
import { isBlank, isFresh, onboarding } from "./onboarding.js";
import { panel } from "./panel.js";
import * as period from "./period.js";
import { Queue } from "./queue.js";

const { root } = told();
const at = (id) => document.getElementById(id);
const board = at("board");
let panels = [];
let queue;
let current = new AbortController();

open();

async function open() {
  try {
    const { queries } = await ask(`${root}/api`);
    panels = queries.map((query) => panel(query, root));
    board.replaceChildren(...sections(panels));
    queue = new Queue(panels.map(({ node }) => node));
  } catch (error) {
    board.replaceChildren(make("div", { class: "trouble card" }, make("p", { class: "words" }, error.message), button("Try again", open)));
    return;
  } finally {
    board.removeAttribute("aria-busy");
  }
  listen();
  show();
}

/** One section a group, in the order in which the first panel of each group stands. */
function sections(all) {
  const groups = Map.groupBy([...all].sort(byOrder), ({ query }) => query.group || "More reports");
  return [...groups].map(([name, members], index) => make(
    "section", { class: "group", "aria-labelledby": `group-${index}` },
    make("h2", { id: `group-${index}` }, name),
    grid(members),
  ));
}

/** Three in a row where that comes out even, else two; the last one of an odd number takes the whole row. */
function grid(members) {
  const small = members.filter(({ wide }) => !wide);
  if (small.length % 2) small.at(-1).node.classList.add("odd");
  const look = small.length > 1 && small.length % 3 === 0 ? "panels by-three" : "panels";
  return make("div", { class: look }, ...members.map(({ node }) => node));
}

function byOrder({ query: a }, { query: b }) {
  return (a.order ?? Infinity) - (b.order ?? Infinity) || a.name.localeCompare(b.name);
}

/** Loads every panel for the period in the address; an earlier load that is still under way is given up. */
async function show() {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const asked = period.read(location.search);
  mark(asked);
  for (const { expect } of panels) expect(asked);
  const answers = await Promise.all(panels.map(({ node, load }) => queue.run(node, () => load(asked, signal))));
  if (signal.aborted) return;
  at("status").textContent = `Reports ${period.words(asked)}`;
  await welcome(answers, signal);
}

/** The first steps, where the visits query answered for this period and knows of no visit at all. */
async function welcome(answers, signal) {
  const index = panels.findIndex(({ query }) => query.collection === "public" && query.name === "visits");
  const answer = answers[index];
  if (!answer || !isBlank(answer.rows)) return greet(null);
  const url = root + panels[index].query.url;
  const fresh = await isFresh(url, signal).catch(() => false);
  if (signal.aborted) return;
  greet(fresh ? onboarding({ root, url, signal, arrived: show }) : null);
}

function greet(card) {
  at("notice").replaceChildren(...(card ? [card] : []));
  board.hidden = at("bar").hidden = card !== null;
}

/** Shows in the picker, and in words, which period stands in the address. */
function mark(asked) {
  at("span").textContent = period.words(asked);
  const links = [...document.querySelectorAll("#periods a")];
  const chosen = links.find((link) => link.dataset.days === String(asked.days));
  for (const link of links) link.removeAttribute("aria-current");
  chosen?.setAttribute("aria-current", "true");
  at("custom").classList.toggle("current", !chosen);
  const { from, to } = period.dates(asked, new Date());
  const form = at("dates");
  form.elements.from.value = from;
  form.elements.to.value = to;
  form.elements.from.max = form.elements.to.max = period.local(new Date());
}

function go(asked) {
  const search = `?${period.write(asked)}`;
  if (search !== location.search) history.pushState(null, "", search);
  at("custom").open = false;
  show();
}

function listen() {
  at("periods").addEventListener("click", (event) => {
    const link = event.target.closest("a[data-days]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go({ days: Number(link.dataset.days) });
  });
  at("dates").addEventListener("submit", (event) => {
    event.preventDefault();
    const { from, to } = event.target.elements;
    go({ from: [from.value, to.value].sort()[0], to: [from.value, to.value].sort()[1] });
  });
  document.addEventListener("click", (event) => {
    if (!at("custom").contains(event.target)) at("custom").open = false;
  });
  addEventListener("popstate", show);
}
