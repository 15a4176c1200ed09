/** Starts the packaged API explorer, or the packaged API reference, whichever stands on the page. */

const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => ({ light: false, dark: true })[document.documentElement.dataset.theme] ?? dark.matches;
const follow = () => document.documentElement.classList.toggle("dark-mode", isDark());
const explorer = document.getElementById("swagger");
const reference = document.getElementById("redoc");

/** What the packages leave out for those who hear a page, or have no mouse: attributes of whatever fits the selector. */
const EXPLORER = [
  [".information-container", () => ({ role: "region", "aria-label": "This API" })],
  [".opblock-tag", () => ({ "aria-level": 2 })],
  ["h4", () => ({ "aria-level": 3 })],
  ["h5", () => ({ "aria-level": 4 })],
  [".microlight", () => ({ tabindex: 0 })],
  ["[data-param-name] :is(input, select, textarea)", (node) => ({ "aria-label": node.closest("[data-param-name]").dataset.paramName })],
  [".body-param__text", () => ({ "aria-label": "Body" })],
  ["table[role=region]", (node) => ({ "aria-label": node.id.replaceAll("_", " ") })],
  [".examples-select-element", () => ({ "aria-label": "Example" })],
  [".json-schema-2020-12-accordion", (node) => ({ "aria-label": node.textContent.trim() || "Schema" })],
];
const REFERENCE = [["h5", () => ({ "aria-level": 3 })]];

function mend(host, rules) {
  const all = () => {
    for (const [selector, attributes] of rules) {
      for (const node of host.querySelectorAll(selector)) {
        for (const [name, value] of Object.entries(attributes(node))) {
          if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
        }
      }
    }
  };
  new MutationObserver(all).observe(host, { childList: true, subtree: true });
}

/** A link in a button is one thing too many: the button writes the same address. */
const unlinked = ({ React }) => ({ components: { DeepLink: ({ text }) => React.createElement("span", {}, text) } });

function explore() {
  mend(explorer, EXPLORER);
  dark.addEventListener("change", follow);
  addEventListener("themechange", follow);
  follow();
  globalThis.SwaggerUIBundle({
    url: explorer.dataset.schema,
    domNode: explorer,
    deepLinking: true,
    tryItOutEnabled: true,
    defaultModelsExpandDepth: -1,
    displayRequestDuration: true,
    validatorUrl: null, // the usual one is a foreign server
    plugins: [unlinked],
  });
}

const palette = (dark) => (dark
  ? { ink: "#f3ede4", soft: "#b3a798", side: "#201c17", accent: "#f0b264", line: "#37302a", good: "#7dbf9c", other: "#f0b264", bad: "#ff9d8f" }
  : { ink: "#221d17", soft: "#6a6056", side: "#ffffff", accent: "#96500a", line: "#e8e1d7", good: "#23693f", other: "#7a4a00", bad: "#a3261c" });
const ON_WHITE = "#96500a"; // Redoc writes it on white and white on it, whatever else is said

function refer() {
  const { ink, soft, side, accent, line, good, other, bad } = palette(isDark());
  const font = "system-ui, sans-serif";
  keepLogoHome();
  mend(reference, REFERENCE);
  globalThis.Redoc.init(reference.dataset.schema, {
    disableSearch: true, // its search runs in a worker made of a blob, which the page's policy does not know
    hideDownloadButton: true,
    nativeScrollbars: true,
    scrollYOffset: 0,
    theme: {
      colors: {
        primary: { main: ON_WHITE },
        success: { main: good },
        error: { main: bad },
        text: { primary: ink, secondary: soft },
        border: { dark: line, light: line },
        responses: { redirect: { color: other } },
      },
      schema: { nestedBackground: side, linesColor: line, typeNameColor: soft, requireLabelColor: bad },
      typography: { fontFamily: font, code: { color: ink, backgroundColor: line }, links: { color: accent }, headings: { fontFamily: font, fontWeight: "600" } },
      sidebar: { backgroundColor: side, textColor: ink },
      rightPanel: { backgroundColor: "#221d17" },
      codeBlock: { backgroundColor: "#16130f" },
    },
  }, reference);
}

/** Redoc draws its maker's logo from a foreign server and has no option against it: ours takes its place. */
function keepLogoHome() {
  const image = HTMLImageElement.prototype;
  const { setAttribute } = image;
  const source = Object.getOwnPropertyDescriptor(image, "src");
  const ours = (address) => (String(address).startsWith("https://cdn.redoc.ly/") ? reference.dataset.logo : address);
  image.setAttribute = function (name, value) {
    setAttribute.call(this, name, name === "src" ? ours(value) : value);
  };
  Object.defineProperty(image, "src", { ...source, set(value) { source.set.call(this, ours(value)); } });
}

if (explorer) explore();
if (reference) refer();
