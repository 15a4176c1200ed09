"""Row 37 of the card: clients that leave before the answer take nothing with them."""

import asyncio
import json
import random
import socket
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from tests.faults.clients import load
from tests.faults.ledger import Document, Ledger, judge, new_hit
from tests.servers import Crumby, DatabaseServer, MariaDB, Postgres, wait_until

FREE_S = 2.0
AT_ONCE = 100
STEADY = 8  # clients that stay
POOLED = 32  # files that the pools of connections may keep open
REPORTS = 20  # at once; the pool has 15 connections

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST
LISTENING, TIME_WAIT, NEW = "0A", "06", "0C"  # of /proc/net/tcp
IN_USE = {
    MariaDB: "select count(*) from information_schema.processlist where db = '{name}' and command <> 'Sleep'",
    Postgres: "select count(*) from pg_stat_activity where datname = '{name}' and state <> 'idle'",
}


@pytest.fixture(params=["sqlite", "mariadb", "postgres"])
def database(request: pytest.FixtureRequest, sqlite_url: str) -> Iterator[tuple[str, DatabaseServer | None]]:
    if request.param == "sqlite":
        yield sqlite_url, None
        return
    server: DatabaseServer = request.getfixturevalue(request.param)
    url = server.database()
    yield url, server
    server.drop(url)


@pytest.mark.parametrize(
    "aborts", [pytest.param(2_000, id="2,000"), pytest.param(100_000, id="100,000", marks=pytest.mark.long)]
)
async def test_clients_that_leave_before_the_answer_leave_nothing_behind(
    aborts: int, database: tuple[str, DatabaseServer | None]
) -> None:
    """Seen to fail on a body that is stored although its end never came, on a connection that is not closed when its
    client has closed it, on a commit that a leaving client cancels, and on reports that keep their connection.
    """
    url, server = database
    ledger = Ledger()
    with Crumby(url) as crumby:
        await reports_answer(crumby)
        before = open_files(crumby)
        async with load(crumby.port, ledger, 0.05, STEADY):
            await ledger.next_ok()
            await storm(crumby.port, ledger, aborts)
            await ledger.next_ok()
        # uvloop takes one connection a turn, so the storm's last ones still wait for it: it blows until they are taken.
        wait_until(lambda: connections(crumby.port) == 0, "no connection is left")
        wait_until(lambda: in_use(url, server) == 0, "the pool is free", FREE_S)
        assert open_files(crumby) <= before + POOLED
        await reports_answer(crumby)
        crumby.stop()
        await judge(url, ledger)
        assert "Traceback" not in crumby.log, crumby.log
    assert set(ledger.outcomes) == {"ok"}


async def storm(port: int, ledger: Ledger, aborts: int) -> None:
    left = iter(range(aborts))

    async def one_after_the_other() -> None:
        for _ in left:
            with suppress(ConnectionError):  # the server was quicker, and has refused what it saw
                await abort(port, some_request(ledger))

    async with asyncio.timeout(aborts / 50), asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(one_after_the_other())


async def abort(port: int, request: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    if random.random() < 0.5:  # noqa: S311
        await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311 - until it is read, parsed, in a commit
    if random.random() < 0.5:  # noqa: S311
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.close()


def some_request(ledger: Ledger) -> bytes:
    """The whole of a request, or a part. The ledger knows of whole hits only: of the others no row may come."""
    hit = new_hit()
    body = json.dumps(hit).encode()
    whole = [post(body), pixel(hit)]
    kind = random.randrange(8)  # noqa: S311
    if kind < 3:
        ledger.sent[bytes.fromhex(str(hit["id"]))] = hit
        return whole[kind == 2]
    return [
        b"",
        post(body)[: random.randrange(1, 60)],  # noqa: S311
        post(body)[: -random.randrange(1, len(body))],  # noqa: S311
        post(body + b" ")[:-1],  # all that counts is there, but not all that was promised
        b"GET /api/public/visits HTTP/1.1\r\nHost: stats.example.com\r\n\r\n",
    ][kind - 3]


def post(body: bytes) -> bytes:
    return b"POST /hit HTTP/1.1\r\nHost: stats.example.com\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def pixel(hit: Document) -> bytes:
    return f"GET /1.gif?{httpx.QueryParams(hit)} HTTP/1.1\r\nHost: stats.example.com\r\n\r\n".encode()


def in_use(url: str, server: DatabaseServer | None) -> int:
    """Connections that have something under way, or whether somebody reads or writes the file."""
    if server:
        return int(server.execute(IN_USE[type(server)].format(name=url.rpartition("/")[2])))
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0)) as connection:
        busy, _, _ = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
        return int(busy)


def connections(port: int) -> int:
    """How many of the server's are not closed on both sides."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(
        int(local.rpartition(":")[2], 16) == port and state not in {LISTENING, TIME_WAIT, NEW}
        for _, local, _, state, *_ in lines
    )


def open_files(crumby: Crumby) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in crumby.tree())


async def reports_answer(crumby: Crumby) -> None:
    async with httpx.AsyncClient(base_url=crumby.url, trust_env=False, timeout=10) as client:
        reports = await asyncio.gather(*(client.get("/api/public/visits") for _ in range(REPORTS)))
    assert {report.status_code for report in reports} == {200}
