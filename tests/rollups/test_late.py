"""Rows that come late, change or go: the rollups hold what is left, as if it had come in its order."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Table as Stored_
from sqlalchemy import insert, select, text, update

from crumby.database import Database, rollups_path
from crumby.ingest.enrich import Event, Visit
from crumby.rollups import RollupFolders, Rollups, amended, late, settling
from crumby.rollups.work import ServerWork, SqliteWriting
from crumby.tables import events, visitors, visits
from crumby.tables import strays as stray_table
from tests.rollups.brute import NAMES, OF_EVENTS, PLAIN, Brute, Table, kept
from tests.rollups.conftest import ZONE, finish
from tests.rollups.people import Stored

BY_TIME = (*PLAIN, *OF_EVENTS, "retention", "hours")  # neither a session's beginning nor its end is in them
SOME = ("totals", "pages", "exits", "event_values")


async def come_in_any_order(stored: Stored, rollups: Rollups, views: int = 100) -> None:
    """Weeks' rows, shuffled and in batches; some are counted before others come."""
    came, done = stored.people.batch(views)
    rows: list[Visit | Event] = [*came, *done]
    stored.people.random.shuffle(rows)
    for start in range(0, len(rows), 50):
        part = rows[start : start + 50]
        await stored.store(
            [row for row in part if isinstance(row, Visit)], [row for row in part if isinstance(row, Event)]
        )
        await rollups.advance()


async def put_right(rollups: Rollups) -> None:
    while await rollups.put_right():
        pass


async def held(database: Database, rollups: Rollups) -> dict[str, tuple[Table, ...]]:
    return {name: await kept(database, name, len(rollups.ready[name].sums)) for name in NAMES}


async def compare(database: Database, rollups: Rollups) -> None:
    """What depends on time alone is what Python counts, and all is what is made anew from the visits."""
    await finish(rollups)
    found = await held(database, rollups)
    brute = await Brute.of(database, ZONE)
    for name in BY_TIME:
        assert [counted(table) for table in found[name]] == [counted(table) for table in brute.tables(name)], name
    await same_when_made_anew(database, rollups)


def counted(table: Table) -> dict[tuple[Any, ...], int]:
    """Views, or what takes their place: which of those of one quarter of an hour came first is never put right."""
    return {key: sums[0] for key, sums in table.items() if sums[0]}


async def same_when_made_anew(database: Database, rollups: Rollups) -> None:
    names = NAMES if database.dialect == "sqlite" else SOME  # a server takes seconds to make so many tables
    found = await held(database, rollups)
    await rollups.forget(names)
    await finish(rollups)
    again = await held(database, rollups)
    for name in names:
        assert found[name] == again[name], name


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let most visitors need several parts."""
    monkeypatch.setattr(late, "PART", 7)
    monkeypatch.setattr(late, "SWEPT", 150)
    monkeypatch.setattr(late, "MOST", 15)
    monkeypatch.setattr(amended, "PART", 20)
    monkeypatch.setattr(settling, "SETTLING_S", 0.5)


async def test_rows_in_any_order_count_as_if_they_came_in_theirs(
    database: Database, stored: Stored, rollups: Rollups
) -> None:
    """While they come, and when they have come. Faults: rows that are not taken back; a visitor whose `seen` stays."""
    await stored.come(20)
    await finish(rollups)

    coming = asyncio.ensure_future(come_in_any_order(stored, rollups))
    while not coming.done():
        await put_right(rollups)
        await asyncio.sleep(0.01)
    await coming
    await stored.tell(20)
    await finish(rollups)
    await put_right(rollups)
    assert not await rollups.strays()
    await stored.come(20)
    await stored.tell(20)
    await compare(database, rollups)


class Killed(Exception):
    pass


@contextmanager
def fuse(monkeypatch: pytest.MonkeyPatch, writes: int) -> Iterator[None]:
    """After so many statements that write, whoever writes dies."""
    left = writes

    def dying(true: Any) -> Any:
        def run(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return true(*arguments)

        return run

    with monkeypatch.context() as patch:
        for kind in (SqliteWriting, ServerWork):
            for name in ("do", "each"):
                patch.setattr(kind, name, dying(getattr(kind, name)))
        yield


async def test_a_death_between_any_two_steps_misses_nothing_and_counts_nothing_twice(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Faults: the stray goes before its last rows; what was amended is noted in a transaction of its own."""
    await come_in_any_order(stored, rollups, 70)
    await finish(rollups)
    step = 1 if database.dialect == "sqlite" else 4
    for writes in range(0, 12, step):
        with fuse(monkeypatch, writes), pytest.raises(Killed):
            await put_right(rollups)
        await rollups.advance()
    await put_right(rollups)
    await compare(database, rollups)
    await stored.tell(20)  # which is not in when they go
    out = (await ids(database, visits))[::3]
    for writes in range(0, 5, step):
        with fuse(monkeypatch, writes), suppress(Killed):
            await rollups.take_out(out)
        await rollups.advance()
        out = sorted(set(out) & set(await ids(database, visits)))
    await rollups.take_out(out)
    await finish(rollups)
    await same_when_made_anew(database, rollups)


async def ids(database: Database, table: Stored_) -> list[int]:
    async with database.engine.connect() as connection:
        found = await connection.scalars(select(table.c.id).where(table.c.datetime.is_not(None)).order_by(table.c.id))
        return list(found)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_taken_out_leaves_what_would_be_counted_without_it(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """The newest rows are among it. Faults: their ids are given again; the witness goes, and all is made anew."""
    await stored.come(90)
    await stored.tell(30)
    await finish(rollups)
    await stored.tell(30)  # which is not in when they go
    chance = stored.people.random
    views, acts = await ids(database, visits), await ids(database, events)
    out = [*chance.sample(views[:-8], 40), *views[-8:]]
    with monkeypatch.context() as patch:
        patch.setattr("crumby.rollups.tables.creation", lambda *_: 1 / 0)  # nothing is made anew
        await rollups.take_out(out, [*chance.sample(acts[:-4], 10), *acts[-4:]])
        await stored.come(5)
        await finish(rollups)
        assert len(await ids(database, visits)) == len(views) - len(out) + 5
        await stored.come(5)
        await rollups.take_out(await ids(database, visits), await ids(database, events))
        await stored.come(5)
        await finish(rollups)
        await rollups.purge()
    await same_when_made_anew(database, rollups)
    async with database.engine.connect() as connection:
        assert await connection.scalar(text("select count(*) from amended where visit is not null")) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_visitor_of_too_many_rows_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
    database: Database,
    stored: Stored,
    rollups: Rollups,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """So that memory has a bound. Fault: a sweep that does not count."""
    await come_in_any_order(stored, rollups)
    await finish(rollups)
    before = await held(database, rollups)
    monkeypatch.setattr(late, "ROWS", 0)
    await put_right(rollups)
    await finish(rollups)
    assert before == await held(database, rollups)
    assert not await rollups.strays()
    assert "has more than" in caplog.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_came_back_once_came_back_though_the_first_time_is_deleted(
    database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Fault: a replay that begins with nothing."""
    await stored.come(150)
    await finish(rollups)
    async with database.engine.connect() as connection:
        until = await connection.scalar(select(visits.c.datetime).where(visits.c.id == 75))
        old = [
            list(await connection.scalars(select(each.c.id).where(each.c.datetime < until)))
            for each in (visits, events)
        ]
    await rollups.take_out(*old)
    await finish(rollups)
    async with database.engine.begin() as connection:
        before = (await connection.execute(select(visits))).all(), (await connection.execute(select(events))).all()
        await connection.execute(insert(stray_table).from_select(["cid"], select(visitors.c.cid)))
    await put_right(rollups)
    assert not await rollups.strays()
    await stored.come(30)
    async with database.engine.connect() as connection:
        after = (await connection.execute(select(visits))).all(), (await connection.execute(select(events))).all()
        anew = select(visits.c.cid).where(visits.c.prev == 0, visits.c.id > before[0][-1].id)
        known = {row.cid for row in before[0]}
        assert not known & set(await connection.scalars(anew))
    assert before == (after[0][: len(before[0])], after[1][: len(before[1])])


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
async def test_a_day_that_is_over_is_held_against_its_visits(
    database: Database, stored: Stored, rollups: Rollups, caplog: pytest.LogCaptureFixture
) -> None:
    """Faults: a day of UTC; one that finds fault with what is right; one that only says so."""
    await stored.come(60)
    async with database.engine.begin() as connection:
        rows = (await connection.execute(select(visits).where(visits.c.prev == 0))).all()
        await connection.execute(update(visits).where(visits.c.id == rows[-1].id).values(prev=1 << 31))
    days = sorted({row.datetime.replace(tzinfo=UTC).astimezone(ZoneInfo(ZONE)).date() for row in rows})
    await finish(rollups)
    for astray in (1, 0):  # all rollups say what the visits say; these are wrong, and put right
        assert [name for day in days for name in await rollups.audit(day)] == []
        assert await rollups.strays() == astray
        await put_right(rollups)
        await finish(rollups)
    number = int(days[0].strftime("%Y%m%d"))
    await spoil(database, f"update rollup_countries_day set views = views + 1 where day = {number}")
    await spoil(database, f"update rollup_totals_day set prev_day = 20010101 where prev_day = 0 and day = {number}")
    assert await rollups.audit(days[0]) == ["countries"]
    assert f"the rollup countries has, of {days[0]}, " in caplog.text
    await spoil(database, "update rollup_totals_day set prev_day = 20990101 where prev_day = 20010101")
    assert await rollups.audit(days[0]) == ["totals"]
    await finish(rollups)
    assert [name for day in days for name in await rollups.audit(day)] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_all_of_it_is_done_without_being_asked(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Fault: one that is not called."""
    monkeypatch.setattr("crumby.rollups.PERIOD_S", 0.01)
    monkeypatch.setattr("crumby.rollups.STRAYS_S", 0)
    await come_in_any_order(stored, rollups)
    assert await rollups.strays()
    audited: list[date] = []

    def audit(_engine: object, _work: object, day: date) -> list[object]:
        audited.append(day)
        return []

    monkeypatch.setattr("crumby.rollups.engine.Engine.audit", audit)
    keeping = asyncio.create_task(rollups.keep_up())
    async with asyncio.timeout(30):
        while await rollups.strays() or not audited:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    keeping.cancel()
    await asyncio.wait({keeping})
    today = datetime.now(ZoneInfo(ZONE)).date()
    assert (today - audited[0]).days in {1, 2}
    await compare(database, rollups)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_reports_read_rollups_while_a_day_is_held_against_its_visits(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups, folder: Path
) -> None:
    """Right after a start, too. Fault: those that were complete before the process had looked, which are none."""
    await stored.come(20)
    await finish(rollups)
    ready: list[str] = []
    async with Rollups(database, ZONE, RollupFolders(folder)) as started:

        def audit(_engine: object, _work: object, _day: date) -> list[object]:
            ready.extend(started.ready)
            return []

        monkeypatch.setattr("crumby.rollups.engine.Engine.audit", audit)
        await started.advance()
        await started.audit(date(2026, 1, 1))
    assert sorted(ready) == sorted(NAMES)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("takes_s", [0.05, 2.0])
async def test_a_report_waits_a_moment_for_the_hits_that_come_meanwhile(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups, takes_s: float
) -> None:
    """Seen to fail where it does not wait, and counts without what was there before; and where it waits for the end."""
    await stored.come(20)
    await finish(rollups)
    before = taken_in(database)

    def audit(_engine: object, _work: object, _day: date) -> list[object]:
        time.sleep(takes_s)
        return []

    monkeypatch.setattr("crumby.rollups.engine.Engine.audit", audit)
    auditing = asyncio.create_task(rollups.audit(date(2026, 1, 1)))
    await asyncio.sleep(0)
    await stored.come(20)
    await rollups.catch_up()
    over = takes_s < 1
    assert auditing.done() is over
    assert (taken_in(database) > before) is over
    await auditing


def taken_in(database: Database) -> int:
    assert database.sqlite_path
    with closing(sqlite3.connect(rollups_path(database.sqlite_path))) as connection:
        return int(connection.execute("select sum(views) from rollup_totals_day").fetchone()[0])


async def spoil(database: Database, statement: str) -> None:
    if database.sqlite_path:
        with closing(sqlite3.connect(rollups_path(database.sqlite_path), isolation_level=None)) as connection:
            connection.execute(statement)
        return
    async with database.engine.begin() as connection:
        await connection.execute(text(statement))
