"""Group commit: what waits goes into one transaction, and only then is it acknowledged.

One task a process. While a batch is being committed the next one gathers, so the batches grow with the load and
a commit's cost is shared by all that waited for it.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from crumby.errors import CrumbyError, DatabaseUnavailable, InvalidHit, Overloaded
from crumby.ingest import enrich
from crumby.ingest.client import Client
from crumby.ingest.enrich import Event, Visit
from crumby.ingest.geo import Geo
from crumby.ingest.hit import Hit
from crumby.ingest.store import RowRefused, Store

log = logging.getLogger(__name__)

BATCH: Final = 64  # requests; beyond, SQLite's thread waits for the interpreter's lock (128 rows: 2 → 11 ms)
WAITING: Final = 4096  # requests, about a second's worth; beyond, 503


@dataclass(slots=True)
class Waiting:
    """The hits of one request: they are stored together or not at all."""

    hits: Sequence[Hit]
    client: Client
    stored: asyncio.Future[None]


class Writer:
    def __init__(self, geo: Geo, store: Store) -> None:
        self._geo = geo
        self._store = store
        self._queue: asyncio.Queue[Waiting | None] = asyncio.Queue()

    async def write(self, hits: Sequence[Hit], client: Client) -> None:
        """Return when the hits are committed. A hit id that is there already counts as committed.

        Raises Overloaded, DatabaseUnavailable or InvalidHit. A caller that goes away cancels no commit.
        """
        if self._queue.qsize() >= WAITING:
            raise Overloaded("more hits wait than can be stored at once; send this one again")
        stored = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(Waiting(hits, client, stored))
        await stored

    async def run(self) -> None:
        """Commit batch after batch until `stop`; all that came before it is committed first."""
        while batch := await self._next_batch():
            await self._commit_and_tell(batch)

    def stop(self) -> None:
        self._queue.put_nowait(None)

    async def _next_batch(self) -> list[Waiting]:
        """What waits, in its order; empty when there is nothing more to come."""
        batch: list[Waiting] = []
        waiting = await self._queue.get()
        while waiting:
            batch.append(waiting)
            if len(batch) == BATCH or self._queue.empty():
                return batch
            waiting = self._queue.get_nowait()
        if batch:
            self.stop()
        return batch

    async def _commit_and_tell(self, batch: Sequence[Waiting]) -> None:
        try:
            await self._commit(batch)
        except RowRefused as error:
            await self._one_by_one(batch, error)
        except CrumbyError as error:
            log.warning("%s hits were not stored: %s", sum(len(waiting.hits) for waiting in batch), error)
            _fail(batch, error)
        except Exception as error:
            log.exception("%s requests' hits were not stored", len(batch))
            _fail(batch, DatabaseUnavailable(f"{type(error).__name__}; the log tells more"))
        else:
            for waiting in batch:
                if not waiting.stored.done():  # its client may have gone
                    waiting.stored.set_result(None)

    async def _one_by_one(self, batch: Sequence[Waiting], error: RowRefused) -> None:
        """One bad row must not fail its batch."""
        if len(batch) > 1:
            for waiting in batch:
                await self._commit_and_tell([waiting])
        else:
            log.warning("the database takes no such hit: %s", error)
            _fail(batch, InvalidHit("the database takes no such value"))

    async def _commit(self, batch: Sequence[Waiting]) -> None:
        places = await self._geo.locate(waiting.client.ip for waiting in batch)
        visits: list[Visit] = []
        events: list[Event] = []
        for waiting in batch:
            for hit in waiting.hits:
                if hit.kind == "visit":
                    visits.append(enrich.visit(hit, waiting.client, places[waiting.client.ip]))
                else:
                    events.append(enrich.event(hit, waiting.client))
        await self._store.insert(visits, events)


def _fail(batch: Sequence[Waiting], error: CrumbyError) -> None:
    for waiting in batch:
        if not waiting.stored.done():
            waiting.stored.set_exception(error)


@contextlib.asynccontextmanager
async def open_writer(geo: Geo, store: Store) -> AsyncIterator[Writer]:
    """A running writer. Leaving the context commits all that still waits."""
    writer = Writer(geo, store)
    task = asyncio.create_task(writer.run(), name="crumby-writer")
    try:
        yield writer
    finally:
        writer.stop()
        await task
