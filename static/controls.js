/** The bar above the panels: site, filters, comparison and period, as the address has them. */

import { ask } from "./api.js";
import { button, make } from "./dom.js";
import { said } from "./filters.js";
import * as period from "./period.js";
import { choices, popup } from "./popup.js";
import { COMPARISONS } from "./state.js";

const at = (id) => document.getElementById(id);
const forms = () => import("./choosing.js");

export class Controls {
  state = null;
  shown = null; // {from, to, tz}, as the last answer told them

  /** @param {object} page */
  constructor(page) {
    this.page = page;
    this.filter = popup(make("span", {}, "+", make("span", { class: "full" }, " Filter")), async () => (await forms()).filterForm(this), { class: "filtering", name: "Add a filter" });
    this.compare = popup("", async () => (await forms()).comparisons(this), { class: "comparing" });
    this.period = popup("", async () => (await forms()).periods(this), { class: "choosing" });
    this.#build();
  }

  #build() {
    const arrow = (way, sign, name) => button(sign, () => this.step(way), { class: "quiet arrow", "aria-label": name, title: name });
    this.before = arrow(-1, "‹", "The period before");
    this.after = arrow(1, "›", "The period after");
    this.period.node.classList.add("grow");
    at("controls").replaceChildren(this.filter.node, this.compare.node, make("div", { class: "period", role: "group", "aria-label": "Period" }, this.before, this.period.node, this.after), ...this.#sharing());
  }

  /** Links for others, from those who signed in. */
  #sharing() {
    if (!this.page.user) return [];
    const open = async () => (await import("./share.js")).share(this);
    return [button(make("span", { class: "full" }, "Share"), open, { class: "quiet sharing", "aria-label": "Share", "aria-haspopup": "dialog", title: "Share these reports" })];
  }

  /** Shows a state. @param {import("./state.js").State} state */
  mark(state) {
    if (JSON.stringify(this.state?.period) !== JSON.stringify(state.period)) this.shown = null;
    this.state = state;
    this.period.trigger.textContent = period.label(state.period);
    this.compare.trigger.textContent = state.compare ? `vs ${COMPARISONS[state.compare].toLowerCase()}` : "Compare";
    this.compare.trigger.classList.toggle("on", state.compare !== null);
    this.#showDays();
    this.#chips();
    this.#sites?.();
  }

  /** The days that an answer is of. @param {{from: string, to: string, tz: string}} days */
  days(days) {
    if (this.shown?.from === days.from && this.shown.to === days.to && this.shown.tz === days.tz) return;
    this.shown = days;
    this.#showDays();
  }

  #showDays() {
    const days = this.shown;
    const zone = this.state.tz ? ` · ${this.state.tz.replaceAll("_", " ")}` : "";
    at("span").textContent = (days ? period.span(days) : period.words(this.state.period)) + zone;
    this.before.disabled = !days;
    this.after.disabled = !days || !period.beside(days, 1, this.today());
  }

  today() {
    return period.clock(this.shown?.tz).slice(0, 10);
  }

  /** @param {import("./state.js").State} state @returns {string} "in the last 30 days, with 2 filters" */
  words(state) {
    const filters = [...this.page.fixed, ...state.filters].map((filter) => `, ${this.said(filter)}`).join("");
    const compared = state.compare ? `, compared with the ${COMPARISONS[state.compare].toLowerCase()}` : "";
    return period.words(state.period) + filters + compared;
  }

  /** The period before or after. @param {-1|1} way */
  step(way) {
    const next = this.shown && period.beside(this.shown, way, this.today());
    if (next) this.choose(next);
  }

  /** Another period; steps that suited the one before may not suit it. @param {import("./period.js").Period} wanted */
  choose(wanted) {
    this.page.set({ period: wanted, interval: null });
  }

  toggleComparison() {
    this.page.set({ compare: this.state.compare ? null : "previous" });
  }

  // Filters

  said([name, value]) {
    return said(name, value, this.column(name));
  }

  /** The column that a dimension's values stand in, and the query of it. */
  column(name) {
    const query = this.queryOf(name);
    return query?.columns.find((column) => column.name === query.click.column) ?? { name };
  }

  queryOf(name) {
    return this.page.panels().map(({ query }) => query).find(({ click, error }) => click?.dimension === name && !error);
  }

  #chips() {
    const { filters } = this.state;
    const { fixed } = this.page;
    const chip = ([name, value], place) => {
      const words = this.said([name, value]);
      const remove = () => {
        this.page.set({ filters: filters.filter((_one, other) => other !== place) });
        this.focusOn(null);
      };
      return make("li", {}, button(words, remove, { class: "chip", "data-dimension": name, "aria-label": `Remove the filter: ${words}`, title: "Remove this filter" }));
    };
    const all = filters.length > 1 ? [make("li", {}, button("Clear all", () => this.clear(), { class: "more" }))] : [];
    at("chips").replaceChildren(...fixed.map((filter) => make("li", { class: "chip fixed" }, this.said(filter))), ...filters.map(chip), ...all);
    at("chips").hidden = !filters.length && !fixed.length;
  }

  clear() {
    this.page.set({ filters: [] });
    this.focusOn(null);
  }

  /** After a row is gone that had the focus, it goes to what the row did. @param {string|null} name  of a dimension */
  focusOn(name) {
    const chips = [...at("chips").querySelectorAll("button.chip")];
    const target = chips.findLast((chip) => !name || chip.dataset.dimension === name) ?? this.filter.trigger;
    target.focus({ preventScroll: true });
  }

  // Sites

  #sites = null;

  /** A switch between the sites, where more than one is counted here. */
  async offerSites() {
    const query = this.queryOf("site");
    if (!query || this.#sites || !this.page.dimensions.has("site")) return;
    const limit = query.takes.includes("limit") ? "&limit=200" : "";
    const answer = await ask(`${this.page.root}${query.url}?period=last_12_months${limit}`).catch(() => null);
    const place = answer?.columns.indexOf(query.click.column) ?? -1;
    const sites = place < 0 ? [] : answer.data.map((row) => row[place]).filter(Boolean);
    if (sites.length < 2) return;
    const menu = popup("", () => [choices("Site", [[null, "All sites"], ...sites.sort().map((site) => [site, site])], this.#site(), (site) => this.#toSite(site))], { class: "sites" });
    this.#sites = () => { menu.trigger.textContent = this.#site() ?? "All sites"; };
    this.#sites();
    at("site").replaceChildren(menu.node);
  }

  #site() {
    const named = this.state.filters.filter(([name]) => name === "site");
    return named.length === 1 && !/^[!~]/.test(named[0][1]) ? named[0][1] : null;
  }

  #toSite(site) {
    const others = this.state.filters.filter(([name]) => name !== "site");
    this.page.set({ filters: site ? [["site", site], ...others] : others });
  }
}
