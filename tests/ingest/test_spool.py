"""What the spool says of itself, and whose turn it is to empty it. test_outage.py has the rest."""

import contextlib
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from crumby.ingest import spool as module
from crumby.ingest import store
from crumby.ingest.enrich import Engagement
from crumby.ingest.spool import Depth, Spool
from tests.ingest.test_outage import a_visit, an_event

SOON_S = 30.0  # a bound for a machine that is busy
MANY = 2_500_000
EARLIER = """
    create table hits (
        number integer primary key autoincrement, hit_id blob not null unique, kind text not null, row text not null
    );
    create table refused (number integer primary key, kind text, row text, reason text);
    insert into hits (hit_id, kind, row) select hit_id, kind, row from later.hits;
"""
HOLD = """
import sys, time
from pathlib import Path
from crumby.ingest.spool import Spool
with Spool(Path(sys.argv[1]), 1).turn() as ours:
    print(ours, flush=True)
    time.sleep(60)
"""


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = Spool(tmp_path / "spool.db", 1)
    await spool.open()
    yield spool
    await spool.close()


def run(path: Path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(sql)


async def test_an_empty_spool_has_no_depth(spool: Spool) -> None:
    assert await spool.depth() == Depth(hits=0, oldest_s=0.0, refused=0)


async def test_the_depth_is_what_waits_and_for_how_long(spool: Spool) -> None:
    """Seen to fail on the age of the newest hit instead of the oldest."""
    await spool.add([a_visit(1), a_visit(2)], [an_event(3)])
    run(spool.path, "update hits set added = added - 90")
    await spool.add([a_visit(4)], [])
    depth = await spool.depth()
    assert depth.hits == 4
    assert 90 <= depth.oldest_s < 90 + SOON_S
    await spool.remove(await spool.first(3))
    depth = await spool.depth()
    assert depth.hits == 1
    assert 0 <= depth.oldest_s < SOON_S
    await spool.remove(await spool.first(3))
    assert await spool.depth() == Depth(hits=0, oldest_s=0.0, refused=0)


async def test_the_depth_is_never_too_small_though_hits_come_twice(spool: Spool) -> None:
    for _ in range(3):
        await spool.add([a_visit(1), a_visit(2)], [])
    await spool.add([a_visit(3)], [])
    assert 3 <= (await spool.depth()).hits <= 7


async def test_what_is_set_aside_no_longer_waits(spool: Spool) -> None:
    await spool.add([a_visit(1), a_visit(2)], [])
    await spool.set_aside((await spool.first(1)).numbers[0], "no such value")
    depth = await spool.depth()
    assert (depth.hits, depth.refused) == (1, 1)


async def test_what_is_set_aside_is_counted_to_a_bound(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFUSED_MOST", 2)
    run(spool.path, "insert into refused (kind) values ('visit'), ('visit'), ('visit')")
    assert (await spool.depth()).refused == 2


async def test_the_depth_of_millions_costs_a_look_at_both_ends(spool: Spool) -> None:
    """Two rows with a gap between them tell whether somebody counts. Seen to fail on `count(*)`."""
    await spool.add([a_visit(1), a_visit(2)], [])
    run(spool.path, f"update hits set number = {MANY} where number = 2")
    assert (await spool.depth()).hits == MANY


async def test_a_clock_that_was_set_back_makes_no_negative_age(spool: Spool) -> None:
    await spool.add([a_visit(1)], [])
    run(spool.path, "update hits set added = added + 3600")
    assert (await spool.depth()).oldest_s == 0


async def test_the_file_of_an_earlier_development_version_goes_on(spool: Spool, tmp_path: Path) -> None:
    """Its rows begin to wait when it is opened. Seen to fail without the new column."""
    await spool.add([a_visit(1), a_visit(2)], [])
    earlier = tmp_path / "earlier.db"
    run(earlier, f"attach '{spool.path}' as later; {EARLIER}")
    for number in (3, 4):  # the second time it has its column
        opened = Spool(earlier, 1)
        await opened.open()
        await opened.add([a_visit(number)], [])
        assert list((await opened.first(9)).visits) == [a_visit(each) for each in range(1, number + 1)]
        depth = await opened.depth()
        assert depth.hits == number
        assert 0 <= depth.oldest_s < SOON_S
        await opened.close()


async def test_the_lock_is_opened_once_and_is_the_owners_alone(spool: Spool) -> None:
    """A disk that is full later gives no new file. Seen to fail on a turn that opens its own."""
    lock = spool.path.with_suffix(".lock")
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    lock.unlink()
    for _ in range(2):
        with spool.turn() as ours:
            assert ours
    assert not lock.exists()


async def test_the_lock_is_closed_with_the_spool(spool: Spool) -> None:
    lock = spool.path.with_suffix(".lock")

    def opened() -> int:
        return sum(link.exists() and link.samefile(lock) for link in Path("/proc/self/fd").iterdir())

    other = Spool(spool.path, 1)
    before = opened()
    await other.open()
    assert opened() == before + 1
    await other.close()
    assert opened() == before


async def test_the_turn_of_a_process_that_dies_ends_with_it(spool: Spool) -> None:
    """Seen to fail on a turn that asks no lock."""
    command = [sys.executable, "-c", HOLD, str(spool.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        try:
            assert holder.stdout.readline() == "True\n"
            with spool.turn() as ours:
                assert not ours
        finally:
            holder.kill()
    deadline = time.monotonic() + SOON_S
    while time.monotonic() < deadline:
        with spool.turn() as ours:
            if ours:
                break
    assert ours


async def test_a_turn_ends_when_its_work_does(spool: Spool) -> None:
    other = Spool(spool.path, 1)
    await other.open()
    with contextlib.suppress(ZeroDivisionError), spool.turn():
        raise ZeroDivisionError
    with other.turn() as ours:
        assert ours
    await other.close()


async def test_what_is_told_of_a_visit_waits_behind_it_in_rows_of_its_own(spool: Spool) -> None:
    """It has the visit's id. Seen to fail where that is its key: it is not there."""
    short, long = Engagement(a_visit(1).hit_id, 3, 10), Engagement(a_visit(1).hit_id, 9, 80)
    await spool.add([a_visit(1)], [])
    for each in (short, long, short):  # what is told again is there already
        await spool.add([], [], [each])
    await spool.add([a_visit(2)], [], [Engagement(a_visit(2).hit_id, 86_400, 100)])
    first = await spool.first(3)
    assert (first.visits, first.engagements) == ([a_visit(1)], [short, long])
    await spool.remove(first)
    assert len((await spool.first(9)).engagements) == 1


async def test_an_empty_spool_holds_no_rows(spool: Spool) -> None:
    assert not await spool.holds_rows()
    await spool.add([a_visit(1)], [])
    assert await spool.holds_rows()
    await spool.set_aside((await spool.first(1)).numbers[0], "no such value")
    assert not await spool.holds_rows()


async def test_a_row_of_an_older_version_is_completed(spool: Spool) -> None:
    """Seen to fail where it goes on as it is."""
    await spool.add([a_visit(1)], [an_event(2)])
    run(spool.path, "update hits set row = json_remove(row, '$.site', '$.page', '$.channel', '$.device')")
    assert (await spool.first(9)).visits == [a_visit(1)]
    assert a_visit(1).channel


def test_a_log_that_another_worker_begins_at_the_same_moment_is_waited_for(tmp_path: Path) -> None:
    """Planted: the pragma run once."""
    with closing(sqlite3.connect(tmp_path / "spool.db", isolation_level=None)) as connection:
        busy = sqlite3.OperationalError("database is locked")
        busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
        refusals = [busy, busy]

        class Refused:
            def execute(self, sql: str) -> sqlite3.Cursor:
                if refusals:
                    raise refusals.pop()
                return connection.execute(sql)

        store._set(cast("sqlite3.Connection", Refused()), "journal_mode = wal")
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
        broken = sqlite3.OperationalError("disk I/O error")
        broken.sqlite_errorcode = sqlite3.SQLITE_IOERR
        refusals = [broken]
        with pytest.raises(sqlite3.OperationalError, match="disk I/O"):
            store._set(cast("sqlite3.Connection", Refused()), "journal_mode = wal")
