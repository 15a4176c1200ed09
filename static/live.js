/**
 * Answers that come by themselves: by server-sent events, or asked for now and then where those do not come through.
 *
 *     live(["public/live"], "country=SE", ({ query, columns, rows }) => …, signal);
 *     count(node, { search: "", signal });      node says "7 people now"
 */

import { Refusal, ask, told } from "./api.js";
import { number } from "./format.js";

const TOGETHER = 50; // ms
const MOST = 12; // queries of one stream
const POLL = 10_000; // ms between two questions, where there is no stream
const BACK = 60_000; // ms after which a stream is tried again
const PATIENCE = 10_000; // ms without a first answer, where something on the way gathers what is to come by itself
const FAILURES = 3; // in a row
const CLOSED = 2; // EventSource.CLOSED: the browser has given up

/** By filters, as an address has them: all that look with the same ones share a stream. */
const hubs = new Map();

document.addEventListener("visibilitychange", () => hubs.forEach((hub) => hub.look()));
addEventListener("pageshow", ({ persisted }) => { if (persisted) hubs.forEach((hub) => hub.look(true)); });

/**
 * A browser has six connections to a server: so all who look share one, and a hidden page has none.
 *
 * @param {string[]} queries  such as "public/live"; each says `refresh:` in its header
 * @param {string} search  filters, as the API takes them, with or without the "?"
 * @param {(answer: {query: string, columns: object[], rows: unknown[][], meta: object, error?: undefined} |
 *   {query: string, error: Error}) => void} onAnswer  called at once, and whenever the answer has changed
 * @param {AbortSignal} signal  that ends it
 */
export function live(queries, search, onAnswer, signal) {
  if (signal.aborted) return;
  const filters = new URLSearchParams(search).toString();
  if (!hubs.has(filters)) hubs.set(filters, hub(filters));
  const follower = { queries, onAnswer };
  hubs.get(filters).add(follower);
  signal.addEventListener("abort", () => hubs.get(filters).remove(follower));
}

/** What goes on between a stream and its followers. */
function hub(filters) {
  const followers = new Set();
  const known = new Map(); // the last answer of each query that is asked
  let asked = [];
  let close = () => {};
  let soon = null;

  const hear = (answer) => {
    known.set(answer.query, answer);
    for (const { queries, onAnswer } of [...followers]) if (queries.includes(answer.query)) onAnswer(answer);
  };

  function open(anew) {
    const wanted = document.hidden ? [] : [...new Set([...followers].flatMap(({ queries }) => queries))];
    if (!anew && wanted.length && wanted.every((query) => asked.includes(query))) return;
    close();
    known.clear();
    asked = wanted;
    const parts = Array.from({ length: Math.ceil(wanted.length / MOST) }, (_, part) => wanted.slice(part * MOST, (part + 1) * MOST));
    const ends = parts.map((part) => stream(part, new URLSearchParams(filters), hear));
    close = () => ends.forEach((end) => end());
  }

  /** Those who begin to look at the same time are waited for. */
  function look(anew = false) {
    clearTimeout(soon);
    soon = setTimeout(() => open(anew), TOGETHER);
  }

  return {
    look,
    add(follower) {
      followers.add(follower);
      for (const query of follower.queries) if (known.has(query)) follower.onAnswer(known.get(query));
      look();
    },
    remove(follower) {
      followers.delete(follower);
      if (!followers.size) look();
    },
  };
}

/** How many people there are now, in words. @param {HTMLElement} node @param {{search?: string, signal: AbortSignal, query?: string}} options */
export function count(node, { search = "", signal, query = "public/live_now" }) {
  live([query], search, (answer) => {
    if (answer.error) return;
    const people = Number(answer.rows[0]?.[0] ?? 0);
    const words = `${number(people)} ${people === 1 ? "person" : "people"} now`;
    if (node.textContent !== words) node.textContent = words;
    node.dataset.people = people;
    node.hidden = false;
  }, signal);
}

/** @returns {() => void} what ends it */
function stream(queries, filters, onAnswer) {
  const { root } = told();
  const asked = new URLSearchParams([...queries.map((query) => ["query", query]), ...filters]);
  const source = new EventSource(`${root}/live/stream?${asked}`);
  let stop = () => source.close();
  let failures = 0;
  const patience = setTimeout(instead, PATIENCE);
  const heard = (answer) => {
    clearTimeout(patience);
    failures = 0;
    onAnswer(answer);
  };
  source.addEventListener("answer", ({ data }) => heard(understood(JSON.parse(data))));
  source.addEventListener("failed", ({ data }) => {
    const { query, detail, status } = JSON.parse(data);
    heard({ query, error: new Refusal(detail, status) });
  });
  source.addEventListener("error", () => {
    failures += 1;
    if (source.readyState === CLOSED || failures >= FAILURES) instead(); // else the browser comes back by itself
  });

  function instead() {
    clearTimeout(patience);
    source.close();
    const polling = poll(queries, filters, onAnswer);
    const back = setTimeout(() => {
      polling();
      stop = stream(queries, filters, onAnswer);
    }, BACK);
    stop = () => {
      polling();
      clearTimeout(back);
    };
  }

  return () => {
    clearTimeout(patience);
    stop();
  };
}

/** Each query by its own address. @returns {() => void} what ends it */
function poll(queries, filters, onAnswer) {
  const { root } = told();
  const ending = new AbortController();
  const last = new Map();
  const look = async (query) => {
    try {
      const answer = await ask(`${root}/api/${query}?${filters}`, ending.signal);
      const text = JSON.stringify(answer);
      if (last.get(query) !== text) onAnswer(understood({ query, ...answer }));
      last.set(query, text);
    } catch (error) {
      if (error.name !== "AbortError") onAnswer({ query, error });
    }
  };
  const all = () => queries.forEach(look);
  const timer = setInterval(all, POLL);
  all();
  return () => {
    clearInterval(timer);
    ending.abort();
  };
}

function understood({ query, data, meta }) {
  return { query, columns: meta.columns, rows: data, meta };
}
