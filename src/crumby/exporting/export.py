"""An export: the tables of an archive, page by page, into a zip that is taken on as it is written.

    Selection ──► Reading, pages ──► a form's writer, in a thread ──► Packing ──► octets
                        pruned.py ──┘

Nothing waits but a page and what the zip has made of it, however much there is and whoever is slow to take it.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from crumby.database import Database
from crumby.errors import CrumbyError
from crumby.exporting import forms, pruned
from crumby.exporting.columns import SHAPES, Rows, Shape
from crumby.exporting.forms import Writer
from crumby.exporting.manifest import NAME, Format, Manifest
from crumby.exporting.packing import Packing
from crumby.exporting.people import People
from crumby.exporting.reading import WINDOW, Reading
from crumby.exporting.selection import Selection
from crumby.rollups import BUSY_S, Busy, Rollups

PIECE: Final = 1 << 18  # octets that are taken on at a time, at least
CAME_FROM: Final = 30_000  # visitors of an address that a statement can name

Tell = Callable[[str, int, int | None], None]  # of which table, how far, of how much if that is known


class TooMany(CrumbyError):
    status = 422


def silent(_table: str, _done: int, _of: int | None) -> None:
    pass


@dataclass(slots=True)
class Export:
    """`octets` are to be taken once. `manifest` is there when they have come to their end."""

    database: Database
    rollups: Rollups  # that have come to their end
    selection: Selection
    form: Format
    tell: Tell = silent
    manifest: Manifest | None = None
    _made: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def octets(self) -> AsyncGenerator[bytes, None]:
        """Raises DatabaseUnavailable, Pruned, TooMany, and what a form does. Whoever leaves early closes it."""
        packing = Packing(self._made)
        writer: Writer = forms.module(self.form).writer(packing)
        with contextlib.closing(Reading(self.database)) as reading, contextlib.closing(People()) as people:
            try:
                async with contextlib.aclosing(self._tables(reading, writer, people)) as steps:
                    async for _ in steps:
                        if packing.sink.size >= PIECE:
                            yield packing.sink.take()
                for _ in await asyncio.to_thread(iter, writer.close()):
                    yield packing.sink.take()
                await asyncio.to_thread(self._end, packing, writer)
                yield packing.sink.take()
            finally:
                await asyncio.to_thread(_discard, packing, writer)

    def _end(self, packing: Packing, writer: Writer) -> None:
        made = f"{self._made:%Y-%m-%dT%H:%M:%SZ}"
        manifest = Manifest(form=self.form, made=made, selection=self.selection.chosen, files=writer.parts())
        member = packing.member(NAME)
        member.write(manifest.encoded())
        member.close()
        packing.end()
        self.manifest = manifest

    async def _tables(self, reading: Reading, writer: Writer, people: People) -> AsyncGenerator[None, None]:
        """A step is a page."""
        await self._put_right()
        until = {shape.table: await reading.last(shape.table) for shape in SHAPES if "id" in shape.names}
        before = await pruned.mark(reading)
        chosen = await self._with_people(reading, until)
        for shape in SHAPES:
            await asyncio.to_thread(writer.begin, shape)
            pages = _Pages(reading, shape, chosen, people, until.get(shape.table, 0), self.rollups, self.tell)
            async with contextlib.aclosing(pages.all()) as found:
                async for rows in found:
                    if rows:
                        await asyncio.to_thread(writer.write, rows)
                        yield
            await asyncio.to_thread(writer.end)
            yield
        await pruned.refuse_another(reading, before)

    async def _put_right(self) -> None:
        """Visitors whose rows came late: nothing in an archive tells of them."""
        more = await self.rollups.strays() > 0
        while more:
            await self.rollups.finish()
            try:
                more = await self.rollups.put_right()
            except Busy:
                await asyncio.sleep(BUSY_S)

    async def _with_people(self, reading: Reading, until: dict[str, int]) -> Selection:
        """Whoever came from the address that is asked for, in whichever table it is told."""
        subject = self.selection.subject
        if not subject or not subject.ip:
            return self.selection
        people = People()
        with contextlib.closing(people):
            for table in ("visits", "events"):
                for after in range(0, until[table], WINDOW):
                    where = "id > :after and id <= :top and ip = :ip"
                    bound = {"after": after, "top": after + WINDOW, "ip": subject.ip}
                    rows = await reading.rows(f"select distinct cid from {table} where {where}", bound)  # noqa: S608 - ours
                    people.came(cid for (cid,) in rows)
            cids = [cid for page in people.pages() for cid in page]
        if len(cids) > CAME_FROM:
            raise TooMany(f"{len(cids):,} visitors came from {subject.said}: export all, or some days of it")
        return self.selection.with_people(cids)


@dataclass(slots=True)
class _Pages:
    """Of one table, as it was chosen."""

    reading: Reading
    shape: Shape
    chosen: Selection
    people: People
    until: int
    rollups: Rollups
    tell: Tell

    def all(self) -> AsyncGenerator[Rows, None]:
        table = self.shape.table
        if table == "visitors":
            return self._everybody() if self.chosen.whole else self._those()
        return {"refusals": self._refusals, "totals": self._totals}.get(table, self._acts)()

    async def _acts(self) -> AsyncGenerator[Rows, None]:
        where = self.chosen.condition(self.shape.table)
        assert where  # noqa: S101 - they are somebody's
        cid = self.shape.names.index("cid")
        async for after, rows in self.reading.by_id(self.shape, where, self.until):
            self.tell(self.shape.table, after, self.until)
            if not self.chosen.whole:
                self.people.came(row[cid] for row in rows)
            yield rows

    async def _everybody(self) -> AsyncGenerator[Rows, None]:
        async for rows in self._keyed("cid"):
            yield rows

    async def _those(self) -> AsyncGenerator[Rows, None]:
        for cids in self.people.pages():
            self.tell(self.shape.table, 0, None)
            yield await self.reading.of_people(self.shape, cids)

    async def _refusals(self) -> AsyncGenerator[Rows, None]:
        async for rows in self._keyed("datetime", "reason"):
            yield rows

    async def _keyed(self, *key: str) -> AsyncGenerator[Rows, None]:
        where = self.chosen.condition(self.shape.table) if self.shape.table != "visitors" else ("", {})
        if where:
            async for rows in self.reading.by_key(self.shape, where, *key):
                self.tell(self.shape.table, 0, None)
                yield rows

    async def _totals(self) -> AsyncGenerator[Rows, None]:
        where = self.chosen.condition("totals")
        if where is None:
            return
        async for after, rows in self.reading.by_id(self.shape, where, self.until):
            self.tell("totals", after, self.until)
            yield rows
        async for rows in pruned.totals(self.rollups, *self.chosen.days):
            yield rows


def _discard(packing: Packing, writer: Writer) -> None:
    writer.discard()
    packing.end()


def rows_of(manifest: Manifest) -> dict[str, int]:
    """How many, by table."""
    return {part.table: part.rows for part in manifest.files}
