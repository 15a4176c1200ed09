"""An answer as a client wants it: `{"columns", "data"}`, records, NDJSON or CSV."""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
from starlette.responses import Response

from crumby.reporting.header import Type
from crumby.reporting.query import Query
from crumby.reporting.run import Result

Rows = Sequence[Sequence[Any]]
Format = Literal["json", "records", "ndjson", "csv"]
MEDIA_TYPES: Final[dict[Format, str]] = {
    "json": "application/json",
    "records": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
}
INTEGERS: Final = 2**63  # where those of the databases end
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet would run

_encode = msgspec.json.Encoder().encode


def respond(result: Result, form: Format, query: Query) -> Response:
    """The whole answer. A cut one says `truncated` in JSON, and `X-Crumby-Truncated` in every format."""
    headers = {"X-Crumby-Truncated": "true"} if result.truncated else {}
    if form == "csv":
        headers["Content-Disposition"] = f'attachment; filename="{query.name}.csv"'
    return Response(encoded(result, form, query), media_type=MEDIA_TYPES[form], headers=headers)


def encoded(result: Result, form: Format, query: Query) -> bytes:
    rows = plain_rows(result, query)
    return _json(result, rows) if form == "json" else ENCODERS[form](result.columns, rows)


def plain_rows(result: Result, query: Query) -> Rows:
    """Its values as JSON has them, by the types that the header declares."""
    declared = {column.name: column.type for column in query.header.columns}
    types = [declared.get(name) for name in result.columns]
    return [[plain(value, kind) for value, kind in zip(row, types, strict=True)] for row in result.rows]


def _json(result: Result, rows: Rows) -> bytes:
    answer: dict[str, Any] = {"columns": result.columns, "data": rows}
    if result.truncated:
        answer["truncated"] = True
    return _encode(answer)


def _records(columns: Sequence[str], rows: Rows) -> bytes:
    return _encode([dict(zip(columns, row, strict=True)) for row in rows])


def _ndjson(columns: Sequence[str], rows: Rows) -> bytes:
    return b"".join(_encode(dict(zip(columns, row, strict=True))) + b"\n" for row in rows)


def _csv(columns: Sequence[str], rows: Rows) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(map(_cell, columns))
    for row in rows:
        writer.writerow(map(_cell, row))
    return buffer.getvalue().encode()


ENCODERS: Final = {"records": _records, "ndjson": _ndjson, "csv": _csv}


def plain(value: object, kind: Type | None = None) -> Any:
    """The value as JSON has it, the same from each database: `date(2026, 1, 31)` and `'2026-01-31'` are one.

    SQLite has neither booleans nor times, so there it takes the column's declared type to tell: 1 and
    `'2026-01-31 12:00:00.000000'` are true and 2026-01-31T12:00:00.
    """
    if value is not None and kind in AS_DECLARED:
        value = AS_DECLARED[kind](value)
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            return _number(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
    return str(value)


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


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
