"""Rollups: the visits and events, counted beforehand by what reports ask for, and kept up as new ones come.

    queries/rollups/x.sql   what is counted by what, as a readable SELECT
    files.py                the file → Rollup
    clock.py                the configured zone's days, in SQL
    delta.py                what is new: the temporary tables `hits` and `acts`
    tables.py               rollup_x_day and rollup_x_month, by database
    engine.py               one chunk after the other, in a transaction with the mark of how far it has come
    amended.py              visits that were changed or deleted, as they were and as they are
    late.py                 visitors with late rows, whose later ones are put right
    audit.py                a day that is over, held against its visits
    pruning.py              visits that go for their age, once all have counted them
    kept.py                 what was counted of these, never to be counted again
    keeping.py              and what that is, for whoever takes it along
    totals.py               days as another program had counted them, which no visits are there of
    quiet.py                whether there can be anything new at all
    copied.py               what a copy in ClickHouse is told of it
    replica.py              what of it has reached a replica that reports ask
    work.py                 the connection that it works on: a file beside the embedded database, or the server

A report may use those in `ready`, once it has called `catch_up`. All can be made anew from the visits at any time,
but for the days whose visits were pruned: those they keep.
"""

import asyncio
import contextlib
import logging
import math
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Self, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from crumby import columnar, spider
from crumby.database import Database, first_line, rollups_path
from crumby.rollups import amended, keeping, kept, pruning
from crumby.rollups.copied import Copy
from crumby.rollups.engine import Done, Engine
from crumby.rollups.files import Rollup, RollupFolders
from crumby.rollups.late import Strays
from crumby.rollups.marks import Marks
from crumby.rollups.pruning import Horizon, Over, Prune, Taken
from crumby.rollups.quiet import Quiet
from crumby.rollups.totals import Imported
from crumby.rollups.work import Busy, ServerWork, SqliteWork, Work
from crumby.settings import Settings, shipped
from crumby.tables import strays

__all__ = [
    "AWAY",
    "Busy",
    "Done",
    "Horizon",
    "Imported",
    "Listed",
    "Over",
    "Prune",
    "Rollup",
    "RollupFolders",
    "Rollups",
    "Taken",
    "open_rollups",
]

log = logging.getLogger(__name__)

T = TypeVar("T")

PERIOD_S: Final = 1.0  # between two looks for what is new
CHUNK: Final = 10_000  # visits at a time: half a second; of half as many one costs a third more
ON_DEMAND: Final = 500  # visits that a report waits for, some 20 ms; of more it is told nothing
PATIENCE_S: Final = 3.0  # of a report, where the database has gone silent, or the machine has much to do
A_MOMENT_S: Final = 0.3  # that it waits where a day is held against its visits: of ten million that takes seconds
GOODBYE_S: Final = 3.0
BUSY_S: Final = 0.1  # between two tries
REST: Final = 0.5  # of a chunk's time, before the next one: hits come first
STRAYS_S: Final = 10.0  # between two looks for visitors whose rows came late
STRAYS_REST: Final = 20  # times what the last look took
PURGE_S: Final = 60.0  # between two looks for engagements that are in all rollups
PURGED: Final = 500  # of them at a time
AWAY: Final = (SQLAlchemyError, OSError, sqlite3.Error, RuntimeError)


@dataclass(frozen=True, slots=True)
class Listed:
    """How a rollup is."""

    name: str
    ready: bool
    days: int  # rows of its tables
    months: int
    visit: int  # the last one that is in it, by its id
    event: int
    behind: int  # ids of visits and events
    error: str | None


class Rollups:
    """One a process. Whichever process comes first does the work; the others see what has become ready."""

    def __init__(self, database: Database, zone: str, folders: RollupFolders, copy: Copy | None = None) -> None:
        self._database = database
        self._folders = folders
        self._files: Sequence[Rollup] | None = None
        self.copy = copy
        self._engine = Engine(database.dialect, zone, copy)
        self._strays = Strays()
        self._strays_due = -math.inf
        self._strays_took = 0.0  # seconds, this time
        self._audited: date | None = None
        self._one_at_a_time = asyncio.Lock()
        self._long = False  # something that nobody should wait for
        self._audits = False  # which is a day's audit, and may be over in a moment
        self._before: Collection[str] = ()  # those that were complete when it began
        self._behind = False  # so far that the next chunk will be one, which `keep_up` takes in
        self._coming: asyncio.Future[None] | None = None  # a catch-up that has not begun
        self._closing = False
        self._running: asyncio.Future[Any] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="crumby-rollups") if database.sqlite_path else None
        self._work: SqliteWork | None = None
        path = database.sqlite_path
        self._quiet = Quiet([path, rollups_path(path)] if path else [])
        self._connection: AsyncConnection | None = None
        self._said: str | None = None
        self._purged = time.monotonic()

    @property
    def ready(self) -> Mapping[str, Rollup]:
        """Those that are complete, of the configured time zone.

        What a chunk completes for which nobody waits is not, until it has ended: it lacks the hits of meanwhile.
        """
        ready = self._engine.ready
        return {name: ready[name] for name in self._before if name in ready} if self._long else ready

    @property
    def imported(self) -> Imported:
        """Which days of them another program had counted."""
        return self._engine.imported

    @property
    def zone(self) -> str:
        """Whose days are counted."""
        return self._engine.zone

    @property
    def version(self) -> int:
        """Another one whenever a day before today has changed."""
        return self._engine.version

    def sight(self) -> Hashable:
        """The same for as long as nothing is committed; None where that can't be told."""
        return self._quiet.look()

    @property
    def errors(self) -> Mapping[str, str]:
        """What is wrong with files, by name."""
        return self._engine.errors

    def names(self) -> list[str]:
        """Of all that there are files for."""
        return [rollup.name for rollup in self._folders.all()]

    async def listed(self) -> list[Listed]:
        """Each of them. Raises what the database does."""
        async with self._one_at_a_time:
            return await self._do(self._listed)

    def _listed(self, work: Work) -> list[Listed]:
        engine = self._engine
        with work.apart():
            return [self._list(work, name, engine.behind(work, name)) for name in self.names()]

    def _list(self, work: Work, name: str, behind: int) -> Listed:
        state = self._engine.states.get(name)
        marks = state.marks if state else Marks()
        days, months = self._engine.rows(work, name)
        error = self.errors.get(name)
        return Listed(name, name in self.ready, days, months, marks.visits, marks.events, behind, error)

    async def catch_up(self) -> None:
        """Take in what has been committed, where that is done in some milliseconds. Raises nothing.

        Where a day is being held against its visits, that is waited for as long as a reader would not mind.

        On a server an id that is missing before others may still be on its way: up to four seconds it is waited for.
        Where hits come in faster than that, they are left to `keep_up`: in large chunks, at a fourth of the price.
        """
        if (self._long and not self._audits) or self._behind or self._quiet.lasts:
            return
        if self._coming is None:
            self._coming = asyncio.ensure_future(self._catch_up())
        with contextlib.suppress(TimeoutError):  # what it waits for goes on
            async with asyncio.timeout(A_MOMENT_S if self._audits else PATIENCE_S):
                await asyncio.shield(self._coming)

    async def _catch_up(self) -> None:
        """One for all who ask while it waits for its turn."""
        async with self._one_at_a_time:
            self._coming = None  # what is committed from now on may not be in it
            await self._trying(lambda: self._do(self._caught_up))

    def _caught_up(self, work: Work) -> None:
        sight = self._quiet.look()
        if self._engine.is_all_in(work):
            self._quiet.knows(sight)
            return
        try:
            done = self._engine.step(work, ON_DEMAND, complete_alone=True)
        except Busy:
            self._engine.look(work)
        else:
            self._behind = done.left > ON_DEMAND
            self._quiet.knows(None if done.pending else sight)

    async def keep_up(self) -> None:
        """Without an end: what is new, every second; what is to be made, chunk by chunk."""
        while True:
            begun = time.monotonic()
            done = await self._trying(self.advance)
            if (done and done.pending and done.visits) or await self._put_right_now_and_then():
                await asyncio.sleep(REST * (time.monotonic() - begun))
            else:
                await self._purge_now_and_then()
                if done and not done.pending:
                    await self._audit_now_and_then()
                await asyncio.sleep(PERIOD_S)

    async def advance(self) -> Done:
        """A chunk of all there is to do; nothing where another process is at it. Raises what the database does."""
        async with self._one_at_a_time:
            self._before = self._engine.ready.keys()
            self._long = self._behind or bool(self._engine.rollups.keys() - self._before)
            try:
                done = await self._do(self._advanced)
            except Busy:
                done = Done(pending=True)
            finally:
                self._long = False
            self._behind = done.left > ON_DEMAND
            return done

    def _advanced(self, work: Work) -> Done:
        try:
            files = self._folders.all()
            if files != self._files:
                self._engine.take(work, files)
                self._files = files
            done = self._engine.step(work, CHUNK)
            if not done.pending:
                self._engine.tend(work)
        except Busy:
            self._engine.look(work)
            return Done(pending=True)
        if isinstance(work, SqliteWork):
            work.checkpoint()
        return done

    async def finish(self, tell: Callable[[int, int], None] = lambda _done, _of: None) -> None:
        """As far as the rows went when it began: where hits come without end, so would this. Raises as `advance`."""
        there = None
        while True:
            done = await self.advance()
            if done.of:
                there = there or done.of
                tell(done.of - done.left, done.of)
            if not done.pending or (there and done.of - done.left >= there):
                return
            if not done.visits:
                await asyncio.sleep(BUSY_S)

    async def kept(self) -> date | None:
        """The days before this one are never counted again. Raises what the database does."""
        async with self._one_at_a_time:
            known = await self._do(kept.read)
        return date.fromisoformat(str(max(each.day for each in known.values()))) if known else None

    async def kept_totals(self) -> AsyncIterator[Sequence[keeping.Kept]]:
        """What they keep of days whose visits are gone, in parts; nothing where none are. `keeping.py` says what for.

        Raises what the database does, and `keeping.Moved` where pruning is on its way: what it gave is to be forgotten.
        """
        if await self.kept() is None:
            return
        await self.finish()
        for span in await self._in_turn(lambda work: keeping.spans(work, self._engine)):
            yield await self._in_turn(lambda work, span=span: keeping.read(work, self._engine, span))  # type: ignore[misc]

    async def forget(self, names: Sequence[str] = ()) -> None:
        """Begin these anew, or all of them, once no other process is at it. Raises what the database does.

        Of days whose visits were pruned they keep what they have.
        """
        await self._in_turn(lambda work: self._engine.forget(work, names))

    async def within(self, work: Callable[[Work, Engine], T]) -> T:
        """A piece of somebody else's work, here. Raises what the database does, and Busy."""
        async with self._one_at_a_time:
            return await self._do(lambda there: work(there, self._engine))

    async def in_turn(self, work: Callable[[Work, Engine], T]) -> T:
        """The same, once no other process is at it."""
        return await self._in_turn(lambda there: work(there, self._engine))

    async def _in_turn(self, work: Callable[[Work], T]) -> T:
        """Once no other process is at it."""
        while True:
            with contextlib.suppress(Busy):
                async with self._one_at_a_time:
                    return await self._do(work)
            await asyncio.sleep(BUSY_S)

    async def strays(self) -> int:
        """How many visitors have a row that came too late for its place."""
        async with self._database.engine.connect() as connection:
            return await connection.scalar(select(func.count()).select_from(strays)) or 0

    async def put_right(self) -> bool:
        """A piece of what strays need → whether there is more of it. Raises what the database does, and Busy."""
        async with self._one_at_a_time:
            return await self._do(self._put_right)

    def _put_right(self, work: Work) -> bool:
        counted = self._engine.counted()
        return counted is not None and self._strays.step(work, counted)

    async def _put_right_now_and_then(self) -> bool:
        """Whether there is more. It rests for as long as it took, many times: all visits are read."""
        begun = time.monotonic()
        if begun < self._strays_due:
            return False
        more = await self._trying(self.put_right)
        ended = time.monotonic()
        self._strays_took += ended - begun
        if not more:
            self._strays_due = ended + max(STRAYS_S, STRAYS_REST * self._strays_took)
            self._strays_took = 0.0
        return bool(more)

    async def audit(self, day: date) -> list[str]:
        """Hold a day that is over against its visits → the rollups that are wrong, and made anew. Raises as `purge`."""
        async with self._one_at_a_time:
            self._before = self._engine.ready.keys()
            self._long = self._audits = True
            try:
                wrong = await self._do(lambda work: self._engine.audit(work, day))
            finally:
                self._long = self._audits = False
        for each in wrong:
            log.warning(
                "the rollup %s has, of %s, %s, and the visits %s: it is made anew",
                each.name, day, each.has, each.counted,
            )  # fmt: skip
        return [each.name for each in wrong]

    async def _audit_now_and_then(self) -> None:
        """Once a day, and after the start: the day before, when all of it is in."""
        day = datetime.now(ZoneInfo(self._engine.zone)).date() - timedelta(days=1)
        if self._audited != day and await self._trying(lambda: self.audit(day)) is not None:
            self._audited = day

    async def take_out(self, visits: Collection[int] = (), events: Collection[int] = ()) -> None:
        """Delete visits and events by their ids, and what they added to the rollups. Raises what the database does.

        Some hundred at a time, in one transaction: wherever it ends, a row is in both or in neither. What the
        visitors' later rows tell of the deleted ones they go on to tell.
        """
        for table, ids in (("visits", visits), ("events", events)):
            for part in amended.parts(ids):
                await self._in_turn(lambda work, table=table, part=part: amended.take_out(work, table, part))  # type: ignore[misc]

    async def prune(self, run: Prune) -> bool:
        """A piece of it → whether there is more. Raises what the database does, Busy and Taken."""
        async with self._one_at_a_time:
            return await self._do(lambda work: run.step(work, self._engine))

    async def older(self, horizon: Horizon) -> Mapping[str, int]:
        """How many rows of each table are from before it. Raises what the database does."""
        async with self._one_at_a_time:
            return await self._do(lambda work: pruning.counted(work, horizon))

    async def forget_visitors(self, cids: Collection[str]) -> None:
        """Whoever comes again by one of these is new. Raises what the database does."""
        await self._in_turn(lambda work: pruning.forget_visitors(work, cids))

    async def clear(self, visits: Collection[int]) -> None:
        """After `take_out`, and with all of it taken in: nothing is left that they alone were counted by.

        Raises what the database does.
        """
        for part in amended.parts(visits):
            await self._in_turn(lambda work, part=part: pruning.forget_all_told(work, part))  # type: ignore[misc]
        while await self._purged_some():
            pass
        await self._in_turn(self._engine.sweep)
        for _ in range(pruning.TRIES):
            async with self._one_at_a_time:
                if await self._do(lambda work: work.restart_log()):
                    return
            await asyncio.sleep(BUSY_S)

    async def _purged_some(self) -> bool:
        with contextlib.suppress(Busy):
            return await self.purge() > 0
        await asyncio.sleep(BUSY_S)
        return True

    async def purge(self) -> int:
        """Delete some engagements that are in all rollups → how many. Raises what the database does, and Busy."""
        async with self._one_at_a_time:
            return await self._do(lambda work: self._engine.purge(work, PURGED))

    async def _purge_now_and_then(self) -> None:
        if time.monotonic() - self._purged > PURGE_S:
            self._purged = time.monotonic()
            while await self._trying(self.purge) == PURGED:
                pass

    async def _trying(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Without rollups reports read the visits: that is slower, and no reason to fail."""
        try:
            found = await work()
            self._said = None
        except Busy:
            return None
        except AWAY as error:
            self._engine.ready = {}
            await self._disconnected()
            if self._said != first_line(error):
                self._said = first_line(error)
                log.warning("the rollups can't be kept up, reports read the visits meanwhile: %s", self._said)
            return None
        return found

    # Where it works

    async def _do(self, work: Callable[[Work], T]) -> T:
        """To its end, though its caller may leave meanwhile. Raises Busy."""
        await self._over()
        if self._closing:
            raise Busy
        running: asyncio.Future[T]
        if self._thread:
            running = asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(self._sqlite()))
        else:
            running = asyncio.ensure_future(self._do_there(work))
        self._running = running
        return await asyncio.shield(running)

    async def _over(self) -> None:
        """What is going on has ended; its error is its caller's, who may be gone."""
        running = self._running
        if running:
            await asyncio.wait({running})
            _ = running.cancelled() or running.exception()

    def _sqlite(self) -> SqliteWork:
        path = self._database.sqlite_path
        assert path  # noqa: S101 - else there is no thread
        if self._work and self._work.gone:
            self._work.close()
            self._work = None
        if self._work is None:
            opened = SqliteWork(path, rollups_path(path))
            try:
                self._connected(opened)
            except BaseException:
                opened.close()
                raise
            self._work = opened
        return self._work

    async def _do_there(self, work: Callable[[Work], T]) -> T:
        if self._connection is None:
            connection = await self._database.engine.connect()
            try:
                await connection.run_sync(spider.mend)  # what is in doubt is to be there before heads are looked at
                await connection.run_sync(lambda there: self._connected(ServerWork(there)))
            except BaseException:
                await connection.invalidate()
                await connection.close()
                raise
            self._connection = connection

        def run(there: Connection) -> T:
            return work(ServerWork(there))

        return await self._connection.run_sync(run)

    def _connected(self, work: Work) -> None:
        self._files = self._folders.all()
        self._strays = Strays()
        self._engine.connected(work, self._files)

    async def _disconnected(self) -> None:
        await self._over()
        connection, self._connection = self._connection, None
        if connection:
            with contextlib.suppress(*AWAY):
                await connection.invalidate()  # its temporary tables are nobody else's
                await connection.close()
        if self._thread:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._closed)

    def _closed(self) -> None:
        if self._work:
            self._work.close()
            self._work = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """What is going on is not waited for: its transaction is undone."""
        self._closing = True
        if self._work:
            self._work.interrupt()
        elif self._running:
            self._running.cancel()
        with contextlib.suppress(TimeoutError):  # a frozen server would keep its goodbye for ever
            async with asyncio.timeout(GOODBYE_S):
                await self._disconnected()
        if self._thread:
            self._thread.shutdown()


@contextlib.asynccontextmanager
async def open_rollups(
    database: Database, settings: Settings, folders: RollupFolders | None = None
) -> AsyncIterator[Rollups]:
    """Nothing is connected before it is used. `keep_up` is the caller's to run, once the schema is today's."""
    folders = folders or RollupFolders(*filter(None, (shipped("queries"), settings.queries)))
    copy: Copy | None = None
    if columnar.is_meant(settings):
        from crumby.columnar.outbox import Outbox

        copy = Outbox()
    made = Rollups(database, settings.time_zone, folders, copy)
    if database.replica:
        from crumby.rollups.replica import FollowedRollups

        made = FollowedRollups(database, database.replica, settings.time_zone, folders, copy)
    async with made as rollups:
        yield rollups
