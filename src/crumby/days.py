"""The calendar: a row for each day from a year before the first visit to three years ahead.

It is filled at start-up and looked after every hour, so that no New Year needs a restart.
"""

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from crumby.background import beside
from crumby.tables import calendar, visits

log = logging.getLogger(__name__)

BEHIND: Final = timedelta(days=366)
AHEAD: Final = timedelta(days=3 * 366)
LOOK_AGAIN: Final = 3600.0  # seconds
ROWS: Final = 1000  # an insert


async def cover(engine: AsyncEngine, today: date) -> int:
    """Add the days that are missing; how many they were. Processes that do so at once agree in the end."""
    async with engine.connect() as connection:
        first = await connection.scalar(select(func.min(visits.c.datetime)))
        known = {row.date() for row in await connection.scalars(select(calendar.c.datetime))}
    start = min(first.date() if first else today, today) - BEHIND
    span = (today + AHEAD - start).days + 1
    missing = [day for day in (start + timedelta(days=number) for number in range(span)) if day not in known]
    for index in range(0, len(missing), ROWS):
        rows = [{"datetime": datetime.combine(day, time())} for day in missing[index : index + ROWS]]
        async with engine.begin() as connection:
            await connection.execute(insert(calendar), rows)
    return len(missing)


def kept_calendar(engine: AsyncEngine) -> AbstractAsyncContextManager[None]:
    """A calendar that is kept full until the context ends."""
    return beside(_keep(engine), "crumby-calendar")


async def _keep(engine: AsyncEngine) -> None:
    while True:
        await asyncio.sleep(LOOK_AGAIN)
        await try_to_cover(engine)


async def try_to_cover(engine: AsyncEngine) -> None:
    try:
        await cover(engine, datetime.now(UTC).date())
    except IntegrityError:
        log.debug("another process is filling the calendar")
    except (SQLAlchemyError, OSError, ValueError, OverflowError) as error:
        # The last two: a visit whose time is none, or in the year 1. That is no reason to count no others.
        log.warning("the calendar could not be filled, next try in an hour: %s", error)
