"""What is opened is closed."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from crumby.database import Database, open_database
from tests.conftest import MakeSettings


async def test_files_are_closed_however_long_it_takes(settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stood still for a while is no server that is frozen. Planted: one patience for all engines."""
    monkeypatch.setattr("crumby.database.GOODBYE", 0.0)
    async with open_database(settings()) as database:
        assert database.sqlite_path
        async with database.engine.connect(), database.engine.connect():
            pass
        async with database.reports.connect():
            pass
        assert times_open(database.sqlite_path) == 3
    assert times_open(database.sqlite_path) == 0


async def test_who_still_asks_a_file_is_waited_for(settings: MakeSettings) -> None:
    """It may have been told to end, and left to it. Planted: no wait, and what comes back later stays open."""

    async def ask(database: Database, asking: asyncio.Event) -> None:
        async with database.engine.connect() as connection:
            asking.set()
            await asyncio.sleep(0.2)
            await connection.execute(text("select 1"))

    async with open_database(settings()) as database:
        asking = asyncio.Event()
        task = asyncio.create_task(ask(database, asking))
        await asking.wait()
        path, _pool = database.sqlite_path, database.engine.sync_engine.pool  # nothing of it goes by itself
    await task
    assert path
    assert times_open(path) == 0


def times_open(path: Path) -> int:
    return [link.resolve() for link in Path("/proc/self/fd").iterdir()].count(path.resolve())
