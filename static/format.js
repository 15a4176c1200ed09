/** Values of an answer, as people read them. The data stays what it is; only its look changes. */

const LANGUAGE = document.documentElement.lang || "en";
const WHOLE = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const SHORT = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const REGIONS = new Intl.DisplayNames(LANGUAGE, { type: "region" });
const LANGUAGES = new Intl.DisplayNames(LANGUAGE, { type: "language" });

const CONTINENTS = {
  AF: "Africa", AN: "Antarctica", AS: "Asia", EU: "Europe",
  NA: "North America", OC: "Oceania", SA: "South America",
};

const CLIENTS = {
  aix: "AIX", amiga: "Amiga", android: "Android", blackberry: "BlackBerry", chromeos: "ChromeOS",
  dragonflybsd: "DragonFly BSD", freebsd: "FreeBSD", ipad: "iPad", iphone: "iPhone", irix: "IRIX",
  linux: "Linux", macos: "macOS", netbsd: "NetBSD", openbsd: "OpenBSD", sco: "SCO", solaris: "Solaris",
  symbian: "Symbian", tizen: "Tizen", wii: "Wii", windows: "Windows",
  ask: "Ask", bing: "Bing", brave: "Brave", camino: "Camino", chrome: "Chrome", chromium: "Chromium", edge: "Edge",
  firefox: "Firefox", galeon: "Galeon", kmeleon: "K-Meleon", konqueror: "Konqueror", lynx: "Lynx",
  mozilla: "Mozilla", msie: "Internet Explorer", msn: "MSN", netscape: "Netscape", opera: "Opera",
  safari: "Safari", samsung: "Samsung Internet", seamonkey: "SeaMonkey", vivaldi: "Vivaldi",
  webkit: "WebKit", yahoo: "Yahoo", yandex: "Yandex",
};

const HEADINGS = {
  _lang: "Language", _referrer: "Referrer", cid: "Visitor", datetime: "Time", doc_title: "Title",
  doc_uri: "Page", ip: "IP address", lang: "Language", screen_depth: "Color depth", screen_res: "Screen",
  subdivision_1: "Region", subdivision_2: "District", uri: "Page", url: "Page",
};

/** How a column's values become words; the first pattern that fits the column's name decides. */
const READINGS = [
  [/^country/, (value) => (/^[A-Z]{2}$/.test(value) ? named(REGIONS, value) : value)],
  [/^continent/, (value) => CONTINENTS[value] ?? value],
  [/^_?lang/, (value) => (/^[a-z]{2,3}([-_][a-z0-9]{2,8})*$/i.test(value) ? named(LANGUAGES, value.replaceAll("_", "-")) : value)],
  [/^(platform|browser)/, (value) => CLIENTS[value.toLowerCase()] ?? value],
  [/^screen_res/, (value) => value.replace(/^(\d+)x(\d+)$/, "$1 × $2")],
  [/(^|_)(date|day|month|datetime|time)$/, (value) => moment(value)],
];

const BLANKS = [
  [/referrer|source|origin/, "Direct or unknown"],
  [/^(country|continent|subdivision|state|city|region|platform|browser|_?lang|screen)/, "Unknown"],
];

function named(names, code) {
  try {
    return names.of(code) ?? code;
  } catch {
    return code;
  }
}

/** @param {number} value */
export function number(value) {
  return WHOLE.format(value);
}

/** As short as an axis needs: "1.2K". @param {number} value */
export function short(value) {
  return SHORT.format(value);
}

/** A number with its unit where the column's name or type tells it. */
export function quantity(value, column = {}) {
  const hint = `${column.type ?? ""} ${column.name ?? ""}`.toLowerCase();
  if (/percent/.test(hint)) return `${number(value)} %`;
  if (/seconds|duration/.test(hint)) return span(value);
  return number(value);
}

function span(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** A cell's text. @param {unknown} value @param {{name?: string, type?: string}} column */
export function text(value, column = {}) {
  const name = (column.name ?? "").toLowerCase();
  if (value === null || value === undefined || value === "") {
    return BLANKS.find(([pattern]) => pattern.test(name))?.[1] ?? "–";
  }
  if (typeof value === "number") return quantity(value, column);
  if (typeof value !== "string") return String(value);
  const reading = READINGS.find(([pattern]) => pattern.test(name));
  return reading ? reading[1](value) : value;
}

/**
 * A column's name as a heading: "new_visitors" → "New visitors". A unit in the name is left to the value:
 * "visit_seconds" → "Visit", with "2 min 5 s" below it.
 * @param {string} name
 */
export function heading(name) {
  if (HEADINGS[name]) return HEADINGS[name];
  const spaced = name.replace(/_(percent|seconds)$/, "").replaceAll("_", " ").trim();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/**
 * A moment as the server writes it, in seconds since 1970 as if it were UTC, so that a day stays that day
 * in every browser; null for any other text.
 * @param {unknown} value  "2026-10-01", "2026-10" or "2026-10-01 13:00:00"
 */
export function seconds(value) {
  const parts = /^(\d{4})-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?)?)?/.exec(value ?? "");
  if (!parts) return null;
  const [year, month, day = 1, hour = 0, minute = 0, second = 0] = parts.slice(1).map((part) => part && Number(part));
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
}

/** @param {string} value  a moment as the server writes it; other text comes back as it is */
export function moment(value) {
  const at = seconds(value);
  if (at === null) return value;
  const look = { year: "numeric", month: "short", timeZone: "UTC" };
  if (value.length > 7) look.day = "numeric";
  if (value.length > 10) Object.assign(look, { hour: "2-digit", minute: "2-digit" });
  return new Intl.DateTimeFormat(undefined, look).format(new Date(at * 1000));
}
