/** What a textarea lacks for SQL: Tab indents, a name is written where the cursor is, and undo knows of both. */

const INDENT = "  ";

/** @param {HTMLTextAreaElement} area */
export function makeEditable(area) {
  let leaving = false; // Esc, and the next Tab leaves the field, as it does elsewhere
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leaving = true;
    else if (event.key === "Tab" && !leaving && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      if (event.shiftKey) outdent(area);
      else indent(area);
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.isComposing) {
      keepIndent(area, event);
    } else if (event.key !== "Shift") leaving = false;
  });
  area.addEventListener("blur", () => { leaving = false; });
}

/** Writes over what is selected. A name that would touch another one gets a space before it. */
export function insert(area, text, spaced = false) {
  area.focus();
  const before = area.value.slice(0, area.selectionStart);
  write(area, spaced && /[\w)}]$/.test(before) ? ` ${text}` : text);
}

/** In a way that undo takes back; Firefox knows no other than this one. */
function write(area, text) {
  if (document.execCommand("insertText", false, text)) return;
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

function indent(area) {
  if (area.selectionStart === area.selectionEnd) write(area, INDENT);
  else changeLines(area, (line) => INDENT + line);
}

function outdent(area) {
  changeLines(area, (line) => line.replace(/^ {1,2}|^\t/, ""));
}

/** Rewrites the lines that the selection touches, and selects them. */
function changeLines(area, change) {
  const { value, selectionEnd } = area;
  const start = value.lastIndexOf("\n", area.selectionStart - 1) + 1;
  const found = value.indexOf("\n", Math.max(selectionEnd - 1, start));
  const end = found < 0 ? value.length : found;
  const old = value.slice(start, end);
  const text = old.split("\n").map(change).join("\n");
  if (text === old) return;
  area.setSelectionRange(start, end);
  if (text) write(area, text);
  else area.setRangeText("", start, end, "end");
  area.setSelectionRange(start, start + text.length);
}

/** A new line begins below where the last one began. */
function keepIndent(area, event) {
  const before = area.value.slice(0, area.selectionStart);
  const blanks = /[ \t]*/.exec(before.slice(before.lastIndexOf("\n") + 1))[0];
  if (!blanks) return;
  event.preventDefault();
  write(area, `\n${blanks}`);
}
