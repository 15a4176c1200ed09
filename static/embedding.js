/** A panel in a frame of one's own page: the lines to paste, and how it will look. */

import { dialog, styled } from "./dialog.js";
import { button, copy, make } from "./dom.js";
import { heading } from "./format.js";
import { isFiltered, write } from "./state.js";

const THEMES = [["system", "As the visitor has it"], ["light", "Light"], ["dark", "Dark"]];
const SCHEMES = { system: "light dark", light: "light", dark: "dark" };
const HEIGHTS = { stat: 200, timeseries: 320, heatmap: 380 }; // px; where a kind has none, 400
const ACCENT = "#c26f14";

/** @param {{query: object, page: object, state: import("./state.js").State, id: string, title: string}} story */
export async function embedding({ query, page, state, id, title }) {
  await styled(page.root, "share.css");
  const { words, left } = said(query, page, state, id);
  const base = `${location.origin}${page.share?.path ?? page.root}/embed/${query.collection}/${query.name}`;
  const form = choices(HEIGHTS[query.chart.kind] ?? 400);
  const shown = make("div", { class: "shown" });
  const code = make("code", { tabindex: "0", "aria-label": "The lines to paste" });
  const copied = make("span", { role: "status", class: "words" });

  function draw() {
    const { theme, width, height, coloured, accent, untitled, bare } = form.elements;
    const address = new URLSearchParams(words);
    if (theme.value !== "system") address.set("theme", theme.value);
    if (coloured.checked) address.set("accent", accent.value.slice(1));
    if (untitled.checked) address.set("title", "no");
    if (bare.checked) address.set("background", "none");
    const search = readable(address);
    const frame = {
      src: base + (search && `?${search}`), title, width: size(width.value, "100%"), height: size(height.value, "400"), loading: "lazy",
    };
    const look = `border:0;color-scheme:${SCHEMES[theme.value]}`;
    code.textContent = `<iframe ${Object.entries({ ...frame, style: look }).map(([name, value]) => `${name}="${escaped(value)}"`).join(" ")}></iframe>`;
    copied.textContent = "";
    const preview = make("iframe", { ...frame, loading: null });
    preview.style.colorScheme = SCHEMES[theme.value];
    shown.replaceChildren(preview);
  }

  form.addEventListener("change", draw);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.elements.accent.addEventListener("input", () => { form.elements.coloured.checked = true; });
  draw();
  dialog(`${title}: embed`, make(
    "div", { class: "framed" }, form, shown,
    make(
      "div", { class: "snippet" },
      left.length ? make("p", { class: "words" }, `Without the filter by ${left.map(heading).join(", ")}, which takes a signed-in user: a link with that filter can be embedded with it.`) : null,
      make("pre", {}, code),
      make("p", { class: "actions" }, button("Copy", () => copy(code, copied)), copied),
    ),
  ));
  form.elements.theme.focus();
}

/** What the page shows of this panel, as its frame's address says it; and the filters that a guest may not use. */
function said(query, page, state, id) {
  const isShared = page.share !== null;
  const isHidden = ([name]) => !isShared && page.dimensions.get(name)?.private;
  const left = isFiltered(query) ? state.filters.filter(isHidden).map(([name]) => name) : [];
  const words = write({
    ...state,
    filters: isFiltered(query) ? state.filters.filter((filter) => !isHidden(filter)) : [],
    interval: query.takes.includes("bucket") ? state.interval : null,
    metric: query.chart.kind === "timeseries" ? state.metric : null,
    tabs: [],
    own: state.own.filter(([name]) => name.startsWith(`${id}.`)),
  });
  return { words, left };
}

/** How it is to look. @param {number} height  px, that suits the panel */
function choices(height) {
  const field = (name, input) => make("label", {}, name, input);
  const tick = (name, ...words) => make("label", { class: "tick" }, make("input", { type: "checkbox", name }), make("span", {}, ...words));
  return make(
    "form", {},
    field("Theme", make("select", { name: "theme" }, ...THEMES.map(([value, words]) => make("option", { value }, words)))),
    make(
      "div", { class: "pair" },
      field("Width", make("input", { name: "width", value: "100%", inputmode: "numeric", autocomplete: "off" })),
      field("Height", make("input", { name: "height", value: height, inputmode: "numeric", autocomplete: "off" })),
    ),
    make("div", { class: "tick" }, tick("coloured", "A colour of its own"), make("input", { type: "color", name: "accent", value: ACCENT, "aria-label": "The colour" })),
    tick("untitled", "Without its title"),
    tick("bare", "Without a background"),
  );
}

/** Pixels or a share of what is there; anything else is the usual. */
function size(text, usual) {
  return /^\d{2,4}(px)?$|^\d{1,3}%$/.test(text.trim()) ? text.trim().replace("px", "") : usual;
}

function readable(address) {
  return address.toString().replaceAll("%2F", "/").replaceAll("%21", "!");
}

function escaped(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
