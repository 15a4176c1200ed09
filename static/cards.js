/** How panels stand together: a card each, the tabs of one card, large numbers over the chart that plots them. */

import { make } from "./dom.js";

/**
 * @param {object[]} members  panels that say the same `tab`
 * @param {string} name       of the set
 * @param {(panel: object) => void} opened  when somebody chose one
 */
export function tabs(members, name, opened) {
  const buttons = members.map(({ id, title, query }, place) => make("button", {
    type: "button", role: "tab", id: `tab-${id}`, "aria-controls": id, "aria-selected": String(place === 0), tabindex: place === 0 ? "0" : "-1", title: query.description,
  }, title));
  const list = make("div", { role: "tablist", class: "tablist", "aria-label": name }, ...buttons);
  const node = make("article", { class: "card tabbed", "aria-label": name }, list, ...members.map(({ node: one }) => one));
  let current = members[0];

  function show(panel) {
    current = panel;
    members.forEach((one, place) => {
      one.node.hidden = one !== panel;
      buttons[place].setAttribute("aria-selected", String(one === panel));
      buttons[place].tabIndex = one === panel ? 0 : -1;
    });
  }

  list.addEventListener("click", (event) => {
    const place = buttons.indexOf(event.target.closest("[role=tab]"));
    if (place >= 0 && members[place] !== current) opened(members[place]);
  });
  list.addEventListener("keydown", (event) => {
    const at = members.indexOf(current);
    const place = { ArrowRight: (at + 1) % members.length, ArrowLeft: (at + members.length - 1) % members.length, Home: 0, End: members.length - 1 }[event.key];
    if (place === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    opened(members[place]);
    buttons[place].focus();
  });
  for (const { node: one, id } of members) one.setAttribute("aria-labelledby", `tab-${id}`);
  show(current);
  return { node, members, show, get current() { return current; } };
}

/** A panel that stands alone. */
export function card(panel) {
  panel.node.classList.add("card");
  return { node: panel.node, members: [panel], show() {}, current: panel };
}

/** Large numbers over a chart of the same columns: a click on a number plots it. */
export function overview(numbers, chart) {
  const node = make("div", { class: "card overview wide" }, numbers.node, chart.node);
  return { node, members: [numbers, chart], show() {}, both: true, current: chart };
}

/** The first large numbers of a group, and its first chart that has the same columns. @param {object[]} panels in order */
export function pair(panels) {
  const numbers = panels.find(({ query }) => query.chart.kind === "stat" && !query.tab && !query.closed);
  const names = new Set(numbers?.query.columns.map(({ name }) => name));
  const chart = panels.find(({ query }) => query.chart.kind === "timeseries" && !query.tab && !query.closed && query.columns.some(({ name }) => names.has(name)));
  return numbers && chart ? [numbers, chart] : null;
}
