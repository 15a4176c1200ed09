/** The links that there are: whose they are, until when, and how they are withdrawn. */

import { ask } from "./api.js";
import { button, copy, make } from "./dom.js";
import { number } from "./format.js";

/**
 * @param {{root: string}} page @param {import("./controls.js").Controls} controls
 * @returns {{node: HTMLElement, add: (share: object) => void}}
 */
export function shares({ root }, controls) {
  const told = make("p", { class: "words", role: "status" }, "Loading…");
  const list = make("ul", { class: "shares" });
  const title = make("h3", { id: "shares", tabindex: "-1" }, "The links there are");
  const node = make("section", { "aria-labelledby": "shares" }, title, told, list);
  const tell = (words) => { told.textContent = words || (list.children.length ? "" : "No link yet."); };
  const line = (share) => item(share, controls, root, gone);

  /** Withdrawn: the focus goes on to the next. */
  function gone(share, line) {
    const next = line.nextElementSibling ?? line.previousElementSibling;
    line.remove();
    tell(`Withdrawn: ${share.title}`);
    (next?.querySelector("button") ?? title).focus();
  }

  ask(`${root}/shares`).then(
    (answer) => {
      const known = new Set([...list.children].map(({ dataset }) => dataset.share));
      list.append(...answer.shares.filter(({ id }) => !known.has(String(id))).map(line));
      tell();
    },
    (error) => tell(error.message),
  );
  return {
    node,
    add(share) {
      list.prepend(line(share));
      tell();
    },
  };
}

/** The link as it works from here: a server behind a proxy may not know that it is reached by https. @param {string} url */
export function whole(url) {
  const address = new URL(url, location.href);
  if (address.host === location.host) address.protocol = location.protocol;
  return address.href;
}

function item(share, controls, root, gone) {
  const copied = make("span", { role: "status", class: "words" });
  const address = make("a", { href: whole(share.url), target: "_blank", rel: "noopener" }, share.title);
  const code = make("code", { class: "hidden", "aria-hidden": "true" }, whole(share.url));
  const line = make("li", { "data-share": share.id }, make("p", {}, address, code, make("small", { class: "words" }, about(share, controls))));
  const tools = make("p", { class: "actions" });
  const quiet = (words, act, name) => button(words, act, { class: "quiet", "aria-label": name && `${name}: ${share.title}` });

  function offer() {
    tools.replaceChildren(quiet("Copy", () => copy(code, copied), "Copy the link"), quiet("Withdraw", sure, "Withdraw"), copied);
  }

  /** Asked once: whoever has the link will find nothing there. */
  function sure() {
    const yes = button("Withdraw for good", withdraw, { class: "danger" });
    tools.replaceChildren(yes, quiet("Keep", back), copied);
    yes.focus();
  }

  function back() {
    offer();
    tools.querySelectorAll("button")[1].focus();
  }

  async function withdraw() {
    try {
      await ask(`${root}/shares/${share.id}`, undefined, "DELETE");
      gone(share, line);
    } catch (error) {
      back();
      copied.textContent = error.message;
    }
  }

  offer();
  line.append(tools);
  return line;
}

/** "12 reports, Country is Sweden · ada, Nov 23, 2026 · with a password · until Dec 1, 2026" */
function about({ panels, filters, creator, created, expires, has_password: locked }, controls) {
  const fixed = [...new URLSearchParams(filters)].map((filter) => `, ${controls.said(filter)}`).join("");
  const over = expires && moment(expires) < Date.now();
  return [
    `${number(panels.length)} ${panels.length === 1 ? "report" : "reports"}${fixed}`,
    `${creator}, ${day(created)}`,
    locked ? "with a password" : null,
    expires ? `${over ? "ended" : "until"} ${day(expires)}` : "for good",
  ].filter(Boolean).join(" · ");
}

/** The server's moments are UTC, whether they say so or not. */
function moment(text) {
  return new Date(/T.*(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text.slice(0, 19).replace(" ", "T")}${text.length > 10 ? "" : "T00:00:00"}Z`);
}

function day(text) {
  return moment(text).toLocaleDateString(undefined, { dateStyle: "medium" });
}
