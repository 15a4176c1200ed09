"""What happens while a database server is away: hits go to the spool and are acknowledged, and go on from there later.

    insert ──► server ──► 2xx                 the server answers
           └─► spool  ──► 2xx    spool ──► server           it refuses, or does not answer in time

A batch whose answer never came may have been committed all the same: the hit ids make its second insert harmless.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

from crumby.background import beside
from crumby.database import Database, refuses_us
from crumby.errors import ConfigurationError, DatabaseUnavailable, SpoolUnavailable
from crumby.ingest.enrich import Engagement, Event, Visit
from crumby.ingest.spool import Spool, Spooled
from crumby.ingest.store import Condition, RowRefused, ServerStore, SqliteStore, Store, WatchedStore
from crumby.settings import Settings

log = logging.getLogger(__name__)

PATIENCE: Final = 2.0  # seconds that a batch waits for the server: the one stall that a client sees
DRAIN_PATIENCE: Final = 10.0  # seconds that a batch from the spool waits
LOOK_AGAIN: Final = 1.0  # second between two tries
DRAINED: Final = 500  # rows a batch; 7,000 rows a second

Prepare = Callable[[], Awaitable[None]]  # brings the database to the newest schema


class SpoolingStore:
    """A store that takes hits whether the server does or not."""

    def __init__(self, server: Store, spool: Spool, prepare: Prepare) -> None:
        self.at_once = server.at_once
        self._server = server
        self._spool = spool
        self._prepare = prepare
        self._prepared = False
        self._away: str | None = None  # why
        self._abandoned: set[asyncio.Task[None]] = set()

    async def insert(
        self, visits: Sequence[Visit], events: Sequence[Event], engagements: Sequence[Engagement] = ()
    ) -> None:
        if not self._away:
            behind = engagements if await self._may_be_early(engagements) else ()
            try:
                await self._in_time(self._server.insert(visits, events, () if behind else engagements), PATIENCE)
            except DatabaseUnavailable as error:
                self._leave(error)
            else:
                if behind:
                    await self._spool.add([], [], behind)
                return
        await self._spool.add(visits, events, engagements)

    async def _may_be_early(self, engagements: Sequence[Engagement]) -> bool:
        """Whether one's visit may still be in the spool, this worker's or another's: then it has to queue behind it."""
        try:
            return bool(engagements) and await self._spool.holds_rows()
        except SpoolUnavailable:  # without it there is but the server
            return False

    async def condition(self) -> Condition:
        away = self._away
        if not away:
            try:
                await self._in_time(self._server.insert([], []), PATIENCE)
            except DatabaseUnavailable as error:
                away = str(error)
        try:
            depth = await self._spool.depth()
        except SpoolUnavailable as error:
            return Condition(away and f"{away}; {error}")
        return Condition(away, True, depth.hits, depth.oldest_s, depth.refused)  # noqa: FBT003 - as its fields stand

    async def begin(self) -> None:
        """Prepare the database, or begin without it. Raises ConfigurationError where it knows us and says no."""
        try:
            await self._reach()
        except DatabaseUnavailable as error:
            if refuses_us(error.__cause__):
                raise ConfigurationError(f"SQLALCHEMY_DATABASE_URI: {error}") from error
            self._leave(error)

    async def keep_draining(self) -> None:
        while True:
            try:
                await self._drain()
            except SpoolUnavailable as error:
                log.warning("the spool could not be emptied: %s", error)
            except DatabaseUnavailable as error:
                self._leave(error)
            except Exception:  # whatever it is, the next try may do better
                log.exception("the spool could not be emptied")
            await asyncio.sleep(LOOK_AGAIN)

    async def _drain(self) -> None:
        """Try the server if it was away, and move what is spooled, in its order. Another worker may have spooled it."""
        if self._away:
            await self._reach()
            self._away = None
            log.warning("the database is back")
        with self._spool.turn() as ours:
            moved = 0
            while ours and (spooled := await self._spool.first(DRAINED)).numbers:
                await self._move(spooled)
                moved += len(spooled.numbers)
            if moved:
                log.warning("%s spooled hits are in the database", moved)

    async def _move(self, spooled: Spooled) -> None:
        try:
            await self._in_time(
                self._server.insert(spooled.visits, spooled.events, spooled.engagements), DRAIN_PATIENCE
            )
        except RowRefused as error:
            await self._move_one_by_one(spooled, error)
        else:
            await self._spool.remove(spooled)

    async def _move_one_by_one(self, spooled: Spooled, error: RowRefused) -> None:
        """A row that the server refuses must not keep back those behind it."""
        if len(spooled.numbers) > 1:
            for number in spooled.numbers:
                await self._move(await self._spool.one(number))
        else:
            log.error(
                "a spooled hit is set aside in %s, since the database takes no such value: %s", self._spool.path, error
            )
            await self._spool.set_aside(spooled.numbers[0], str(error))

    async def _reach(self) -> None:
        await self._in_time(self._server.insert([], []), PATIENCE)
        if not self._prepared:
            await self._prepare()
            self._prepared = True

    def _leave(self, error: DatabaseUnavailable) -> None:
        if not self._away:
            self._away = str(error)
            log.error("the database is away, hits wait in %s: %s", self._spool.path, error)

    async def _in_time(self, work: Coroutine[Any, Any, None], timeout_s: float) -> None:
        """Await the work no longer than that. A frozen server keeps even a cancelled task; nobody waits for it."""
        task = asyncio.ensure_future(work)
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
        if not done:
            task.add_done_callback(lambda late: late.cancelled() or late.exception())
            task.cancel()
            raise DatabaseUnavailable(f"no answer within {timeout_s:g} s")
        task.result()


@contextlib.asynccontextmanager
async def open_store(database: Database, settings: Settings, prepare: Prepare) -> AsyncIterator[WatchedStore]:
    """The store that fits the database, prepared. The embedded one needs no spool: it is a file on the same disk."""
    if database.sqlite_path:
        await prepare()
        store = SqliteStore(database.sqlite_path)
        try:
            async with beside(store.keep_log_short(), "crumby-log"):
                yield store
        finally:
            await store.close()
        return
    spool = Spool(settings.spool, settings.spool_limit)
    try:
        await spool.open()
        server = ServerStore(database.hits)
        spooling = SpoolingStore(server, spool, prepare)
        async with server.connections.keeping():
            await spooling.begin()
            async with beside(spooling.keep_draining(), "crumby-drain"):
                yield spooling
    finally:
        await spool.close()
