"""Hits that were there before sessions were: the migration places them as if they came anew."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from crumby.database import open_database
from crumby.dimensions.session import session_id
from crumby.ingest.client import Client
from crumby.ingest.enrich import visit
from crumby.ingest.geo import NOWHERE
from crumby.ingest.hit import Hit
from crumby.ingest.store import ServerStore, SqliteStore
from crumby.migrations import backfill, migrate
from crumby.tables import events, visitors, visits
from tests.conftest import MakeSettings
from tests.legacy import crumby071
from tests.test_migrations import become_0_7_1

NOON = datetime(2017, 8, 20, 12, 0, 0)  # noqa: DTZ001 - UTC throughout
TAGGED = "https://www.Example.com/in?utm_source=fb&utm_medium=cpc&utm_campaign=spring"
OF_A_VISIT = ("id", "site", "page", "session", "seq", "gap", "entry", "source", "channel", "utm_campaign", "device")

Rows = list[dict[str, Any]]


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def a_visit(number: int, cid: str | None, moment: datetime | None, uri: str | None, **others: str) -> dict[str, Any]:
    return {"id": number, "cid": cid, "datetime": moment, "doc_uri": uri, **others}


# Ids are not in the order of time, and two visitors are there at once.
VISITS: Rows = [
    a_visit(11, "71", at(20), "https://example.com/b#/route", platform="windows"),
    a_visit(12, "71", at(0), TAGGED, referrer="https://www.google.com/", platform="iphone"),
    a_visit(13, "72", at(1), "https://example.com/a", referrer="https://duckduckgo.com/"),
    a_visit(14, "71", at(65), "https://example.com/c", platform="windows"),
    a_visit(15, "71", at(96), "https://example.com/d", referrer="https://news.example/x"),
    a_visit(16, "null", at(5), "https://example.com/n", referrer="https://duckduckgo.com/"),
    a_visit(17, None, at(6), "https://example.com/a", platform="linux"),
    a_visit(18, "72", None, "about:blank"),
    a_visit(19, "what? no", at(7), None),
]
EVENTS: Rows = [
    {"id": 11, "cid": "71", "datetime": at(40), "doc_uri": "https://example.com/b", "name": "bite"},
    {"id": 12, "cid": "73", "datetime": at(2), "doc_uri": None, "name": "bite"},
]
FIRST, SECOND = session_id("71", at(0)), session_id("71", at(96))
OTHER, EVENTFUL = session_id("72", at(1)), session_id("73", at(2))
FACEBOOK = ("/in", "Facebook", "Paid Social", "spring")
DUCK = ("DuckDuckGo", "Organic Search", None)
PLACED = [
    (11, "example.com", "/b#/route", FIRST, 2, 20 * 60, *FACEBOOK, "desktop"),
    (12, "example.com", "/in", FIRST, 1, 0, *FACEBOOK, "mobile"),
    (13, "example.com", "/a", OTHER, 1, 0, "/a", *DUCK, None),
    (14, "example.com", "/c", FIRST, 3, 45 * 60, *FACEBOOK, "desktop"),  # for an event came in between
    (15, "example.com", "/d", SECOND, 1, 0, "/d", "news.example", "Referral", None, None),
    (16, "example.com", "/n", None, None, None, None, *DUCK, None),
    (17, "example.com", "/a", *[None] * 5, "Direct", None, "desktop"),
    (18, *[None] * 7, "Direct", None, None),
    (19, *[None] * 7, "Direct", None, None),
]
WHO = [
    ("71", at(0), at(96), at(96), at(96), SECOND, 1, "/d"),
    ("72", at(1), at(1), at(1), at(1), OTHER, 1, "/a"),
    ("73", None, at(2), at(2), None, EVENTFUL, 0, None),
]


@pytest.fixture
async def engine(database_url: str, settings: MakeSettings) -> AsyncIterator[AsyncEngine]:
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as database:
        yield database.engine


async def become_older(engine: AsyncEngine) -> None:
    await become_0_7_1(engine)
    async with engine.begin() as connection:
        await connection.execute(insert(visits), [with_all(row, VISITS) for row in VISITS])
        await connection.execute(insert(events), [with_all(row, EVENTS) for row in EVENTS])
        if engine.dialect.name == "postgresql":  # its ids come from elsewhere
            await connection.execute(text("select setval('visits_id_seq', 100)"))


def with_all(row: dict[str, Any], rows: Rows) -> dict[str, Any]:
    return {name: None for each in rows for name in each} | row


async def read(engine: AsyncEngine, table: Table, *names: str) -> list[tuple[Any, ...]]:
    """What is ours, without the rows of `test_migrations.py`."""
    ours = visitors.c.cid.in_(["71", "72", "73"]) if table is visitors else table.c.id > 10
    columns = (table.c[name] for name in names or table.c.keys())
    async with engine.connect() as connection:
        return [
            tuple(row) for row in await connection.execute(select(*columns).where(ours).order_by(*table.primary_key))
        ]


@pytest.mark.parametrize("part", [1, 2, 3, 2000])
async def test_older_hits_are_placed_as_if_they_came_anew(
    part: int, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of them are read at a time.

    Seen to fail on hits that are read by their ids, on parts that end before their last instant, and on a visitor's
    session that is forgotten with its part.
    """
    monkeypatch.setattr(backfill, "PART", part)
    await become_older(engine)
    await migrate(engine)
    assert await read(engine, visits, *OF_A_VISIT) == PLACED
    assert await read(engine, events, "site", "page", "session") == [
        ("example.com", "/b", FIRST),
        (None, None, EVENTFUL),
    ]
    assert [row[:8] for row in await read(engine, visitors)] == WHO


async def test_a_session_goes_on_after_the_migration(engine: AsyncEngine) -> None:
    await become_older(engine)
    await migrate(engine)
    name = engine.url.database or ""
    store = SqliteStore(Path(name)) if engine.dialect.name == "sqlite" else ServerStore(engine)
    hit = Hit("visit", bytes(16), "72", at(31), "https://example.com/later", None)
    await store.insert([visit(hit, Client("81.2.69.160", None, None, None), NOWHERE)], [])
    if isinstance(store, SqliteStore):
        await store.close()
    *_, newest = await read(engine, visits, *OF_A_VISIT)
    assert newest[1:10] == ("example.com", "/later", OTHER, 2, 30 * 60, "/a", *DUCK)


async def test_a_migration_that_is_done_again_gives_the_same(engine: AsyncEngine) -> None:
    """Seen to fail on visitors who are kept from the time before."""
    await become_older(engine)
    await migrate(engine)
    before = [await read(engine, table) for table in (visits, events, visitors)]
    await fill_again(engine)
    assert [await read(engine, table) for table in (visits, events, visitors)] == before


async def test_a_long_migration_tells_how_far_it_is(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backfill, "PART", 2)
    await become_older(engine)
    await migrate(engine)
    assert caplog.messages == []  # a short one does not
    monkeypatch.setattr(backfill, "TOLD_S", 0)
    await fill_again(engine)
    assert caplog.messages[-1] == "older hits are placed in their sessions: 15 of 15"


async def fill_again(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.run_sync(backfill.fill)
        await connection.commit()


STRANGE = (
    "x'ff00'",
    "cast(x'c328ff' as text)",  # no UTF-8
    "17",
    "'2017-13-45 99:00:00'",
    "'0001-01-01 00:00:00.000000'",
    "'9999-12-31T23:59:59.999999+14:00'",
    "''",
    "cast(x'00' as text)",
    "'http://[::1/%ff%zz?utm_source=%00&=&'",
    "1e300",
    "null",
)


def test_nothing_that_sqlite_may_hold_ends_a_migration(tmp_path: Path, settings: MakeSettings) -> None:
    """Every strange value in every column, beside sound ones. Seen to fail on times that are read as times."""
    path = tmp_path / "crumby.db"
    crumby071.build(path)
    names = ("cid", "datetime", "doc_uri", "referrer", "platform", "screen_res")
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        for name in names:
            for value in STRANGE:
                sound = {"cid": "'7'", "datetime": "'2017-08-20 12:00:00'", "doc_uri": "'https://a.example/'"}
                row = sound | {name: value}
                file.execute(f"insert into visits ({', '.join(row)}) values ({', '.join(row.values())})")
                if name in ("cid", "datetime", "doc_uri"):
                    file.execute(f"insert into events ({', '.join(row)}) values ({', '.join(row.values())})")
        before = file.execute("select count(*), sum(length(quote(cid) || quote(datetime))) from visits").fetchone()

    async def work() -> None:
        async with open_database(settings(sqlalchemy_database_uri=f"sqlite:///{path}")) as database:
            await migrate(database.engine)

    asyncio.run(work())
    with contextlib.closing(sqlite3.connect(path)) as file:
        after = file.execute("select count(*), sum(length(quote(cid) || quote(datetime))) from visits").fetchone()
        (sessions,) = file.execute("select count(session) from visits where cid = '7'").fetchone()
    assert after == before
    assert sessions > len(names) * len(STRANGE) / 2
