/** All keys, in a dialog. */

import { dialog } from "./dialog.js";
import { make } from "./dom.js";
import { PRESETS } from "./period.js";

const OTHERS = [
  [["←", "→"], "The period before, after"],
  [["c", "x"], "Compare with the period before, or not"],
  [["f", "/"], "Add a filter"],
  [["Esc"], "Close what is open, or remove all filters"],
  [["o"], "Other days, time zone"],
  [["r"], "Count anew"],
  [["?"], "These keys"],
];

export function overlay() {
  const line = ([keys, words]) => make("div", {}, make("dt", {}, ...keys.flatMap((key, place) => (place ? [" ", make("kbd", {}, key)] : [make("kbd", {}, key)]))), make("dd", {}, words));
  const periods = Object.values(PRESETS).map(([label, , key]) => [[key], label]);
  dialog("Keys", make("dl", { class: "keys" }, ...[...periods, ...OTHERS].map(line)));
}
