"""A database in which people come and go, and its rollups."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from shutil import copytree

import pytest

from crumby.database import Database, open_database
from crumby.migrations import migrate
from crumby.rollups import Rollups
from crumby.rollups.files import RollupFolders
from crumby.settings import Settings, shipped
from tests.conftest import MakeSettings
from tests.rollups.brute import NAMES, Brute, kept
from tests.rollups.people import People, Stored

ZONE = "Europe/Berlin"
Finish = Callable[[Rollups], Awaitable[None]]
Compare = Callable[..., Awaitable[None]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder of the shipped rollups, to be changed."""
    copytree(shipped("queries") / "rollups", tmp_path / "queries" / "rollups")
    return tmp_path / "queries"


@pytest.fixture
def configured(database_url: str, settings: MakeSettings) -> Settings:
    return settings(sqlalchemy_database_uri=database_url, time_zone=ZONE)


@pytest.fixture
async def database(configured: Settings) -> AsyncIterator[Database]:
    async with open_database(configured) as opened:
        await migrate(opened.engine)
        yield opened


@pytest.fixture
async def stored(database: Database) -> AsyncIterator[Stored]:
    opened = Stored(database, People())
    yield opened
    await opened.close()


@pytest.fixture
async def rollups(database: Database, folder: Path) -> AsyncIterator[Rollups]:
    async with Rollups(database, ZONE, RollupFolders(folder)) as opened:
        yield opened


async def finish(rollups: Rollups) -> None:
    """All that is committed is in."""
    for _ in range(400):
        done = await rollups.advance()
        if not done.pending:
            return
        if not done.visits:  # another process is at it, or an id is missing
            await asyncio.sleep(0.02)
    message = f"not after 400 steps: {done}, {dict(rollups.errors)}"
    raise AssertionError(message)


async def compare(database: Database, rollups: Rollups, zone: str = ZONE) -> None:
    """Each table of each rollup is what Python counts, row by row."""
    assert sorted(rollups.ready) == sorted(NAMES)
    brute = await Brute.of(database, zone)
    for name in NAMES:
        held = await kept(database, name, len(rollups.ready[name].sums))
        assert held == brute.tables(name), name
