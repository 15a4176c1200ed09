"""An answer as a client wants it: `{"columns", "data", "meta"}`, records, NDJSON or CSV."""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from crumby.reporting.comparing import beside
from crumby.reporting.header import Column, Header
from crumby.reporting.parameters import Type
from crumby.reporting.period import Period
from crumby.reporting.query import Query
from crumby.reporting.questions import Answer, Question
from crumby.reporting.run import Result, Rows

Format = Literal["json", "records", "ndjson", "csv", "html"]
MEDIA_TYPES: Final[dict[Format, str]] = {
    "json": "application/json",
    "records": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
}
INTEGERS: Final = 2**63  # where those of the databases end
FORMULA: Final = frozenset("=+-@\t\r\n")  # what a spreadsheet would run
PLAIN: Final = frozenset({str, int, type(None)})
NOISE: Final = 7  # digits, behind which the databases differ

_encode = msgspec.json.Encoder().encode


def encoded(answer: Answer, form: Format, question: Question) -> bytes:
    """All of it, in any format but HTML, which `page.py` makes."""
    if form == "json":
        return _json(answer, plain_rows(answer.result, question.query), question)
    columns, rows = flat(answer, question.query)
    if form == "records":
        return _encode([dict(zip(columns, row, strict=True)) for row in rows])
    head, some = WRITERS[form]
    return head(columns) + some(columns, rows)


def flat(answer: Answer, query: Query) -> tuple[Sequence[str], Rows]:
    """Columns and rows, with what another period counted in columns of its own: `views, views_before`."""
    rows = plain_rows(answer.result, query)
    if answer.compared is None:
        return answer.result.columns, rows
    return beside(query.header, answer.result.columns, rows, compared_rows(answer, query))


def plain_rows(result: Result, query: Query) -> Rows:
    return Plain(result.columns, query.header)(result.rows)


class Plain:
    """Makes rows' values as JSON has them, by the types and formats that the header declares."""

    def __init__(self, columns: Sequence[str], header: Header) -> None:
        declared = {column.name: (column.type, column.format) for column in header.columns}
        kinds = [declared.get(name, (None, None)) for name in columns]
        # Most values are plain as they are: 1,000,000 rows of three take 1 s so, and 3 s otherwise.
        self._columns = [(kind, form, kind in AS_DECLARED or form in DIGITS) for kind, form in kinds]

    def __call__(self, rows: Rows) -> Rows:
        columns = self._columns
        return [
            [
                value if type(value) in PLAIN and not changed else plain(value, kind, form)
                for value, (kind, form, changed) in zip(row, columns, strict=True)
            ]
            for row in rows
        ]


def _json(answer: Answer, rows: Rows, question: Question) -> bytes:
    body: dict[str, Any] = {"columns": answer.result.columns, "data": rows, "meta": meta(answer.result, question)}
    if answer.compared is not None and question.compared:
        body["compared"] = {"period": _days(question.compared), "data": compared_rows(answer, question.query)}
    if answer.result.truncated:
        body["truncated"] = True
    return _encode(body)


def meta(result: Result, question: Question) -> dict[str, Any]:
    """What the values mean, of which days they are, and in which steps where there are some."""
    declared = {column.name: column for column in question.query.header.columns}
    interval = question.view.interval if "bucket" in question.query.takes else None
    return {
        "columns": [_described(name, declared.get(name)) for name in result.columns],
        "period": _days(question.view.period) | {"interval": interval},
    }


def _described(name: str, column: Column | None) -> dict[str, Any]:
    if not column:
        return {"name": name, "type": None, "format": None, "description": ""}
    return {"name": name, "type": column.type, "format": column.format, "description": column.description}


def _days(period: Period) -> dict[str, Any]:
    return {"from": period.t0.isoformat(), "to": period.t1.isoformat(), "tz": period.zone.key}


def compared_rows(answer: Answer, query: Query) -> list[Sequence[Any] | None]:
    """For each row its like of the other period, or None."""
    plainly = Plain(answer.result.columns, query.header)
    return [row if row is None else plainly([row])[0] for row in answer.compared or ()]


def ndjson(columns: Sequence[str], rows: Rows) -> bytes:
    return b"".join(_encode(dict(zip(columns, row, strict=True))) + b"\n" for row in rows)


def comma_separated(_columns: Sequence[str], rows: Rows) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(map(_cell, row) for row in rows)
    return buffer.getvalue().encode()


# What goes out first, and how some rows do: these can be streamed.
WRITERS: Final[Mapping[Format, tuple[Callable[[Sequence[str]], bytes], Callable[[Sequence[str], Rows], bytes]]]] = {
    "ndjson": (lambda _: b"", ndjson),
    "csv": (lambda columns: comma_separated(columns, [columns]), comma_separated),
}


def plain(value: Any, kind: Type | None = None, form: str | None = None) -> Any:
    """The value as JSON has it, the same from each database: `date(2026, 1, 31)` and `'2026-01-31'` are one.

    SQLite has neither booleans nor times, so there it takes the column's declared type to tell: 1 and
    `'2026-01-31 12:00:00.000000'` are true and 2026-01-31T12:00:00. Of a format's value they keep different digits,
    so it is rounded: a percentage to one decimal, a duration to whole seconds.
    """
    if value is None:
        return None
    if type(value) is float and kind not in AS_DECLARED:  # as most that comes here is
        return _number(_rounded(value, DIGITS[form]) if form in DIGITS else value)
    if kind in AS_DECLARED:
        value = AS_DECLARED[kind](value)
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if form in DIGITS and isinstance(value, float | Decimal):
        value = _rounded(value, DIGITS[form])
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            return _number(value)
        case datetime() | date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            value = bytes(value).hex()
    return str(value)


def _rounded(value: float | Decimal, digits: int) -> float | Decimal:
    """Half up, as people do: 12.25 → 12.3, and 12.35, which in binary is a little less, → 12.4."""
    number = float(value)
    if not (math.isfinite(number) and abs(number) < INTEGERS):
        return value
    places = 10**digits
    return math.copysign(math.floor(round(abs(number) * places, NOISE) + 0.5) / places, number)


def _number(value: float | Decimal) -> float | None:
    """Without a point where it is whole (an average is 2.0 in SQLite, 2.0000 in MySQL); None where it is none."""
    if not math.isfinite(value):
        return None
    return int(value) if -INTEGERS <= value < INTEGERS and value == int(value) else float(value)


def _day(value: object) -> object:
    if isinstance(value, datetime):
        return value.date()
    return value[: len("2026-01-31")] if isinstance(value, str) else value


def _moment(value: object) -> object:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value


AS_DECLARED: Final[Mapping[Type | None, Callable[[Any], object]]] = {
    "boolean": bool,
    "date": _day,
    "datetime": _moment,
}
DIGITS: Final[Mapping[str | None, int]] = {"percent": 1, "duration": 0}


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in FORMULA else value
