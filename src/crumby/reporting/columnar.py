"""A report on ClickHouse: one request over HTTP, whose rows are read as they come.

Each `:name` is one of ClickHouse's own parameters there, `{name:Type}`: its value comes beside the text, never in it.
What the statement may do comes along as well: read, and with `readonly = 1` it takes no other setting and reaches no
other address; for so long, and in so much memory. Who hangs up ends the query.
"""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec

from crumby.engines import AsyncConnection
from crumby.errors import DatabaseUnavailable, QueryFileError
from crumby.reporting.binding import Statement
from crumby.reporting.parameters import Type
from crumby.reporting.statement import TOKENS

IN_FORM: Final = {"X-ClickHouse-Format": "JSONCompactEachRowWithNamesAndTypes"}
MEMORY: Final = 4 << 30  # bytes that a report may take there,
SPILLED: Final = 1 << 30  # and from which on it groups and sorts on the disk
SETTINGS: Final[Mapping[str, int | str]] = {
    # As the other databases have it.
    "session_timezone": "UTC",
    "join_use_nulls": 1,
    "aggregate_functions_null_for_empty": 1,
    "prefer_column_name_to_alias": 1,
    "cast_keep_nullable": 1,
    "union_default_mode": "DISTINCT",
    "intersect_default_mode": "DISTINCT",
    "except_default_mode": "DISTINCT",
    # What it may take.
    "max_memory_usage": MEMORY,
    "max_bytes_before_external_group_by": SPILLED,
    "max_bytes_before_external_sort": SPILLED,
    "result_overflow_mode": "break",
    "timeout_before_checking_execution_speed": 0,
    "cancel_http_readonly_queries_on_client_close": 1,
    # How it answers: numbers as such, and an error before the first row, or never.
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_decimals": 0,
    "output_format_json_quote_denormals": 0,
    "output_format_json_validate_utf8": 1,
    "date_time_output_format": "simple",
    "wait_end_of_query": 1,
}
KINDS: Final[Mapping[type, str]] = {
    bool: "Bool",
    int: "Int64",
    float: "Float64",
    str: "String",
    datetime: "DateTime64(6)",
    date: "Date32",
}
DECLARED: Final[Mapping[Type, str]] = {
    "text": "String",
    "integer": "Int64",
    "number": "Float64",
    "boolean": "Bool",
    "date": "Date32",
    "datetime": "DateTime64(6)",
}
STOPPED: Final = frozenset({159, 160, 394})  # it took too long, is too slow, or somebody ended it
# Names, passwords and the database; too many queries, connections or threads; the network; it is going down.
AWAY: Final = frozenset({81, 192, 193, 194, 202, 203, 209, 210, 236, 279, 439, 516, 745})
UNASKED: Final = "the reports' ClickHouse can't be asked: {}"
STRICT: Final = UNASKED.format("its account has readonly = 1, and takes no limits; give it readonly = 2, or none")
NO_TABLE: Final = 60
FILLED: Final = re.compile(r"'(?:\w+\.)?(visits|events)'")  # which come to be when all that there were have come
FILLING: Final = "the reports' ClickHouse does not have all {} yet; `crumby rollup` says how far it is"
SAID: Final = re.compile(r"DB::Exception: (?!Code: )(.*)")
# Behind what it says: its own name of it, its version, the statement, and whatever might have stood there.
TAIL: Final = re.compile(
    r"(?:\.? Expected one of|\.? Maybe you meant|[.:]? In (?:scope|query) |: [Ww]hile |\.? \([A-Z_]+\)| \(version ).*"
)


class Rows:
    """Of an answer that comes in: names, types, and rows as they are asked for."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self._lines: deque[bytes] = deque()
        self.columns: list[str] = []
        self._instants: list[int] = []  # the places of columns that hold them

    async def begin(self) -> None:
        try:
            self.columns, types = map(_decoded, await self._next(2))
        except ValueError:
            raise DatabaseUnavailable(UNASKED.format("its answer ended before it began")) from None
        self._instants = [place for place, kind in enumerate(types) if "DateTime" in kind]

    async def fetch(self, most: int) -> Sequence[Sequence[Any]]:
        lines = await self._next(most)
        rows: list[list[Any]] = _decoded(b"[" + b",".join(lines) + b"]")
        for row in rows if self._instants else ():
            for place in self._instants:
                if isinstance(row[place], str):
                    row[place] = datetime.fromisoformat(row[place])
        return rows

    async def _next(self, most: int) -> list[bytes]:
        while len(self._lines) < most:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                break
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            self._lines.extend(whole)
        return [self._lines.popleft() for _ in range(min(most, len(self._lines)))]


def _decoded(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:  # a text that was cut within a character
        return msgspec.json.decode(line.decode(errors="replace"))


@contextlib.asynccontextmanager
async def asked(connection: AsyncConnection, statement: Statement, timeout_s: float, most: int) -> AsyncIterator[Rows]:
    """Some `most` rows, more or less. Raises QueryFileError, TimeoutError, and DatabaseUnavailable."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    settings = {**SETTINGS, **_only_reading(driver), "max_execution_time": round(timeout_s, 3), "max_result_rows": most}
    with _meant():
        text = placed(statement)
        stream = await driver.raw_stream(text, parameters(statement), settings, transport_settings=IN_FORM)
        async with stream:
            rows = Rows(aiter(stream))
            await rows.begin()
            yield rows


def _only_reading(driver: Any) -> Mapping[str, int]:
    """An account that has `readonly` itself can't be told; with 2 it takes all the others."""
    known = driver.server_settings.get("readonly")
    if known and known.value == "1":
        raise DatabaseUnavailable(STRICT)
    return {"readonly": 1} if known is None or known.value == "0" else {}


def placed(statement: Statement) -> str:
    """The text, with a place for each value: `{name:Type}`."""

    def place(token: re.Match[str]) -> str:
        name = token["name"]
        return f"{{{name}:{_kind(statement, name)}}}" if token["bind"] else token[0]

    return TOKENS["clickhouse"].sub(place, statement.text)


def _kind(statement: Statement, name: str) -> str:
    """Of what a file declares there may be nothing, and the text is the same with and without."""
    if name in statement.types:
        return f"Nullable({DECLARED[statement.types[name]]})"
    value = statement.values[name]
    return "Nullable(String)" if value is None else KINDS[type(value)]


def parameters(statement: Statement) -> dict[str, str | None]:
    return {name: _written(value) for name, value in statement.values.items()}


def _written(value: object) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            return str(value).lower()
        case datetime():
            return value.isoformat(" ", "microseconds")
        case date():
            return value.isoformat()
    return repr(value)


@contextlib.contextmanager
def _meant() -> Iterator[None]:
    from aiohttp import ClientError
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        yield
    except ClickHouseError as error:
        raise meaning(error) from None
    except msgspec.DecodeError:
        raise QueryFileError("answers in a form of its own") from None
    except (ClientError, asyncio.IncompleteReadError) as error:
        raise DatabaseUnavailable(UNASKED.format(str(error) or type(error).__name__)) from None


def meaning(error: Exception) -> Exception:
    """What the driver says, as whoever asks understands it: no version, no statement, no address."""
    code = getattr(error, "code", None)
    said = told(error)
    if code in STOPPED:
        return TimeoutError(said)
    missing = FILLED.search(said) if code == NO_TABLE else None
    if missing:
        return DatabaseUnavailable(FILLING.format(missing[1]))
    return QueryFileError(said) if code and code not in AWAY else DatabaseUnavailable(UNASKED.format(said))


def told(error: BaseException) -> str:
    lines = str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__]
    found = SAID.search(lines[0])
    return TAIL.sub("", found[1]).strip() if found else lines[0]
