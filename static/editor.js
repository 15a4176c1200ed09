/** The page of one's own SQL: a question is written, asked, looked at, taken along, or saved as a report. */

import { Refusal, post, told } from "./api.js";
import { copy, make } from "./dom.js";
import { insert, makeEditable } from "./editing.js";
import { number } from "./format.js";
import { fileName, isNamed, reportText } from "./reportfile.js";
import { plain } from "./rows.js";

const DRAFT = "crumby.sql";
const FIRST = 100; // rows that are shown at once
const EXAMPLES = {
  "Pages, the most viewed first": `select
  doc_uri as url,
  count(*) as views,
  count(distinct cid) as visitors
from visits
where {{ period("datetime") }}
group by doc_uri
order by views desc, url
limit 100`,
  "Visitors and page views of each day": `select
  {{ day("datetime") }} as date,
  count(distinct cid) as visitors,
  count(*) as views
from visits
where {{ period("datetime") }}
group by 1
order by 1`,
  "Languages by country": `select
  country,
  lang as language,
  count(distinct cid) as visitors
from visits
where {{ period("datetime") }}
group by country, lang
order by visitors desc, country, language`,
  "Events and their values": `select
  name,
  value,
  count(*) as times,
  count(distinct cid) as visitors
from events
where {{ period("datetime") }}
group by name, value
order by times desc, name, value`,
  "The latest page views": `select
  datetime,
  doc_title as title,
  doc_uri as url,
  referrer,
  country,
  browser
from visits
order by id desc
limit 100`,
};

const { root } = told();
const at = (id) => document.getElementById(id);
const area = at("sql");
let current = null; // the AbortController of the question that is being asked
let last = null; // {question, answer} of the one that was answered

begin();

function begin() {
  area.value = draft();
  makeEditable(area);
  for (const name of Object.keys(EXAMPLES)) at("examples").append(make("option", {}, name));
  for (const zone of Intl.supportedValuesOf?.("timeZone") ?? []) at("zones").append(make("option", { value: zone }));
  // The schema is beside the question where there is room, and one line below it where there is none.
  at("schema").open = matchMedia("(min-width: 64rem)").matches;
  listen();
}

/** A link's text, else what was being written here, else an example. */
function draft() {
  const linked = location.hash.slice(1);
  try {
    return (linked && decodeURIComponent(linked)) || localStorage.getItem(DRAFT) || Object.values(EXAMPLES)[0];
  } catch {
    return Object.values(EXAMPLES)[0]; // a link that is none, or a browser that keeps nothing
  }
}

/** For the next time. A link that was followed is not what the address shows once its text is changed. */
function keep() {
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  try {
    localStorage.setItem(DRAFT, area.value);
  } catch {
    // It was for convenience.
  }
}

function listen() {
  area.addEventListener("input", keep);
  at("ask").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    at("ask").requestSubmit(at("run"));
  });
  at("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  at("stop").addEventListener("click", () => current?.abort());
  at("days").addEventListener("change", showDates);
  at("examples").addEventListener("change", useExample);
  at("schema").addEventListener("click", (event) => {
    const name = event.target.closest("[data-insert]");
    if (name) insert(area, name.dataset.insert, true);
  });
  at("links").addEventListener("click", (event) => {
    const { format } = event.target.dataset;
    if (format) take(format);
  });
  at("save").addEventListener("click", openSaving);
  at("title").addEventListener("input", showText);
  at("copy").addEventListener("click", () => copy(at("text"), at("copied")));
  at("download").addEventListener("click", saveFile);
}

function showDates() {
  const custom = at("days").value === "dates";
  at("dates").hidden = !custom;
  for (const field of at("dates").querySelectorAll("input")) field.required = custom;
}

function useExample() {
  area.focus();
  area.select();
  insert(area, EXAMPLES[at("examples").value]);
  at("examples").value = "";
}

/** What is asked, as the server takes it. */
function question() {
  const { days, from, to, tz } = at("ask").elements;
  const period = days.value === "dates" ? { from: from.value, to: to.value } : { days: Number(days.value) };
  return { sql: area.value, ...period, ...(tz.value.trim() && { tz: tz.value.trim() }) };
}

async function run() {
  current?.abort();
  current = new AbortController();
  const { signal } = current;
  const asked = question();
  busy(true);
  try {
    const { body, took } = await post(`${root}/query`, asked, signal);
    show(asked, body, took);
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
    else if (current.signal === signal) say("Stopped.");
  } finally {
    if (current.signal === signal) busy(false);
  }
}

function busy(is) {
  at("answer").hidden = false;
  at("answer").toggleAttribute("aria-busy", is);
  at("stop").hidden = !is;
  at("run").disabled = is;
  if (is) at("told").textContent = "Asking…";
}

function say(words, ...nodes) {
  at("told").textContent = words;
  at("body").replaceChildren(...nodes);
  at("links").hidden = true;
}

function show(asked, body, took) {
  const described = new Map(body.meta?.columns?.map((column) => [column.name, column]));
  // As the database said it, where no header says more: what is seen here is what the next line of SQL compares with.
  const columns = body.columns.map((name) => ({ ...(described.get(name)?.type ? described.get(name) : { name, format: "raw" }), label: name }));
  last = { asked, answer: { columns: body.columns, rows: body.data } };
  const rows = `${number(body.data.length)} ${body.data.length === 1 ? "row" : "rows"}`;
  say(
    `${rows}${body.truncated ? ", and more that were cut off" : ""}${took === null ? "" : ` in ${duration(took)}`}.`,
    body.data.length ? plain({ columns, rows: body.data }, { first: FIRST }) : make("p", { class: "words" }, "The question was answered with no rows."),
  );
  at("links").hidden = false;
}

/** @param {number} took  ms */
function duration(took) {
  return took < 1000 ? `${number(Math.max(1, Math.round(took)))} ms` : `${number(took / 1000)} s`;
}

function fail(error) {
  const words = error instanceof Refusal ? error.message : `The answer could not be shown: ${error.message}`;
  say("No answer.", make("pre", { class: "alert", role: "alert" }, words));
  if (error.status !== 401) return;
  at("body").append(make("a", { class: "button quiet", href: `${root}/login?next=/query` }, "Sign in"));
}

/** The same question once more, as a file: the rows on the page may be some of them. */
async function take(format) {
  try {
    const { blob } = await post(`${root}/query`, { ...last.asked, format: format === "json" ? "records" : format });
    download(blob, `query.${format}`);
  } catch (error) {
    fail(error);
  }
}

function openSaving() {
  at("copied").textContent = "";
  showText();
  at("saving").showModal();
  at("title").select();
}

/** The answer tells the columns, if it is this question's. */
function answered() {
  return last?.asked.sql === area.value ? last.answer : null;
}

function showText() {
  const title = at("title").value.trim() || "My report";
  const answer = answered();
  at("text").textContent = reportText({ title, sql: area.value, answer });
  for (const name of document.querySelectorAll("#saving .name")) name.textContent = `${fileName(title)}.sql`;
  at("copied").textContent = "";
  caution(answer);
}

function caution(answer) {
  const words = !answer ? "Run it first, and its columns are described as well."
    : !isNamed(answer) ? "Name each column with `as`, in letters, digits and _, and they are described as well." : "";
  at("caution").textContent = words;
  at("caution").hidden = !words;
}

function saveFile() {
  if (!at("title").reportValidity()) return;
  const name = `${fileName(at("title").value)}.sql`;
  download(new Blob([at("text").textContent], { type: "application/sql" }), name);
}

/** Hands a file to whoever looks at the page. @param {Blob} blob @param {string} name */
function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may still be asking where to
}
