"""The comment block at the top of a query file: what the question is, in prose that is also machine-readable.

    -- Visits                                                   the title
    -- Visitors and page views of each day.                     the description, as many lines as it takes
    --
    -- chart: timeseries of users, views by date
    -- group: Traffic
    -- order: 10
    -- parameter least: integer = 1 (1 to 1000), leave out days with fewer views
    -- column users: count, distinct visitors
    -- click: country by land                                   a click on a row filters `country` by its `land`
    -- fill: date                                               days of nothing are rows as well
    -- refresh: 30                                              seconds after which the page asks again
    -- cache: 60                                                seconds for which an answer may be given again
    -- rows: 500                                                at most
    -- panel: closed                                            the page asks once somebody opens it
    -- tab: Places                                              one of a card's tabs, with those that say the same
    -- rollup: countries                                        read in the place of visits, where it has what is asked
    select …

All of it is optional: a file of 0.7.1 has none. A line that begins with two more spaces goes on with the one before.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal, cast, get_args

from crumby.errors import QueryFileError
from crumby.reporting.filters import DIMENSIONS
from crumby.reporting.parameters import Parameter, Type, parse_parameter
from crumby.spelling import nearest

ChartKind = Literal["table", "timeseries", "bars", "map", "heatmap", "stat"]

# How people read a column's values, and the type that they have where the header says no more.
FORMATS: Final[dict[str, Type]] = {
    "count": "integer",
    "percent": "number",  # 0 to 100
    "duration": "number",  # seconds
    "moment": "text",  # 2026-03-29T02:00, 2026-03-29 or 2026-03, in the report's zone
    "hour": "integer",  # 0 to 23
    "weekday": "integer",  # 1, Monday, to 7
    "week": "date",  # its Monday
    "month": "text",  # 2026-03
    "url": "text",
    "host": "text",
    "page": "text",  # the path of an address
    "country": "text",  # ISO 3166-1
    "continent": "text",
    "language": "text",
    "browser": "text",
    "platform": "text",
    "device": "text",
}

COMMENT: Final = re.compile(r"\s*--(.*)")
ENTRY: Final = re.compile(r"(\w+)(?:\s+(\w+))?\s*:\s+(.*)")
CHART: Final = re.compile(r"(\w+)(?: of ([\w ,]+?))?(?: by (\w+)(?: ?, ?(\w+))?)?")  # of words with one blank between
GROUP: Final = "Reports"
KEYS: Final = (
    "chart", "group", "order", "parameter", "column", "click", "fill", "refresh", "cache", "rows", "rollup", "panel",
    "tab",
)  # fmt: skip
LATER: Final = frozenset(
    {"click", "fill", "refresh", "cache", "rows", "rollup", "panel", "tab"}
)  # in small letters: prose may begin with "Rows:"
NUMBERS: Final = {"order": 999_999, "refresh": 86_400, "cache": 86_400, "rows": 10_000_000}  # and their largest


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: Type
    description: str
    format: str | None = None  # of FORMATS


@dataclass(frozen=True, slots=True)
class Chart:
    """How a panel shows the answer: `y`, the columns that are drawn, against `x`, a column or None (the first).

    A heatmap has a second one, `rows`, down its side.
    """

    kind: ChartKind = "table"
    x: str | None = None
    y: tuple[str, ...] = ()
    rows: str | None = None

    @property
    def by(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.x, self.rows)))


@dataclass(frozen=True, slots=True)
class Click:
    """What a click on a row filters: a dimension, by the row's value in a column."""

    dimension: str
    column: str


@dataclass(frozen=True, slots=True)
class Header:
    title: str = ""
    description: str = ""
    group: str = GROUP
    order: int = 100
    chart: Chart = Chart()
    parameters: tuple[Parameter, ...] = ()
    columns: tuple[Column, ...] = ()
    click: Click | None = None
    fill: str | None = None  # the column of the moments
    refresh: int | None = None  # seconds
    cache: int | None = None  # seconds
    rows: int | None = None
    rollups: tuple[str, ...] = ()  # by name
    closed: bool = False  # its panel
    tab: str | None = None  # the set of panels that share its card


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
        return word.islower() or word.lower() not in LATER
    near = nearest(word.lower(), KEYS, alike=0.8)
    if near and (named or word.islower()):
        raise QueryFileError(f"the header says {word!r}: did you mean {near!r}? ({line})")
    return False


def _add(fields: dict[str, Any], key: str, name: str | None, value: str, line: str) -> None:
    if (key in {"parameter", "column"}) != bool(name):
        raise QueryFileError(f"a {key} is written `{_EXAMPLES[key]}`, not `{line}`")
    match key:
        case "chart":
            fields["chart"] = _chart(value, line)
        case "group" | "fill" | "tab":
            fields[key] = value
        case "panel":
            fields["closed"] = _closed(value, line)
        case "rollup":
            fields["rollups"] = tuple(name.strip() for name in value.split(","))
        case "click":
            fields["click"] = _click(value, line)
        case "parameter":
            fields["parameters"].append(parse_parameter(name or "", value, line))
        case "column":
            fields["columns"].append(_column(name or "", value, line))
        case _:
            fields[key] = _number(key, value)


_EXAMPLES: Final = {
    "chart": "chart: bars of views by uri",
    "group": "group: Traffic",
    "order": "order: 10",
    "parameter": "parameter rows: integer = 100, how many rows at most",
    "column": "column views: count, page views",
    "click": "click: country by land",
    "fill": "fill: date",
    "rollup": "rollup: countries",
    "panel": "panel: closed",
    "tab": "tab: Places",
    **{key: f"{key}: 10" for key in ("refresh", "cache", "rows")},
}


def _chart(value: str, line: str) -> Chart:
    """`timeseries of users, views by date` → Chart('timeseries', 'date', ('users', 'views'))."""
    found = CHART.fullmatch(" ".join(value.split()))
    if not found or found[1] not in get_args(ChartKind):
        kinds = ", ".join(get_args(ChartKind))
        raise QueryFileError(f"a chart is one of {kinds}, as in `{_EXAMPLES['chart']}`, not `{line}`")
    if (found[1] == "heatmap") != bool(found[4]):
        raise QueryFileError(
            f"a heatmap, and nothing else, is by two columns: `heatmap of views by hour, day`, not `{line}`"
        )
    columns = tuple(column.strip() for column in (found[2] or "").split(",") if column.strip())
    return Chart(cast("ChartKind", found[1]), found[3], columns, found[4])


def _column(name: str, value: str, line: str) -> Column:
    """`number percent, of all visits`, `percent, of all visits` and `number, visits a day`."""
    declared, _, description = value.partition(",")
    words = declared.split()
    kinds = [word for word in words if word in get_args(Type)]
    formats = [word for word in words if word in FORMATS]
    if not words or len(kinds) > 1 or len(formats) > 1 or len(kinds) + len(formats) < len(words):
        types = ", ".join(get_args(Type))
        raise QueryFileError(
            f"a column has a type ({types}), a format ({', '.join(FORMATS)}) or both, not {declared.strip()!r} ({line})"
        )
    form = formats[0] if formats else None
    kind = cast("Type", kinds[0]) if kinds else FORMATS[formats[0]]
    return Column(name, kind, description.strip(), form)


def _click(value: str, line: str) -> Click:
    found = re.fullmatch(r"(\w+)(?:\s+by\s+(\w+))?", value)
    if not found or found[1] not in DIMENSIONS:
        raise QueryFileError(f"a click filters one of {', '.join(DIMENSIONS)}, not `{line}`")
    return Click(found[1], found[2] or found[1])


def _closed(value: str, line: str) -> bool:
    if value not in {"open", "closed"}:
        raise QueryFileError(f"a panel is open or closed, not {value!r} ({line})")
    return value == "closed"


def _number(key: str, value: str) -> int:
    if not re.fullmatch("[0-9]{1,8}", value) or int(value) > NUMBERS[key]:
        raise QueryFileError(f"{key} is a whole number up to {NUMBERS[key]}, not {value!r}")
    return int(value)
