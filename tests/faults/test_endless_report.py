"""Row 20 of the card: reports that never end are stopped, hold no hit up, and leave the disk alone."""

import asyncio
import contextlib
import sqlite3
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from crumby.database import PRAGMAS
from crumby.reporting import wal
from tests.faults.clients import load
from tests.faults.ledger import Ledger, judge
from tests.servers import Crumby, wait_until

READERS = 10
LIMIT_S = 1.0
PACE_S = 0.1
SQL = (
    "select count(*) as n from calendar a, calendar b, calendar c, calendar d, calendar e where a.datetime > b.datetime"
)
ADDRESS = "/api/public/endless"
ROW = 1 << 20  # bytes
MOST = 16 * wal.BOUND  # bytes; half a minute of writing, where the bound is reached within three seconds
SLOWEST = 15  # in the short form, for a machine that others use; ten readers at full speed make it 8 to 40


@dataclass
class Answers:
    seconds: list[float] = field(default_factory=list)
    details: set[str] = field(default_factory=set)


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    path = tmp_path / "queries" / "public" / "endless.sql"
    path.parent.mkdir(parents=True)
    path.write_text(f"-- Endless\n-- Never ends.\n--\n-- column n: integer, of nothing\n{SQL}\n")
    return path.parent.parent


@contextlib.asynccontextmanager
async def endless_readers(server: Crumby, limit_s: float) -> AsyncIterator[Answers]:
    """Ten who ask again as soon as they are told, one after the other, so that one always reads."""
    answers = Answers()
    stop = asyncio.Event()
    async with (
        httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=10 * limit_s + 50) as client,
        asyncio.TaskGroup() as tasks,
    ):
        for number in range(READERS):
            tasks.create_task(read(client, stop, number, limit_s, answers))
        try:
            yield answers
        finally:
            stop.set()


async def read(client: httpx.AsyncClient, stop: asyncio.Event, days: int, limit_s: float, answers: Answers) -> None:
    await asyncio.sleep(days * limit_s / READERS)
    while not stop.is_set():
        started = time.monotonic()
        response = await client.get(ADDRESS, params={"days": days})  # or ten would be one: the same is run once
        answers.seconds.append(time.monotonic() - started)
        said = response.json()
        assert response.status_code == 503, response.text
        assert int(response.headers["Retry-After"]) > 0
        if said["error"] == "QueryTimeout":
            answers.details.add(said["detail"])
        else:  # on a busy machine one may wait for a connection until its time is over
            assert said["error"] == "DatabaseUnavailable", response.text


async def p99(ledger: Ledger, seconds: float) -> float:
    ledger.seconds.clear()
    await asyncio.sleep(seconds)
    return ledger.percentile(0.99)


@pytest.mark.parametrize(
    ("limit_s", "rounds", "most"),
    [
        pytest.param(1.0, 1, SLOWEST, id="1 s"),
        pytest.param(10.0, 20, 2, id="10 s", marks=pytest.mark.long),
    ],
)
async def test_endless_reports_are_stopped_in_time_and_hold_no_hit_up(
    queries: Path, limit_s: float, rounds: int, most: float
) -> None:
    """The long form holds the card's own figures, on a machine that does nothing else. Both end in the limit's time.

    Seen to fail on reports without a time limit. That ten together rest half of the time, and more, is proved apart.
    """
    ledger = Ledger()
    ratios = []
    longest = []
    with Crumby(queries=str(queries), query_timeout=str(limit_s)) as server:
        async with load(server.port, ledger, PACE_S):
            await ledger.next_ok()
            for _ in range(rounds):
                before = await p99(ledger, 3 * limit_s)
                async with endless_readers(server, limit_s) as answers:
                    await asyncio.sleep(limit_s)
                    ratios.append(await p99(ledger, 3 * limit_s) / before)
                longest.append(statistics.median(answers.seconds))
                assert answers.details == {f"queries/public/endless.sql ran past {limit_s:g} s and was stopped"}
        server.stop()
        await judge(f"sqlite:///{server.home / 'crumby.db'}", ledger)
    assert max(longest) <= (1.2 if rounds > 1 else 2) * limit_s, longest
    assert statistics.median(ratios) <= most, ratios


async def test_readers_without_end_do_not_make_the_log_grow_without_end(queries: Path) -> None:
    """Two workers, and a writer of a MiB at a time, so that the bound is reached within seconds.

    Seen to fail without `wait_for_reset`, without `journal_size_limit`, and on a log that only hits reset.
    """
    with Crumby(queries=str(queries), query_timeout=str(LIMIT_S), arguments=["--workers", "2"]) as server:
        log = server.home / "crumby.db-wal"
        with contextlib.closing(writer(server.home / "crumby.db")) as connection:
            async with endless_readers(server, LIMIT_S) as answers:
                sizes = [0]
                while sizes[-1] >= max(sizes) or max(sizes) <= wal.BOUND:  # it grows while reports under way end
                    assert len(sizes) <= MOST // ROW, f"{sizes[-1]} bytes, and never reset"
                    sizes.append(await write_a_row(connection, log))
            await asyncio.to_thread(wait_until, lambda: log.stat().st_size < wal.BOUND, "the log is reset")
    ended = f"queries/public/endless.sql ran past {LIMIT_S:g} s and was stopped"
    waited = f"queries/public/endless.sql waited {LIMIT_S:g} s for the database's log to be reset, and was not run"
    assert {ended} <= answers.details <= {ended, waited}  # the log may be reset before anybody has waited so long


async def write_a_row(connection: sqlite3.Connection, log: Path) -> int:
    """Give the log's size thereafter."""
    await asyncio.to_thread(connection.execute, "insert into ballast values (randomblob(?))", (ROW,))
    await asyncio.sleep(0.02)
    return log.stat().st_size


def writer(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in (*PRAGMAS, "synchronous = off"):
        connection.execute(f"pragma {pragma}")
    connection.execute("create table ballast (bytes blob)")
    return connection


async def test_a_client_that_leaves_takes_its_report_along(queries: Path) -> None:
    """Reloads of a slow page must not pile up: 20 are more than there are connections.

    Seen to fail where a request does not watch its client.
    """
    with Crumby(queries=str(queries), query_timeout="60") as server:
        streams = [(await asyncio.open_connection("127.0.0.1", server.port))[1] for _ in range(20)]
        for days, stream in enumerate(streams):
            stream.write(f"GET {ADDRESS}?days={days} HTTP/1.1\r\nHost: stats.example.com\r\n\r\n".encode())
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30) as client:
            try:
                async with asyncio.timeout(30):  # that nothing piles up
                    while (await client.get("/api/public/visits")).status_code != 503:
                        pass
            finally:
                for stream in streams:
                    stream.close()
            assert (await client.get("/api/public/visits")).status_code == 200
