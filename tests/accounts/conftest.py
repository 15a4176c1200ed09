"""A migrated database of each kind, its users, and a clock that stands still until it is set."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, event, select

from crumby.accounts import Accounts
from crumby.database import Database, open_database
from crumby.migrations import migrate
from tests.conftest import MakeSettings

ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NOON = datetime(2026, 11, 23, 12)  # noqa: DTZ001 - UTC throughout
PASSWORD = "correct horse"


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0
        self.ahead = timedelta()  # of the time of day alone

    def __call__(self) -> float:
        return self.s

    def utc(self) -> datetime:
        return NOON + self.ahead + timedelta(seconds=self.s - 1000.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def database(database_url: str, settings: MakeSettings) -> AsyncIterator[Database]:
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as opened:
        await migrate(opened.engine)
        yield opened


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database.engine)


@contextlib.contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    given: list[str] = []

    def listener(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        given.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", listener)
    yield given
    event.remove(database.engine.sync_engine, "before_cursor_execute", listener)


async def rows(database: Database, table: Table) -> list[dict[str, Any]]:
    async with database.engine.connect() as connection:
        found = await connection.execute(select(table).order_by(*table.primary_key))
        return [dict(row) for row in found.mappings()]
