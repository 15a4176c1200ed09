/** Starts the packaged API explorer, or the packaged API reference, whichever stands on the page. */

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
const explorer = document.getElementById("swagger");
const reference = document.getElementById("redoc");

function explore() {
  dark.addEventListener("change", follow);
  follow();
  globalThis.SwaggerUIBundle({
    url: explorer.dataset.schema,
    domNode: explorer,
    deepLinking: true,
    tryItOutEnabled: true,
    defaultModelsExpandDepth: -1,
    displayRequestDuration: true,
    validatorUrl: null, // the usual one is a foreign server
  });
}

const palette = (dark) => (dark
  ? { ink: "#f3ede4", soft: "#b3a798", side: "#201c17", accent: "#f0b264", line: "#37302a", good: "#7dbf9c", bad: "#ff9d8f" }
  : { ink: "#221d17", soft: "#6a6056", side: "#ffffff", accent: "#96500a", line: "#e8e1d7", good: "#23693f", bad: "#a3261c" });

function refer() {
  const { ink, soft, side, accent, line, good, bad } = palette(dark.matches);
  const font = "system-ui, sans-serif";
  keepLogoHome();
  globalThis.Redoc.init(reference.dataset.schema, {
    disableSearch: true, // its search runs in a worker made of a blob, which the page's policy does not know
    hideDownloadButton: true,
    nativeScrollbars: true,
    scrollYOffset: 0,
    theme: {
      colors: {
        primary: { main: accent },
        success: { main: good },
        error: { main: bad },
        text: { primary: ink, secondary: soft },
        border: { dark: line, light: line },
      },
      schema: { nestedBackground: side, linesColor: line, typeNameColor: soft, requireLabelColor: bad },
      typography: { fontFamily: font, headings: { fontFamily: font, fontWeight: "600" } },
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
