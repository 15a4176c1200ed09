/** What a filter says, in words. */

import { heading, text } from "./format.js";
import { parts } from "./state.js";

export const OPERATORS = [["", "is"], ["!", "is not"], ["~", "contains"], ["!~", "does not contain"]];

/** @param {string} name  of a dimension @param {string} value  as the API takes it @param {object} [column]  that its values stand in */
export function said(name, value, column = { name }) {
  const { not, contains, value: wanted } = parts(value);
  if (!wanted && !contains) return `${heading(name)} is ${not ? "known" : "unknown"}`;
  const verb = OPERATORS.find(([sign]) => sign === (not ? "!" : "") + (contains ? "~" : ""))[1];
  return `${heading(name)} ${verb} ${contains ? wanted : text(wanted, column)}`;
}
