"""Group commit: what waits goes into one transaction, and only then is it acknowledged.

    put ──► queue ──► a batch ──► rows ──► the store ──► committed: tell
               └────► one more, beside it, where a whole one waits and the store takes two at once

While a batch is being committed the next one gathers, so the batches grow with the load and a commit's cost is shared
by all that waited for it. A server works on one batch while Crumby makes the other: with 256 clients that is a quarter
more hits a second. Batches of half the size for the sake of it cost both sides more than it brings.
"""

import asyncio
import contextlib
import gc
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import cycle
from typing import Final

import msgspec

from crumby.errors import CrumbyError, DatabaseUnavailable, InvalidHit, Overloaded
from crumby.ingest import enrich
from crumby.ingest.addresses import Storage
from crumby.ingest.client import Client
from crumby.ingest.enrich import Engagement, Event, Visit
from crumby.ingest.geo import Geo
from crumby.ingest.hit import Hit
from crumby.ingest.metrics import Metrics
from crumby.ingest.privacy import KEPT
from crumby.ingest.store import RowRefused, Store
from crumby.ingest.trouble import Trouble
from crumby.traffic import Traffic

log = logging.getLogger(__name__)

BATCH: Final = 64  # hits, or one array more; beyond, SQLite's thread waits for the interpreter's lock (128: 2 → 11 ms)
WAITING: Final = 4096  # hits, about a second's worth; beyond, 503
REMEMBERED: Final = 10.0  # seconds after which a failure says nothing about the next batch
OBJECTS: Final = 10_000  # that are made before the collector looks for cycles; a batch under way has some 2,000

Tell = Callable[[CrumbyError | None], None]  # called once: None when the hits are committed, or else why they are not


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """The hits of one request: they are stored together or not at all."""

    hits: Sequence[Hit]
    clients: Sequence[Client]  # one, or one for each hit
    tell: Tell


class Writer:
    def __init__(
        self, geo: Geo, store: Store, metrics: Metrics, traffic: Traffic, ip_storage: Storage = "full"
    ) -> None:
        self._geo = geo
        self._kept = KEPT[ip_storage]
        self._store = store
        self._trouble = Trouble()
        self._metrics = metrics
        self._queue: deque[Waiting] = deque()
        self._committing = 0  # batches
        self._under_way: set[str | bytes] = set()  # visitors and hit ids in them
        self._changed = asyncio.Event()  # perhaps a batch is due now, or the stop has come
        self._stopped = False
        self._failed: tuple[float, str] | None = None  # when the last batch failed, and why
        self._traffic = traffic
        self.waiting = 0  # hits in the queue

    def put(self, hits: Sequence[Hit], clients: Sequence[Client], tell: Tell) -> None:
        """Have the hits committed, and then `tell`. A hit id that is there already counts as committed.

        It is told None, DatabaseUnavailable or InvalidHit, later. Raises Overloaded, at once. Neither a future nor a
        task stands behind a hit: with them it costs 3 µs more.
        """
        if self.waiting + len(hits) > WAITING:
            raise Overloaded("more hits wait than can be stored at once; send this one again")
        self.waiting += len(hits)
        self._queue.append(Waiting(hits, clients, tell))
        if self._has_room():
            self._changed.set()

    async def write(self, hits: Sequence[Hit], client: Client) -> None:
        """Return when the hits are committed, or raise what `put` would tell. Who is cancelled cancels no commit."""
        stored = asyncio.get_running_loop().create_future()

        def tell(error: CrumbyError | None) -> None:
            if stored.done():
                return
            if error:
                stored.set_exception(error)
            else:
                stored.set_result(None)

        self.put(hits, (client,), tell)
        await stored

    @property
    def refusing(self) -> str | None:
        """Why hits are answered 503 at the moment; None while they are stored."""
        if self.waiting >= WAITING:
            return f"{self.waiting} hits wait to be stored"
        if self._failed and time.monotonic() - self._failed[0] < REMEMBERED:
            return self._failed[1]
        return None

    async def run(self) -> None:
        """Commit batch after batch until `stop`; all that came before it is committed first."""
        async with asyncio.TaskGroup() as batches:
            while self._queue or not self._stopped:
                self._changed.clear()
                if self._has_room():
                    await self._gather()
                    if batch := self._batch():
                        self._begin(batch)
                        batches.create_task(self._see_through(batch))
                        continue
                await self._changed.wait()

    def stop(self) -> None:
        self._stopped = True
        self._changed.set()

    def _has_room(self) -> bool:
        """Whether to begin a batch: none is being committed, or the store takes another one, and that would be full."""
        if not self._committing:
            return bool(self._queue)
        return self._committing < self._store.at_once and self.waiting >= BATCH

    def _batch(self) -> list[Waiting]:
        """What waits, in its order; but who has hits under way waits for these, for two transactions would cross."""
        batch: list[Waiting] = []
        later: list[Waiting] = []
        taken = 0
        while self._queue and taken < BATCH and len(later) < BATCH:
            waiting = self._queue.popleft()
            if self._under_way and not self._under_way.isdisjoint(_named(waiting.hits)):
                later.append(waiting)
                continue
            batch.append(waiting)
            taken += len(waiting.hits)
        self._queue.extendleft(reversed(later))
        self.waiting -= taken
        return batch

    def _begin(self, batch: Sequence[Waiting]) -> None:
        self._committing += 1
        if self._store.at_once > 1:
            self._under_way.update(*(_named(waiting.hits) for waiting in batch))

    async def _see_through(self, batch: Sequence[Waiting]) -> None:
        try:
            await self._commit_and_tell(batch)
        finally:
            self._committing -= 1
            if self._under_way:
                self._under_way.difference_update(*(_named(waiting.hits) for waiting in batch))
            self._changed.set()

    async def _gather(self) -> None:
        """Let the loop go round for as long as each round brings more.

        Those whom the last batch answered send their next hits all at once, and would be split into two herds, each of
        them waiting for the other's commit: on MariaDB with 64 clients this made a quarter more hits a second. Nobody
        waits for a clock: one of a millisecond or two costs the quiet hours more than it gains under load.
        """
        seen = 0
        while seen < self.waiting < BATCH:
            seen = self.waiting
            await asyncio.sleep(0)  # what has arrived is read
            await asyncio.sleep(0)  # and written into the queue

    async def _commit_and_tell(self, batch: Sequence[Waiting]) -> None:
        try:
            await self._commit(batch)
        except RowRefused as error:
            await self._one_by_one(batch, error)
        except CrumbyError as error:
            self._trouble.meet(sum(len(waiting.hits) for waiting in batch), error)
            self._fail(batch, error)
        except Exception as error:
            log.exception("%s requests' hits were not stored", len(batch))
            self._fail(batch, DatabaseUnavailable(f"{type(error).__name__}; the log tells more"))
        else:
            self._failed = None
            self._trouble.end()
            _tell(batch, None)

    async def _one_by_one(self, batch: Sequence[Waiting], error: RowRefused) -> None:
        """One bad row must not fail its batch."""
        if len(batch) > 1:
            for waiting in batch:
                await self._commit_and_tell([waiting])
        else:
            log.warning("the database takes no such hit: %s", error)
            _tell(batch, InvalidHit("the database takes no such value"))

    def _fail(self, batch: Sequence[Waiting], error: CrumbyError) -> None:
        self._failed = (time.monotonic(), str(error))
        _tell(batch, error)

    async def _commit(self, batch: Sequence[Waiting]) -> None:
        places = await self._geo.locate(client.ip for waiting in batch for client in waiting.clients)
        kept = self._kept
        visits: list[Visit] = []
        events: list[Event] = []
        engagements: list[Engagement] = []
        for waiting in batch:
            for hit, client in zip(waiting.hits, cycle(waiting.clients), strict=False):
                if hit.kind == "visit":
                    visits.append(enrich.visit(hit, kept.client(client), kept.place(places[client.ip])))
                elif hit.kind == "event":
                    events.append(enrich.event(hit, kept.client(client)))
                else:
                    engagements.append(enrich.engagement(hit))
        started = time.perf_counter()
        await self._store.insert(visits, events, engagements)
        self._traffic.hits += len(visits) + len(events) + len(engagements)
        self._metrics.stored(len(visits) + len(events), len(engagements))
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_hits.observe(len(visits) + len(events) + len(engagements))
        self._metrics.queue_hits.set(self.waiting)


def _named(hits: Sequence[Hit]) -> list[str | bytes]:
    """Whose hits they are, and which: an engagement knows its visit by the id alone."""
    return [name for hit in hits for name in (hit.cid, hit.id) if name]


def _tell(batch: Sequence[Waiting], error: CrumbyError | None) -> None:
    for waiting in batch:
        try:
            waiting.tell(error)
        except Exception:  # whatever is wrong with one connection, the others have their answers to come
            log.exception("an answer could not be given")


@contextlib.asynccontextmanager
async def open_writer(
    geo: Geo,
    store: Store,
    metrics: Metrics,
    traffic: Traffic | None = None,
    ip_storage: Storage = "full",
) -> AsyncIterator[Writer]:
    """A running writer. Leaving the context commits all that still waits."""
    writer = Writer(geo, store, metrics, traffic or Traffic(), ip_storage)
    task = asyncio.create_task(writer.run(), name="crumby-writer")
    try:
        with _seldom_collecting():
            yield writer
    finally:
        writer.stop()
        await task


@contextlib.contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Let the collector of cycles rest while batches come and go.

    A hit has none. With Python's own threshold, of 700 objects, it looked for them thrice a batch, through all that
    waits, and took a twentieth of the time.
    """
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
