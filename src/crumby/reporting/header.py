"""The comment block at the top of a query file: what the question is, in prose that is also machine-readable.

    -- Visits                                                   the title
    -- Visitors and page views of each day.                     the description, as many lines as it takes
    --
    -- chart: timeseries of users, views
    -- group: Traffic
    -- order: 10
    -- parameter rows: integer = 100, how many rows at most
    -- column users: integer, distinct visitors
    select …

All of it is optional: a file of 0.7.1 has none. A line that begins with two more spaces goes on with the one before.
"""

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Literal, cast, get_args

from crumby.errors import InvalidParameter, QueryFileError

Type = Literal["text", "integer", "number", "boolean", "date", "datetime"]
ChartKind = Literal["table", "timeseries", "bars", "stat"]

COMMENT: Final = re.compile(r"\s*--(.*)")
ENTRY: Final = re.compile(r"(\w+)(?:\s+(\w+))?\s*:\s+(.*)")
GROUP: Final = "Reports"
KEYS: Final = ("chart", "group", "order", "parameter", "column")
TRUTHS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a request may say to the query. Its SQL has it as `:name`, its template as `name`."""

    name: str
    type: Type
    default: Any  # of that type, or None
    description: str

    def parse(self, text: str) -> Any:
        """The value of that type. Raises InvalidParameter."""
        try:
            return parse_value(self.type, text)
        except ValueError:
            raise InvalidParameter(f"{self.name}: {text[:60]!r} is not {PHRASES[self.type]}") from None


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: Type
    description: str


@dataclass(frozen=True, slots=True)
class Chart:
    """How a panel shows the answer: `x` is a column or None (the first), `y` the columns drawn against it."""

    kind: ChartKind = "table"
    x: str | None = None
    y: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    title: str = ""
    description: str = ""
    group: str = GROUP
    order: int = 100
    chart: Chart = Chart()
    parameters: tuple[Parameter, ...] = ()
    columns: tuple[Column, ...] = ()


PHRASES: Final[dict[Type, str]] = {
    "text": "text of at most 500 characters",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date such as 2026-01-31",
    "datetime": "a time such as 2026-01-31T12:00",
}


def parse_value(kind: Type, text: str) -> Any:
    """`('integer', '7')` → 7. Raises ValueError."""
    match kind:
        case "integer" if re.fullmatch(r"-?[0-9]{1,18}", text):
            return int(text)
        case "number" if re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", text):
            return float(text)
        case "boolean" if text.lower() in TRUTHS:
            return TRUTHS[text.lower()]
        case "date" if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
        case "datetime":
            return _instant(text)
        case "text" if len(text) <= 500 and "\0" not in text:  # noqa: PLR2004 - PHRASES says it
            return text
    raise ValueError(text)


def _instant(text: str) -> datetime:
    """UTC, without a zone; so is a text that names no offset. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    try:
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except OverflowError:
        raise ValueError(text) from None


def parse_header(source: str, group: str = GROUP) -> Header:
    """The header of a file's text; `group` is for one that names none. Raises QueryFileError, which names the line."""
    fields: dict[str, Any] = {"parameters": [], "columns": [], "group": group}
    prose: list[str] = []
    for line in _logical_lines(source):
        entry = ENTRY.fullmatch(line)
        if entry and _is_key(entry[1], line, named=bool(entry[2])):
            _add(fields, entry[1].lower(), entry[2], entry[3].strip(), line)
        else:
            prose.append(line)
    title, *description = prose or [""]
    about: dict[str, Any] = {"title": title.rstrip("."), "description": " ".join(description)}
    lists: dict[str, Any] = {key: tuple(fields.pop(key)) for key in ("parameters", "columns")}
    return Header(**about, **lists, **fields)


def _logical_lines(source: str) -> list[str]:
    lines: list[str] = []
    for line in source.lstrip("\ufeff\n\r\t ").splitlines():
        comment = COMMENT.fullmatch(line)
        if not comment:
            break
        text = comment[1]
        if text.startswith("   ") and lines:
            lines[-1] += " " + text.strip()
        else:
            lines.append(text.strip())
    return [line for line in lines if line]


def _is_key(word: str, line: str, *, named: bool) -> bool:
    """Whether a line such as `chart: bars` is an entry rather than prose with a colon in it."""
    if word.lower() in KEYS:
        return True
    near = difflib.get_close_matches(word.lower(), KEYS, n=1, cutoff=0.8)
    if near and (named or word.islower()):
        raise QueryFileError(f"the header says {word!r}: did you mean {near[0]!r}? ({line})")
    return False


def _add(fields: dict[str, Any], key: str, name: str | None, value: str, line: str) -> None:
    if (key in {"parameter", "column"}) != bool(name):
        raise QueryFileError(f"a {key} is written `{_EXAMPLES[key]}`, not `{line}`")
    match key:
        case "chart":
            fields["chart"] = _chart(value, line)
        case "group":
            fields["group"] = value
        case "order":
            fields["order"] = _order(value)
        case "parameter":
            fields["parameters"].append(_parameter(name or "", value, line))
        case "column":
            kind, _, description = value.partition(",")
            fields["columns"].append(Column(name or "", _type(kind, line), description.strip()))


_EXAMPLES: Final = {
    "chart": "chart: bars of views by uri",
    "group": "group: Traffic",
    "order": "order: 10",
    "parameter": "parameter rows: integer = 100, how many rows at most",
    "column": "column views: integer, page views",
}


def _chart(value: str, line: str) -> Chart:
    """`timeseries of users, views by date` → Chart('timeseries', 'date', ('users', 'views'))."""
    found = re.fullmatch(r"(\w+)(?:\s+of\s+([\w\s,]+?))?(?:\s+by\s+(\w+))?", value)
    if not found or found[1] not in get_args(ChartKind):
        kinds = ", ".join(get_args(ChartKind))
        raise QueryFileError(f"a chart is one of {kinds}, as in `{_EXAMPLES['chart']}`, not `{line}`")
    columns = tuple(column.strip() for column in (found[2] or "").split(",") if column.strip())
    return Chart(cast("ChartKind", found[1]), found[3], columns)


def _order(value: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", value):
        raise QueryFileError(f"order is a whole number, not {value!r}")
    return int(value)


def _parameter(name: str, value: str, line: str) -> Parameter:
    declared, _, description = value.partition(",")
    kind_text, assigned, default_text = declared.partition("=")
    kind = _type(kind_text, line)
    try:
        default = parse_value(kind, default_text.strip()) if assigned else None
    except ValueError:
        raise QueryFileError(f"the default {default_text.strip()!r} of {name} is not {PHRASES[kind]}") from None
    return Parameter(name, kind, default, description.strip())


def _type(text: str, line: str) -> Type:
    kind = text.strip()
    if kind not in get_args(Type):
        raise QueryFileError(f"a type is one of {', '.join(get_args(Type))}, not {kind!r} ({line})")
    return cast("Type", kind)
