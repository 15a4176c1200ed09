/** Whether there is anything to report of yet. */

import { ask } from "./api.js";

/** Further back than any site of this kind; the counts of that time tell "never" from "not in this period". */
const EVER = "days=3650";

/** Whether a query has counted nothing. @param {string} url */
export async function isFresh(url, signal, time = EVER) {
  return isBlank((await ask(`${url}?${time}`, signal)).data);
}

/** Whether the rows hold no count above zero. @param {unknown[][]} rows */
export function isBlank(rows) {
  return rows.every((row) => row.every((value) => typeof value !== "number" || value === 0));
}
