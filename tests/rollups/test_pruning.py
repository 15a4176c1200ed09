"""Visits go for their age; what was counted of them stays, whatever is made anew afterwards."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import func, insert, select, text, update

from crumby import retention
from crumby.database import Database
from crumby.retention import keep_pruned
from crumby.rollups import Horizon, Prune, Rollups, Taken, pruning, settling
from crumby.rollups.files import RollupFolders
from crumby.settings import Settings
from crumby.tables import engagements, events, pruned, strays, visitors, visits
from tests.rollups.brute import NAMES
from tests.rollups.conftest import ZONE, finish
from tests.rollups.people import Stored
from tests.rollups.test_late import Killed, fuse, held, put_right

SOME = ("totals", "pages", "exits", "retention")
Prunes = Callable[[Rollups, Horizon], Awaitable[Prune]]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it take several pieces."""
    monkeypatch.setattr(pruning, "PART", 40)
    monkeypatch.setattr(pruning, "LOOKED_AT", 5)
    monkeypatch.setattr(settling, "SETTLING_S", 0.3)


async def prune(rollups: Rollups, horizon: Horizon) -> Prune:
    run = Prune(horizon)
    while await rollups.prune(run):
        pass
    return run


async def half(database: Database) -> Horizon:
    """A midnight with as many visits before it as behind it."""
    async with database.engine.connect() as connection:
        rows = list(await connection.scalars(select(visits.c.datetime).order_by(visits.c.datetime)))
    return Horizon(rows[len(rows) // 2].replace(tzinfo=UTC).astimezone(ZoneInfo(ZONE)).date(), ZONE)


async def older(database: Database, horizon: Horizon) -> list[int]:
    async with database.engine.connect() as connection:
        return [
            await connection.scalar(select(func.count()).select_from(table).where(table.c[column] < horizon.instant))
            or 0
            for table, column in ((visits, "datetime"), (events, "datetime"), (visitors, "last"))
        ]


async def anew(database: Database, rollups: Rollups) -> None:
    """Each is what it was when it is made anew."""
    names = NAMES if database.dialect == "sqlite" else SOME  # a server takes seconds to make so many tables
    before = await held(database, rollups)
    await rollups.forget(names)
    await finish(rollups)
    after = await held(database, rollups)
    for name in names:
        assert after[name] == before[name], name


async def test_totals_stay_when_their_visits_go(database: Database, stored: Stored, rollups: Rollups) -> None:
    """Visitors come again, rows come late and all is made anew. Planted: what was counted of them is taken out; the
    months are not made anew with the days; days before the horizon are counted again, and so a session's second view
    and its end; no visitor is forgotten; what was told of them stays.
    """
    await stored.come(120)
    await stored.tell(30)
    await finish(rollups)
    before, horizon = await held(database, rollups), await half(database)
    async with database.engine.connect() as connection:
        first = list(await connection.scalars(select(visits.c.datetime)))
    there = await rollups.older(horizon)
    done = await prune(rollups, horizon)
    assert there == {"visits": done.visits, "events": done.events, "visitors": done.visitors}
    assert all(there.values())
    assert await older(database, horizon) == [0, 0, 0]
    await finish(rollups)
    assert await held(database, rollups) == before
    await stored.come(40)
    await stored.tell(20)
    late, _ = stored.people.batch(3)
    at = horizon.instant - timedelta(hours=30)
    await stored.store([msgspec.structs.replace(row, datetime=at) for row in late], [])
    await finish(rollups)
    await put_right(rollups)
    await finish(rollups)
    assert (await older(database, horizon))[0] == len(late)
    await anew(database, rollups)
    assert (await prune(rollups, horizon)).visits == len(late)
    await anew(database, rollups)
    async with database.engine.connect() as connection:
        of_nothing = select(func.count()).where(engagements.c.visit_id.not_in(select(visits.c.id)))
        assert await connection.scalar(of_nothing.where(engagements.c.visit_id > 0)) == 0
        since = await connection.scalar(select(pruned.c.since))
    assert since == min(int(row.replace(tzinfo=UTC).timestamp()) for row in first)


@pytest.mark.parametrize("database_url", ["sqlite", "mariadb"], indirect=True)
async def test_a_prune_that_ends_between_any_two_steps_goes_on(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """And is made anew in between. Planted: rows go before the rollups know that they keep them."""
    await stored.come(60)
    await stored.tell(20)
    await finish(rollups)
    before, horizon = await held(database, rollups), await half(database)
    for writes in range(0, 14, 1 if database.dialect == "sqlite" else 4):
        with fuse(monkeypatch, writes), suppress(Killed):
            await prune(rollups, horizon)
        if writes % 5 == 1 and database.dialect == "sqlite":
            await rollups.forget(["totals", "exits"])
        await finish(rollups)
    await prune(rollups, horizon)
    await finish(rollups)
    assert await older(database, horizon) == [0, 0, 0]
    assert await held(database, rollups) == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_when_all_visits_have_gone_nothing_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """The last one is each rollup's witness. Planted: nobody tells that it went."""
    await stored.come(30)
    await finish(rollups)
    before = await held(database, rollups)
    monkeypatch.setattr("crumby.rollups.engine.kept.leave_the_rest", lambda *_: 1 / 0)
    await prune(rollups, Horizon(date(2026, 6, 1), ZONE))
    await finish(rollups)
    await rollups.purge()
    assert await held(database, rollups) == before
    await stored.come(5)
    await finish(rollups)
    there = (await held(database, rollups))["totals"][0]
    assert sum(sums[0] for sums in there.values()) == len(stored.people.hits)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_was_deleted_is_in_no_file(
    configured: Settings, database: Database, stored: Stored, rollups: Rollups, tmp_path: Path
) -> None:
    """Nor in the log. Planted: pages that are freed as they are; a log that goes on."""
    await stored.come(80)
    views, acts = stored.people.batch(30)
    word = "https://secret.example/%s"
    views = [msgspec.structs.replace(row, doc_uri=word % secrets.token_hex(200)) for row in views]
    old = [msgspec.structs.replace(row, datetime=row.datetime - timedelta(days=900)) for row in views]
    await stored.store(old, acts)
    await finish(rollups)
    assert contains(tmp_path, b"secret.example")
    await prune(rollups, Horizon(date(2025, 1, 1), ZONE))
    assert not contains(tmp_path, b"secret.example")


def contains(folder: Path, word: bytes) -> bool:
    return any(word in file.read_bytes() for file in folder.glob("crumby*.db*"))


async def first_days(database: Database, horizon: Horizon, name: str = "totals") -> list[tuple[Any, ...]]:
    async with database.reports.connect() as connection:
        asked = f"select * from rollup_{name}_day where day < {horizon.number} order by 1, 2"
        return [tuple(row) for row in await connection.execute(text(asked))]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_whatever_changes_the_days_before_the_horizon_stay(
    database: Database, stored: Stored, rollups: Rollups, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The zone, a file's statement, a file that is away for a while; not where a file asks for other columns, or where
    the database is another one. Planted: a zone that begins with empty tables; a file that is gone takes its own away;
    a shape that is the same for all; a mark that nobody compares.
    """
    await stored.come(80)
    await finish(rollups)
    horizon = await half(database)
    await prune(rollups, horizon)
    kept = await first_days(database, horizon)
    assert kept
    async with Rollups(database, "Pacific/Apia", RollupFolders(folder)) as elsewhere:
        await finish(elsewhere)
        assert await first_days(database, horizon) == kept
    await finish(rollups)
    assert await first_days(database, horizon) == kept
    file = folder / "rollups" / "totals.sql"
    said = file.read_text()
    for changed in ("-- sum: view", said.replace("from hits", "from hits where 1 = 1"), said):
        file.write_text(changed)
        await finish(rollups)
        assert await first_days(database, horizon) == kept
    caplog.clear()
    file.write_text(
        said.replace("views, sessions,", "views, told,").replace("(sessions) as sessions", "(told) as told")
    )
    await finish(rollups)
    assert await first_days(database, horizon) == []
    assert "what it had of the days before" in caplog.text
    assert await first_days(database, horizon, "hours")
    async with database.engine.begin() as connection:
        await connection.execute(update(visits).values(hit_id=None))
        await connection.execute(update(pruned).values(mark="another"))
    await finish(rollups)
    assert await first_days(database, horizon, "hours") == []


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
async def test_one_worker_does_it_once_a_day(
    monkeypatch: pytest.MonkeyPatch,
    database: Database,
    stored: Stored,
    rollups: Rollups,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Until it is late by two minutes. Planted: one that does not look whose turn it is; one that is never done; one
    whose turn has no end.
    """
    caplog.set_level(logging.INFO, "crumby.retention")
    monkeypatch.setattr(retention, "LOOK_S", 0.01)
    monkeypatch.setattr(retention, "BUSY_S", 0.01)
    monkeypatch.setattr(retention, "LEAST_S", 0)
    await stored.come(60)
    await finish(rollups)
    horizon = Horizon.of(1, ZONE)
    died = Prune(horizon, daily=True)
    assert await rollups.prune(died)
    with pytest.raises(Taken):
        await rollups.prune(Prune(horizon, daily=True))
    prepared = asyncio.Event()
    prepared.set()
    async with Rollups(database, ZONE, RollupFolders(folder)) as other:
        await finish(other)
        workers = [asyncio.create_task(keep_pruned(each, 1, prepared)) for each in (rollups, other)]
        await asyncio.sleep(0.3)
        assert sum(await older(database, horizon)) > 0
        async with database.engine.begin() as connection:
            await connection.execute(update(pruned).values(turn=0))
        async with asyncio.timeout(60):
            while "are deleted" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)
    assert await older(database, horizon) == [0, 0, 0]
    assert caplog.text.count("are deleted") == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_visits_that_a_rollup_has_not_counted_stay(
    database: Database, stored: Stored, rollups: Rollups, folder: Path
) -> None:
    """Planted: rows go whatever has been counted."""
    await stored.come(40)
    await finish(rollups)
    await stored.come(40)
    horizon = Horizon(date(2026, 6, 1), ZONE)
    done = await prune(rollups, horizon)
    assert (await older(database, horizon))[0] >= 40
    await finish(rollups)
    assert done.visits
    assert (await prune(rollups, horizon)).visits >= 40


@pytest.mark.parametrize(
    ("zone", "now", "first"),
    [
        ("UTC", "2026-03-10T12:00", "2026-02-08T00:00"),
        ("Europe/Berlin", "2026-03-31T23:00", "2026-03-01T23:00"),  # the first of April; the clocks have changed
        ("Pacific/Apia", "2026-03-10T12:00", "2026-02-08T11:00"),
    ],
)
def test_today_and_thirty_days_before_it_are_kept(zone: str, now: str, first: str) -> None:
    """Planted: a day of UTC; an hour that is always the same."""
    horizon = Horizon.of(30, zone, datetime.fromisoformat(f"{now}+00:00"))
    assert horizon.instant.isoformat(timespec="minutes") == first


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_visitor_who_is_no_stray_any_more_is_none(database: Database, stored: Stored, rollups: Rollups) -> None:
    """Planted: strays outlast their visitors."""
    await stored.come(20)
    await finish(rollups)
    async with database.engine.begin() as connection:
        await connection.execute(insert(strays).from_select(["cid"], select(visitors.c.cid)))
    await prune(rollups, Horizon(date(2026, 6, 1), ZONE))
    assert await rollups.strays() == 0
