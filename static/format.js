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

const country = (value) => (/^[A-Z]{2}$/.test(value) ? named(REGIONS, value) : String(value));
const continent = (value) => CONTINENTS[value] ?? String(value);
const language = (value) => (/^[a-z]{2,3}([-_][a-z0-9]{2,8})*$/i.test(value) ? named(LANGUAGES, value.replaceAll("_", "-")) : String(value));
const client = (value) => CLIENTS[String(value).toLowerCase()] ?? String(value);
const screen = (value) => String(value).replace(/^(\d+)x(\d+)$/, "$1 × $2");

/** How a column's values become words, by the format that its query's file names. */
const FORMATS = {
  country, continent, language, browser: client, platform: client, device: capital,
  weekday, hour, moment, month: moment, week, host: String, page: String, url: String,
};

/** And where it names none: the first pattern that fits the column's name decides. */
const READINGS = [
  [/^country/, country],
  [/^continent/, continent],
  [/^_?lang/, language],
  [/^(platform|browser)/, client],
  [/^device$/, capital],
  [/^screen/, screen],
  [/(^|_)(date|day|month|datetime|time)$/, moment],
];

/** Numbers that name a row, and are nothing to be counted or drawn. */
const NAMING = new Set(["weekday", "hour", "week", "month", "moment"]);

const BLANKS = [
  [/referrer|source|origin/, "Direct or unknown"],
  [/^(country|continent|subdivision|state|city|region|platform|browser|version|device|_?lang|screen)/, "Unknown"],
  [/^(channel|campaign|page|entry|site|host)/, "Unknown"],
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

/** Whether the values of a column are no amounts, though they may be numbers. @param {{format?: string}} column */
export function isNaming(column) {
  return NAMING.has(column.format);
}

/** A number with its unit, where the column's format tells it, or its name or type. */
export function quantity(value, column = {}) {
  if (column.format === "percent") return `${number(value)} %`;
  if (column.format === "duration") return span(value);
  if (column.format) return number(value);
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
  if (column.format === "raw") return String(value);
  if (value === null || value === undefined || value === "") {
    return BLANKS.find(([pattern]) => pattern.test(name))?.[1] ?? "–";
  }
  if (FORMATS[column.format]) return FORMATS[column.format](value);
  if (typeof value === "number") return quantity(value, column);
  if (typeof value !== "string" || column.format) return String(value);
  if (["date", "datetime"].includes(column.type)) return moment(value);
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
  return capital(name.replace(/_(percent|seconds)$/, "").replaceAll("_", " ").trim());
}

function capital(text) {
  return String(text).charAt(0).toUpperCase() + String(text).slice(1);
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
  if (at === null) return String(value);
  const look = { year: "numeric", month: "short", timeZone: "UTC" };
  if (value.length > 7) look.day = "numeric";
  if (value.length > 10) Object.assign(look, { hour: "2-digit", minute: "2-digit" });
  return new Intl.DateTimeFormat(undefined, look).format(new Date(at * 1000));
}

/** A week by its days: 23 – 29 Mar 2026. @param {string} value  its Monday */
export function week(value) {
  const monday = seconds(value);
  if (monday === null) return String(value);
  const look = { year: "numeric", month: "short", day: "numeric", timeZone: "UTC" };
  return new Intl.DateTimeFormat(undefined, look).formatRange(new Date(monday * 1000), new Date((monday + 6 * 86400) * 1000));
}

/** @param {number} value  1 is Monday @param {"long"|"short"} length */
export function weekday(value, length = "long") {
  if (!(value >= 1 && value <= 7)) return String(value);
  // 5 January 1970 was a Monday.
  return new Intl.DateTimeFormat(undefined, { weekday: length, timeZone: "UTC" }).format(new Date((4 + Math.floor(value) - 1) * 86400_000));
}

/** @param {number} value  0 to 23 */
export function hour(value) {
  return `${String(value).padStart(2, "0")}:00`;
}

/**
 * By how much two amounts differ: "12 %"; null where there was nothing to be compared with.
 * @param {number|null} value @param {number|null} before
 */
export function change(value, before) {
  if (typeof value !== "number" || typeof before !== "number" || before === 0) return null;
  const percent = Math.abs((value - before) / before) * 100;
  return `${number(percent < 10 ? Math.round(percent * 10) / 10 : Math.round(percent))} %`;
}
