/** In words what X-Crumby-Imported says: whether an answer has days that another program had counted. */

import * as period from "./period.js";

const LEFT_OUT = {
  hours: "they are of whole days",
  tz: "they are of another time zone's days",
  search: "they can't be searched",
  "not-ready": "they are still being counted",
  none: "none were imported for this report",
};

/** @param {Node} node @param {string} said "included; 2024-01-01/2024-05-31" → "With imported totals, 1 Jan to 31 May 2024" */
export function tell(node, said) {
  node.classList.add("small", "imported");
  node.textContent = words(said);
}

function words(said) {
  const [is, days, why = ""] = said.split("; ");
  const [from, to] = days.split("/");
  if (is === "included") return `With imported totals, ${period.span({ from, to })}`;
  const [kind, names = ""] = why.split("=");
  const filters = names.replaceAll("_", " ").split(",").join(" and ");
  const reason = kind === "filter" ? `they can't be filtered by ${filters}` : LEFT_OUT[kind];
  return `Without imported totals of ${period.span({ from, to })}${reason ? `: ${reason}` : ""}`;
}
