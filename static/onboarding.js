/** What a newcomer sees before the first visit: the one line to paste, that visit arriving, and what may be in its way. */

import { post, told } from "./api.js";
import { button, copy, make } from "./dom.js";
import { live } from "./live.js";

export { isBlank, isFresh } from "./fresh.js";

const SEEN = 2000; // ms in which the first visit is told of, before the reports take its place
const MARKS = { ok: "✓", warn: "!", fail: "✕" };
const STATES = { ok: "All right", warn: "Look at this", fail: "In the way" };

/**
 * @param {{root: string, signal: AbortSignal, arrived: () => void}} wait
 * @returns {HTMLElement}
 */
export function onboarding({ root, signal, arrived }) {
  const tag = `<script defer src="${location.origin}${told().script}?engagement" data-engagement></script>`;
  const code = make("code", { tabindex: "0" }, tag);
  const copied = make("span", { role: "status", class: "words" });
  const waiting = make("span", { role: "status" }, "Waiting for the first visit. This page notices it by itself.");
  watch(waiting, signal, arrived);
  return make(
    "section", { class: "card welcome", "aria-labelledby": "welcome" },
    make("link", { rel: "stylesheet", href: `${root}/static/onboarding.css` }),
    make("h1", { id: "welcome" }, "Welcome. One line, and the visits come in."),
    make("p", { class: "words" }, "Paste this into every page that should be counted:"),
    make("pre", {}, code),
    make("p", { class: "actions" }, button("Copy", () => copy(code, copied)), copied),
    make("p", { class: "words" }, "A page on localhost counts only if the tag says ", make("code", {}, "data-local"), ", too."),
    make("p", { class: "waiting" }, make("span", { class: "pulse", "aria-hidden": "true" }), waiting),
    told().user ? checking(root, signal) : make("p", { class: "words" }, "No visit comes? ", make("a", { href: `${root}/login` }, "Sign in"), ", and Crumby looks for what is in its way."),
    make("p", { class: "words" }, "A click worth knowing about is one call: ", make("code", {}, 'cmb.event("signup", "newsletter")'), "."),
  );
}

/** Tells of the first visit as it comes, and then of nothing more. */
function watch(node, signal, arrived) {
  const watching = new AbortController();
  const stop = () => watching.abort();
  signal.addEventListener("abort", stop);
  live(["public/live_pages"], "", ({ rows }) => {
    if (watching.signal.aborted || !rows?.length) return; // a server that is being restarted is no reason to stop
    stop();
    const page = rows[0][0];
    node.textContent = page ? `Here it is: somebody looks at ${page}` : "Here it is, the first visit.";
    setTimeout(() => { if (!signal.aborted) arrived(); }, SEEN);
  }, watching.signal);
}

/** The form that has the usual troubles looked for. */
export function checking(root, signal) {
  const address = make("input", { type: "text", inputmode: "url", name: "address", placeholder: "https://www.example.com/", autocomplete: "url", "aria-label": "Address of a page of your site" });
  const look = make("button", { type: "submit", class: "quiet" }, "Check");
  const found = make("ul", { class: "checks" });
  const form = make(
    "form", { class: "checking" },
    make("p", {}, "No visit comes? Say which page has the script, and Crumby looks for what is in its way."),
    make("p", { class: "actions" }, address, look),
    make("div", { role: "status" }, found),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    look.disabled = true;
    found.replaceChildren(make("li", { class: "words" }, "Looking…"));
    try {
      const findings = await Promise.all([seenFromHere(signal), seenFromServer(root, address.value, signal)]);
      found.replaceChildren(...findings.flat().map(finding));
    } catch (error) {
      if (error.name !== "AbortError") found.replaceChildren(make("li", { class: "alert" }, error.message));
    } finally {
      look.disabled = false;
    }
  });
  return form;
}

async function seenFromServer(root, address, signal) {
  return (await post(`${root}/checks`, { address }, signal)).body;
}

/** What a server can't see: whether this browser loads the script, and reaches the place where hits go. */
async function seenFromHere(signal) {
  const reached = (path, method) => fetch(path, { method, cache: "no-store", signal }).then(() => true, () => false);
  const [script, hit] = await Promise.all([reached(told().script, "GET"), reached(told().hits, "OPTIONS")]); // which is no hit, and none that was refused
  if (script && hit) return [{ name: "browser", state: "ok", words: "This browser loads the script, and reaches the place where hits go.", remedy: "" }];
  const what = [script ? null : "does not load the script", hit ? null : "can't reach the place where hits go"].filter(Boolean).join(", and ");
  return [{ name: "browser", state: "warn", words: `This browser ${what}.`, remedy: "An ad blocker does that: try without, or another browser. Visitors who have one are not counted." }];
}

function finding({ name, state, words, remedy }) {
  return make(
    "li", { class: `check ${state}`, "data-check": name },
    make("span", { class: "mark", "aria-hidden": "true" }, MARKS[state] ?? "?"),
    make("span", { class: "hidden" }, `${STATES[state] ?? state}: `),
    make("span", {}, words, remedy ? make("span", { class: "remedy" }, remedy) : null),
  );
}
