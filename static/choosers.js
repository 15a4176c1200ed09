/** What is chosen in a panel's head: the values of its own parameters, and the steps of its moments. */

import { make } from "./dom.js";
import { heading } from "./format.js";

const HOURS_MOST = 92; // days that the server tells by the hour
const STEPS = [["hour", "Hours", 0], ["day", "Days", 0], ["week", "Weeks", 7], ["month", "Months", 28]]; // and more days than
const DAY_MS = 86400_000;

/**
 * @param {{query: object, id: string, title: string, answer: object, state: import("./state.js").State,
 *   set: (change: object) => void}} story
 * @returns {HTMLSelectElement[]}
 */
export function choosers(story) {
  const { query, answer } = story;
  const own = query.parameters.filter(({ choices }) => choices?.length > 1).map((parameter) => ofParameter(parameter, story));
  return query.takes.includes("bucket") && answer.period?.interval ? [...own, ofSteps(story)] : own;
}

function ofParameter({ name, description, choices, default: usual }, { id, title, state, set }) {
  const key = `${id}.${name}`;
  const now = state.own.find(([each]) => each === key)?.[1] ?? usual;
  const others = state.own.filter(([each]) => each !== key);
  const all = choices.map((choice) => [choice, heading(choice)]);
  return chooser(`${title}: ${description || name}`, all, now, (value) => set({ own: value === usual ? others : [...others, [key, value]] }));
}

function ofSteps({ title, answer: { period }, set }) {
  const days = (Date.parse(period.to) - Date.parse(period.from)) / DAY_MS + 1;
  const fits = ([name, , least]) => name === period.interval || (days > least && (name !== "hour" || days <= HOURS_MOST));
  return chooser(`${title}: interval`, STEPS.filter(fits), period.interval, (interval) => set({ interval }));
}

function chooser(name, all, now, choose) {
  const options = all.map(([value, label]) => make("option", { value, selected: value === now }, label));
  const select = make("select", { class: "chooser", "aria-label": name }, ...options);
  select.addEventListener("change", () => choose(select.value));
  return select;
}
