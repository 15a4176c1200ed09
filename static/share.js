/** A link for others: chosen reports, with the filters of now, behind a password, until a day. */

import { post } from "./api.js";
import { dialog, styled } from "./dialog.js";
import { button, copy, make } from "./dom.js";
import { label } from "./period.js";
import { shares, whole } from "./shares.js";
import { isFiltered, write } from "./state.js";

const DAY_MS = 86400_000;
const ENDS = [["", "Never"], ["7", "In 7 days"], ["30", "In 30 days"], ["90", "In 90 days"], ["date", "On a day…"]];

/** @param {import("./controls.js").Controls} controls */
export async function share(controls) {
  const { page, state } = controls;
  await styled(page.root, "share.css");
  const list = shares(page, controls);
  const reports = checklist(page.panels());
  const filtered = state.filters.length ? make("input", { type: "checkbox", name: "filtered", checked: true }) : null;
  const form = make(
    "form", { class: "sharing-form", "aria-label": "A new link" },
    facts(controls, filtered),
    reports.node,
    make("div", { class: "actions" }, make("button", {}, "Make the link")),
    make("div", { class: "made" }),
  );
  filtered?.addEventListener("change", () => reports.limit(filtered.checked));
  reports.limit(filtered !== null);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, `${page.root}/shares`, wanted(form, state, reports.chosen(), filtered?.checked), list);
  });
  dialog("Share these reports", form, list.node);
  form.elements.title.select();
}

/** All that is said of a link but for its reports. @param {HTMLInputElement|null} filtered  whether filters hold, if there are any */
function facts(controls, filtered) {
  const { state } = controls;
  const filters = state.filters.map((filter) => controls.said(filter)).join(", ");
  const free = { autocomplete: "off", autocapitalize: "none", spellcheck: "false" };
  return make(
    "div", { class: "said" },
    field("Title", make("input", { name: "title", required: true, maxlength: "75", autocomplete: "off", value: name(state) })),
    filtered && make("label", { class: "tick" }, filtered, make("span", {}, "With these filters, which cannot be taken off: ", make("strong", {}, filters))),
    make("p", { class: "words" }, "It opens with ", make("strong", {}, label(state.period)), ", as the page shows it now."),
    field("Password", make("input", { name: "password", maxlength: "200", placeholder: "None: whoever has the link", ...free })),
    ending(),
  );
}

async function send(form, url, draft, list) {
  const made = form.querySelector(".made");
  const act = form.querySelector(".actions button");
  act.disabled = true;
  made.replaceChildren();
  try {
    const { body } = await post(url, draft);
    list.add(body);
    made.replaceChildren(...link(body));
    made.querySelector("button").focus();
  } catch (error) {
    made.replaceChildren(make("p", { class: "alert", role: "alert" }, error.message));
  } finally {
    act.disabled = false;
  }
}

/** The request's body, of what the form says. */
function wanted(form, state, panels, isFixed) {
  const { title, password, ends, date } = form.elements;
  const expires = ends.value === "date" ? date.value : ends.value && new Date(Date.now() + ends.value * DAY_MS).toISOString().replace(/\.\d+/, "");
  return {
    title: title.value.trim(),
    panels,
    filters: isFixed ? new URLSearchParams(state.filters).toString() : "",
    view: write({ ...state, filters: [] }).slice(1),
    ...(password.value && { password: password.value }),
    ...(expires && { expires }),
  };
}

/** The link that was made, to be taken. */
function link({ url }) {
  const copied = make("span", { role: "status", class: "words" });
  const code = make("code", { tabindex: "0", "aria-label": "The link" }, whole(url));
  return [
    make("p", { role: "status" }, make("strong", {}, "The link is there.")),
    make("pre", {}, code),
    make("p", { class: "actions" }, button("Copy", () => copy(code, copied)), copied),
  ];
}

/** What it is called at first: the site that is looked at, or the page. */
function name({ filters }) {
  const [, site] = filters.find(([dimension, value]) => dimension === "site" && !/^[!~]/.test(value)) ?? [];
  return (site ?? document.querySelector("h1").textContent).slice(0, 75);
}

function field(name, input) {
  return make("label", {}, name, input);
}

/** When the link ends. */
function ending() {
  const tomorrow = new Date(Date.now() + DAY_MS).toISOString().slice(0, 10);
  const date = make("input", { type: "date", name: "date", "aria-label": "Its last day, UTC", min: tomorrow, hidden: true });
  const ends = make("select", { name: "ends" }, ...ENDS.map(([value, words]) => make("option", { value }, words)));
  ends.addEventListener("change", () => {
    date.hidden = ends.value !== "date";
    date.required = !date.hidden;
  });
  return make("div", { class: "ending" }, field("Ends", ends), date);
}

const isPublic = ({ query }) => query.collection === "public";

/** All reports by their groups, those that everybody may see chosen. @param {object[]} panels */
function checklist(panels) {
  const boxes = panels.map(({ query, title }) => ({ query, title, box: make("input", { type: "checkbox", name: "panel", value: `${query.collection}/${query.name}` }) }));
  const told = make("span", { class: "words", role: "status" });
  const chosen = () => boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
  const tell = () => { told.textContent = `${chosen().length} of ${boxes.length}`; };
  const choose = (fits) => {
    for (const one of boxes) one.box.checked = fits(one) && !one.box.disabled;
    tell();
  };
  const set = (words, fits) => button(words, () => choose(fits), { class: "quiet" });
  const node = make(
    "fieldset", { class: "reports" },
    make("legend", {}, "Reports ", told),
    make("p", { class: "sets" }, set("All", () => true), set("What everybody sees", isPublic), set("None", () => false)),
    grouped(boxes),
  );
  node.addEventListener("change", tell);
  choose(isPublic);
  return { node, chosen, limit: (isOn) => { limit(boxes, isOn); tell(); } };
}

function grouped(boxes) {
  const line = ({ query, title, box }) => make("label", { class: "tick", title: query.description }, box, make(
    "span", {}, title, " ", isPublic({ query }) ? null : make("small", {}, "for members"), " ", make("small", { class: "why" }),
  ));
  const groups = [...Map.groupBy(boxes, ({ query }) => query.group || "More reports")];
  return make("div", { class: "groups", tabindex: "0", role: "group", "aria-label": "Reports by group" }, ...groups.map(([group, members]) => make(
    "fieldset", {}, make("legend", {}, group), ...members.map(line),
  )));
}

/** With fixed filters, a report that takes none would show what they are to hide. */
function limit(boxes, isOn) {
  for (const { query, box } of boxes) {
    const why = query.error ? "its file has a fault" : isOn && !isFiltered(query) ? "takes no filters" : "";
    const freed = box.disabled && !why;
    box.disabled = Boolean(why);
    box.checked = freed ? isPublic({ query }) : box.checked && !why;
    box.parentNode.querySelector(".why").textContent = why;
  }
}
