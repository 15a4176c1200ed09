"""What is done for the accounts beside the requests: uses noted, and rows deleted that count no more."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from itertools import count
from typing import Any, Final

from crumby.accounts.sessions import Sessions
from crumby.accounts.throttle import Throttle
from crumby.background import beside
from crumby.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

EVERY_S: Final = 60.0  # sessions in use are noted
CLEANED: Final = 60  # times of these, until what is over is deleted
PATIENCE_S: Final = 5.0


@contextlib.asynccontextmanager
async def kept_tidy(sessions: Sessions, throttle: Throttle) -> AsyncIterator[None]:
    async with beside(_keep_tidy(sessions, throttle), "crumby-accounts"):
        yield
    await _within(sessions.note())
    await sessions.close()


async def _keep_tidy(sessions: Sessions, throttle: Throttle) -> None:
    for minutes in count(1):
        await asyncio.sleep(EVERY_S)
        await _within(sessions.note())
        if minutes % CLEANED == 0:
            await _within(sessions.clean())
            await _within(throttle.clean())


async def _within(work: Coroutine[Any, Any, None]) -> None:
    """Do it, or leave it: a server that is frozen keeps even a cancelled task."""
    task = asyncio.create_task(work)
    done, _ = await asyncio.wait({task}, timeout=PATIENCE_S)
    if not done:
        task.cancel()
    elif isinstance(failed := task.exception(), DatabaseUnavailable):
        log.debug("the accounts are tidied later: %s", failed)
    elif failed:
        raise failed
