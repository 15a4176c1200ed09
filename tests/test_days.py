"""The calendar, on each of the three databases."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import delete, event, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from crumby import days
from crumby.database import open_database
from crumby.days import cover, kept_calendar, try_to_cover
from crumby.migrations import migrate
from crumby.tables import calendar, visits
from tests.conftest import MakeSettings

NEW_YEARS_EVE = date(2026, 12, 31)
FIRST_VISIT = datetime(2017, 8, 20, 23, 59, 59)  # noqa: DTZ001 - UTC throughout

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the others differ in nothing


@pytest.fixture
async def engine(database_url: str, settings: MakeSettings) -> AsyncIterator[AsyncEngine]:
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as database:
        await migrate(database.engine)
        yield database.engine


async def known(engine: AsyncEngine) -> list[datetime]:
    async with engine.connect() as connection:
        return list(await connection.scalars(select(calendar.c.datetime).order_by(calendar.c.datetime)))


async def visit(engine: AsyncEngine, at: datetime) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(visits).values(cid="1", datetime=at))


def every_day(first: date, last: date) -> list[datetime]:
    """Midnight of each day, both ends included."""
    return [datetime.combine(first + timedelta(number), time()) for number in range((last - first).days + 1)]


async def filled(engine: AsyncEngine) -> bool:
    there = await known(engine)
    return bool(there) and there[-1].date() > datetime.now(UTC).date() + timedelta(3 * 365)


async def until(ask: Callable[[], Awaitable[object]], answer: object) -> None:
    async with asyncio.timeout(20):
        while await ask() != answer:  # noqa: ASYNC110 - a database tells nobody of its changes
            await asyncio.sleep(0.02)


async def test_an_empty_calendar_reaches_from_a_year_back_to_three_ahead(engine: AsyncEngine) -> None:
    added = await cover(engine, NEW_YEARS_EVE)
    there = await known(engine)
    assert there == every_day(there[0].date(), there[-1].date())
    assert len(there) == added
    assert there[0].date() <= date(2025, 12, 31)
    assert there[-1].date() >= date(2029, 12, 31)


async def test_the_calendar_reaches_a_year_behind_the_first_visit(engine: AsyncEngine) -> None:
    await visit(engine, FIRST_VISIT)
    await visit(engine, datetime(2026, 1, 1))  # noqa: DTZ001 - UTC throughout
    await cover(engine, NEW_YEARS_EVE)
    there = await known(engine)
    assert there == every_day(there[0].date(), there[-1].date())
    assert date(2016, 1, 1) < there[0].date() <= date(2016, 8, 20)


@ON_SQLITE
async def test_a_second_look_adds_nothing(engine: AsyncEngine) -> None:
    await cover(engine, NEW_YEARS_EVE)
    assert await cover(engine, NEW_YEARS_EVE) == 0


async def test_an_old_calendar_with_a_gap_is_filled(engine: AsyncEngine) -> None:
    old = every_day(date(2017, 8, 20), date(2018, 2, 28)) + every_day(date(2018, 3, 9), date(2020, 8, 19))
    async with engine.begin() as connection:
        await connection.execute(insert(calendar), [{"datetime": day} for day in old])
    await visit(engine, FIRST_VISIT)
    added = await cover(engine, NEW_YEARS_EVE)
    there = await known(engine)
    assert there == every_day(there[0].date(), there[-1].date())
    assert len(there) == len(old) + added


@ON_SQLITE
async def test_a_new_year_brings_its_days(engine: AsyncEngine) -> None:
    await cover(engine, NEW_YEARS_EVE)
    last = (await known(engine))[-1]
    assert await cover(engine, NEW_YEARS_EVE + timedelta(1)) == 1
    assert await cover(engine, NEW_YEARS_EVE + timedelta(365)) == 364
    assert (await known(engine))[-1] == last + timedelta(365)


async def test_processes_that_fill_it_at_once_agree(
    engine: AsyncEngine, database_url: str, settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(days, "ROWS", 100)  # more inserts, more places to meet
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as other:
        outcomes = await asyncio.gather(
            *(cover(each, NEW_YEARS_EVE) for each in (engine, other.engine)), return_exceptions=True
        )
    there = await known(engine)
    assert there == every_day(there[0].date(), there[-1].date())
    assert there[-1].date() >= date(2029, 12, 31)
    assert all(isinstance(outcome, int | IntegrityError) for outcome in outcomes)


async def test_a_server_that_starts_while_another_fills_it_starts_too(engine: AsyncEngine) -> None:
    await asyncio.gather(*(try_to_cover(engine) for _ in range(3)))
    assert await cover(engine, datetime.now(UTC).date()) == 0


@ON_SQLITE
async def test_who_comes_second_makes_no_fuss(engine: AsyncEngine, caplog: pytest.LogCaptureFixture) -> None:
    def be_first(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT"):
            with closing(sqlite3.connect(engine.url.database or "")) as database, database:
                today = datetime.now(UTC).strftime("%Y-%m-%d 00:00:00.000000")
                database.execute("insert or ignore into calendar values (?)", [today])

    event.listen(engine.sync_engine, "before_cursor_execute", be_first)
    await try_to_cover(engine)
    assert len(await known(engine)) == 1  # the other has begun, and will finish
    assert caplog.records == []


@ON_SQLITE
async def test_a_running_server_fills_the_calendar_again(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "LOOK_AGAIN", 0.02)
    await try_to_cover(engine)
    whole = await known(engine)
    async with kept_calendar(engine):
        async with engine.begin() as connection:
            await connection.execute(delete(calendar).where(calendar.c.datetime > whole[-100]))
        await until(lambda: known(engine), whole)


@ON_SQLITE
async def test_a_failure_is_logged_and_the_next_look_mends_it(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(days, "LOOK_AGAIN", 0.02)
    async with engine.begin() as connection:
        await connection.execute(text("alter table calendar rename to away"))
    await try_to_cover(engine)
    assert "could not be filled" in caplog.text
    async with kept_calendar(engine):
        async with engine.begin() as connection:
            await connection.execute(text("alter table away rename to calendar"))
        await until(lambda: filled(engine), answer=True)


@ON_SQLITE
async def test_what_failed_is_tried_again_soon(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an hour later, as it was: another process was at it when the day changed, and left before it was done."""
    monkeypatch.setattr(days, "AGAIN", 0.01)
    tries = 0

    async def fail_twice(engine: AsyncEngine, today: date) -> int:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise IntegrityError("insert into calendar", {}, Exception("another was first"))
        return await cover(engine, today)

    monkeypatch.setattr(days, "cover", fail_twice)
    due = days._due
    monkeypatch.setattr(days, "_due", lambda covered: due(covered) if tries else asyncio.sleep(0))  # the day changes
    async with kept_calendar(engine):
        await until(lambda: filled(engine), answer=True)


@ON_SQLITE
@pytest.mark.parametrize("stamp", ["0001-01-01 00:00:00.000000", "yesterday"])
async def test_a_first_visit_of_no_sense_does_not_stop_the_server(
    stamp: str, engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("insert into visits (cid, datetime) values ('1', :stamp)"), {"stamp": stamp})
    await try_to_cover(engine)
    assert "could not be filled" in caplog.text
