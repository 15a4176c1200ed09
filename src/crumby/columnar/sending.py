"""The outbox, sent to ClickHouse in its order: each row of it counts there exactly once.

    taking.py ──► some rows of the outbox, noted as being on their way
      └─► is ClickHouse what it was? Else all of it begins anew
            └─► delivery.py: block by block, and how far that has come
                  └─► acknowledged: deleted from the outbox

Whatever dies, the same rows are taken and sent again: blocks that are there by their token change nothing, visits and
events are their last version, and statements can be repeated. One process at a time sends, for thirty seconds since it
last said so. A ClickHouse that is away, slow or in trouble is waited for, here alone.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from crumby.columnar import rows, tables
from crumby.columnar.delivery import Delivery, into
from crumby.columnar.outbox import Outbox
from crumby.columnar.server import Away, ClickHouse
from crumby.columnar.tables import COPIED, OURS, WITNESS
from crumby.columnar.taking import Batch, Taken, Taking, Waiting
from crumby.rollups import AWAY, Busy, Rollups

log = logging.getLogger(__name__)

PERIOD_S: Final = 1.0  # between two looks, where nothing waits
BUSY_S: Final = 0.1
GOODBYE_S: Final = 1.0
PATIENCE_S: Final = 60.0  # with whoever sends
AGAIN_S: Final = (1.0, 2.0, 5.0, 10.0)  # until the next try, where it is away
SMALL_S: Final = 10.0  # between two looks at the small tables, and
LOOK_AT_IT_S: Final = 10.0  # whether ClickHouse is still what it was, where nothing is to be sent
LATE: Final = timedelta(days=2)  # that their rows may change
FIRST: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC throughout


class Sender:
    """One a process."""

    def __init__(self, uri: str, rollups: Rollups, outbox: Outbox) -> None:
        self._uri = uri
        self._rollups = rollups
        self._taking = Taking(outbox)
        self._clickhouse: ClickHouse | None = None
        self._small: dict[str, bytes] = {}
        self._small_due = 0.0
        self._looked = 0.0
        self._tries = 0
        self._said: str | None = None

    async def keep_up(self) -> None:
        """Without an end."""
        try:
            while True:  # noqa: ASYNC110 - it is no event
                await asyncio.sleep(await self._pause())
        finally:
            await self.close()

    async def _pause(self) -> float:
        """Do a step → seconds until the next one."""
        try:
            more = await self.step()
        except (Taken, Busy):
            return PERIOD_S
        except (Away, TimeoutError, *AWAY) as error:
            await self._hang_up()
            self._tries += 1
            self._say(f"ClickHouse gets what is new later: {error}")
            return AGAIN_S[min(self._tries, len(AGAIN_S)) - 1]
        if self._tries:
            log.info("ClickHouse gets what is new again")
        self._tries, self._said = 0, None
        return 0 if more else PERIOD_S

    def _say(self, text: str) -> None:
        if self._said != text:
            log.warning("%s", text)
        self._said = text

    async def finish(self, tell: Callable[[Waiting], None] = lambda _: None) -> None:
        """All that there was when it began. Where another process sends, wait for it.

        Raises Away, and what the database does.
        """
        aim = (await self.waiting()).of
        last: int | None = None
        known, since = None, time.monotonic()
        while True:
            more = False
            with contextlib.suppress(Taken, Busy):
                more = await self.step()
            there = await self.waiting()
            tell(there)
            if last is None and there.done >= aim and not there.rollups:
                last = there.last
            if last is not None and (not there.parcels or there.first > last):
                return
            if there != known:
                known, since = there, time.monotonic()
            if time.monotonic() - since > PATIENCE_S:
                raise Away(f"nothing has been sent for {PATIENCE_S:g} s")
            if there.rollups:
                await self._rollups.advance()  # which begins them anew where they have to
            if not more:
                await asyncio.sleep(BUSY_S)

    async def prepare(self) -> None:
        """Make its tables where it has none, or others. Raises as `step`."""
        with contextlib.suppress(Taken):  # who sends has made them
            await self._connected(await self._rollups.in_turn(self._taking.take))

    async def begin_anew(self) -> None:
        """All that is there goes, and comes again."""
        await self._rollups.in_turn(lambda work, _: self._taking.begin_anew(work))

    async def waiting(self) -> Waiting:
        return await self._rollups.in_turn(self._taking.waiting)

    async def step(self) -> bool:
        """Send some of it → whether there was any. Raises Away, Taken, Busy and what the database does."""
        batch = await self._rollups.within(self._taking.take)
        if self._clickhouse and not batch.parcels and time.monotonic() < self._looked + LOOK_AT_IT_S:
            return False
        clickhouse = await self._connected(batch)
        if clickhouse is None:
            return True
        if batch.parcels:
            await Delivery(clickhouse, self._rollups, self._taking, batch).all()
            await self._rollups.in_turn(lambda work, _: self._taking.acknowledge(work, batch))
        await self._small_tables(clickhouse)
        return bool(batch.parcels)

    async def _connected(self, batch: Batch) -> ClickHouse | None:
        """None where everything begins anew with the next step."""
        clickhouse = self._clickhouse or await ClickHouse.connect(self._uri)
        self._clickhouse = clickhouse
        sent = await _sent(clickhouse, batch.generation)
        self._looked = time.monotonic()
        if sent in {batch.sent, *(parcel.id for parcel in batch.parcels[-1:])}:
            return clickhouse
        if batch.sent:
            log.warning("ClickHouse has other things than it was told, or nothing: it is filled anew")
            await self.begin_anew()
            return None
        await _make(clickhouse, batch.generation)
        self._small.clear()
        self._small_due = 0.0
        return clickhouse

    async def _small_tables(self, clickhouse: ClickHouse) -> None:
        """What is new of refusals, and the calendar."""
        if time.monotonic() < self._small_due:
            return
        for name in ("refusals", "calendar"):
            late = FIRST if name == "calendar" or name not in self._small else datetime.utcnow() - LATE  # noqa: DTZ003
            there = await self._rollups.within(lambda work, _, name=name, late=late: rows.since(work, name, late))  # type: ignore[misc]
            if there and there != self._small.get(name):
                await clickhouse.insert(*into(name, there), f"{name} {time.time_ns()}")
            self._small[name] = there
        self._small_due = time.monotonic() + SMALL_S

    async def close(self) -> None:
        """Whoever comes next need not wait for our turn to be over."""
        with contextlib.suppress(*AWAY, Busy, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._rollups.within(lambda work, _: self._taking.leave(work))
        await self._hang_up()

    async def _hang_up(self) -> None:
        clickhouse, self._clickhouse = self._clickhouse, None
        if clickhouse:
            with contextlib.suppress(Exception):  # it is away
                await clickhouse.close()


async def _sent(clickhouse: ClickHouse, generation: str) -> int | None:
    """Up to which row of the outbox it is; None where it is of another fill, or empty."""
    try:
        found = await clickhouse.rows(
            f"select max(sent) from {WITNESS} where generation = '{generation}' having count() > 0"
        )
    except Away as error:
        if "UNKNOWN_TABLE" in str(error) or "Code: 60" in str(error):
            return None
        raise
    return int(found[0][0]) if found else None


async def _make(clickhouse: ClickHouse, generation: str) -> None:
    """Its tables, and none of those that there were."""
    like = " or ".join(f"startsWith(name, '{each}')" for each in OURS)
    there = f"name in ({', '.join(repr(name) for name in COPIED)})"
    order = "order by engine = 'MaterializedView' desc, engine = 'View' desc"
    found = f"select name, engine from system.tables where database = currentDatabase() and ({like} or {there}) {order}"
    for name, engine in await clickhouse.rows(found):
        await clickhouse.do(f"drop {'view' if engine == 'View' else 'table'} if exists `{name}` sync")
    for statement in tables.creation(generation):
        await clickhouse.do(statement)
