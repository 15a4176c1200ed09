/** A question that proved good, as the text of a query file: a header for people and for Crumby, then the SQL. */

const HEADER = /^(?:[ \t]*--.*(?:\n|$))+/;
const ENTRY = /^\s*--\s*(chart|column\s+\w+|parameter\s+\w+|group|order|click|fill|refresh|cache|rows|rollup|panel|tab)\s*:/i;
const NAME = /^\w+$/;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const MOMENT = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/;

/** Names that tell how their values read; the last one of a word counts: "exit_page", "visits_percent". */
const FORMATS = {
  percent: "percent", seconds: "duration", duration: "duration",
  country: "country", continent: "continent", lang: "language", language: "language", url: "url", uri: "url",
  referrer: "url", host: "host", site: "host", page: "page", browser: "browser", platform: "platform", device: "device",
  weekday: "weekday", hour: "hour", month: "month", week: "week",
};
/** What a column of a format holds; one that answers something else has a type and no more. */
const HOLDS = {
  percent: "number", duration: "number", weekday: "integer", hour: "integer", week: "date",
};

/**
 * @param {{title: string, sql: string, answer: {columns: string[], rows: unknown[][]}|null}} story
 * @returns {string} the file's text
 */
export function reportText({ title, sql, answer }) {
  const body = `${sql.replaceAll("\r\n", "\n").trim()}\n`;
  const own = HEADER.exec(body)?.[0] ?? "";
  const lines = own.split("\n").filter((line) => line.trim());
  if (lines.length && !ENTRY.test(lines[0])) lines.shift(); // it was the title
  const told = lines.some((line) => ENTRY.test(line)) ? [] : guessed(answer);
  return `${[`-- ${title.replaceAll(": ", ", ")}`, ...lines, ...told].join("\n")}\n${body.slice(own.length).trim()}\n`;
}

/** Whether the answer's columns can be declared: `count(*)` has no name that a header could say. */
export function isNamed(answer) {
  return !answer || answer.columns.every((name) => NAME.test(name));
}

/** `Top pages, by views` → `top_pages_by_views` */
export function fileName(title) {
  const plain = title.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
  return plain.replace(/[^a-z0-9-]+/g, "_").replace(/^[_-]+|[_-]+$/g, "").slice(0, 64) || "report";
}

function guessed(answer) {
  if (!answer || !isNamed(answer)) return [];
  const kinds = answer.columns.map((name, place) => kind(name, answer.rows.map((row) => row[place])));
  const columns = answer.columns.map((name, place) => `-- column ${name}: ${words(kinds[place])}`);
  return ["--", `-- chart: ${chart(answer, kinds)}`, ...columns];
}

function words({ type, format }) {
  return format ? `${type} ${format}` : type;
}

function kind(name, values) {
  const type = typeOf(values.filter((value) => value !== null));
  const format = FORMATS[name.toLowerCase().split("_").findLast((word) => FORMATS[word])];
  const holds = HOLDS[format] ?? "text";
  if (format && (holds === type || (holds === "number" && type === "integer"))) return { type, format };
  return type === "integer" ? { type, format: "count" } : { type };
}

function typeOf(values) {
  const all = (test) => values.length > 0 && values.every(test);
  if (all((value) => typeof value === "boolean")) return "boolean";
  if (all(Number.isInteger)) return "integer";
  if (all((value) => typeof value === "number")) return "number";
  if (all((value) => DAY.test(value))) return "date";
  return all((value) => MOMENT.test(value)) ? "datetime" : "text";
}

/** Numbers over days are a line, numbers beside a name are bars, numbers alone are large. */
function chart({ columns, rows }, kinds) {
  const counts = columns.filter((_name, place) => ["integer", "number"].includes(kinds[place].type) && place > 0);
  if (rows.length === 1 && kinds.every(({ type }) => ["integer", "number"].includes(type))) return "stat";
  if (!counts.length) return "table";
  const over = ["date", "datetime"].includes(kinds[0].type) || ["week", "month"].includes(kinds[0].format);
  if (over) return `timeseries of ${counts.slice(0, 4).join(", ")} by ${columns[0]}`;
  return columns.length <= 4 && kinds[0].type === "text" ? `bars of ${counts[0]} by ${columns[0]}` : "table";
}
