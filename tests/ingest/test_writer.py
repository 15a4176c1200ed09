"""Group commit: acknowledged means committed, once, and one bad row spoils no other."""

import asyncio
import contextlib
import gc
import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crumby.database import open_database
from crumby.errors import CrumbyError, DatabaseUnavailable, InvalidHit, Overloaded
from crumby.ingest import writer as writer_module
from crumby.ingest.client import Client
from crumby.ingest.enrich import Engagement, Event, Visit
from crumby.ingest.geo import Geo
from crumby.ingest.hit import Hit
from crumby.ingest.metrics import Metrics
from crumby.ingest.outage import open_store
from crumby.ingest.store import RowRefused, SqliteStore
from crumby.ingest.writer import Writer, open_writer
from crumby.migrations import migrate
from tests.conftest import MakeSettings
from tests.servers import until

CLIENT = Client(ip="81.2.69.160", user_agent=None, referrer=None, lang=None)


def a_hit(number: int, **fields: object) -> Hit:
    values: dict[str, Any] = {
        "kind": "visit",
        "id": number.to_bytes(16),
        "cid": "42",
        "datetime": datetime(2026, 11, 22, 12, 0, 0, 123456),  # noqa: DTZ001
        "uri": "https://example.com/",
        "title": "Home",
    }
    return Hit(**{**values, **fields})


class Slow:
    """A store that notes its batches, and waits until it is let go."""

    def __init__(self, at_once: int = 1) -> None:
        self.at_once = at_once
        self.batches: list[int] = []
        self.last: list[bytes] = []  # hit ids
        self.go = asyncio.Event()

    async def insert(
        self, visits: Sequence[Visit], events: Sequence[Event], engagements: Sequence[Engagement] = ()
    ) -> None:
        self.batches.append(len(visits) + len(events) + len(engagements))
        self.last = [*(each.hit_id for rows in (visits, events, engagements) for each in rows)]
        await self.go.wait()


class Failing(Slow):
    def __init__(self, *errors: Exception | None) -> None:
        super().__init__()
        self.errors = list(errors)

    async def insert(
        self, visits: Sequence[Visit], events: Sequence[Event], engagements: Sequence[Engagement] = ()
    ) -> None:
        self.batches.append(len(visits) + len(events) + len(engagements))
        error = self.errors.pop(0)
        if error:
            raise error


class Picky(Slow):
    """A store that takes no batch with that id in it."""

    def __init__(self, bad: bytes) -> None:
        super().__init__()
        self.bad = bad

    async def insert(
        self, visits: Sequence[Visit], events: Sequence[Event], engagements: Sequence[Engagement] = ()
    ) -> None:
        self.batches.append(len(visits) + len(events) + len(engagements))
        if self.bad in [visit.hit_id for visit in visits]:
            raise RowRefused("no such value")


@pytest.fixture
def geo(tmp_path: Path) -> Geo:
    return Geo(tmp_path / "none.mmdb")


@contextlib.asynccontextmanager
async def real_writer(url: str, settings: MakeSettings, geo: Geo) -> AsyncIterator[Writer]:
    made = settings(sqlalchemy_database_uri=url)
    async with (
        open_database(made) as database,
        open_store(database, made, lambda: migrate(database.engine)) as store,
        open_writer(geo, store, Metrics()) as writer,
    ):
        yield writer


async def stored(url: str, settings: MakeSettings, table: str) -> list[tuple[Any, ...]]:
    async with (
        open_database(settings(sqlalchemy_database_uri=url)) as database,
        database.engine.connect() as connection,
    ):
        rows = await connection.exec_driver_sql(
            f"select hit_id, cid, doc_uri, doc_title, datetime from {table} order by id"
        )
        return [tuple(row) for row in rows]


async def test_what_is_acknowledged_is_there(database_url: str, settings: MakeSettings, geo: Geo) -> None:
    async with real_writer(database_url, settings, geo) as writer:
        await writer.write([a_hit(1), a_hit(2, kind="event", name="click", value="😀")], CLIENT)
        (visit,) = await stored(database_url, settings, "visits")
        (event,) = await stored(database_url, settings, "events")
    assert (bytes(visit[0]), visit[1:4]) == ((1).to_bytes(16), ("42", "https://example.com/", "Home"))
    assert str(visit[4]).startswith("2026-11-22 12:00:00.123456")
    assert bytes(event[0]) == (2).to_bytes(16)


async def test_a_hit_that_comes_again_is_acknowledged_and_stored_once(
    database_url: str, settings: MakeSettings, geo: Geo
) -> None:
    """Planted fault: without the unique index on hit_id there are four rows."""
    async with real_writer(database_url, settings, geo) as writer:
        await asyncio.gather(*(writer.write([a_hit(7)], CLIENT) for _ in range(3)))
        await writer.write([a_hit(7, title="another")], CLIENT)
        rows = await stored(database_url, settings, "visits")
    assert [row[3] for row in rows] == ["Home"]


async def test_a_row_that_the_database_refuses_spoils_no_other(
    database_url: str, settings: MakeSettings, geo: Geo
) -> None:
    async with real_writer(database_url, settings, geo) as writer:
        bad = a_hit(4, encoding="x" * 40) if "mysql" in database_url else a_hit(4, title=object())
        outcomes = await asyncio.gather(
            writer.write([a_hit(1)], CLIENT),
            writer.write([a_hit(2), bad], CLIENT),
            writer.write([a_hit(3)], CLIENT),
            return_exceptions=True,
        )
        rows = await stored(database_url, settings, "visits")
    assert outcomes[0] is None
    assert outcomes[2] is None
    assert isinstance(outcomes[1], InvalidHit)
    assert [bytes(row[0]) for row in rows] == [(1).to_bytes(16), (3).to_bytes(16)]


async def test_what_waits_goes_into_one_commit(geo: Geo) -> None:
    store = Slow()
    async with open_writer(geo, store, Metrics()) as writer:
        first = asyncio.create_task(writer.write([a_hit(0)], CLIENT))
        await until(lambda: store.batches)
        others = [asyncio.create_task(writer.write([a_hit(number)], CLIENT)) for number in range(1, 40)]
        await asyncio.sleep(0.01)
        assert store.batches == [1]
        assert not first.done()
        store.go.set()
        await asyncio.gather(first, *others)
    assert store.batches == [1, 39]


@pytest.mark.parametrize(("at_once", "batches"), [(1, [1]), (2, [1, 64])])
async def test_a_full_batch_goes_beside_another_one_where_the_store_takes_two(
    geo: Geo, at_once: int, batches: list[int]
) -> None:
    """Seen to fail where a store is given as many as come, where half a batch goes, and where none goes beside."""
    store = Slow(at_once)
    async with open_writer(geo, store, Metrics()) as writer:
        told: list[CrumbyError | None] = []
        writer.put([a_hit(0)], [CLIENT], told.append)
        await until(lambda: store.batches)
        for number in range(1, 200):
            writer.put([a_hit(number, cid=f"{number}")], [CLIENT], told.append)
            if number == 63:
                await asyncio.sleep(0.01)
                assert store.batches == [1]
        await asyncio.sleep(0.01)
        assert store.batches == batches
        store.go.set()
    assert told == [None] * 200


@pytest.mark.parametrize("same", ["cid", "id"])
async def test_who_has_a_hit_under_way_waits_for_it(geo: Geo, same: str) -> None:
    """Seen to fail on a batch of whatever waits, and where visitors alone are looked at, or hits alone."""
    store = Slow(at_once=2)
    first = a_hit(0, cid="0")
    second = a_hit(1, cid="0") if same == "cid" else a_hit(0, cid="1", kind="engagement")
    async with open_writer(geo, store, Metrics()) as writer:
        writer.put([first], [CLIENT], lambda _: None)
        await until(lambda: store.batches)
        for hit in (second, *(a_hit(number, cid=f"{number}") for number in range(2, 66))):
            writer.put([hit], [CLIENT], lambda _: None)
        await until(lambda: len(store.batches) == 2)
        assert store.last == [number.to_bytes(16) for number in range(2, 66)]
        store.go.set()
    assert store.batches == [1, 64, 1]
    assert store.last == [second.id]


async def test_a_flood_of_one_visitor_is_looked_through_in_part(geo: Geo) -> None:
    """Seen to fail where the whole queue is, with each round of the loop."""
    store = Slow(at_once=2)
    async with open_writer(geo, store, Metrics()) as writer:
        writer.put([a_hit(0, cid="A")], [CLIENT], lambda _: None)
        await until(lambda: store.batches)
        for number in range(1, 1000):
            writer.put([a_hit(number, cid="A" if number < 900 else f"{number}")], [CLIENT], lambda _: None)
        await asyncio.sleep(0.01)
        assert store.batches == [1]
        store.go.set()
    assert sum(store.batches) == 1000


@pytest.mark.parametrize("database_url", ["mariadb", "postgres"], indirect=True)
async def test_visitors_who_come_in_a_crowd_have_each_hit_in_its_place(
    database_url: str, settings: MakeSettings, geo: Geo
) -> None:
    """Seen to fail where two transactions meet a visitor: it begins two sessions, or a batch is begun again."""
    at = datetime(2026, 11, 22, 12)  # noqa: DTZ001
    async with real_writer(database_url, settings, geo) as writer:
        hits = [
            a_hit(number, cid=f"{number % 150}", datetime=at + timedelta(seconds=number)) for number in range(1, 901)
        ]
        await asyncio.gather(*(writer.write([hit], CLIENT) for hit in hits))
        async with (
            open_database(settings(sqlalchemy_database_uri=database_url)) as database,
            database.engine.connect() as connection,
        ):
            rows = await connection.exec_driver_sql("select cid, seq from visits order by cid, datetime")
            places: dict[str, list[int]] = {}
            for row in rows:
                places.setdefault(row.cid, []).append(row.seq)
    assert places == {f"{number}": [1, 2, 3, 4, 5, 6] for number in range(150)}


async def test_nobody_is_answered_before_the_commit(geo: Geo) -> None:
    """Planted fault: setting the result before `insert` returns."""
    store = Slow()
    async with open_writer(geo, store, Metrics()) as writer:
        waiting = asyncio.create_task(writer.write([a_hit(1)], CLIENT))
        await until(lambda: store.batches)
        assert store.batches == [1]
        assert not waiting.done()
        store.go.set()
        await waiting


async def test_a_client_that_leaves_cancels_no_commit(database_url: str, settings: MakeSettings, geo: Geo) -> None:
    async with real_writer(database_url, settings, geo) as writer:
        left = asyncio.create_task(writer.write([a_hit(1)], CLIENT))
        await asyncio.sleep(0)
        left.cancel()
        await writer.write([a_hit(2)], CLIENT)
        assert len(await stored(database_url, settings, "visits")) == 2


async def test_a_stop_commits_what_waits(sqlite_url: str, settings: MakeSettings, geo: Geo) -> None:
    async with real_writer(sqlite_url, settings, geo) as writer:
        waiting = [asyncio.create_task(writer.write([a_hit(number)], CLIENT)) for number in range(200)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert len(await stored(sqlite_url, settings, "visits")) == 200


async def test_a_full_queue_is_told_at_once(geo: Geo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "WAITING", 3)
    store = Slow()
    async with open_writer(geo, store, Metrics()) as writer:
        waiting = [asyncio.create_task(writer.write([a_hit(number)], CLIENT)) for number in range(5)]
        await until(lambda: sum(task.done() for task in waiting) >= 2)
        done = [task for task in waiting if task.done()]
        assert [type(task.exception()) for task in done] == [Overloaded] * 2
        store.go.set()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_an_answer_that_cannot_be_given_takes_none_from_the_others(geo: Geo) -> None:
    """Seen to fail on a writer that ends with the first answer that fails."""
    store = Slow()
    store.go.set()

    def stumble(_error: CrumbyError | None) -> None:
        raise RuntimeError("the connection is in no state to be written to")

    async with open_writer(geo, store, Metrics()) as writer:
        writer.put([a_hit(1)], [CLIENT], stumble)
        await writer.write([a_hit(2)], CLIENT)
        await writer.write([a_hit(3)], CLIENT)
    assert store.batches == [2, 1]


@pytest.mark.parametrize("error", [DatabaseUnavailable("gone"), RuntimeError("never thought of")])
async def test_a_batch_that_fails_tells_each_and_the_writer_goes_on(geo: Geo, error: Exception) -> None:
    store = Failing(error, None)
    async with open_writer(geo, store, Metrics()) as writer:
        with pytest.raises(DatabaseUnavailable):
            await writer.write([a_hit(1)], CLIENT)
        await writer.write([a_hit(1)], CLIENT)
    assert store.batches == [1, 1]


async def test_after_a_refused_row_each_request_is_tried_alone(geo: Geo) -> None:
    store = Picky(bad=a_hit(2).id)
    async with open_writer(geo, store, Metrics()) as writer:
        tasks = [asyncio.create_task(writer.write([a_hit(number)], CLIENT)) for number in range(4)]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), InvalidHit, type(None)]
    assert store.batches == [4, 1, 1, 1, 1]


async def test_a_locked_sqlite_is_an_outage_not_a_loss(
    sqlite_url: str, settings: MakeSettings, geo: Geo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crumby.ingest.store.PRAGMAS", ("busy_timeout = 50",))
    async with real_writer(sqlite_url, settings, geo) as writer:
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("begin immediate")
        with pytest.raises(DatabaseUnavailable, match="locked"):
            await writer.write([a_hit(1)], CLIENT)
        other.execute("rollback")
        other.close()
        await writer.write([a_hit(1)], CLIENT)
        assert len(await stored(sqlite_url, settings, "visits")) == 1


async def test_a_file_that_is_damaged_has_its_hits_sent_again(tmp_path: Path) -> None:
    """Seen to fail on a store that takes every other error of SQLite's for the row's, and has the hit given up."""
    path = tmp_path / "crumby.db"
    path.write_bytes(b"this was a database once" * 1000)
    store = SqliteStore(path)
    with pytest.raises(DatabaseUnavailable, match=r"crumby\.db: file is not a database"):
        await store.insert([], [])
    await store.close()


async def test_the_collector_of_cycles_rests_while_there_is_a_writer_and_no_longer(tmp_path: Path) -> None:
    """Seen to fail on Python's own threshold, and on one that stays."""
    before = gc.get_threshold()
    async with open_writer(Geo(tmp_path / "none.mmdb"), Slow(), Metrics()):
        assert gc.get_threshold() == (writer_module.OBJECTS, *before[1:])
    assert gc.get_threshold() == before
