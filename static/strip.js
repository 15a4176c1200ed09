/** One line on how the counting goes: when the last hit came, and what was refused today, and why. */

import { ask, told } from "./api.js";
import { make } from "./dom.js";
import { number } from "./format.js";
import { live } from "./live.js";

const TICK = 1000; // ms
const AGAIN = 30_000; // ms between two looks at what was refused; it is written down every ten seconds
const REASONS = {
  bot: "bots",
  prefetch: "not opened yet",
  "referrer-spam": "referrer spam",
  "no-accept": "programs",
  datacenter: "hosting networks",
  gpc: "Global Privacy Control",
  dnt: "Do Not Track",
  "rate-limited": "too fast",
  "daily-limit": "too many a day",
  InvalidToken: "without their token",
  InvalidHit: "malformed",
  HitTooLarge: "too long",
  RowRefused: "not taken by the database",
  NotFound: "no pixel",
  MethodNotAllowed: "of another method",
  Overloaded: "while overloaded",
  DatabaseUnavailable: "while the database was away",
  SpoolUnavailable: "while the spool was full",
};

/**
 * @param {string} root
 * @param {AbortSignal} signal  that ends it
 * @returns {HTMLElement}
 */
export function strip(root, signal) {
  const last = make("a", { class: "last", href: `${root}/live` });
  const refused = make("span", { class: "refused" });
  const node = make("p", { class: "words strip", hidden: true }, last, refused);
  let came = null; // ms since 1970, by this clock
  const tell = () => { last.textContent = came === null ? "No hit yet" : `Last hit ${ago((Date.now() - came) / 1000)}`; };

  live(["public/last_hit"], "", (answer) => {
    if (answer.error) return;
    const seconds = answer.rows[0]?.[0] ?? null;
    came = seconds === null ? null : Date.now() - seconds * 1000;
    tell();
    node.hidden = false;
  }, signal);
  every(TICK, tell, signal);

  if (told().user) {
    const look = async () => {
      const answer = await ask(`${root}/api/private/refused?days=0`, signal).catch(() => null);
      if (answer) refused.textContent = words(answer.data);
    };
    look();
    every(AGAIN, look, signal);
  }
  return node;
}

/** "34 refused today: 30 bots, 4 Do Not Track". @param {[string, number][]} rows  reasons, the most frequent first */
export function words(rows) {
  const total = rows.reduce((sum, [, hits]) => sum + hits, 0);
  if (!total) return " · none refused today";
  return ` · ${number(total)} refused today: ${rows.map(([reason, hits]) => `${number(hits)} ${REASONS[reason] ?? spoken(reason)}`).join(", ")}`;
}

/** "12 s ago". A clock that is ahead makes it now. @param {number} seconds */
export function ago(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s ago`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ago`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ago`;
  const days = Math.floor(whole / 86_400);
  return `${number(days)} ${days === 1 ? "day" : "days"} ago`;
}

/** While the page is looked at. */
function every(pause, doing, signal) {
  const timer = setInterval(() => { if (!document.hidden) doing(); }, pause);
  signal.addEventListener("abort", () => clearInterval(timer));
}

/** "TooManyHits" → "too many hits" */
function spoken(reason) {
  return String(reason).replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}
