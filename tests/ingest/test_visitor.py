"""The names of visitors who bring none, and the salts that they are made with."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, select

from crumby.app import create_app
from crumby.database import Database, open_database
from crumby.ingest import visitor
from crumby.ingest.client import Client
from crumby.ingest.hit import Hit
from crumby.ingest.visitor import Salts, Visitors, open_visitors
from crumby.migrations import migrate
from crumby.tables import salts
from tests.conftest import MakeSettings
from tests.servers import alive, free_port

ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NOON = datetime(2026, 11, 22, 12)  # noqa: DTZ001
TODAY = NOON.date()
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
CLIENT = Client("81.2.69.160", "Firefox", None, None)


class Clock:
    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def database(database_url: str, settings: MakeSettings) -> AsyncIterator[Database]:
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as opened:
        await migrate(opened.engine)
        yield opened


async def kept(database: Database) -> dict[str, bytes]:
    async with database.engine.connect() as connection:
        return {row.day: bytes(row.salt) for row in await connection.execute(select(salts))}


async def test_all_workers_have_the_same_salt(database: Database) -> None:
    """Seen to fail where each keeps the one that it made."""
    workers = [Salts(database.engine, Clock()) for _ in range(5)]
    assert all(await asyncio.gather(*(worker.look() for worker in workers)))
    assert {worker.of(TODAY) for worker in workers} == set((await kept(database)).values())
    assert len(await kept(database)) == 1


async def test_a_salt_is_there_before_its_day_and_gone_within_two(database: Database) -> None:
    """Seen to fail where a day's salt is made by its first hit, where none is deleted, and where one lives 49 hours."""
    clock = Clock(NOON.replace(hour=22, minute=59))
    worker = Salts(database.engine, clock)
    await worker.look()
    assert list(await kept(database)) == ["2026-11-22"]
    today = worker.of(TODAY)
    clock.now += MINUTE
    await worker.look()
    assert sorted(await kept(database)) == ["2026-11-22", "2026-11-23"]
    assert worker.of(TODAY + DAY) == (await kept(database))["2026-11-23"]
    clock.now += DAY - 6 * MINUTE
    await worker.look()
    assert sorted(await kept(database)) == ["2026-11-22", "2026-11-23"]
    assert worker.of(TODAY) == today, "a hit that waited in a browser is of its own day"
    clock.now += MINUTE  # the last look before it would be 48 hours old
    await worker.look()
    assert list(await kept(database)) == ["2026-11-23"]
    assert worker.of(TODAY) != today
    clock.now += 5 * MINUTE
    await worker.look()
    assert sorted(await kept(database)) == ["2026-11-23", "2026-11-24"]


async def test_what_another_time_left_goes_at_the_start(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(insert(salts).values(day="2026-11-20", salt=bytes(32)))
    async with open_visitors(database.engine, Clock()):
        assert list(await kept(database)) == ["2026-11-22"]


@ONLY_SQLITE
async def test_a_salt_that_is_deleted_is_not_left_in_the_file(database: Database, sqlite_url: str) -> None:
    """Seen to fail where SQLite is left to its own habit, in builds that have it so."""
    clock = Clock()
    worker = Salts(database.engine, clock)
    await worker.look()
    (salt,) = (await kept(database)).values()
    clock.now += 3 * DAY
    await worker.look()
    await database.engine.dispose()
    path = sqlite_url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    with open(path, "rb") as file:  # noqa: ASYNC230, PTH123
        assert salt not in file.read()


class Away:
    """An engine whose server is not there, until it is."""

    def __init__(self, engine: object) -> None:
        self._engine = engine
        self.dialect = engine.dialect  # type: ignore[attr-defined]
        self.is_away = True

    def connect(self) -> object:
        if self.is_away:
            raise ConnectionRefusedError("nobody is there")
        return self._engine.connect()  # type: ignore[attr-defined]


async def test_without_the_database_a_day_has_a_salt_of_this_process_and_keeps_it(database: Database) -> None:
    """It becomes everybody's where nobody was first. Seen to fail where the database's return brings another one."""
    engine = Away(database.engine)
    worker = Salts(engine, Clock())  # type: ignore[arg-type]
    assert not await worker.look()
    own = worker.of(TODAY)
    assert own == worker.of(TODAY)
    engine.is_away = False
    assert await worker.look()
    assert worker.of(TODAY) == own == (await kept(database))["2026-11-22"]


async def test_a_salt_of_this_process_is_kept_though_another_worker_was_first(database: Database) -> None:
    """Or its visitors would be new ones in the middle of the day. Seen to fail where the table's takes its place."""
    engine = Away(database.engine)
    worker = Salts(engine, Clock())  # type: ignore[arg-type]
    own = worker.of(TODAY)
    await Salts(database.engine, Clock()).look()
    engine.is_away = False
    await worker.look()
    assert worker.of(TODAY) == own != (await kept(database))["2026-11-22"]


@ONLY_SQLITE
async def test_a_server_that_says_nothing_keeps_no_hit_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor, "PATIENCE_S", 0.05)
    monkeypatch.setattr(visitor, "_read", lambda _connection: asyncio.sleep(60))
    worker = Salts(database.engine, Clock())
    assert not await worker.look()
    assert worker.of(TODAY)


async def test_a_hit_of_nobody_goes_through_without_the_database(settings: MakeSettings, tmp_path: Path) -> None:
    """Into the spool, by a name that stays. Seen to fail where the salt is waited for."""
    app = create_app(settings(sqlalchemy_database_uri=f"postgresql://nobody@127.0.0.1:{free_port()}/none"))
    async with alive(app) as running:
        transport = httpx.ASGITransport(running.app, client=("81.2.69.160", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as http:
            for number in range(2):
                hit = {"id": f"{number:032x}", "t": "visit", "dl": f"https://a.example/{number}"}
                assert (await http.post("/hit", json=hit)).status_code == 204
    with contextlib.closing(sqlite3.connect(tmp_path / "spool.db")) as spool:
        cids = [json.loads(row)["cid"] for (row,) in spool.execute("select row from hits")]
    assert len(cids) == 2
    assert len(set(cids)) == 1


class Given(Salts):
    """Salts without a table."""

    def __init__(self, now: datetime) -> None:
        super().__init__(None, Clock(now))  # type: ignore[arg-type]


def seen(at: datetime, uri: str = "https://example.com/") -> Hit:
    return Hit("visit", bytes(16), "", at, uri, None)


def test_a_visitor_has_one_name_a_day_and_site() -> None:
    """Seen to fail without each of its parts: salt, site, address, agent."""
    visitors = Visitors(Given(NOON))
    name = visitors.name(seen(NOON), CLIENT)
    assert len(name) == 32
    assert int(name, 16)
    assert visitors.name(seen(NOON + 300 * MINUTE, "https://www.EXAMPLE.com:8443/b"), CLIENT) == name
    others = [
        visitors.name(seen(NOON + DAY), CLIENT),
        visitors.name(seen(NOON - DAY), CLIENT),
        visitors.name(seen(NOON, "https://b.example/"), CLIENT),
        visitors.name(seen(NOON), Client("81.2.69.161", "Firefox", None, None)),
        visitors.name(seen(NOON), Client("81.2.69.160", "Chrome", None, None)),
        visitors.name(seen(NOON), Client(None, None, None, None)),
        Visitors(Given(NOON)).name(seen(NOON), CLIENT),
    ]
    assert len({name, *others}) == 8


def test_parts_do_not_run_together() -> None:
    visitors = Visitors(Given(NOON))
    assert visitors.name(seen(NOON), Client("1.1.1.1", "1", None, None)) != visitors.name(
        seen(NOON), Client("1.1.1.11", "", None, None)
    )


def test_a_day_long_ago_has_names_as_well() -> None:
    """That a sender with a token tells of; the same for as long as its salt would live. Seen to fail at random ones."""
    given = Given(NOON)
    long_ago = date(2026, 3, 1)
    assert given.of(long_ago) == given.of(long_ago) != given.of(TODAY)
    assert given.of(long_ago) not in given._known.values()
    assert Given(NOON).of(long_ago) != given.of(long_ago)


MIDNIGHT = datetime(2026, 11, 23)  # noqa: DTZ001


def names(*minutes: float) -> list[str]:
    """At so many minutes after midnight."""
    visitors = Visitors(Given(MIDNIGHT))
    return [visitors.name(seen(MIDNIGHT + minute * MINUTE), CLIENT) for minute in minutes]


@pytest.mark.parametrize(
    ("minutes", "is_one"),
    [
        ((-10, 5), True),
        ((-10, 15, 29.9), True),
        ((-10, 20), True),
        ((-10, 20.1), False),
        ((-29, 2), False),
        ((-31, -1, 1), True),
        ((-40, 1), False),
        ((-10, 15, 29.9, 30), False),
    ],
)
def test_a_visit_goes_on_over_midnight(minutes: tuple[float, ...], is_one: bool) -> None:  # noqa: FBT001
    """For as long as a session does, and half an hour at the most. Seen to fail without either bound."""
    first, *_, last = names(*minutes)
    assert (first == last) == is_one


def test_who_was_seen_under_the_new_name_keeps_that() -> None:
    old, new, newer = names(-40, 1, 5)
    assert old != new == newer


def test_what_is_remembered_of_a_midnight_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to fail on a memory without a bound."""
    monkeypatch.setattr(visitor, "REMEMBERED", 3)
    visitors = Visitors(Given(MIDNIGHT))
    for number in range(9):
        visitors.name(seen(MIDNIGHT - MINUTE, f"https://{number}.example/"), CLIENT)
    assert len(visitors._late) == 3
    visitors.name(seen(MIDNIGHT + 90 * MINUTE), CLIENT)
    assert not visitors._late


def test_who_brings_a_name_keeps_it() -> None:
    visitors = Visitors(Given(NOON))
    hits = [seen(NOON), Hit("visit", bytes(16), "42", NOON, "https://example.com/", None)]
    first, second = visitors.named(hits, [CLIENT])
    assert (len(first.cid), second) == (32, hits[1])
    others = visitors.named([seen(NOON), seen(NOON)], [CLIENT, Client("81.2.69.161", "Firefox", None, None)])
    assert others[0].cid == first.cid != others[1].cid
