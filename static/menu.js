/** What a panel's menu has: its SQL, its answer in other forms, the way to it. */

import { dialog } from "./dialog.js";
import { button, copy, make } from "./dom.js";
import { close } from "./popup.js";

/** @returns {Node[]} */
export function items({ query, page, state, id, title, hasOwn, search }) {
  const address = `${page.root}${query.url}?${search}`;
  const full = new URL(address, location.href).href;
  const told = make("p", { class: "words small", role: "status" });
  const link = (format, words) => make("a", { class: "choice", href: address + format, target: "_blank" }, words);
  const act = (words, does) => button(words, does, { class: "choice" });
  const here = () => `${location.origin}${location.pathname}${location.search}#${id}`;
  const curl = `curl ${query.collection === "private" && !page.share ? "--cookie 'session=…' " : ""}'${full.replaceAll("'", "%27")}'`;
  const free = query.parameters.filter(({ choices }) => !choices);
  return [
    make(
      "div", { class: "choices-of", role: "group", "aria-label": `${title}: menu` },
      ...(page.share ? [] : [act("View SQL", () => { close(true); source(query, page, title); })]),
      link("", "JSON"),
      link("&format=csv", "CSV"),
      act("Copy as curl", () => give(curl, told)),
      act("Copy link to this panel", () => give(here(), told)),
      ...(isForAll(query, page) ? [act("Embed…", () => { close(true); embed({ query, page, state, id, title }); })] : []),
      ...(hasOwn && free.length ? [act("Parameters…", () => { close(true); settings(query, page, state, id, title, free); })] : []),
    ),
    told,
    make("p", { class: "words small" }, `${query.description} ${query.collection === "private" && !page.share ? "Only people who signed in see this." : ""}`.trim()),
  ];
}

/** Whether a frame on another site, which has no cookie of this one, may show it. */
function isForAll({ collection }, { share }) {
  return share ? !share.has_password : collection === "public";
}

async function embed(story) {
  const { embedding } = await import("./embedding.js");
  await embedding(story);
}

/** The clipboard is only given to pages on https or localhost; elsewhere the text stands there to be taken. */
async function give(text, told) {
  try {
    await navigator.clipboard.writeText(text);
    told.textContent = "Copied";
  } catch {
    told.replaceChildren(make("input", { value: text, readonly: true, "aria-label": "To copy" }));
    told.firstChild.select();
  }
}

async function source(query, page, title) {
  const code = make("code", {});
  const copied = make("span", { role: "status", class: "words" });
  const pre = make("pre", { tabindex: "0", "aria-label": `${title}: SQL` }, code);
  dialog(`${title}: SQL`, pre, make("p", { class: "actions" }, button("Copy", () => copy(code, copied), { class: "quiet" }), copied));
  const response = await fetch(`${page.root}${query.url}/source`, { headers: { Accept: "text/plain" } }).catch(() => null);
  code.textContent = response?.ok ? await response.text() : "The server did not give the file.";
}

/** The file's own parameters, to be filled in. */
function settings(query, page, state, id, title, free) {
  const now = new Map(state.own);
  const field = ({ name, description, default: usual }) => make(
    "label", {}, [name.replaceAll("_", " "), description].filter(Boolean).join(": "),
    make("input", { name, value: now.get(`${id}.${name}`), placeholder: usual, maxlength: "500", autocomplete: "off" }),
  );
  const form = make("form", { class: "settings" }, ...free.map(field), make("p", { class: "actions" }, make("button", {}, "Show")));
  const sheet = dialog(`${title}: parameters`, form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const names = new Set(free.map(({ name }) => `${id}.${name}`));
    const said = [...new FormData(form)].filter(([, value]) => value.trim()).map(([name, value]) => [`${id}.${name}`, value.trim()]);
    sheet.close();
    page.set({ own: [...state.own.filter(([name]) => !names.has(name)), ...said] });
  });
}
