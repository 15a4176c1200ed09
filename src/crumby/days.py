"""The calendar: a row for each day from a year before the first visit to three years ahead.

It is filled at start-up, and looked after every hour and when the day changes: no New Year needs a restart, and no
machine that learns the time only after the start. What could not be filled is tried again half a minute later.
"""

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime, time, timedelta
from time import monotonic
from typing import Final

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from crumby.background import beside
from crumby.engines import AsyncEngine
from crumby.tables import calendar, visits

log = logging.getLogger(__name__)

BEHIND: Final = timedelta(days=366)
AHEAD: Final = timedelta(days=3 * 366)
LOOK_AGAIN: Final = 3600.0  # seconds
GLANCE: Final = 5.0  # seconds between two looks at the clock, which may have been set
AGAIN: Final = 30.0  # seconds after a try that failed
NEVER: Final = date.min  # the day that no clock says, so that the next look is due
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
    covered, level = datetime.now(UTC).date(), logging.WARNING
    while True:
        await _due(covered)
        today = datetime.now(UTC).date()  # before, for it may change meanwhile
        if await try_to_cover(engine, level):
            covered, level = today, logging.WARNING
        else:
            covered, level = NEVER, logging.DEBUG  # it was said
            await asyncio.sleep(min(AGAIN, LOOK_AGAIN))


async def _due(covered: date) -> None:
    """Return after `LOOK_AGAIN`, or soon after the day is another one."""
    until = monotonic() + LOOK_AGAIN
    while monotonic() < until and datetime.now(UTC).date() == covered:  # noqa: ASYNC110 - clocks tell nobody
        await asyncio.sleep(min(GLANCE, LOOK_AGAIN))


async def try_to_cover(engine: AsyncEngine, level: int = logging.WARNING) -> bool:
    """Whether that is all for now; False where another try, soon, may do more."""
    try:
        await cover(engine, datetime.now(UTC).date())
    except IntegrityError:
        log.debug("another process is filling the calendar")
    except (SQLAlchemyError, OSError) as error:
        log.log(level, "the calendar could not be filled, it is tried again: %s", error)
    except (ValueError, OverflowError) as error:
        # A visit whose time is none, or in the year 1. That is no reason to count no others.
        log.warning("the calendar could not be filled, next try in an hour: %s", error)
        return True
    else:
        return True
    return False
