/** What opens below a button, one at a time: choices, menus, small forms. Escape and a click elsewhere close it. */

import { make } from "./dom.js";

let current = null;

document.addEventListener("click", (event) => {
  if (current && !current.box.contains(event.target)) close();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !current) return;
  event.stopPropagation();
  close(true);
}, true);

/** Closes what is open. @param {boolean} [back]  whether the focus goes back to its button */
export function close(back = false) {
  if (!current) return;
  const { trigger, content } = current;
  current = null;
  content.hidden = true;
  trigger.setAttribute("aria-expanded", "false");
  if (back) trigger.focus();
}

/**
 * @param {Node|string} label  of the button
 * @param {() => Node[]|Promise<Node[]>} fill  what it shows, made anew each time it opens
 * @param {{name?: string, class?: string, look?: string}} [options]  `name` where the label does not say it
 * @returns {{node: HTMLElement, trigger: HTMLElement, open: () => Promise<void>}}
 */
export function popup(label, fill, { name, class: extra = "", look = "quiet" } = {}) {
  const trigger = make("button", { type: "button", class: `${look} drops`, "aria-expanded": "false", "aria-label": name, title: name }, label);
  const content = make("div", { class: "popup", hidden: true });
  const node = make("div", { class: `pops ${extra}` }, trigger, content);
  async function open() {
    close();
    content.replaceChildren(...await fill());
    content.hidden = false;
    content.classList.toggle("leftward", trigger.getBoundingClientRect().left > innerWidth / 2);
    trigger.setAttribute("aria-expanded", "true");
    current = { box: node, trigger, content };
    content.querySelector("[aria-pressed=true], a, button, input, select")?.focus();
  }
  trigger.addEventListener("click", () => (trigger.getAttribute("aria-expanded") === "true" ? close() : open()));
  content.addEventListener("keydown", walk);
  return { node, trigger, open };
}

/** The arrow keys go from one choice to the next. */
function walk(event) {
  const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!way || event.target.matches("input, select")) return;
  const all = [...event.currentTarget.querySelectorAll("a, button")];
  const next = all[(all.indexOf(event.target) + way + all.length) % all.length];
  next?.focus();
  event.preventDefault();
  event.stopPropagation();
}

/**
 * Choices of which one is made.
 * @param {string} name @param {[string|null, string, string?][]} all  value, words, key @param {string|null} chosen
 * @param {(value: string|null) => void} choose
 */
export function choices(name, all, chosen, choose) {
  return make("div", { class: "choices-of", role: "group", "aria-label": name }, ...all.map(([value, words, key]) => {
    const choice = make("button", { type: "button", class: "choice", "aria-pressed": String(value === chosen) }, make("span", {}, words), key ? make("kbd", { "aria-hidden": "true" }, key) : null);
    choice.addEventListener("click", () => {
      close(true);
      choose(value);
    });
    return choice;
  }));
}
