"""How far a statement reaches on its connection, whatever its words say.

SQLite asks before each thing that a statement would do, while it is prepared: a report may read and compute, and no
other file, no setting and no password is within its reach.

The servers keep to a transaction that reads only, and to what their account may do. An account that may not write
files, run programs or, for the reports, see the tables that `statement.py` calls secret is theirs to give.
"""

import asyncio
import sqlite3
from typing import Any, Final, cast

from sqlalchemy.exc import SQLAlchemyError

from crumby.engines import AsyncConnection
from crumby.reporting.statement import SECRET

# The last two hold pieces of every table.
HIDDEN: Final = frozenset({*SECRET, "sqlite_dbpage", "sqlite_stat4"})
DANGEROUS: Final = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})
SCHEMA: Final = frozenset({"sqlite_master", "sqlite_temp_master"})
ASKING: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE})
RESET_S: Final = 2.0  # seconds for a server to tidy a session up; a new one is made within 25 ms


class Reach:
    """What SQLite asks of a statement; `refused` is what a report was told no to.

    It stays with its connection, so that what was prepared for one report is there for the next: for another one SQLite
    would prepare all anew, in 0.1 to 2 ms each. Between reports Crumby itself may do as it likes; what was prepared
    then is no report's.
    """

    def __init__(self) -> None:
        self.refused: str | None = None
        self._confines = False
        self._of_reports = False  # all that is prepared

    def confine(self, connection: sqlite3.Connection) -> None:
        self.refused = None
        self._confines = True
        if not self._of_reports:
            connection.set_authorizer(self)  # SQLite prepares all anew
            self._of_reports = True

    def release(self) -> None:
        self._confines = False

    def __call__(self, action: int, first: str | None, second: str | None, *_where: Any) -> int:
        if not self._confines:
            self._of_reports = False
            return sqlite3.SQLITE_OK
        if action in ASKING:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ:
            table = (first or "").lower()
            return self._unless(table in HIDDEN, f"the table {table} is not a report's to read")
        if action == sqlite3.SQLITE_FUNCTION:
            return self._unless(second in DANGEROUS, f"the function {second} is not a report's to call")
        # json_each and its like describe themselves, which looks like a change of the schema: and that is read-only.
        declares = action == sqlite3.SQLITE_UPDATE and first in SCHEMA
        return self._unless(not declares, "it does more than ask")

    def _unless(self, bad: bool, why: str) -> int:  # noqa: FBT001 - a condition
        if bad:
            self.refused = self.refused or why
        return sqlite3.SQLITE_DENY if bad else sqlite3.SQLITE_OK


async def tidy(connection: AsyncConnection, text: str) -> None:
    """Leave nothing of the statement in its session: the next report finds it as it was made.

    A rollback takes PostgreSQL's settings back, and its `reset` the rest, such as locks. MySQL's drivers have no such
    word: a session whose variables may have been set (`@n := @n + 1`) is closed.
    """
    if connection.invalidated or connection.dialect.name in {"sqlite", "clickhousedb"}:  # where it has none
        return
    if connection.dialect.name == "mysql":
        if "@" in text:
            await connection.invalidate()
        return
    import asyncpg

    raw = await connection.get_raw_connection()
    try:
        async with asyncio.timeout(RESET_S):
            await connection.rollback()
            await cast("asyncpg.Connection", raw.driver_connection).reset()
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # which a timeout is as well
        if not connection.invalidated:
            await connection.invalidate()
