"""How many hits were not stored, and why: counted in memory, and kept in the database by the quarter of an hour.

A hit that is refused costs an addition here and nothing more. Every ten seconds, and at the end, what was counted is
added to what is there, so that several workers add up. A database that is away leaves the counts where they are, a
number for each reason and quarter of an hour. One that takes them and is cut off before it says so gets them twice.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Insert
from sqlalchemy.ext.asyncio import AsyncEngine

from crumby.background import beside
from crumby.database import insert_into
from crumby.errors import CrumbyError
from crumby.tables import refusals

log = logging.getLogger(__name__)

EVERY: Final = 10.0  # seconds between two writes
PATIENCE: Final = 2.0  # seconds that a write may take
QUARTER: Final = 15  # minutes
KEPT: Final = 4096  # numbers in memory: a week without a database, with six reasons; then the oldest go


class Refusals:
    def __init__(self, engine: AsyncEngine, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = now
        self._add = _addition(engine.dialect.name)
        self._counts: Counter[tuple[datetime, str]] = Counter()
        self._writing: asyncio.Task[None] | None = None
        self._said = False

    def count(self, error: CrumbyError, hits: int) -> None:
        """By its reason, else by what the answer's body names, too."""
        now = self._now()
        quarter = now.replace(minute=now.minute - now.minute % QUARTER, second=0, microsecond=0)
        self._counts[quarter, error.reason or type(error).__name__] += hits
        while len(self._counts) > KEPT:
            del self._counts[min(self._counts)]

    async def keep_writing(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self.write()

    async def write(self) -> None:
        """Add what was counted to the database, or keep it for the next time."""
        if self._writing is None or self._writing.done():
            if not self._counts:
                return
            self._writing = asyncio.create_task(self._write(), name="crumby-refusals-write")
        done, _ = await asyncio.wait({self._writing}, timeout=PATIENCE)
        if not done:  # a frozen server keeps even a cancelled task: until it ends, no other one begins
            self._writing.cancel()

    async def _write(self) -> None:
        taken, self._counts = self._counts, Counter()
        rows = [{"datetime": at, "reason": reason, "hits": hits} for (at, reason), hits in sorted(taken.items())]
        try:
            async with self._engine.begin() as connection:
                await connection.execute(self._add, rows)
        except BaseException as error:  # drivers have odd ones for a server that dies
            self._counts.update(taken)
            self._say(error)
            if not isinstance(error, Exception):
                raise
        else:
            self._said = False

    def _say(self, error: BaseException) -> None:
        if not self._said:
            log.warning("the numbers of refused hits wait in memory: %s", error or type(error).__name__)
        self._said = True

    async def close(self) -> None:
        """Once for what is being written, and once for what was counted meanwhile."""
        await self.write()
        await self.write()


def _addition(dialect: str) -> Insert:
    new = insert_into(refusals, dialect)
    if dialect == "mysql":
        added: Insert = new.on_duplicate_key_update(hits=refusals.c.hits + new.inserted.hits)
    else:
        more = {"hits": refusals.c.hits + new.excluded.hits}
        added = new.on_conflict_do_update(index_elements=["datetime", "reason"], set_=more)
    return added


@contextlib.asynccontextmanager
async def open_refusals(engine: AsyncEngine, now: Callable[[], datetime] | None = None) -> AsyncIterator[Refusals]:
    """Counts that are written down until the context is left, and then once more. `now` is in UTC, without a zone."""
    counted = Refusals(engine, now or _utc)
    try:
        async with beside(counted.keep_writing(), "crumby-refusals"):
            yield counted
    finally:
        await counted.close()


def _utc() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
