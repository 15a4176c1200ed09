"""Rows of the main database, as ClickHouse takes them: a line of JSON each.

What SQLite holds of another type than its column's, as it may in an old file, is null there; a row without a time that
is one is left out, as it is of every report with a period.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import Table

from crumby.columnar.parcels import lines
from crumby.columnar.tables import COPIED
from crumby.rollups.amended import among
from crumby.rollups.work import Work

AT_ONCE: Final = 1000  # rows of the database in memory; their lines are some 700 bytes each
YEARS: Final = range(1900, 2300)  # of ClickHouse's instants
LARGEST: Final = 1 << 63


def between(work: Work, table: str, after: int, until: int, version: int) -> tuple[int, bytes, str]:
    """The first of them, by their ids → the last id, their lines, and a checksum of their hits."""
    where = f"where t.id > {after:d} and t.id <= {until:d} order by t.id limit {AT_ONCE}"
    found = _asked(work, table, where)
    last = found[-1][0] if len(found) == AT_ONCE else until
    return last, *_made(table, found, version)


def of(work: Work, table: str, ids: Collection[int], version: int) -> tuple[set[int], bytes, str]:
    """Which of them there are, their lines, and a checksum."""
    found = _asked(work, table, f"where t.{among(ids)} order by t.id")
    return {row[0] for row in found}, *_made(table, found, version)


def before(work: Work, table: str, instant: str) -> list[int]:
    """Ids of those from before it."""
    at = instant if work.dialect == "sqlite" else datetime.fromisoformat(instant)
    with work.apart():
        return [number for (number,) in work.rows(f"select id from {table} where datetime < :at", {"at": at})]


def since(work: Work, table: str, instant: datetime) -> bytes:
    """Of small tables that tell days or hours."""
    with work.apart():
        at = str(instant) if work.dialect == "sqlite" else instant
        columns = ", ".join(f"t.{_quoted(work, column.name)}" for column in COPIED[table].columns)
        found = work.rows(f"select {columns} from {table} t where t.datetime >= :at", {"at": at})
    return _made(table, found, 0)[0]


def _asked(work: Work, table: str, where: str) -> Sequence[Any]:
    columns = ", ".join(f"t.{_quoted(work, column.name)}" for column in COPIED[table].columns)
    with work.apart():
        return work.plain_rows(f"select {columns} from {table} t {where}")


def _quoted(work: Work, name: str) -> str:
    return f"`{name}`" if work.dialect == "mysql" else f'"{name}"'


def _made(table: str, found: Sequence[Any], version: int) -> tuple[bytes, str]:
    """A row that is there already is replaced by one of a later version, and by a later one of the same."""
    if not found:
        return b"", ""
    columns = list(COPIED[table].columns)
    hits = next((number for number, column in enumerate(columns) if column.name == "hit_id"), 0)
    made = [fitting(column) for fitting, column in zip(_fitting(COPIED[table]), zip(*found, strict=True), strict=True)]
    whole = zip(*made, strict=True)
    at = next((number for number, column in enumerate(columns) if column.name == "datetime"), None)
    told = [(*row, version) for row in whole if at is None or row[at] is not None]
    checksum = blake2b(repr([row[hits] for row in told]).encode(), digest_size=12).hexdigest()
    return lines(told), checksum


@lru_cache(maxsize=8)
def _fitting(table: Table) -> list[Callable[[Sequence[Any]], Sequence[Any]]]:
    kinds = {int: _integers, float: _numbers, str: _texts, bytes: _hexadecimal, datetime: _instants}
    return [kinds[column.type.python_type] for column in table.columns]


def _kinds(column: Sequence[Any]) -> set[type]:
    return set(map(type, column)) - {type(None)}


def _integers(column: Sequence[Any]) -> Sequence[Any]:
    if _kinds(column) <= {int}:
        return column
    return [value if isinstance(value, int) and abs(value) < LARGEST else None for value in column]


def _numbers(column: Sequence[Any]) -> Sequence[Any]:
    if _kinds(column) <= {int, float}:
        return column
    return [value if isinstance(value, int | float) else None for value in column]


def _texts(column: Sequence[Any]) -> Sequence[Any]:
    if _kinds(column) <= {str}:
        return column
    return [value if value is None or isinstance(value, str) else _text(value) for value in column]


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _hexadecimal(column: Sequence[Any]) -> Sequence[Any]:
    return [bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else None for value in column]


def _instants(column: Sequence[Any]) -> Sequence[Any]:
    return [_instant(value) for value in column]


def _instant(value: Any) -> str | None:
    """As `2026-01-31 10:00:00.000000`."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime) or value.year not in YEARS:
        return None
    return value.replace(tzinfo=None).isoformat(" ")


def parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))
