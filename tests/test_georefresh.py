"""GEOIP2_REFRESH_DAYS: the server gets a new City database by itself, and hits notice nothing but their places."""

import asyncio
import gzip
import json
import os
import secrets
import sqlite3
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Final

import pytest

from crumby.background import beside
from crumby.georefresh import AGAIN_S, DAY_S, Tries, is_due, keep_fresh, tries
from tests.conftest import LONDON, write_mmdb
from tests.downloads import Site, reply, serve
from tests.faults.test_kill import slowness
from tests.servers import Crumby, until, wait_until

OLD = b"the file that was there"
MOST_MIB: Final = 90
site = pytest.fixture(serve, name="site")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "places" / "City.mmdb"


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """Give a database in which this machine is in London."""
    write_mmdb(tmp_path / "whole.mmdb", {"127.0.0.0/8": LONDON})
    return (tmp_path / "whole.mmdb").read_bytes()


def refreshing(path: Path, source: str, *arguments: str) -> Crumby:
    path.parent.mkdir(exist_ok=True)
    return Crumby(
        arguments=arguments, debug="1", geoip2_refresh_days="7", geoip2_source=source, geoip2_database_name=str(path)
    )


def hit(server: Crumby) -> None:
    body = {"v": 2, "id": secrets.token_hex(16), "t": "visit", "cid": "6", "dl": "https://bakery.example/"}
    with server.client() as client:
        assert client.post("/hit", content=json.dumps(body)).status_code == 204


def cities(server: Crumby) -> list[str | None]:
    with closing(sqlite3.connect(server.home / "crumby.db")) as database:
        return [city for (city,) in database.execute("select city from visits order by id")]


def age(path: Path, days: float) -> None:
    then = time.time() - days * DAY_S
    os.utime(path, (then, then))


def peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def test_a_server_that_has_none_gets_one_once_and_uses_it_within_seconds(path: Path, site: Site, whole: bytes) -> None:
    """Planted: each worker gets one for itself; the file is put where nobody looks."""
    source = site("/City.mmdb.gz", gzip.compress(whole)).urls[0]
    with refreshing(path, source, "--workers", "2") as server:
        wait_until(path.exists, "a file is there")
        came = time.monotonic()
        while "London" not in cities(server) and time.monotonic() < came + 60:
            hit(server)
        assert time.monotonic() - came < 5 * slowness(0)
        wait_until(lambda: f"a new City database is at {path}" in server.log, "the log says so")
        wait_until(
            lambda: "not time for" in server.log or "another worker" in server.log, "the other worker has looked"
        )
    assert path.read_bytes() == whole
    assert len(site.seen) == 1
    assert sorted(each.name for each in path.parent.iterdir()) == ["City.mmdb", "City.mmdb.lock"]


def test_a_failure_is_one_line_costs_nothing_and_is_not_repeated_at_once(path: Path, site: Site) -> None:
    """Planted: a failure that nobody counts, so that each start asks again."""
    path.parent.mkdir()
    path.write_bytes(OLD)
    age(path, 8)
    with refreshing(path, f"{site.url}/absent.mmdb?license_key=canary") as server:
        wait_until(lambda: "tried again" in server.log, "the log says so")
        (line,) = [line for line in server.log.splitlines() if "City database stays" in line]
        assert line.endswith(
            f"the City database stays as it is: {site.url}/absent.mmdb answers 404; "
            "is that the address of the file?; tried again in 1 h"
        )
        assert "canary" not in server.log
        hit(server)
        server.stop()
        server.start()
        wait_until(lambda: "not time for" in server.log, "it has looked again")
        assert tries(path).failed == 1
    assert len(site.seen) == 1
    assert path.read_bytes() == OLD


def test_a_server_that_ends_meanwhile_leaves_nothing_half_fetched(path: Path, site: Site) -> None:
    """Nor does the download outlive it. Planted: no SIGTERM for the child; one that it dies of where it stands."""
    begun = []

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, b"x", 10**6)
        begun.append(handler)
        while True:
            handler.wfile.write(b"x")
            time.sleep(0.05)

    with refreshing(path, site("/City.mmdb", trickle).urls[0]) as server:
        wait_until(lambda: bool(begun), "it downloads")
        wait_until(lambda: list(path.parent.glob(".geoip-*")) != [], "into a folder of its own")
        os.kill(server.process.pid, 15)  # the server alone: the child is the server's to end
        server.process.wait(30)
        wait_until(lambda: server.tree() == [], "the child ends", 30)
        assert list(path.parent.glob(".geoip-*")) == []


def test_a_large_download_is_none_of_the_servers_memory(path: Path, site: Site) -> None:
    """Planted: `geofile.install` in a thread of the server."""
    large, fetched_by = os.urandom(1024**2) * 64, list[int]()

    def send(handler: BaseHTTPRequestHandler) -> None:
        fetched_by.extend(server.tree())
        reply(handler, large)

    with refreshing(path, site("/City.mmdb", send).urls[0]) as server:
        wait_until(lambda: "tried again" in server.log, "it is no database")
        (pid,) = server.tree()
        assert len(fetched_by) == 2
        assert peak_mib(pid) <= MOST_MIB


def test_it_is_due_by_its_age_and_after_a_failure_later_and_later(path: Path) -> None:
    """Planted: the pause doubles without an end; a clock that was set back stops it for as long."""
    path.parent.mkdir()
    lock = path.with_name("City.mmdb.lock")
    assert is_due(path, 7)
    path.write_bytes(OLD)
    for days, due in ((0, False), (6.9, False), (7.1, True), (-1, True)):
        age(path, days)
        assert is_due(path, 7) == due, days
    age(path, 8)
    lock.write_text("3")
    for hours, due in ((0, False), (3.9, False), (4.1, True), (-1, True)):
        age(lock, hours / 24)
        assert is_due(path, 7) == due, hours
    assert [Tries(failed, 0).pause_s for failed in (0, 1, 2, 5, 6, 99)] == [
        0, AGAIN_S, 2 * AGAIN_S, 16 * AGAIN_S, DAY_S, DAY_S,
    ]  # fmt: skip
    lock.write_text("no number")
    assert is_due(path, 7)


async def test_without_days_it_ends_at_once_and_makes_no_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crumby.georefresh.SOON_S", 0)
    path.parent.mkdir()
    await keep_fresh(path, 0)
    assert list(path.parent.iterdir()) == []


async def test_a_folder_that_takes_no_file_is_told_once_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Planted: what the lock raises goes up, and out of the server when it stops."""
    monkeypatch.setattr("crumby.georefresh.SOON_S", 0)
    monkeypatch.setattr("crumby.georefresh.LOOK_S", 0.001)
    async with beside(keep_fresh(Path("/proc/absent/City.mmdb"), 7), "refreshing"):
        await until(lambda: caplog.messages)
        await asyncio.sleep(0.1)  # in which it would be told again
    assert caplog.messages == ["no City database can be put into /proc/absent: No such file or directory"]
