"""The database, read by pages: each is a statement of some milliseconds, and none holds a transaction open.

So SQLite's log can start anew between two of them (`reporting/wal.py`), a server's rows that are updated meanwhile are
cleared away, and it does not matter how slow the one is who takes the pages. Nor are they of one instant: rows that
come meanwhile have ids behind the last one that there was at the beginning, and are left out by that.
"""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from crumby.database import BUSY_TIMEOUT, Database, first_line
from crumby.errors import DatabaseUnavailable
from crumby.exporting.columns import Rows, Shape, instants
from crumby.exporting.forms.embedded import text_of
from crumby.exporting.selection import Condition
from crumby.reporting.pace import RESTS, SOME
from crumby.reporting.wal import wait_for_reset

PAGE: Final = 500  # rows: of 2000 a server took 26 MiB
WINDOW: Final = 20_000  # ids that a statement looks at, of which few may be wanted: some 40 ms
LOG_S: Final = 10.0  # that a log which is to start anew is waited for

Values = Mapping[str, Any]


class Reading:
    """Statements with `:name` for what is bound, as both drivers have it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sqlite: sqlite3.Connection | None = None
        self.dialect = database.dialect

    async def rows(self, sql: str, values: Values = {}) -> Rows:  # noqa: B006 - nobody changes it
        """Raises DatabaseUnavailable. While many hits come in, they go first."""
        path = self._database.sqlite_path
        if path:
            with contextlib.suppress(TimeoutError):
                await wait_for_reset(path, LOG_S)
        begun = time.monotonic()
        try:
            found = await (asyncio.to_thread(self._of_sqlite, sql, values) if path else self._of_server(sql, values))
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise DatabaseUnavailable(f"the database can't be read: {first_line(error)}") from error
        if self._database.traffic.rate >= SOME:
            await asyncio.sleep(RESTS * (time.monotonic() - begun))
        return found

    async def one(self, sql: str, values: Values = {}) -> Any:  # noqa: B006 - as above
        rows = await self.rows(sql, values)
        return rows[0][0] if rows else None

    def quoted(self, name: str) -> str:
        return self._database.engine.dialect.identifier_preparer.quote(name)

    async def _of_server(self, sql: str, values: Values) -> Rows:
        async with self._database.engine.connect() as connection:
            return (await connection.execute(text(sql), dict(values))).all()

    def _of_sqlite(self, sql: str, values: Values) -> Rows:
        """Text that is none is read again, octet by octet: that takes twice the time."""
        self._sqlite = self._sqlite or self._connected()
        bound = {name: str(value) if isinstance(value, datetime) else value for name, value in values.items()}
        try:
            return list(self._sqlite.execute(sql, bound))
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
        self._sqlite.text_factory = text_of
        try:
            return list(self._sqlite.execute(sql, bound))
        finally:
            self._sqlite.text_factory = str

    def _connected(self) -> sqlite3.Connection:
        path = self._database.sqlite_path
        assert path  # noqa: S101 - or nobody asks
        address = f"file:{quote(str(path))}?mode=ro"
        return sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT, check_same_thread=False)

    def close(self) -> None:
        if self._sqlite:
            self._sqlite.close()

    # Tables

    async def last(self, table: str) -> int:
        return int(await self.one(f"select max(id) from {table}") or 0)  # noqa: S608 - a name of ours

    async def by_id(self, shape: Shape, where: Condition, until: int) -> AsyncGenerator[tuple[int, Rows], None]:
        """Rows in the order of their ids, and up to which id these are; the last ones are of `until`."""
        columns, typed = self._columns(shape), self._typed(shape)
        page = (
            f"select {columns} from {shape.table} where id > :after and id <= :top{_also(where)} "  # noqa: S608 - ours
            f"order by id limit {PAGE}"
        )
        after = await self._before(shape.table, None)
        while after is not None and after < until:
            top = min(until, after + WINDOW)
            rows = await self.rows(page, {"after": after, "top": top, **where[1]})
            full = len(rows) == PAGE
            after = int(rows[-1][0]) if full else top if rows else await self._before(shape.table, top)
            yield (until if after is None else min(after, until)), typed(rows)

    async def _before(self, table: str, after: int | None) -> int | None:
        """The id before the next one that there is: ids may leave out millions."""
        where = "" if after is None else " where id > :after"
        found = await self.one(f"select min(id) from {table}{where}", {} if after is None else {"after": after})  # noqa: S608 - a name of ours
        return None if found is None else int(found) - 1

    async def by_key(self, shape: Shape, where: Condition, *key: str) -> AsyncGenerator[Rows, None]:
        """Rows in the order of the columns by which they are known."""
        columns, typed = self._columns(shape), self._typed(shape)
        places = [shape.names.index(name) for name in key]
        names, order = (", ".join(f"{prefix}{name}" for name in key) for prefix in (":after_", ""))
        last: dict[str, Any] = {}
        while True:
            parts = [*([f"({order}) > ({names})"] if last else []), *([where[0]] if where[0] else [])]
            condition = f" where {' and '.join(parts)}" if parts else ""
            page = f"select {columns} from {shape.table}{condition} order by {order} limit {PAGE}"  # noqa: S608 - names of ours
            rows = await self.rows(page, {**where[1], **last})
            if not rows:
                return
            yield typed(rows)
            last = {f"after_{name}": rows[-1][place] for name, place in zip(key, places, strict=True)}

    async def of_people(self, shape: Shape, cids: Sequence[str]) -> Rows:
        bound = {f"cid{number}": cid for number, cid in enumerate(cids)}
        named = ", ".join(f":{name}" for name in bound)
        columns = self._columns(shape)
        return self._typed(shape)(
            await self.rows(f"select {columns} from {shape.table} where cid in ({named}) order by cid", bound)  # noqa: S608 - names of ours
        )

    def _columns(self, shape: Shape) -> str:
        return ", ".join(map(self.quoted, shape.names))

    def _typed(self, shape: Shape) -> Callable[[Rows], Rows]:
        return instants(shape) if self.dialect == "sqlite" else lambda rows: rows


def _also(where: Condition) -> str:
    return f" and {where[0]}" if where[0] else ""
