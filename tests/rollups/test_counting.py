"""Rollups hold what the visits and events say, however they came in."""

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import func, insert, literal, select, text

from crumby.database import Database
from crumby.offsets import offsets
from crumby.rollups import Done, Rollups, settling
from crumby.rollups.clock import Clock
from crumby.rollups.engine import Engine
from crumby.rollups.files import RollupFolders
from crumby.rollups.work import Work
from crumby.tables import engagements, visits
from tests.rollups.brute import NAMES
from tests.rollups.conftest import ZONE, compare, finish
from tests.rollups.people import Stored


async def test_every_row_counts_once_in_chunks_of_any_size(
    database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Faults: `v.id >= :after`; a month that is cut at the wrong day; `prevs` read one digit further."""
    for size in (1, 400, 3, 60, 200):
        await stored.come(size)
        await stored.tell(size // 4)
        await finish(rollups)
    await compare(database, rollups)


async def test_what_is_committed_is_in_after_catching_up(database: Database, stored: Stored, rollups: Rollups) -> None:
    """As a report asks for it. Faults: a step that leaves the last row out; one that does nothing."""
    await stored.come(30)
    await finish(rollups)
    for _ in range(5):
        await stored.come(1)
        await stored.tell(1)
        await rollups.catch_up()
        await compare(database, rollups)


async def test_a_report_takes_no_step_where_all_is_in(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups, folder: Path
) -> None:
    """Planted faults: an `is_all_in` that is never so, or always; one that does not look at what others have done."""
    await stored.come(30)
    await finish(rollups)
    steps: list[int] = []
    step = Engine.step

    def counted(engine: Engine, work: Work, most: int, *, complete_alone: bool = False) -> Done:
        steps.append(most)
        return step(engine, work, most, complete_alone=complete_alone)

    async def ask() -> int:
        rollups._quiet.knows(None)
        await rollups.catch_up()
        return len(steps)

    monkeypatch.setattr(Engine, "step", counted)
    assert [await ask(), await ask()] == [0, 0]
    await stored.come(1)
    assert [await ask(), await ask()] == [1, 1]
    await stored.tell(1)
    assert [await ask(), await ask()] == [2, 2]
    await compare(database, rollups)
    async with Rollups(database, ZONE, RollupFolders(folder)) as other:
        await other.forget()
    assert await ask() == 3
    assert not rollups.ready


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
async def test_a_chunk_does_not_read_what_the_ones_before_it_had(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """InnoDB keeps what was deleted out of a temporary table. Planted: tables that are never made anew."""
    monkeypatch.setattr("crumby.rollups.engine.WORN", 300)
    most = 0
    for _ in range(12):
        await stored.come(100)
        await finish(rollups)
        (plan,) = await rollups._do_there(lambda work: work.rows("explain select * from hits"))
        most = max(most, int(plan.rows))
    assert 200 < most < 600
    await compare(database, rollups)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_reports_leave_a_rush_of_hits_to_the_upkeep(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Each of them would look how far it has come. Seen to fail where a catch-up does not say that more is left."""
    monkeypatch.setattr("crumby.rollups.ON_DEMAND", 20)
    await stored.come(30)
    await finish(rollups)
    await stored.come(60)
    steps: list[int] = []
    step = Engine.step

    def counted(engine: Engine, work: Work, most: int, *, complete_alone: bool = False) -> Done:
        steps.append(most)
        return step(engine, work, most, complete_alone=complete_alone)

    monkeypatch.setattr(Engine, "step", counted)
    for _ in range(5):
        await rollups.catch_up()
    assert steps == [20]
    await finish(rollups)
    await stored.come(1)
    await rollups.catch_up()
    assert steps[-1] == 20
    await compare(database, rollups)


@pytest.mark.parametrize("database_url", ["mariadb", "postgres"], indirect=True)
async def test_a_transaction_that_ends_late_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Its ids were given before others that are there already. Fault: the mark moves past a gap."""
    monkeypatch.setattr(settling, "SETTLING_S", 1.0)
    await stored.come(30)
    await finish(rollups)
    copied = [column for column in visits.c if column.name not in {"id", "hit_id", "cid", "prev", "session"}]
    row = select(*copied, literal("")).order_by(visits.c.id).limit(1)
    async with database.engine.begin() as connection:
        await connection.execute(insert(visits).from_select([*(column.name for column in copied), "cid"], row))
        await stored.come(30)
        await rollups.advance()
        assert (await rollups.advance()).pending
    await finish(rollups)
    async with database.engine.connect() as connection:
        there = await connection.scalar(select(func.count()).select_from(visits))
        counted = await connection.scalar(text("select sum(views) from rollup_totals_day"))
    assert there == counted


@pytest.mark.parametrize("database_url", ["mariadb", "postgres"], indirect=True)
async def test_what_is_told_in_the_meantime_counts_once(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Visits are taken in; what is told of them waits. Fault: their columns are taken as they are."""
    monkeypatch.setattr(settling, "SETTLING_S", 1.0)
    await stored.come(30)
    await finish(rollups)
    async with database.engine.begin() as connection:
        first = await connection.scalar(select(func.min(visits.c.id)))
        added = visits.update().where(visits.c.id == first).values(engaged=func.coalesce(visits.c.engaged, 0) + 5)
        told = {"visit_id": first, "engaged": 5, "told": 0, "scroll": 0, "scrolled": 0, "finished": 0}
        await connection.execute(added)
        await connection.execute(insert(engagements).values(told))
        people = stored.people
        people.hits.clear()
        await stored.come(30)
        await stored.tell(20)
        assert (await rollups.advance()).visits
    await finish(rollups)
    async with database.engine.connect() as connection:
        there = await connection.scalar(select(func.sum(visits.c.engaged)))
        counted = await connection.scalar(text("select sum(engaged) from rollup_pages_day"))
    assert there == counted


@pytest.mark.parametrize("database_url", ["mariadb", "postgres"], indirect=True)
async def test_an_id_that_never_comes_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Fault: a gap is waited for without end."""
    monkeypatch.setattr(settling, "SETTLING_S", 0.3)
    await stored.come(30)
    await finish(rollups)
    with contextlib.suppress(ZeroDivisionError):
        async with database.engine.begin() as connection:
            await connection.execute(insert(visits).values(cid=""))
            raise ZeroDivisionError
    await stored.come(30)
    for _ in range(40):
        if not (await rollups.advance()).pending:
            break
        await asyncio.sleep(0.05)
    await compare(database, rollups)


async def test_the_version_tells_whether_a_day_before_today_has_changed(
    database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Faults: one that changes with each hit; one that a late engagement leaves as it was."""
    await stored.come(30)
    await finish(rollups)
    versions = [rollups.version]
    people = stored.people
    now = datetime.now(UTC)
    (came, *_), _ = people.batch(1)
    await stored.store([msgspec.structs.replace(came, datetime=now.replace(tzinfo=None))], [])
    today = now.astimezone(ZoneInfo(ZONE)).date()
    await finish(rollups)
    versions.append(rollups.version)
    people.hits = people.hits[:1]
    await stored.tell(1)
    await finish(rollups)
    versions.append(rollups.version)
    assert today == datetime.now(UTC).astimezone(ZoneInfo(ZONE)).date(), "midnight came in between"
    assert versions[0] == versions[1] < versions[2]


async def test_engagements_that_all_have_are_deleted_and_count_on(
    monkeypatch: pytest.MonkeyPatch, database: Database, stored: Stored, rollups: Rollups
) -> None:
    """Faults: one is deleted that a rollup has not; the last one goes as well, and SQLite begins with 1 again."""
    monkeypatch.setattr("crumby.rollups.PURGED", 7)
    await stored.come(40)
    await finish(rollups)
    await stored.tell(20)
    assert await rollups.purge() == 0
    await finish(rollups)
    async with database.engine.connect() as connection:
        there = await connection.scalar(select(func.count()).select_from(engagements)) or 0
    assert there > 7
    assert sum([await rollups.purge() for _ in range(4)]) == there - 1
    await stored.tell(20)
    await finish(rollups)
    await compare(database, rollups)


async def test_the_planner_knows_the_tables(database: Database, stored: Stored, rollups: Rollups) -> None:
    """Fault: tables that nobody has analyzed."""
    asked = {
        "sqlite": "select count(*) from rollups.sqlite_stat1 where tbl like 'rollup%day'",
        "mysql": (
            "select count(*) from mysql.innodb_table_stats"
            " where database_name = database() and table_name like 'rollup%day' and n_rows > 0"
        ),
        "postgresql": (
            "select count(*) from pg_class where relkind = 'r' and relname like 'rollup%day' and reltuples > 0"
        ),
    }[database.dialect]
    await stored.come(40)
    await finish(rollups)
    async with database.reports.connect() as connection:
        assert await connection.scalar(text(asked)) == len(NAMES)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns"])
async def test_a_day_is_the_zones_on_every_database(database: Database, zone: str) -> None:
    """Faults: an offset that begins an hour late; division that rounds."""
    clock = Clock.about(database.dialect, zone, 2009, datetime(2026, 11, 22))  # noqa: DTZ001
    changes = [until for until, _ in offsets(datetime(2009, 1, 1), datetime(2027, 1, 1), ZoneInfo(zone))]  # noqa: DTZ001
    moments = [
        round(change.replace(tzinfo=UTC).timestamp()) + step for change in changes for step in (-1, 0, 1, 43_200)
    ]
    moments += [1_767_225_599, 1_767_225_600]
    local = clock.local("at")
    asked = f"select at, {clock.day('at')}, {clock.hour(local)}, {clock.weekday(local)} from ({{}}) moments"
    rows = " union all ".join(f"select {moment} as at" for moment in moments)
    async with database.engine.connect() as connection:
        found = (await connection.execute(text(asked.format(rows)))).all()
    for at, day, hour, weekday in found:
        there = datetime.fromtimestamp(at, ZoneInfo(zone))
        assert (day, hour, weekday) == (int(there.strftime("%Y%m%d")), there.hour, there.isoweekday()), there
