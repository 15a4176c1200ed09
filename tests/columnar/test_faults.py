"""Whatever dies, is away or answers nothing, each row is there once; and nothing here waits for ClickHouse."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, text

from crumby import rollups as counting
from crumby.columnar import outbox, sending, taking
from crumby.columnar.server import Away, ClickHouse
from crumby.database import Database, open_database
from crumby.rollups import Busy, RollupFolders, Rollups, settling
from crumby.settings import Settings
from crumby.subjects import Subject, forget
from crumby.tables import events, visitors, visits
from tests import clickhouse as servers
from tests.columnar.conftest import Copied
from tests.faults.proxy import Proxy
from tests.rollups.conftest import ZONE, finish
from tests.rollups.people import People, Stored
from tests.servers import READY_S

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Killed(Exception):
    pass


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "CHUNK", 100)
    monkeypatch.setattr(outbox, "HITS_AT_ONCE", 60)
    monkeypatch.setattr(settling, "SETTLING_S", 0.3)


@contextlib.contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, after: int, kind: type = ClickHouse, *names: str) -> Iterator[None]:
    """Who sends dies after so many words with ClickHouse, which has heard the last of them."""
    left = after

    def fused(true: Any) -> Any:
        async def run(*arguments: Any) -> Any:
            nonlocal left
            told = await true(*arguments)
            left -= 1
            if left < 0:
                raise Killed
            return told

        return run

    with monkeypatch.context() as patch:
        for name in names or ("do", "insert"):
            patch.setattr(kind, name, fused(getattr(kind, name)))
        yield


@pytest.mark.parametrize("database_url", ["sqlite", pytest.param("mariadb", marks=pytest.mark.long)], indirect=True)
async def test_whoever_dies_while_it_sends_is_followed_by_another(
    monkeypatch: pytest.MonkeyPatch, stored: Stored, copied: Copied, caplog: pytest.LogCaptureFixture
) -> None:
    """Faults: tokens that are others the next time; what is on its way is noted nowhere, and everything begins anew."""
    await stored.come(120)
    await copied.finish()
    for words in (0, 3, 4, 5, 6, 7):  # visits and events, the rollups, their state, and how far that has come
        await comes_and_dies(monkeypatch, stored, copied, words)
    for words in (0, 5, 11, 14):
        await copied.rollups.forget(["pages"])
        await comes_and_dies(monkeypatch, stored, copied, words)
    await copied.compare()
    assert "filled anew" not in caplog.text


async def comes_and_dies(monkeypatch: pytest.MonkeyPatch, stored: Stored, copied: Copied, words: int) -> None:
    """More has come by the time that another sends."""
    await stored.come(15)
    await stored.tell(5)
    await finish(copied.rollups)
    with dying(monkeypatch, words), contextlib.suppress(Killed):
        await copied.sender.step()
    await stored.come(5)
    await copied.finish()


@SQLITE
async def test_whoever_dies_before_it_deletes_sends_the_same_again(
    monkeypatch: pytest.MonkeyPatch, stored: Stored, copied: Copied
) -> None:
    """And not with what came meanwhile. Faults: what is on its way is noted nowhere; tokens that are others."""
    await stored.come(60)
    await copied.finish()

    def die(*_: object) -> None:
        raise Killed

    for _ in range(3):
        await stored.come(30)
        await finish(copied.rollups)
        with monkeypatch.context() as patch:
            patch.setattr(taking.Taking, "acknowledge", die)
            with pytest.raises(Killed):
                await copied.sender.step()
    await copied.finish()
    await copied.compare()


@SQLITE
async def test_an_answer_that_is_lost_is_asked_for_again(
    database: Database, stored: Stored, folder: Path, clickhouse: servers.ClickHouse, there: str
) -> None:
    """ClickHouse has committed, and the connection is cut. Fault: tokens that are others the next time."""
    with Proxy(clickhouse.port) as proxy:
        async with Copied.opened(database, folder, clickhouse, proxy.before(there)) as copied:
            await stored.come(60)
            await copied.finish()
            for _ in range(4):
                await stored.come(30)
                await finish(copied.rollups)
                proxy.cut_replies_to(rb"rollup_\w+_day", 8)
                for _ in range(5):
                    with contextlib.suppress(Away):
                        await copied.sender.step()
            assert proxy.cuts
            proxy.cut_replies_to(rb"never", 0)
            await copied.finish()
            await copied.compare()


@SQLITE
async def test_nothing_waits_for_it_and_it_gets_all_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
    stored: Stored,
    copied: Copied,
    clickhouse: servers.ClickHouse,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Faults: chunks wait while something is sent; the log says it each time."""
    monkeypatch.setattr(sending, "AGAIN_S", (0.02,))
    await stored.come(60)
    await copied.finish()
    clickhouse.pause()
    keeping = asyncio.create_task(copied.sender.keep_up())
    try:
        began = time.monotonic()
        for _ in range(5):
            await stored.come(20)
            await copied.rollups.advance()
        assert time.monotonic() - began < sending.PATIENCE_S / 4
    finally:
        clickhouse.kill()
    for _ in range(20):
        await stored.come(5)
        await stored.tell(3)
        await copied.rollups.advance()
    async with asyncio.timeout(READY_S):
        while "gets what is new later" not in caplog.text:  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0.05)
    clickhouse.start()
    async with asyncio.timeout(READY_S):
        while (await copied.sender.waiting()).parcels:  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0.05)
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    await copied.finish()
    await copied.compare()
    assert len([record for record in caplog.records if "later" in record.message]) <= 4  # a few words for it, each once


@SQLITE
async def test_what_was_emptied_or_is_another_one_is_filled_anew(
    database: Database, stored: Stored, copied: Copied, caplog: pytest.LogCaptureFixture
) -> None:
    """Faults: nobody looks whether it is the one that it was; the database's other rows are taken for new ones."""
    caplog.set_level(logging.WARNING)
    await stored.come(60)
    await copied.finish()
    name = copied.url.rpartition("/")[2]
    for happens in (
        f"drop database {name} sync; create database {name}",
        "truncate table copied; insert into copied (generation, schema, sent) values ('other', 1, 3)",
        "insert into copied select generation, schema, sent + 100, at from copied final",
    ):
        for statement in happens.split("; "):
            copied.clickhouse.execute(statement, "" if "database" in statement else name)
        await stored.come(10)
        caplog.clear()
        await copied.finish()
        assert "filled anew" in caplog.text
        await copied.compare()
    async with database.engine.begin() as connection:
        for table in (visits, events, visitors):
            await connection.execute(delete(table))
    stored.people = People(7)
    await stored.come(80)
    caplog.clear()
    await copied.finish()
    assert "the database is another one" in caplog.text
    await copied.compare()


@SQLITE
async def test_what_waits_has_a_bound(monkeypatch: pytest.MonkeyPatch, stored: Stored, copied: Copied) -> None:
    """Fault: it grows as long as ClickHouse is away."""
    await stored.come(60)
    await copied.finish()
    monkeypatch.setattr(outbox, "LIMIT_MIB", 0)
    monkeypatch.setattr(outbox, "LOOK_S", 0.0)
    for _ in range(6):
        await stored.come(20)
        await finish(copied.rollups)
    assert (await copied.sender.waiting()).parcels <= len(copied.rollups.names()) + 2
    monkeypatch.setattr(outbox, "LIMIT_MIB", 256)
    await copied.finish()
    await copied.compare()


@pytest.mark.parametrize("database_url", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)], indirect=True)
async def test_two_processes_send_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
    configured: Settings,
    database: Database,
    stored: Stored,
    copied: Copied,
    folder: Path,
) -> None:
    """And whoever is silent loses its turn. Fault: both send."""
    await stored.come(60)
    await copied.finish()
    async with (
        open_database(configured) as other,
        Copied.opened(other, folder, copied.clickhouse, copied.url) as second,
    ):
        with pytest.raises(taking.Taken):
            await in_time(second)
        both = [asyncio.create_task(each.sender.keep_up()) for each in (copied, second)]
        for number in range(8):
            await stored.come(15)
            await stored.tell(4)
            with contextlib.suppress(Busy):
                await (copied if number % 2 else second).rollups.advance()
        for each in both:
            each.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        monkeypatch.setattr(taking, "LEASE_S", 0)
        await copied.finish()  # its turn is over at once
        await stored.come(20)
        await second.finish()
        await second.compare()
    assert database.dialect == other.dialect


async def in_time(process: Copied) -> None:
    """A step, once nobody else is at the rollups."""
    async with asyncio.timeout(READY_S):
        while True:
            with contextlib.suppress(Busy):
                await process.sender.step()
                return
            await asyncio.sleep(0.02)


@SQLITE
async def test_who_is_forgotten_is_not_there_any_more(
    configured: Settings, database: Database, stored: Stored, copied: Copied, clickhouse: servers.ClickHouse
) -> None:
    """Nor while ClickHouse is away in what waits for it. Faults: rows are hidden only; what waits stays."""
    await stored.come(150)
    await copied.finish()
    await forget(database, copied.rollups, configured, Subject.of("visitor3"))
    await copied.sender.finish()
    assert copied.ask("select count() from copied_visits where cid = 'visitor3'") == [(0,)]
    await copied.compare()
    async with database.engine.connect() as connection:
        assert await connection.scalar(text("select count(*) from amended where hit_id is not null")) <= 1
    await stored.come(30)
    await finish(copied.rollups)
    await forget(database, copied.rollups, configured, Subject.of("visitor4"))
    await copied.sender.begin_anew()
    assert (await copied.sender.waiting()).parcels == 0
    await copied.finish()
    assert copied.ask("select count() from copied_visits where cid = 'visitor4'") == [(0,)]
    await copied.compare()


@pytest.mark.parametrize("database_url", ["sqlite", "mariadb"], indirect=True)
async def test_without_a_clickhouse_there_is_nothing_of_it(
    database: Database, stored: Stored, folder: Path, there: str, clickhouse: servers.ClickHouse
) -> None:
    """Neither table nor row, also where there was one. Fault: the outbox stays."""

    async def tables(rollups: Rollups) -> list[bool]:
        return await rollups.within(lambda work, _: [work.has(table) for table in counting.copied.TABLES])

    await stored.come(30)
    async with Rollups(database, ZONE, RollupFolders(folder)) as plain:
        await finish(plain)
        assert not any(await tables(plain))
    async with Copied.opened(database, folder, clickhouse, there) as copied:
        await copied.finish()
        assert all(await tables(copied.rollups))
    async with Rollups(database, ZONE, RollupFolders(folder)) as plain:
        await stored.come(30)
        await finish(plain)
        assert not any(await tables(plain))
    async with Copied.opened(database, folder, clickhouse, there) as copied:
        await copied.finish()
        await copied.compare()
