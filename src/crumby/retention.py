"""Visits and events are kept for so many days, and go then: once a day, by one of the workers, a few at a time.

What was counted of them stays: `rollups/pruning.py` has the order in which that is safe.
"""

import asyncio
import logging
import time
from typing import Final

from crumby.database import first_line
from crumby.rollups import AWAY, Busy, Horizon, Over, Prune, Rollups, Taken

log = logging.getLogger(__name__)

LOOK_S: Final = 60.0  # between two looks whether another day is over
BUSY_S: Final = 1.0  # until the rollups have counted what there is
REST: Final = 4  # times as long as a piece took, before the next one: hits come first
LEAST_S: Final = 0.05  # of a rest


async def keep_pruned(rollups: Rollups, days: int, prepared: asyncio.Event) -> None:
    """Without an end, where it is for some days, once the database is `prepared`."""
    await prepared.wait()
    done: Horizon | None = None
    while days:
        await asyncio.sleep(LOOK_S)
        horizon = Horizon.of(days, rollups.zone)
        if horizon == done:
            continue
        try:
            await _prune(rollups, Prune(horizon, daily=True))
            done = horizon
        except Over:
            done = horizon
        except Taken:  # should it die, the next look is in time
            pass
        except AWAY as error:
            log.warning("what is older than %s days goes later: %s", days, first_line(error))


async def _prune(rollups: Rollups, run: Prune) -> None:
    more = True
    while more:
        begun = time.monotonic()
        try:
            more = await rollups.prune(run)
        except Busy:
            await asyncio.sleep(BUSY_S)
        else:
            await asyncio.sleep(max(LEAST_S, REST * (time.monotonic() - begun)))
    log.info(
        "of before %s, %s visits, %s events and %s visitors are deleted",
        run.horizon.day, run.visits, run.events, run.visitors,
    )  # fmt: skip
