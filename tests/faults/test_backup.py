"""Row 33 of the card: a backup that is made under load is a prefix of the ledger, and comes back by one command.

And what a kill leaves of either command: the old file or the new one, the old rows or the new ones.
"""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import create_async_engine

from crumby.backup import restore, spooled
from crumby.database import async_url, open_database
from crumby.migrations import migrate
from tests.conftest import MakeSettings
from tests.faults.clients import load
from tests.faults.ledger import COLUMNS, Ledger, duplicates, expected, judge, stored_rows
from tests.servers import Crumby, wait_until

CLIENTS = 16
PACE_S = 0.02
KEPT = 5_000  # visits that were there before: 8 MB, more than what SQLite holds back in memory


@dataclass(frozen=True, slots=True)
class Backup:
    path: Path
    before: frozenset[bytes]  # what had been acknowledged when it began
    after: frozenset[bytes]  # what had been sent when it ended


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("database_url", "count", "workers"),
    [
        pytest.param("sqlite", 10, 2, id="sqlite"),
        pytest.param("mariadb", 2, 1, id="mariadb"),
        pytest.param("postgres", 2, 1, id="postgres", marks=pytest.mark.long),
    ],
    indirect=["database_url"],
)
async def test_a_backup_under_load_restores_into_a_prefix_of_the_ledger(
    database_url: str, count: int, workers: int, tmp_path: Path, settings: MakeSettings
) -> None:
    """Seen to fail on a copy of the database's file without its WAL, on one that begins anew with each commit and so
    ends later than it counts, and on rows that are read from a server without a snapshot.
    """
    ledger = Ledger()
    backups = []
    with Crumby(database_url, arguments=["--workers", str(workers)]) as server:
        async with load(server.port, ledger, PACE_S, CLIENTS):
            await ledger.next_ok()
            for number in range(count):
                before = frozenset(ledger.ok)
                path = tmp_path / f"{number}.db"
                await crumby(server.environment(), "backup", path)
                backups.append(Backup(path, before, frozenset(ledger.sent)))
                await ledger.next_ok()
        await judge(database_url, ledger)
        assert not ledger.outcomes["busy"]
        in_the_end = await by_id(database_url)
    for backup in backups:
        url = f"sqlite:///{backup.path.with_suffix('.restored')}"
        async with open_database(settings(sqlalchemy_database_uri=url)) as database:
            await restore(database, backup.path)
        await judge_prefix(url, backup, ledger, in_the_end)
    home = tmp_path / "home"
    home.mkdir()
    await crumby({"PATH": os.environ["PATH"], "HOME": str(home)}, "restore", backups[-1].path)
    await judge_prefix(f"sqlite:///{home / 'crumby.db'}", backups[-1], ledger, in_the_end)
    assert len({len(backup.before) for backup in backups}) == count, "the backups met no load"


async def judge_prefix(url: str, backup: Backup, ledger: Ledger, in_the_end: Mapping[str, dict[int, bytes]]) -> None:
    rows = await stored_rows(url)  # asks for the file's integrity, too
    ids = [row[0] for kept in rows.values() for row in kept if isinstance(row[0], bytes)]
    assert not backup.before.difference(ids), "acknowledged before the backup began, and not in it"
    assert backup.after.issuperset(ids), "sent after the backup had ended, and in it"
    assert not duplicates(ids)
    for kind, kept in rows.items():
        assert [row for row in kept if isinstance(row[0], bytes) and row != expected(kind, ledger, row[0])] == []
    for table, numbered in (await by_id(url)).items():
        last = max(numbered, default=0)
        assert numbered == {number: hit for number, hit in in_the_end[table].items() if number <= last}


async def by_id(url: str) -> dict[str, dict[int, bytes]]:
    """The hit ids of each table by the ids of their rows, which are drawn in the order of the commits."""
    engine = create_async_engine(async_url(url))
    try:
        async with engine.connect() as connection:
            return {table.name: await _numbered(connection, table) for table, _ in COLUMNS.values()}
    finally:
        await engine.dispose()


async def _numbered(connection: Any, table: Table) -> dict[int, bytes]:
    return {row.id: row.hit_id for row in await connection.execute(select(table.c.id, table.c.hit_id))}


async def crumby(environ: Mapping[str, str], *words: str | Path) -> str:
    command = [sys.executable, "-m", "crumby", *map(str, words)]
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    return out.decode()


# Runs `back_up` or `restore` and kills itself when its progress is there; if it never is, it ends well.
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from crumby import backup
from crumby.backup import pages, rows
from crumby.database import open_database
from crumby.settings import Settings

verb, uri, file, at, share = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4], float(sys.argv[5])
pages.STEP, rows.BATCH = 16, 500

def progress(doing, done, total):
    if doing == at and done >= share * (total or 0):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with open_database(Settings(sqlalchemy_database_uri=uri)) as database:
        await getattr(backup, verb)(database, file, force=True, progress=progress)

asyncio.run(main())
"""


def killed(verb: str, uri: str, file: Path, at: str, share: float = 0.0) -> bool:
    """Whether it was killed, and had not come to its end before."""
    command = [sys.executable, "-c", KILLED, verb, uri, str(file), at, str(share)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) in {(-signal.SIGKILL, ""), (0, "")}
    return done.returncode != 0


async def filled(url: str, first: int, settings: MakeSettings) -> str:
    """The URL of a database with KEPT visits whose ids begin with `first`."""
    async with open_database(settings(sqlalchemy_database_uri=url)) as database:
        await migrate(database.engine)
        async with database.engine.begin() as connection:
            visits = COLUMNS["visit"][0]
            rows = [{"id": first + number, "doc_title": "x" * 1500} for number in range(KEPT)]
            await connection.execute(visits.insert(), rows)
    return url


async def first_and_count(url: str) -> tuple[int, int]:
    numbered = (await by_id(url))["visits"]
    return min(numbered), len(numbered)


POINTS = (("copying", 0.0), ("copying", 0.5), ("copying", 0.95))


async def test_a_backup_that_is_killed_leaves_the_file_of_before(
    database_url: str, settings: MakeSettings, tmp_path: Path
) -> None:
    """Seen to fail on a backup that is written under its own name."""
    await filled(database_url, 1, settings)
    target = tmp_path / "folder" / "b.db"
    target.parent.mkdir()
    old = f"sqlite:///{target}"
    await filled(old, 100_001, settings)
    before = target.read_bytes()
    for at, share in (*POINTS, ("checking", 0.0)):
        assert killed("back_up", database_url, target, at, share)
        assert target.read_bytes() == before
        assert await first_and_count(old) == (100_001, KEPT)
        assert {path.name for path in target.parent.iterdir()} >= {"b.db", "b.db.partial"}
        for beside in target.parent.glob("b.db-*"):  # of our own look into it
            beside.unlink()
    assert not killed("back_up", database_url, target, "never")
    assert {path.name for path in target.parent.iterdir()} == {"b.db"}
    assert await first_and_count(old) == (1, KEPT)


async def test_a_restore_that_is_killed_leaves_the_rows_of_before(
    database_url: str, settings: MakeSettings, tmp_path: Path
) -> None:
    """Seen to fail on a journal that is off, and on a server's rows that are committed batch by batch."""
    await filled(database_url, 1, settings)
    source = tmp_path / "b.db"
    await filled(f"sqlite:///{source}", 100_001, settings)
    for at, share in POINTS:
        assert killed("restore", database_url, source, at, share)
        assert await first_and_count(database_url) == (1, KEPT)
        await integrity(database_url)
    assert not killed("restore", database_url, source, "never")
    assert await first_and_count(database_url) == (100_001, KEPT)
    await integrity(database_url)


async def integrity(url: str) -> None:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            assert file.execute("pragma integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("database_url", ["mariadb", "postgres"], indirect=True)
async def test_hits_that_come_during_a_restore_into_a_server_are_kept(
    database_url: str, settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait for it, and their rows get ids behind its own. An embedded database is not restored under a server.

    Seen to fail on tables that are not locked.
    """
    monkeypatch.setattr("crumby.backup.rows.BATCH", 20)  # time enough to meet
    await filled(f"sqlite:///{tmp_path / 'b.db'}", 1, settings)
    ledger = Ledger()
    answered: set[bytes] = set()
    waiting: set[bytes] = set()

    def progress(doing: str, done: int, _total: int | None) -> None:
        """What was stored before the restore, and goes with it, has long been answered when half of it is done."""
        if doing == "copying" and done > KEPT / 2 and not waiting:
            answered.update(ledger.ok)
            waiting.update(ledger.sent.keys() - ledger.ok)

    with Crumby(database_url) as server:
        async with load(server.port, ledger, PACE_S, CLIENTS):
            await ledger.next_ok()
            async with open_database(settings(sqlalchemy_database_uri=database_url)) as database:
                await restore(database, tmp_path / "b.db", force=True, progress=progress)
            await ledger.next_ok()
        spool = server.home / "crumby-spool.db"
        await asyncio.to_thread(wait_until, lambda: spooled(spool) == 0, "the spool is empty")
    numbered = await by_id(database_url)
    assert all(numbered["visits"].get(number, b"") is None for number in range(1, KEPT + 1))
    stored = {hit for kept in numbered.values() for hit in kept.values() if hit}
    assert waiting, "no hit met the restore"
    assert not ledger.ok - answered - stored, "acknowledged after the restore had begun, and lost"
    assert not ledger.errors(), dict(ledger.outcomes)
