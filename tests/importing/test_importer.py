"""What a source yields becomes rows, as if it had come as hits: once, in their sessions, wherever it breaks off."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from crumby.database import Database
from crumby.dimensions.session import Visitor
from crumby.importing import importer
from crumby.importing.input import Input
from crumby.importing.item import Item, Person, Refused, Row, Skipped
from crumby.importing.ledger import Ledger, listed
from crumby.importing.source import ImportRefused, Wanted
from crumby.ingest import enrich
from crumby.ingest.geo import Place
from crumby.ingest.store import ServerStore, SqliteStore
from crumby.settings import Settings
from crumby.tables import strays, visits
from tests.conftest import MakeSettings
from tests.importing.conftest import T0, Take, act, now, rows, view

HISTORY = [
    view(0, "/"),
    view(3, "/bread"),
    view(4, "/", "bob"),
    act(5),
    view(20, "/bread", "bob"),
    view(40, "/cake", "bob"),
    view(60, "/"),
    act(61, "order"),
    view(65, "/cake", "bob"),
    view(70, "/about"),
]


async def stored_as_hits(database: Database, history: list[Any]) -> None:
    """Store what was found in the ordinary way, all of it at once."""
    places = {"81.2.69.160": Place(country="GB")}
    found = [
        (item, enrich.visit(item.hit, item.client, places["81.2.69.160"]) if item.hit.kind == "visit" else None)
        for item in history
    ]
    store = SqliteStore(database.sqlite_path) if database.sqlite_path else ServerStore(database.hits)
    await store.insert(
        [row for _, row in found if row], [enrich.event(item.hit, item.client) for item, row in found if not row]
    )
    if isinstance(store, SqliteStore):
        await store.close()


async def test_page_views_and_events_are_placed_in_sessions_and_geolocated(database: Database, take: Take) -> None:
    outcome = await take(HISTORY)
    found = await rows(database, "visits")
    assert [(row["cid"], row["page"], row["seq"]) for row in found] == [
        ("ann", "/", 1),
        ("ann", "/bread", 2),
        ("bob", "/", 1),
        ("bob", "/bread", 2),
        ("bob", "/cake", 3),
        ("ann", "/", 1),
        ("bob", "/cake", 4),
        ("ann", "/about", 2),
    ]
    assert {(row["city"], row["browser"], row["site"]) for row in found} == {("London", "safari", "example.com")}
    assert [row["session"] for row in await rows(database, "events")] == [found[0]["session"], found[5]["session"]]
    assert (outcome.visits, outcome.events, outcome.known) == (8, 2, 0)
    assert (outcome.entry.first, outcome.entry.last) == (T0, T0 + timedelta(minutes=70))


async def test_a_second_run_adds_nothing(database: Database, take: Take) -> None:
    """Also where it reads all of it again, as it does what is not in the order of time."""
    await take(HISTORY, ordered=False)
    before = await rows(database, "visits"), await rows(database, "events"), await rows(database, "visitors")
    outcome = await take(HISTORY, ordered=False)
    assert (outcome.visits, outcome.events, outcome.known) == (0, 0, 10)
    assert before == (await rows(database, "visits"), await rows(database, "events"), await rows(database, "visitors"))


@pytest.mark.parametrize("breaks", [1, 4, 6, 9])
async def test_what_broke_off_goes_on_where_it_was_left(
    database: Database, take: Take, breaks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "PORTION", 2)
    with pytest.raises(ImportRefused, match=f"item {breaks}"):
        await take(HISTORY, breaks=breaks)
    outcome = await take(HISTORY)
    assert outcome.resumed == breaks // 2 * 2  # whole portions
    assert len(await rows(database, "visits")) == 8
    whole = [row["session"] for row in await rows(database, "visits")]
    assert [row["seq"] for row in await rows(database, "visits")] == [1, 2, 1, 2, 3, 1, 4, 2]
    assert len(set(whole)) == 3
    (entry,) = await listed(database)
    assert (entry.done, entry.mark, entry.visits, entry.events) == (True, 10, 8, 2)


@pytest.mark.parametrize("breaks", [None, 5])
async def test_sessions_of_those_who_are_known_from_later_days_are_whole(
    database: Database, take: Take, breaks: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each portion of two rows would begin a session anew, and so would a run that goes on."""
    await stored_as_hits(database, [view(60 * 24 * 9, "/today"), view(60 * 24 * 9, "/today", "bob")])
    monkeypatch.setattr(importer, "PORTION", 2)
    if breaks:
        with pytest.raises(ImportRefused):
            await take(HISTORY, breaks=breaks)
    await take(HISTORY)
    found = [row for row in await rows(database, "visits") if row["page"] != "/today"]
    assert [row["seq"] for row in found] == [1, 2, 1, 2, 3, 1, 4, 2]
    assert {row["entry"] for row in found} == {"/"}
    assert len({row["session"] for row in found}) == 3
    async with database.engine.connect() as connection:
        assert sorted(await connection.scalars(select(strays.c.cid))) == ["ann", "bob"]


async def test_what_has_no_order_is_sorted(database: Database, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "PORTION", 2)
    await take(list(reversed(HISTORY)), ordered=False)
    assert [row["seq"] for row in await rows(database, "visits")] == [1, 2, 1, 2, 3, 1, 4, 2]


async def test_what_a_source_knows_better_is_stored_cut_to_its_column(database: Database, take: Take) -> None:
    await take([view(0, country="SE", city=None, browser="b" * 40, engaged=7, doc_enc="utf\0-8")])
    (row,) = await rows(database, "visits")
    assert (row["country"], row["city"], row["browser"], row["engaged"]) == ("SE", None, "b" * 25, 7)
    assert row["doc_enc"] == "utf -8"


async def test_a_row_that_the_database_refuses_costs_no_other(database: Database, take: Take) -> None:
    outcome = await take([*HISTORY[:4], view(30, "/odd", accuracy_radius=1 << 80), *HISTORY[4:]])
    assert (outcome.visits, outcome.events) == (8, 2)
    assert outcome.skipped == {importer.REFUSED: 1}


async def test_what_lies_outside_of_the_wanted_days_is_left_out_and_counted(database: Database, take: Take) -> None:
    items: list[Item] = [*HISTORY, Skipped("a crawler", "curl"), view(60 * 24 * 365 * 90), view(-60 * 24 * 365 * 30)]
    until = T0 + timedelta(minutes=60)
    outcome = await take(items, since=T0 + timedelta(minutes=4), until=until)
    assert outcome.skipped == {importer.BEFORE: 3, importer.AFTER: 5, "a crawler": 1}
    assert outcome.examples["a crawler"] == "curl"
    assert len(await rows(database, "visits")) == 3
    outcome = await take(items)
    assert outcome.skipped == {importer.AT_NO_TIME: 2, "a crawler": 1}


async def test_a_dry_run_stores_nothing_and_says_what_there_would_be(database: Database, take: Take) -> None:
    outcome = await take(HISTORY, dry=True)
    assert (outcome.visits, outcome.events, outcome.known) == (8, 2, 0)
    assert await rows(database, "visits") == await rows(database, "visitors") == []
    assert await listed(database) == []
    await take(HISTORY[:3])
    outcome = await take(HISTORY, dry=True, ordered=False)
    assert (outcome.visits, outcome.events, outcome.known) == (5, 2, 3)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_addresses_are_kept_as_the_installation_keeps_them(
    database: Database, take: Take, settings: MakeSettings, mmdb: Path
) -> None:
    masked = settings(ip_storage="masked", geoip2_database_name=str(mmdb))
    await take([view(0)], chosen=masked)
    (row,) = await rows(database, "visits")
    assert (row["ip"], row["city"], row["latitude"]) == ("81.2.69.0", "London", 51.5)


async def test_rows_of_another_crumby_are_stored_as_they_are(database: Database, take: Take) -> None:
    row = enrich.visit(view(0).hit, view(0).client, Place(country="SE"))
    whole = replace(row, session=77, seq=3, gap=12, entry="/first", prev=5, prevs="0" * 10, engaged=4)
    person = Visitor("ann", T0, T0, T0, T0, 77, 3, "/first", page="/", seen=b"\x01\x02")
    items = [Row(whole), Person(person), Refused("2026-03-01T12:15:00", "bot", 4)]
    outcome = await take(items, ordered=False)
    (visit,) = await rows(database, "visits")
    assert {name: visit[name] for name in ("session", "seq", "gap", "entry", "prev", "prevs", "engaged")} == {
        "session": 77, "seq": 3, "gap": 12, "entry": "/first", "prev": 5, "prevs": "0" * 10, "engaged": 4,
    }  # fmt: skip
    (visitor,) = await rows(database, "visitors")
    assert (visitor["seen"], visitor["session"], visitor["last"]) == (b"\x01\x02", 77, T0)
    (refused,) = await rows(database, "refusals")
    assert (refused["datetime"], refused["hits"]) == (datetime(2026, 3, 1, 12, 15), 4)  # noqa: DTZ001 - as it is there
    assert (outcome.visits, outcome.visitors) == (1, 1)
    outcome = await take([*items[:2], Refused("2026-03-01T12:15:00", "bot", 3)], ordered=False)
    assert (outcome.visits, outcome.visitors, outcome.known) == (0, 0, 1)
    assert [row["hits"] for row in await rows(database, "refusals")] == [4]
    assert await rows(database, "strays") == []


async def test_a_visitor_who_is_known_here_and_there_is_one(database: Database, take: Take) -> None:
    await stored_as_hits(database, [view(60 * 24, "/later")])
    there = Visitor("ann", T0, T0, T0, T0, 77, 1, "/", page="/", seen=b"\x01")
    await take([Person(there)])
    (visitor,) = await rows(database, "visitors")
    assert (visitor["first"], visitor["last"], visitor["page"]) == (T0, T0 + timedelta(days=1), "/later")
    assert await rows(database, "strays") == [{"cid": "ann"}]


async def test_the_ledger_tells_what_was_imported(database: Database, take: Take) -> None:
    await take([*HISTORY, Skipped("an asset", "/a.css")])
    (entry,) = await listed(database)
    assert (entry.name, entry.source, entry.done, entry.mark) == ("told.txt", "told", True, 11)
    assert entry.skipped == {"an asset": 1}
    assert abs(now() - entry.begun) < timedelta(minutes=10)
    async with database.engine.connect() as connection:
        assert len((await connection.execute(select(visits.c.id))).all()) == entry.visits


async def test_a_file_that_begins_like_another_is_another_but_for_a_log(
    database: Database, configured: Settings, tmp_path: Path
) -> None:
    """Dumps of two databases begin with the same tables, and a log that is longer than it was goes on."""
    wanted = Wanted(configured, ZoneInfo("UTC"))
    short, long = tmp_path / "short", tmp_path / "long"
    short.write_bytes(b"x" * 9000)
    long.write_bytes(b"x" * 9000 + b"more")
    for source, is_known in (("umami", False), ("access-log", True)):
        with Input(short) as first, Input(long) as second:
            ledger = Ledger(database, first, source, wanted)
            ledger.entry.mark = 7
            await ledger.write()
            assert (await Ledger(database, first, source, wanted).find()).mark == 7
            assert ((await Ledger(database, second, source, wanted).find()).mark == 7) is is_known
