"""A batch within its transaction: visitors read, rows placed in their sessions, all of it written.

    visitors ──► dimensions/session.py ──► new visitors ──► visits, events ──► changed visitors

Nobody looks for hits that are stored already, for next to no batch holds one: the unique index refuses it, the
transaction is undone, and the next one does look. Two workers that meet the same new visitor are kept apart likewise.
"""

import sqlite3
from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Dialect, Insert, Table, bindparam, insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from crumby.database import insert_into
from crumby.dimensions.session import Visitor, place
from crumby.ingest.engaged import ENGAGE, SQLITE, at_once, told
from crumby.ingest.enrich import Engagement, Event, Visit
from crumby.tables import events, strays, visitors, visits

R = TypeVar("R", Visit, Event)

ASKED: Final = 512  # values that one of SQLite's statements asks for; it takes 32,766
SELECT: Final = f"select {', '.join(Visitor.__struct_fields__)} from visitors where cid in"  # noqa: S608 - names of ours
GO_ON: Final = "update visitors set last = ?, viewed = ?, seq = ?, page = ?, seen = ? where cid = ?"
STRAY: Final = "insert or ignore into strays values (?)"
CHANGING: Final = Visitor.__struct_fields__[1:]  # all but the cid


class SqliteBatch:
    """In the words of SQLite's own driver, compiled once."""

    def __init__(self) -> None:
        dialect = sqlite.dialect(paramstyle="qmark")
        self._visits = _Statement(insert(visits), visits, dialect)
        self._events = _Statement(insert(events), events, dialect)
        self._new = _Statement(insert(visitors), visitors, dialect)
        self._begun = _Statement(_upsert(dialect), visitors, dialect)

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
                connection.executemany(statement.text, map(statement.values, rows))
        connection.executemany(GO_ON, map(_going_on, placed.going_on))
        connection.executemany(STRAY, ((cid,) for cid in placed.strays))
        if engagements:
            values = told(engagements)
            for text in SQLITE:
                connection.executemany(text, values)


class _Statement:
    """An insert as a driver takes it, compiled once: its text, and a row's values for it.

    SQLAlchemy looks each value up by its name and asks for its type, row by row. Of the drivers SQLite's alone takes an
    instant in no other form than SQLAlchemy's.
    """

    def __init__(self, statement: Insert, table: Table, dialect: Dialect) -> None:
        columns = [column for column in table.columns if column.name != "id"]  # which counts up
        compiled = statement.inline().compile(dialect=dialect, column_keys=[column.name for column in columns])
        self.text = str(compiled)
        self._instants: Final = [
            index
            for index, column in enumerate(columns)
            if dialect.name == "sqlite" and column.type.python_type is datetime
        ]

    def values(self, row: msgspec.Struct) -> tuple[Any, ...]:
        values = msgspec.structs.astuple(row)
        if not self._instants:
            return values
        formed = list(values)
        for index in self._instants:
            formed[index] = _form(values[index])
        return tuple(formed)


def _known(connection: sqlite3.Connection, cids: Sequence[str]) -> dict[str, Visitor]:
    rows = _asked(connection, SELECT, cids)
    return {row[0]: Visitor(row[0], *map(_instant, row[1:5]), *row[5:]) for row in rows}


def _going_on(visitor: Visitor) -> tuple[Any, ...]:
    return _form(visitor.last), _form(visitor.viewed), visitor.seq, visitor.page, visitor.seen, visitor.cid


@lru_cache(maxsize=512)  # one instant has several columns, and a batch few instants
def _form(at: datetime | None) -> str | None:
    """SQLAlchemy's form of an instant, made in half its time."""
    return None if at is None else at.isoformat(" ", "microseconds")


def _instant(text: str | None) -> Any:
    return text and datetime.fromisoformat(text)


def _stored(connection: sqlite3.Connection, table: str, rows: Sequence[Visit | Event]) -> set[bytes]:
    asked = _asked(connection, f"select hit_id from {table} where hit_id in", [row.hit_id for row in rows])  # noqa: S608
    return {hit_id for (hit_id,) in asked}


def _asked(connection: sqlite3.Connection, select: str, values: Sequence[Any]) -> Iterable[tuple[Any, ...]]:
    """What is found of the values. A power of two of them: a statement of each size would be prepared each time."""
    for start in range(0, len(values), ASKED):
        part = values[start : start + ASKED]
        size = 1 << (len(part) - 1).bit_length()
        marks = ", ".join("?" * size)
        yield from connection.execute(f"{select} ({marks})", [*part, *[None] * (size - len(part))])


class ServerBatch:
    """Through SQLAlchemy. Visitors are locked, and new ones written, by their cids: so two workers never cross."""

    def __init__(self, dialect: Dialect) -> None:
        cids = visitors.c.cid.in_(bindparam("cids", expanding=True))
        self._known = select(visitors).where(cids).order_by(visitors.c.cid).with_for_update()
        self._new = _Statement(insert(visitors), visitors, dialect)
        self._visits = _Statement(insert(visits), visits, dialect)
        self._events = _Statement(insert(events), events, dialect)
        self._changed = _Statement(_upsert(dialect), visitors, dialect)
        self._stray = _once_each(dialect)
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
        rows = await connection.execute(self._known, {"cids": _cids(new_visits, new_events)})
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
                await connection.exec_driver_sql(statement.text, [statement.values(row) for row in written])
        if placed.strays:
            await connection.execute(self._stray, [{"cid": cid} for cid in sorted(set(placed.strays))])
        if engagements:
            statements, values = self._engage(told(engagements))
            for each in statements:
                await connection.execute(each, values)


def _each(rows: Sequence[dict[str, Any]]) -> tuple[Sequence[Any], Sequence[dict[str, Any]]]:
    """The statements as they are, of which asyncpg sends many rows together."""
    return ENGAGE, rows


async def _stored_in(connection: AsyncConnection, table: Table, rows: Sequence[Visit | Event]) -> set[bytes]:
    asked = select(table.c.hit_id).where(table.c.hit_id.in_([row.hit_id for row in rows]))
    return set(await connection.scalars(asked))


def _upsert(dialect: Dialect) -> Insert:
    """Of visitors who are known: an insert that always finds its row, for one statement writes many of them."""
    known = insert_into(visitors, dialect.name)
    if dialect.name == "mysql":
        added: Insert = known.on_duplicate_key_update({name: known.inserted[name] for name in CHANGING})
    else:
        changes = {name: known.excluded[name] for name in CHANGING}
        added = known.on_conflict_do_update(index_elements=["cid"], set_=changes)
    return added


def _once_each(dialect: Dialect) -> Insert:
    stray = insert_into(strays, dialect.name)
    added: Insert = (
        stray.on_duplicate_key_update(cid=strays.c.cid) if dialect.name == "mysql" else stray.on_conflict_do_nothing()
    )
    return added


def _cids(visits: Sequence[Visit], events: Sequence[Event]) -> list[str]:
    return sorted({row.cid for row in visits} | {row.cid for row in events})


def _without(stored: Container[bytes], rows: Sequence[R]) -> list[R]:
    return [row for row in rows if row.hit_id not in stored]


def _once(rows: Iterable[R]) -> Iterable[R]:
    """The first of those that are one hit."""
    once: dict[bytes, R] = {}
    for row in rows:
        once.setdefault(row.hit_id, row)
    return once.values()
