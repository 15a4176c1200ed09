/** Single keys, as people know them from other pages of this kind; "?" shows them all. */

import { PRESETS } from "./period.js";

const PERIODS = new Map(Object.entries(PRESETS).map(([name, [, , key]]) => [key, name]));

/** @param {object} page @param {import("./controls.js").Controls} controls */
export function listenToKeys(page, controls) {
  const doing = {
    c: () => controls.toggleComparison(),
    x: () => controls.toggleComparison(),
    f: () => controls.filter.open(),
    "/": () => controls.filter.open(),
    o: () => controls.period.open(),
    r: () => page.reload(),
    ArrowLeft: () => controls.step(-1),
    ArrowRight: () => controls.step(1),
    Escape: () => controls.clear(),
    "?": async () => (await import("./overlay.js")).overlay(),
  };
  document.getElementById("help").addEventListener("click", doing["?"]);
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "p") {
      event.preventDefault();
      import("./paper.js").then(({ paper }) => paper());
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isBusy(event.target)) return;
    const period = PERIODS.get(event.key);
    const act = period ? () => controls.choose({ period }) : doing[event.key];
    if (!act || document.getElementById("board").hidden) return;
    event.preventDefault();
    act();
  });
}

/** Whether a key has a meaning of its own there; over a dialog's page it has none, wherever the focus is. */
function isBusy(target) {
  return Boolean(document.querySelector("dialog[open]") || target.closest?.("input, select, textarea, .popup, .canvas, [role=tablist], .heatmap"));
}
