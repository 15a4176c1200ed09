"""Whatever dies between two statements, each row counts once."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from crumby.database import Database
from crumby.rollups import Rollups, marks
from crumby.rollups.files import RollupFolders
from crumby.settings import Settings
from tests.rollups.conftest import ZONE, compare, finish
from tests.rollups.people import Stored


class Killed(Exception):
    pass


async def test_what_was_not_committed_is_done_again(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Fault: a commit before the marks move."""
    await stored.come(100)
    await finish(rollups)
    await stored.come(60)
    await stored.tell(30)
    moves = 0

    def die(*_: Any) -> None:
        nonlocal moves
        moves += 1
        if moves > 5:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(marks, "move", die)
        with pytest.raises(Killed):
            await rollups.advance()
    await finish(rollups)
    await compare(database, rollups)


async def test_a_database_that_goes_away_is_found_again(
    monkeypatch: pytest.MonkeyPatch,
    database: Database,
    stored: Stored,
    rollups: Rollups,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Reports read the visits meanwhile, and the log says so once. Fault: `ready` is kept."""
    await stored.come(100)
    await finish(rollups)

    def fail(*_: Any) -> None:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(marks, "read", fail)
        await rollups.catch_up()
        await rollups.catch_up()
        assert rollups.ready == {}
        assert [record.message for record in caplog.records if "the disk is gone" in record.message]
        assert len(caplog.records) == 1
    await stored.come(60)
    await finish(rollups)
    await compare(database, rollups)


async def test_kills_lose_nothing_and_count_nothing_twice(
    configured: Settings, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """`kill -9` of processes that rebuild, at any time. Fault: a commit before the marks move."""
    chance = random.Random(4)  # noqa: S311
    await stored.come(2000)
    begun = time.monotonic()
    assert await asyncio.to_thread(start(configured, "--rebuild").wait) == 0
    takes_s = time.monotonic() - begun
    survived = 0
    for _ in range(4):
        process = start(configured, "--rebuild")
        await asyncio.sleep(takes_s * chance.uniform(0.4, 1))
        process.send_signal(signal.SIGKILL)
        survived += await asyncio.to_thread(process.wait) == 0
        await stored.tell(10)
    assert survived < 4
    await finish(rollups)
    await compare(database, rollups)


async def test_processes_that_work_at_once_count_nothing_twice(
    configured: Settings, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Fault: a transaction that locks nobody out."""
    await stored.come(600)
    processes = [start(configured) for _ in range(2)]
    for _ in range(12):
        await stored.come(40)
        await stored.tell(5)
        await rollups.advance()
        await rollups.catch_up()
    assert [await asyncio.to_thread(process.wait) for process in processes] == [0, 0]
    await finish(rollups)
    await compare(database, rollups)


def start(settings: Settings, *words: str) -> subprocess.Popen[bytes]:
    code = "import crumby.rollups as r; r.CHUNK = 100; r.REST = 0; from crumby.cli import main; main()"
    environ = {
        "CRUMBY_SQLALCHEMY_DATABASE_URI": settings.sqlalchemy_database_uri,
        "CRUMBY_TIME_ZONE": ZONE,
        "CRUMBY_SPOOL": str(settings.spool),
        "HOME": str(settings.spool.parent),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    return subprocess.Popen([sys.executable, "-c", code, "rollup", *words], env=environ, stdout=subprocess.DEVNULL)


async def test_nobody_waits_for_a_chunk_when_crumby_ends(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, folder: Path
) -> None:
    """Fault: the end of the chunk is waited for. What it had done is undone, and done again."""
    await stored.come(50)
    begun = threading.Event()

    def dawdle(work: Any, *_: Any) -> None:
        begun.set()
        work.rows(
            {
                "sqlite": "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n",
                "mysql": "select sleep(3)",  # which goes on after its client is gone
                "postgresql": "select pg_sleep(60)",
            }[work.dialect]
        )

    with monkeypatch.context() as patch:
        patch.setattr(marks, "move", dawdle)
        async with Rollups(database, ZONE, RollupFolders(folder)) as rollups:
            keeping = asyncio.create_task(rollups.keep_up())
            await asyncio.to_thread(begun.wait)
            keeping.cancel()
            clock = time.monotonic()
    assert time.monotonic() - clock < 30
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    async with Rollups(database, ZONE, RollupFolders(folder)) as again:
        await finish(again)
        await compare(database, again)
