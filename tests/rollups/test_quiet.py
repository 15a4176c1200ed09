"""Where nothing was committed, a report does not ask the rollups' thread; where something was, it always does."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crumby.rollups.quiet import GRAIN_NS, Quiet

GRAIN_S = GRAIN_NS / 1e9


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "crumby.db", isolation_level=None)) as opened:
        opened.execute("pragma journal_mode = wal")
        opened.execute("pragma wal_autocheckpoint = 0")
        opened.execute("create table visits (id integer primary key)")
        yield opened


@pytest.fixture
def quiet(tmp_path: Path) -> Quiet:
    return Quiet([tmp_path / "crumby.db"])


def commit(connection: sqlite3.Connection) -> None:
    connection.execute("insert into visits default values")


def test_a_commit_ends_the_quiet_and_looking_alone_does_not(connection: sqlite3.Connection, quiet: Quiet) -> None:
    """Planted faults: `lasts` without its comparison; `knows` that does nothing."""
    assert not quiet.lasts
    time.sleep(2 * GRAIN_S)
    quiet.knows(quiet.look())
    assert quiet.lasts
    connection.execute("select count(*) from visits").fetchall()
    assert quiet.lasts
    commit(connection)
    assert not quiet.lasts
    time.sleep(2 * GRAIN_S)
    assert not quiet.lasts


def test_a_commit_in_the_same_tick_is_not_missed(connection: sqlite3.Connection, tmp_path: Path) -> None:
    """The log begins anew, so that its length does not tell. Planted fault: `GRAIN_NS` of 0."""
    commit(connection)
    log = tmp_path / "crumby.db-wal"
    tick = log.stat().st_mtime_ns
    quiet = Quiet([tmp_path / "crumby.db"], lambda: tick + 1_000_000)
    quiet.knows(quiet.look())
    connection.execute("pragma wal_checkpoint(restart)").fetchall()
    commit(connection)
    os.utime(log, ns=(tick, tick))  # newer kernels stamp finely where somebody looked
    assert not quiet.lasts


def test_without_a_log_nothing_is_quiet(tmp_path: Path) -> None:
    """Planted fault: an `OSError` that leaves the file out."""
    for databases in ([], [tmp_path / "none.db"]):
        quiet = Quiet(databases)
        quiet.knows(quiet.look())
        assert not quiet.lasts
