/** What the buttons of the bar open: periods and days, the comparison, a filter's form. */

import { ask } from "./api.js";
import { make } from "./dom.js";
import { OPERATORS } from "./filters.js";
import { heading, text } from "./format.js";
import { PRESETS } from "./period.js";
import { choices, close } from "./popup.js";
import { COMPARISONS, question } from "./state.js";

/** @param {import("./controls.js").Controls} controls @returns {Node[]} */
export function comparisons({ state, page }) {
  const all = [[null, "No comparison"], ...Object.entries(COMPARISONS)];
  return [choices("Compare with", all, state.compare, (compare) => page.set({ compare }))];
}

/** @param {import("./controls.js").Controls} controls @returns {Node[]} */
export function periods(controls) {
  const presets = Object.entries(PRESETS).map(([name, [label, , key]]) => [name, label, key]);
  const now = controls.state.period.period ?? null;
  return [choices("Period", presets, now, (name) => controls.choose({ period: name })), daysForm(controls), zoneForm(controls)];
}

function daysForm(controls) {
  const { from, to } = controls.shown ?? {};
  const day = (label, name, value) => make("label", {}, label, make("input", { type: "date", name, required: true, value, max: controls.today() }));
  const form = make("form", { class: "dates" }, day("From", "from", from), day("To", "to", to), make("button", {}, "Show"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [first, last] = [form.elements.from.value, form.elements.to.value].sort();
    close(true);
    controls.choose({ from: first, to: last });
  });
  return form;
}

function zoneForm(controls) {
  const field = make("input", { name: "tz", list: "zones", value: controls.state.tz, placeholder: controls.shown?.tz, autocomplete: "off", spellcheck: "false" });
  const known = make("datalist", { id: "zones" }, ...Intl.supportedValuesOf("timeZone").map((zone) => make("option", { value: zone })));
  const form = make("form", { class: "zone" }, make("label", {}, "Time zone", field), known);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    close(true);
    controls.page.set({ tz: field.value.trim().replaceAll(" ", "_") || null });
  });
  return form;
}

/** @param {import("./controls.js").Controls} controls @returns {Node[]} */
export function filterForm(controls) {
  const { page } = controls;
  const known = [...page.dimensions.values()].filter((each) => page.user || !each.private);
  const values = make("datalist", { id: "values" });
  const option = ({ name, description }) => make("option", { value: name, title: description, selected: name === "page" }, heading(name));
  const form = make(
    "form", { class: "adding" },
    make("label", {}, "Filter", make("select", { name: "dimension" }, ...known.map(option))),
    make("select", { name: "operator", "aria-label": "How" }, ...OPERATORS.map(([sign, words]) => make("option", { value: sign }, words))),
    make("input", { name: "value", "aria-label": "Value", list: "values", maxlength: "500", autocomplete: "off", spellcheck: "false" }),
    values,
    make("button", {}, "Add"),
  );
  const { dimension, operator, value } = form.elements;
  dimension.addEventListener("change", () => suggest(controls, dimension.value, values));
  suggest(controls, dimension.value, values);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = operator.value + value.value.trim();
    close();
    if (!page.isPicked(dimension.value, wanted)) page.pick(dimension.value, wanted);
  });
  return [form];
}

/** The values of a dimension that there are, most frequent first. */
async function suggest(controls, name, list) {
  const { page, state } = controls;
  const query = controls.queryOf(name);
  list.replaceChildren();
  if (!query) return;
  const asked = { ...state, compare: null, filters: state.filters.filter(([each]) => each !== name) };
  const limit = query.takes.includes("limit") ? { limit: 100 } : {};
  const answer = await ask(`${page.root}${query.url}?${question(asked, query, limit)}`).catch(() => null);
  const place = answer?.columns.indexOf(query.click.column) ?? -1;
  if (place < 0) return;
  const found = new Set(answer.data.map((row) => row[place]).filter(Boolean));
  list.replaceChildren(...[...found].map((each) => make("option", { value: each }, text(each, controls.column(name)))));
}
