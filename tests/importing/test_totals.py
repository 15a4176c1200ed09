"""Totals are a ledger of differences: what is stored already adds nothing, and what is more adds the rest."""

import asyncio
from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import insert, select

from crumby.database import Database
from crumby.importing import totals
from crumby.importing.item import Total
from crumby.importing.totals import Added, add
from crumby.tables import imports, pruned, visits
from crumby.tables import totals as ledger
from tests.importing.conftest import Take, view

ORIGIN = "plausible example.com"
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def day(number: int, views: int = 12, page: str = "/a", **more: Any) -> Total:
    return Total("pages", number, 1, (page,), {"views": views, **more})


async def held(database: Database, **columns: Any) -> dict[tuple[Any, ...], Counter[str]]:
    """What the rows add up to, by origin, rollup, days and keys."""
    found: dict[tuple[Any, ...], Counter[str]] = {}
    async with database.engine.connect() as connection:
        for row in await connection.execute(select(ledger)):
            known = found.setdefault((row.origin, row.rollup, row.day, row.prev_day, row.keys), Counter())
            known.update(msgspec.json.decode(row.sums))
    return found


async def came(database: Database, *when: datetime, site: str = "example.com") -> None:
    rows = [{"datetime": at, "site": site, "hit_id": f"{site} {at:%y%m%d%H%M}".encode()[:16].ljust(16)} for at in when]
    async with database.engine.begin() as connection:
        await connection.execute(insert(visits), rows)


async def test_a_second_run_adds_nothing(database: Database) -> None:
    """Seen to fail where nothing is looked up, and where another day's are not told apart."""
    given = [day(20240530), day(20240531, page="/é😀"), day(20240531, 3, page="/" + "p" * 600, entries=2)]
    assert await add(database, ORIGIN, given) == Added(3)
    assert await add(database, ORIGIN, given) == Added(0)
    assert await add(database, "plausible other.example", given) == Added(3)
    assert len(await held(database)) == 6


async def test_a_day_that_has_more_now_or_less_is_put_right(database: Database) -> None:
    """Seen to fail where the new sums are added as they are, and where a sum that is gone stays."""
    await add(database, ORIGIN, [day(20240531, 12, entries=5), day(20240531, 4, page="/b")])
    assert (await add(database, ORIGIN, [day(20240531, 15), day(20240531, 1, page="/b")])).rows == 2
    assert (await add(database, ORIGIN, [day(20240531, 15), day(20240531, 1, page="/b")])).rows == 0
    assert {key[-1]: +sums for key, sums in (await held(database)).items()} == {
        '["/a"]': Counter(views=15),
        '["/b"]': Counter(views=1),
    }


async def test_two_imports_at_once_add_it_once(database: Database) -> None:
    """Seen to fail where nobody is locked out."""
    for turn in range(6):  # in the first one some are still connecting
        given = [day(20240501 + number % 28, number, page=f"/{turn}/{number}") for number in range(20)]
        await asyncio.gather(*(add(database, ORIGIN, given) for _ in range(4)))
    async with database.engine.connect() as connection:
        assert len(list(await connection.execute(select(ledger.c.id)))) == 6 * 19  # of 0 nothing is written


@SQLITE
async def test_a_failure_adds_nothing_of_the_call(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to fail where each rollup is committed by itself."""
    monkeypatch.setattr(totals, "insert", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await add(database, ORIGIN, [day(20240531)])
    monkeypatch.undo()
    assert await held(database) == {}
    assert (await add(database, ORIGIN, [day(20240531)], dry=True)).rows == 1
    assert await held(database) == {}
    assert (await add(database, ORIGIN, [day(20240531)])).rows == 1


async def test_days_that_crumby_counts_by_itself_are_left_out(database: Database) -> None:
    """Of the site that the origin names. Seen to fail where another site's visits count, and where the first day is
    taken in.
    """
    await came(database, datetime(2024, 1, 5), site="other.example")  # noqa: DTZ001 - UTC
    await came(database, datetime(2024, 5, 30, 23, 30), datetime(2024, 6, 2))  # noqa: DTZ001 - UTC
    days = [day(20240104), day(20240529), day(20240530), day(20240531)]
    left = Counter({"Crumby counts by itself since 2024-05-30": 2})
    assert await add(database, "plausible www.example.com", days) == Added(2, left)
    berlin = Counter({"Crumby counts by itself since 2024-05-31": 1})
    assert await add(database, ORIGIN, days, zone=ZoneInfo("Europe/Berlin")) == Added(3, berlin)
    assert await add(database, "goatcounter", days) == Added(
        1, Counter({"Crumby counts by itself since 2024-01-05": 3})
    )
    assert await add(database, "crumby example.com", days) == Added(4)


async def test_visits_that_were_pruned_were_there(database: Database) -> None:
    """Seen to fail where only visits that are stored are looked at."""
    await came(database, datetime(2025, 1, 1))  # noqa: DTZ001 - UTC
    row = {"mark": "m", "horizon": 1735000000, "done": 0, "since": 1717113600, "worker": "", "turn": 0}  # 31 May 2024
    async with database.engine.begin() as connection:
        await connection.execute(insert(pruned), [row])
    left = Counter({"Crumby counts by itself since 2024-05-31": 1})
    assert await add(database, ORIGIN, [day(20240530), day(20240531)]) == Added(1, left)


@SQLITE
async def test_visits_that_were_imported_leave_nothing_out(database: Database, take: Take) -> None:
    """But for those of before and after them. Seen to fail where imports are not looked at."""
    await take([view(0), view(10, "/b")])  # on 1 March 2026
    async with database.engine.connect() as connection:
        assert (await connection.execute(select(imports.c.visits))).scalar() == 2
    assert await add(database, "told example.com", [day(20260228), day(20260302)]) == Added(2)
    await came(database, datetime(2026, 3, 5))  # noqa: DTZ001 - UTC
    left = Counter({"Crumby counts by itself since 2026-03-05": 1})
    assert await add(database, "told example.com", [day(20260304), day(20260305)]) == Added(1, left)


@SQLITE
async def test_the_importer_stores_totals_and_tells_of_those_that_it_left_out(database: Database, take: Take) -> None:
    outcome = await take([day(20240530), day(20240531), day(20240230), day(20240531, 1 << 60, page="/b")])
    assert outcome.totals == 2
    assert outcome.skipped == Counter({totals.NO_DAY: 1, totals.TOO_MUCH: 1})


@SQLITE
async def test_no_text_can_break_a_row(database: Database) -> None:
    """Seen to fail where keys are stored as they come."""
    wild = Total("pages", 20240531, 1, ("\0a\ud800 ",), {"views": 1})
    assert (await add(database, "o" * 300, [wild, msgspec.structs.replace(wild, origin="whose\0")])).rows == 2
    assert {(key[0], key[-1]) for key in await held(database)} == {("o" * 100, '["a"]'), ("whose", '["a"]')}
