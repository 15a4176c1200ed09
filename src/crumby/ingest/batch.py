"""A batch within its transaction: visitors read, rows placed in their sessions, all of it written.

    visitors ──► dimensions/session.py ──► new visitors ──► visits, events ──► changed visitors

Nobody looks for hits that are stored already, for next to no batch holds one: the unique index refuses it, the
transaction is undone, and the next one does look. Two workers that meet the same new visitor are kept apart likewise.
"""

import sqlite3
import sys
from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import astuple
from sqlalchemy import Dialect, Insert, Table, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from crumby.database import insert_into
from crumby.dimensions.session import Visitor, place
from crumby.ingest.columns import SQLITE as FORMS
from crumby.ingest.columns import ColumnInsert, instant, octets
from crumby.ingest.engaged import ENGAGE, SQLITE, at_once, told
from crumby.ingest.enrich import Engagement, Event, Visit
from crumby.tables import events, strays, visitors, visits

R = TypeVar("R", Visit, Event)
T = TypeVar("T")

ASKED: Final = 512  # values that one of SQLite's statements asks for; it takes 32,766
MOST: Final = 64  # rows that MySQL is given in one packet: 3 MB where all are at their longest; it takes 4, or 16
SELECT: Final = f"select {', '.join(Visitor.__struct_fields__)} from visitors where cid in"  # noqa: S608 - names of ours
GO_ON: Final = "update visitors set last = ?, viewed = ?, seq = ?, page = ?, seen = ? where cid = ?"
STRAY: Final = "insert or ignore into strays values (?)"
CHANGING: Final = Visitor.__struct_fields__[1:]  # all but the cid
BEGUN: Final = f"on conflict (cid) do update set {', '.join(f'{name} = excluded.{name}' for name in CHANGING)}"

# A column that was left out has null for its value.
CHANGED: Final = f"on duplicate key update {', '.join(f'{name} = values({name})' for name in CHANGING)}"


class SqliteBatch:
    """In the words of SQLite's own driver."""

    def __init__(self) -> None:
        self._visits = ColumnInsert(visits, "?", forms=FORMS)
        self._events = ColumnInsert(events, "?", forms=FORMS)
        self._new = ColumnInsert(visitors, "?", forms=FORMS)
        self._begun = ColumnInsert(visitors, "?", BEGUN, FORMS)

    def insert(
        self,
        connection: sqlite3.Connection,
        visits: Sequence[Visit],
        events: Sequence[Event],
        engagements: Sequence[Engagement] = (),
        *,
        look: bool,
    ) -> None:
        """Raises sqlite3.IntegrityError for a hit that is stored already, unless it is to `look` for them."""
        known = _known(connection, _cids(visits, events))
        if look:
            visits = _without(_stored(connection, "visits", visits), visits)
            events = _without(_stored(connection, "events", events), events)
        placed = place(known, _once(visits), _once(events))
        for statement, rows in (
            (self._new, placed.new),
            (self._visits, placed.visits),
            (self._events, placed.events),
            (self._begun, placed.begun),
        ):
            if rows:
                connection.executemany(*statement.of(rows))
        connection.executemany(GO_ON, map(_going_on, placed.going_on))
        connection.executemany(STRAY, ((cid,) for cid in placed.strays))
        if engagements:
            values = told(engagements)
            for text in SQLITE:
                connection.executemany(text, values)


def _known(connection: sqlite3.Connection, cids: Sequence[str]) -> dict[str, Visitor]:
    rows = _asked(connection, SELECT, cids)
    return {row[0]: Visitor(row[0], *map(_instant, row[1:5]), *row[5:]) for row in rows}


def _going_on(visitor: Visitor) -> tuple[Any, ...]:
    seen = octets(visitor.seen)
    return instant(visitor.last), instant(visitor.viewed), visitor.seq, visitor.page, seen, visitor.cid


def _instant(text: str | None) -> Any:
    return text and datetime.fromisoformat(text)


def _stored(connection: sqlite3.Connection, table: str, rows: Sequence[Visit | Event]) -> set[bytes]:
    asked = _asked(connection, f"select hit_id from {table} where hit_id in", [row.hit_id for row in rows])  # noqa: S608
    return {hit_id for (hit_id,) in asked}


def _asked(connection: sqlite3.Connection, select: str, values: Sequence[Any]) -> Iterable[tuple[Any, ...]]:
    """What is found of the values."""
    for start in range(0, len(values), ASKED):
        part = _padded(values[start : start + ASKED])
        marks = ", ".join("?" * len(part))
        yield from connection.execute(f"{select} ({marks})", part)


def _padded(values: Sequence[T]) -> list[T]:
    """A power of two of them, the first again and again: a statement of each size would be prepared each time."""
    wanted = 1 << (len(values) - 1).bit_length() if values else 0
    return [*values, *list(values[:1]) * (wanted - len(values))]


class _Statement:
    """An insert as PostgreSQL's driver takes it, compiled and prepared once."""

    def __init__(self, statement: Insert, table: Table, dialect: Dialect) -> None:
        names = [column.name for column in table.columns if column.name != "id"]  # which counts up
        self._text = str(statement.inline().compile(dialect=dialect, column_keys=names))

    def of(self, rows: Sequence[Struct]) -> tuple[str, Iterable[tuple[Any, ...]]]:
        return self._text, map(astuple, rows)


class ServerBatch:
    """Through SQLAlchemy. Visitors are locked, and new ones written, by their cids: so two workers never cross."""

    def __init__(self, dialect: Dialect) -> None:
        cids = visitors.c.cid.in_(bindparam("cids", expanding=True))
        self._known = select(visitors).where(cids).order_by(visitors.c.cid).with_for_update()
        self._new, self._visits, self._events = (_inserting(table, dialect) for table in (visitors, visits, events))
        self._changed = _changing(dialect)
        self._stray = _once_each(dialect)
        self._most = MOST if dialect.name == "mysql" else sys.maxsize
        self._engage = at_once if dialect.name == "mysql" else _each

    async def insert(
        self,
        connection: AsyncConnection,
        new_visits: Sequence[Visit],
        new_events: Sequence[Event],
        engagements: Sequence[Engagement] = (),
        *,
        look: bool,
    ) -> None:
        """Raises IntegrityError for a hit that is stored already, unless it is to `look` for them.

        And for a new visitor whom another worker has written meanwhile. Such a row is looked for behind the lock,
        where what the other worker did is to be seen.
        """
        rows = await connection.execute(self._known, {"cids": _padded(_cids(new_visits, new_events))})
        known = {row.cid: Visitor(*row) for row in rows}
        if look:
            new_visits = _without(await _stored_in(connection, visits, new_visits), new_visits)
            new_events = _without(await _stored_in(connection, events, new_events), new_events)
        placed = place(known, _once(new_visits), _once(new_events))
        for statement, written in (
            (self._new, placed.new),
            (self._visits, placed.visits),
            (self._events, placed.events),
            (self._changed, [*placed.begun, *placed.going_on]),
        ):
            if written:
                text, values = statement.of(written)
                given = [*values]
                for start in range(0, len(given), self._most):
                    await connection.exec_driver_sql(text, given[start : start + self._most])
        if placed.strays:
            await connection.execute(self._stray, [{"cid": cid} for cid in sorted(set(placed.strays))])
        if engagements:
            statements, of_all = self._engage(told(engagements))
            for each in statements:
                await connection.execute(each, of_all)


def _each(rows: Sequence[dict[str, Any]]) -> tuple[Sequence[Any], Sequence[dict[str, Any]]]:
    """The statements as they are, of which asyncpg sends many rows together."""
    return ENGAGE, rows


def _inserting(table: Table, dialect: Dialect) -> ColumnInsert | _Statement:
    """Tuples go to MariaDB as an array of values, which saves both sides a third of the work, and mappings as text.

    It does not count the rows of an array beforehand, and so leaves ids out between two of them. Rollups would wait for
    each of these, since it may be on its way: what has an id goes as text.
    """
    if dialect.name == "mysql":
        return ColumnInsert(table, "%({})s" if "id" in table.c else "%s")
    return _Statement(insert(table), table, dialect)


async def _stored_in(connection: AsyncConnection, table: Table, rows: Sequence[Visit | Event]) -> set[bytes]:
    asked = select(table.c.hit_id).where(table.c.hit_id.in_([row.hit_id for row in rows]))
    return set(await connection.scalars(asked))


def _changing(dialect: Dialect) -> ColumnInsert | _Statement:
    """Of visitors who are known: an insert that always finds its row, for one statement writes many of them."""
    if dialect.name == "mysql":
        return ColumnInsert(visitors, "%s", CHANGED)
    known = insert_into(visitors, dialect.name)
    changes = {name: known.excluded[name] for name in CHANGING}
    return _Statement(known.on_conflict_do_update(index_elements=["cid"], set_=changes), visitors, dialect)


def _once_each(dialect: Dialect) -> Insert:
    stray = insert_into(strays, dialect.name)
    added: Insert = (
        stray.on_duplicate_key_update(cid=strays.c.cid) if dialect.name == "mysql" else stray.on_conflict_do_nothing()
    )
    return added


def _cids(visits: Sequence[Visit], events: Sequence[Event]) -> list[str]:
    return sorted({row.cid for rows in (visits, events) for row in rows if row.cid})


def _without(stored: Container[bytes], rows: Sequence[R]) -> list[R]:
    return [row for row in rows if row.hit_id not in stored]


def _once(rows: Iterable[R]) -> Iterable[R]:
    """The first of those that are one hit."""
    once: dict[bytes, R] = {}
    for row in rows:
        once.setdefault(row.hit_id, row)
    return once.values()
