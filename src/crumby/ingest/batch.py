"""A batch within its transaction: visitors read, rows placed in their sessions, all of it written.

    visitors ──► dimensions/session.py ──► new visitors ──► visits, events ──► changed visitors

Nobody looks for hits that are stored already, for next to no batch holds one: the unique index refuses it, the
transaction is undone, and the next one does look. Two workers that meet the same new visitor are kept apart likewise.
"""

import sqlite3
from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import astuple
from sqlalchemy import Dialect, Insert, Table, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from crumby.database import insert_into
from crumby.dimensions.session import Placed, Visitor, place
from crumby.ingest.columns import SQLITE as FORMS
from crumby.ingest.columns import ColumnInsert, instant, octets
from crumby.ingest.engaged import ENGAGE, SQLITE, at_once, told
from crumby.ingest.enrich import Engagement, Event, Visit
from crumby.tables import events, strays, visitors, visits

R = TypeVar("R", Visit, Event)
T = TypeVar("T")

ASKED: Final = 512  # values that one of SQLite's statements asks for; it takes 32,766
MOST: Final = 64  # rows that MySQL is given in one packet: 3 MB where all are at their longest; it takes 4, or 16
SELECT: Final = f"select {', '.join(Visitor.__struct_fields__)} from visitors where cid"  # noqa: S608 - names of ours
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
        known = self.known(connection, cids_of(visits, events))
        if look:
            visits, events = self.new(connection, visits, events)
        self.write(connection, place(known, _once(visits), _once(events)))
        if engagements:
            values = told(engagements)
            for text in SQLITE:
                connection.executemany(text, values)

    def known(self, connection: sqlite3.Connection, cids: Sequence[str]) -> dict[str, Visitor]:
        """Those visitors who are."""
        rows = _asked(connection, f"{SELECT} in", cids)
        return {row[0]: Visitor(row[0], *map(_instant, row[1:5]), *row[5:]) for row in rows}

    def new(
        self, connection: sqlite3.Connection, visits: Sequence[Visit], events: Sequence[Event]
    ) -> tuple[list[Visit], list[Event]]:
        """Those that are not stored yet."""
        stored = (_stored(connection, "visits", visits), _stored(connection, "events", events))
        return _without(stored[0], visits), _without(stored[1], events)

    def write(self, connection: sqlite3.Connection, placed: Placed[Visit, Event]) -> None:
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


class _Many:
    """Rows as a server takes them by one statement, or by a few."""

    def __init__(self, insert: ColumnInsert) -> None:
        self._insert = insert

    async def write(self, connection: AsyncConnection, rows: Sequence[Struct]) -> None:
        text, values = self._insert.of(rows)
        given = [*values]
        for start in range(0, len(given), MOST):
            await connection.exec_driver_sql(text, given[start : start + MOST])


class _Each:
    """A statement that PostgreSQL executes for each row."""

    def __init__(self, table: Table, otherwise: str) -> None:
        names = [column.name for column in table.columns]
        marks = ", ".join(f"${place}" for place in range(1, len(names) + 1))
        self._text = f"insert into {table.name} ({', '.join(names)}) values ({marks}) {otherwise}"  # noqa: S608 - names of ours

    async def write(self, connection: AsyncConnection, rows: Sequence[Struct]) -> None:
        await connection.exec_driver_sql(self._text, [*map(astuple, rows)])


class _Copy:
    """New rows as PostgreSQL takes them fastest: an insert for each takes it thrice the time, and its driver half more.

    Columns as arrays (`unnest`) are one statement as well, and take the driver twice the time. The rows belong to the
    transaction that the statement before has begun: SQLAlchemy begins none for what goes past it.
    """

    def __init__(self, table: Table) -> None:
        self._table = table.name
        self._names = [column.name for column in table.columns if column.name != "id"]  # which counts up

    async def write(self, connection: AsyncConnection, rows: Sequence[Struct]) -> None:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        assert raw.is_in_transaction()  # noqa: S101 - else these were committed by themselves
        try:
            await raw.copy_records_to_table(self._table, records=map(astuple, rows), columns=self._names)
        except Exception as error:  # past SQLAlchemy, which would have called it so
            raise DBAPIError(f"copy {self._table}", None, error) from error


class ServerBatch:
    """Through SQLAlchemy. Visitors are locked, and new ones written, by their cids: so two workers never cross."""

    def __init__(self, dialect: Dialect) -> None:
        self._asking = _asking_mysql if dialect.name == "mysql" else _asking_postgresql
        self._new, self._visits, self._events = (_inserting(table, dialect) for table in (visitors, visits, events))
        self._changed = _changing(dialect)
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
        known = await self.known(connection, cids_of(new_visits, new_events))
        if look:
            new_visits, new_events = await self.new(connection, new_visits, new_events)
        await self.write(connection, place(known, _once(new_visits), _once(new_events)))
        if engagements:
            statements, of_all = self._engage(told(engagements))
            for each in statements:
                await connection.execute(each, of_all)

    async def known(self, connection: AsyncConnection, cids: Sequence[str]) -> dict[str, Visitor]:
        """Those visitors who are, locked."""
        rows = await connection.exec_driver_sql(*self._asking(cids))
        return {row[0]: Visitor(*tuple(row)) for row in rows}

    async def new(
        self, connection: AsyncConnection, new_visits: Sequence[Visit], new_events: Sequence[Event]
    ) -> tuple[list[Visit], list[Event]]:
        """Those that are not stored yet."""
        return (
            _without(await _stored_in(connection, visits, new_visits), new_visits),
            _without(await _stored_in(connection, events, new_events), new_events),
        )

    async def write(self, connection: AsyncConnection, placed: Placed[Visit, Event]) -> None:
        for way, rows in (
            (self._new, placed.new),
            (self._visits, placed.visits),
            (self._events, placed.events),
            (self._changed, [*placed.begun, *placed.going_on]),
        ):
            if rows:
                await way.write(connection, rows)
        if placed.strays:
            await connection.execute(self._stray, [{"cid": cid} for cid in sorted(set(placed.strays))])


def _asking_mysql(cids: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
    asked = tuple(_padded(cids)) or (None,)
    return f"{SELECT} in ({', '.join(['%s'] * len(asked))}) order by cid for update", asked


def _asking_postgresql(cids: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
    return f"{SELECT} = any($1::varchar[]) order by cid for update", (cids,)


def _each(rows: Sequence[dict[str, Any]]) -> tuple[Sequence[Any], Sequence[dict[str, Any]]]:
    """The statements as they are, of which asyncpg sends many rows together."""
    return ENGAGE, rows


def _inserting(table: Table, dialect: Dialect) -> _Many | _Copy:
    """Tuples go to MariaDB as an array of values, which saves both sides a third of the work, and mappings as text.

    It does not count the rows of an array beforehand, and so leaves ids out between two of them. Rollups would wait for
    each of these, since it may be on its way: what has an id goes as text.
    """
    if dialect.name == "mysql":
        return _Many(ColumnInsert(table, "%({})s" if "id" in table.c else "%s"))
    return _Copy(table)


async def _stored_in(connection: AsyncConnection, table: Table, rows: Sequence[Visit | Event]) -> set[bytes]:
    asked = select(table.c.hit_id).where(table.c.hit_id.in_([row.hit_id for row in rows]))
    return set(await connection.scalars(asked))


def _changing(dialect: Dialect) -> _Many | _Each:
    """Of visitors who are known: an insert that always finds its row, for one statement writes many of them."""
    return _Many(ColumnInsert(visitors, "%s", CHANGED)) if dialect.name == "mysql" else _Each(visitors, BEGUN)


def _once_each(dialect: Dialect) -> Insert:
    stray = insert_into(strays, dialect.name)
    added: Insert = (
        stray.on_duplicate_key_update(cid=strays.c.cid) if dialect.name == "mysql" else stray.on_conflict_do_nothing()
    )
    return added


def cids_of(visits: Sequence[Visit], events: Sequence[Event]) -> list[str]:
    return sorted({row.cid for rows in (visits, events) for row in rows if row.cid})


def _without(stored: Container[bytes], rows: Sequence[R]) -> list[R]:
    return [row for row in rows if row.hit_id not in stored]


def _once(rows: Iterable[R]) -> Iterable[R]:
    """The first of those that are one hit."""
    once: dict[bytes, R] = {}
    for row in rows:
        once.setdefault(row.hit_id, row)
    return once.values()
