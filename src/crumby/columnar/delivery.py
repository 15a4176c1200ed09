"""A batch of the outbox, delivered to ClickHouse in its order.

create, drop, prune, sweep   statement by statement
rows of rollups              of several chunks joined, a block for each rollup; then `rollup_state`
visits, events, totals       read from the main database as they are now, a block for each table
at the end                   how far it has come
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from crumby.columnar import rows, tables
from crumby.columnar.parcels import CREATE, DROP, HITS, PRUNED, ROWS, SWEPT, WHOLE, Parcel, lines, read
from crumby.columnar.server import ClickHouse
from crumby.columnar.tables import COPIED, OF_STATE, STATES, STEPS, WITNESS
from crumby.columnar.taking import Batch, Taking
from crumby.rollups import Rollups
from crumby.rollups.marks import Marks
from crumby.rollups.tables import names

RENEW_S: Final = 1.0  # between two words that it is still our turn
READERS_S: Final = 2.0  # after which no report reads a rollup that is no more
LOOK_S: Final = 0.5  # between two looks whether rows are deleted


class Delivery:
    """One batch."""

    def __init__(self, clickhouse: ClickHouse, rollups: Rollups, taking: Taking, batch: Batch) -> None:
        self._clickhouse = clickhouse
        self._rollups = rollups
        self._taking = taking
        self._batch = batch
        self._renewed = time.monotonic()

    async def all(self) -> None:
        counted: list[Parcel] = []
        for parcel in self._batch.parcels:
            if parcel.what == ROWS:
                counted.append(parcel)
                continue
            if parcel.what != HITS:  # before which the rows of rollups have to be there
                await self._count(counted)
                counted = []
            await self._deliver(parcel)
        await self._count(counted)
        last = self._batch.parcels[-1].id
        values = f"('{self._batch.generation}', {STEPS}, {last})"
        await self._clickhouse.do(f"insert into {WITNESS} (generation, schema, sent) values {values}")

    async def _deliver(self, parcel: Parcel) -> None:
        match parcel.what:
            case what if what == CREATE:
                await self._create(parcel)
            case what if what == DROP:
                await self._withdraw(parcel.body["name"])
            case what if what == HITS:
                await self._hits(parcel)
            case what if what == WHOLE:
                await self._each(tables.views())
            case what if what == PRUNED:
                await self._prune(parcel)
            case what if what == SWEPT:
                await self._sweep(parcel)

    async def _each(self, statements: Iterable[str]) -> None:
        for statement in statements:
            await self._clickhouse.do(statement)
            await self._still_ours()

    async def _still_ours(self) -> None:
        if time.monotonic() - self._renewed > RENEW_S:
            await self._rollups.in_turn(lambda work, _: self._taking.renew(work, self._batch))
            self._renewed = time.monotonic()

    # Rollups

    async def _create(self, parcel: Parcel) -> None:
        await self._withdraw(parcel.body["name"])
        await self._each(tables.rollup_creation(parcel))

    async def _withdraw(self, name: str) -> None:
        """Reports that look for it are told that it is not there, before it is not."""
        where = f"where name = '{name}' and complete = 1"
        if await self._clickhouse.rows(f"select 1 from rollup_state {where}"):
            others = ", ".join(field for field in OF_STATE if field != "complete")
            undone = f"select {others}, 0, copied from {STATES} final {where}"
            await self._clickhouse.do(f"insert into {STATES} ({others}, complete, copied) {undone}")
            await asyncio.sleep(READERS_S)
        await self._each(tables.dropping(name))

    async def _count(self, parcels: Sequence[Parcel]) -> None:
        """What some chunks have added, and which rollups that makes whole."""
        if not parcels:
            return
        blocks: dict[str, list[bytes]] = {}
        states: dict[str, dict[str, Any]] = {}
        for parcel in parcels:
            for name, block in parcel.body["lines"].items():
                blocks.setdefault(name, []).append(block)
            states |= {state["name"]: state for state in parcel.body["states"]}
        first, last = parcels[0].id, parcels[-1].id
        for name, block in blocks.items():
            token = f"{self._batch.generation} {first}-{last}"
            await self._clickhouse.insert(f"rollup_{name}_day", [], b"".join(block), token)
            await self._still_ours()
        if states:
            told = lines((*(state[field] for field in OF_STATE), last) for state in states.values())
            await self._clickhouse.insert(STATES, [*OF_STATE, "copied"], told, f"{self._batch.generation} {last}")

    async def _sweep(self, parcel: Parcel) -> None:
        for name in parcel.body["names"]:
            await self._each(f"optimize table {table} final" for table in names(name))

    # Visits, events and totals

    async def _hits(self, parcel: Parcel) -> None:
        after, until = (dict(zip(Marks._fields, parcel.body[each], strict=True)) for each in ("after", "until"))
        for name in ("totals", "events", "visits"):
            begin, block, checksum = after[name], [], []
            while begin < until[name]:
                begin, made, hits = await self._rollups.in_turn(
                    lambda work, _, name=name, begin=begin: rows.between(work, name, begin, until[name], parcel.id)  # type: ignore[misc]
                )
                block.append(made)
                checksum.append(hits)
            await self._put(name, parcel, b"".join(block), " ".join(checksum[:1] + checksum[-1:]))
        for name, ids in parcel.body["again"].items():
            await self._again(name, parcel, ids)

    async def _again(self, name: str, parcel: Parcel, ids: Sequence[int]) -> None:
        """As they are now; or they are not there any more."""
        gone: list[int] = []
        for part in rows.parts(ids):
            there, block, hits = await self._rollups.in_turn(
                lambda work, _, part=part: rows.of(work, name, part, parcel.id)  # type: ignore[misc]
            )
            await self._put(name, parcel, block, f"again {hits}")
            gone += [number for number in part if number not in there]
        for part in rows.parts(gone):
            await self._delete(name, f"id in ({', '.join(map(str, part))})")

    async def _put(self, name: str, parcel: Parcel, block: bytes, checksum: str) -> None:
        if block:
            token = f"{self._batch.generation} {parcel.id} {name} {checksum}"
            await self._clickhouse.insert(*into(name, block), token)
            await self._still_ours()

    async def _prune(self, parcel: Parcel) -> None:
        """Whatever came late is there still, and goes the next time."""
        before = parcel.body["before"]
        for name in tables.BY_MONTH:
            await self._delete(name, f"datetime < toDateTime64('{before}', 6, 'UTC')")
            ids = await self._rollups.in_turn(lambda work, _, name=name: rows.before(work, name, before))  # type: ignore[misc]
            there = await self._rollups.in_turn(lambda work, _: read(work)[""].marks)
            await self._again(name, parcel, [number for number in ids if number <= getattr(there, name)])

    async def _delete(self, name: str, where: str) -> None:
        """From the disk, all versions, and wait for it."""
        table = tables.copy_of(name)
        if not await self._clickhouse.rows(f"select 1 from {table} where {where} limit 1"):
            return
        await self._clickhouse.do(f"alter table {table} delete where {where} settings mutations_sync = 0")
        own = f"database = currentDatabase() and table = '{table}'"
        while await self._clickhouse.rows(f"select 1 from system.mutations where {own} and not is_done limit 1"):
            await self._still_ours()
            await asyncio.sleep(LOOK_S)


def into(name: str, block: bytes) -> tuple[str, list[str], bytes]:
    """What `insert` takes."""
    return tables.copy_of(name), [*(f"`{column.name}`" for column in COPIED[name].columns), "copied"], block
