/** What a newcomer sees before the first visit: the one line to paste, and then that visit arriving. */

import { ask } from "./api.js";
import { button, copy, make } from "./dom.js";

const PAUSE = 3000; // ms between two looks for the first visit

/** Further back than any site of this kind; the counts of that time tell "never" from "not in this period". */
const EVER = "days=3650";
/** A first visit that comes while the page waits, also over midnight. */
const NOW = "days=1";

/** Whether the visits query has counted nothing. @param {string} url */
export async function isFresh(url, signal, time = EVER) {
  return isBlank((await ask(`${url}?${time}`, signal)).data);
}

/** Whether the rows hold no count above zero. @param {unknown[][]} rows */
export function isBlank(rows) {
  return rows.every((row) => row.every((value) => typeof value !== "number" || value === 0));
}

/**
 * @param {{root: string, url: string, signal: AbortSignal, arrived: () => void}} wait
 * @returns {HTMLElement}
 */
export function onboarding({ root, url, signal, arrived }) {
  const tag = `<script src="${location.origin}${root}/cmb.js"></script>`;
  const code = make("code", { tabindex: "0" }, tag);
  const copied = make("span", { role: "status", class: "words" });
  watch(url, signal, arrived);
  return make(
    "section", { class: "card welcome", "aria-labelledby": "welcome" },
    make("h1", { id: "welcome" }, "Welcome. One line, and the visits come in."),
    make("p", { class: "words" }, "Paste this before </body> on every page that should be counted:"),
    make("pre", {}, code),
    make("p", { class: "actions" }, button("Copy", () => copy(code, copied)), copied),
    make("p", { class: "waiting" }, make("span", { class: "pulse", "aria-hidden": "true" }), "Waiting for the first visit. This page notices it by itself."),
    make("p", { class: "words" }, "A click worth knowing about is one call: ", make("code", {}, 'cmb.event("signup", "newsletter")'), "."),
  );
}

async function watch(url, signal, arrived) {
  while (!signal.aborted) {
    await new Promise((resolve) => { setTimeout(resolve, PAUSE); });
    if (signal.aborted) return;
    if (document.hidden) continue;
    // A server that is being restarted is no reason to stop waiting.
    const fresh = await isFresh(url, signal, NOW).catch(() => true);
    if (!fresh) return arrived();
  }
}
