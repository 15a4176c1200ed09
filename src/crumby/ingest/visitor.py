"""The name of a visitor who brings none: a keyed hash of what the request shows, with a key that lives for two days.

Where VISITOR_ID is 'daily', everybody has such a name, whatever they bring; where it is 'none', nobody has any.

    name = BLAKE2b(site ∥ address ∥ User-Agent, key = the day's salt), 128 bits, in the place of `cid`

Within a UTC day a browser has one name on a site, and another one on the next day and on any other site. The salt is
random, the same for all workers that share a database, made in the hour before its day and deleted before that hour of
the day after, so that it lives for 48 hours at the most: from then on nobody can tell, not even with the database and
the address, who a name was. It is in no backup.

A session that goes on over midnight keeps its name, and so stays one: in a day's first half hour a visitor who was
seen less than half an hour ago under yesterday's name goes by that. Each worker remembers whom it saw; who comes to
another worker in that half hour is new there.

What the name is made of stays in memory. `Visitors` is given the whole address, whatever a row will keep of it.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

from msgspec.structs import replace
from sqlalchemy import delete, select

from crumby.background import beside, ended
from crumby.database import first_line, insert_into
from crumby.dimensions.address import parse_address
from crumby.dimensions.session import APART
from crumby.engines import AsyncConnection, AsyncEngine
from crumby.ingest.client import Client
from crumby.ingest.hit import EPOCH, MILLISECOND, Hit
from crumby.tables import salts

log = logging.getLogger(__name__)

OCTETS: Final = 32  # of a salt
NAME: Final = 16  # octets of a name, 32 digits: as long as the longest cid
DAY: Final = timedelta(days=1)
EARLY: Final = timedelta(hours=1)  # before its day begins, a salt is made
LOOK_S: Final = 300.0  # between two looks at the table
LOOK_AGAIN_S: Final = 2.0  # where the last one failed
PATIENCE_S: Final = 2.0  # that a look may take: a server that is frozen answers nothing
REMEMBERED: Final = 50_000  # visitors of the half hour before midnight; 8 MiB

Now = Callable[[], datetime]  # in UTC, without a zone
VisitorId = Literal["cookie", "daily", "none"]


def utc() -> datetime:
    """To the millisecond: hits that come together have an instant in common, which is made and written once."""
    return _instant(time.time_ns() // 1_000_000)


@lru_cache(maxsize=1)
def _instant(ms: int) -> datetime:
    return EPOCH + ms * MILLISECOND


class Salts:
    """Those of yesterday, today and, in its last hour, tomorrow.

    While the database is away a day has a salt of this process's own, and keeps it here; the table gets it if no other
    worker was first.
    """

    def __init__(self, engine: AsyncEngine, now: Now = utc) -> None:
        self._engine = engine
        self._now = now
        self._known: dict[date, bytes] = {}
        self._looking: asyncio.Task[None] | None = None
        self._said = False

    def of(self, day: date) -> bytes:
        """It waits for nothing. The salt of a day before yesterday, as a sender with a token may name, is today's."""
        known = self._known.get(day)
        if known:
            return known
        today = self._now().date()
        if day < today:  # of which no salt is left, or never was one
            return hashlib.blake2b(day.isoformat().encode(), key=self.of(today)).digest()[:OCTETS]
        return self._known.setdefault(day, os.urandom(OCTETS))

    async def keep(self) -> None:
        """Without an end: have the salts that are needed, and no others."""
        while True:
            found = await self.look()
            await asyncio.sleep(LOOK_S if found else LOOK_AGAIN_S)

    async def look(self) -> bool:
        """Whether the table was read, in time."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="crumby-salts-look")
        done, _ = await asyncio.wait({self._looking}, timeout=PATIENCE_S)
        if not done:  # a frozen server keeps even a cancelled task: until it ends, no other one begins
            self._looking.cancel()
            return False
        failed = asyncio.CancelledError() if self._looking.cancelled() else self._looking.exception()
        if failed:  # drivers have odd ones for a server that dies
            self._say(failed)
        else:
            self._said = False
        return not failed

    async def close(self) -> None:
        await ended(self._looking)

    async def _look(self) -> None:
        now = self._now()
        oldest = (now + EARLY + timedelta(seconds=LOOK_S)).date() - DAY
        for day in [day for day in self._known if day < oldest]:  # though the database may be away
            del self._known[day]
        needed = sorted({now.date(), (now + EARLY).date()})
        async with self._engine.connect() as connection:
            rows = await _read(connection)
            await connection.rollback()
            missing = [day for day in needed if day.isoformat() not in rows]
            if missing or min(rows, default="9") < oldest.isoformat():
                rows = await self._write(connection, missing, oldest)
        for text, salt in rows.items():
            self._known.setdefault(date.fromisoformat(text), bytes(salt))

    async def _write(self, connection: AsyncConnection, missing: Sequence[date], oldest: date) -> dict[str, bytes]:
        """What there is once all workers' first ones are in."""
        dialect = self._engine.dialect.name
        if dialect == "sqlite":  # what is deleted is to be gone from the file as well
            await connection.exec_driver_sql("pragma secure_delete = on")
        for day in missing:
            new = insert_into(salts, dialect).values(day=day.isoformat(), salt=self._known.get(day, os.urandom(OCTETS)))
            first = new.on_duplicate_key_update(day=salts.c.day) if dialect == "mysql" else new.on_conflict_do_nothing()
            await connection.execute(first)
        await connection.execute(delete(salts).where(salts.c.day < oldest.isoformat()))
        await connection.commit()
        return await _read(connection)

    def _say(self, error: BaseException) -> None:
        if not self._said:
            said = first_line(error) if isinstance(error, Exception) else type(error).__name__
            log.warning("visitors without a cookie are named by a salt of this process meanwhile: %s", said)
        self._said = True


async def _read(connection: AsyncConnection) -> dict[str, bytes]:
    return {row.day: row.salt for row in await connection.execute(select(salts.c.day, salts.c.salt))}


class Visitors:
    """Gives names, as VISITOR_ID says: to who brings none, to everybody, or to nobody."""

    def __init__(self, salts: Salts, known_by: VisitorId = "cookie") -> None:
        self._salts = salts
        self._known_by = known_by
        self._late: dict[str, datetime] = {}  # who was seen in the half hour around midnight, and when last

    def named(self, hits: Sequence[Hit], clients: Sequence[Client]) -> list[Hit]:
        """The hits, each with its visitor's name, or none with one. `clients` has one, or one for each hit.

        An engagement is its visit's, whoever's that is.
        """
        if self._known_by == "none":
            return [replace(hit, cid="") if hit.cid else hit for hit in hits]
        everybody, several = self._known_by == "daily", len(clients) > 1
        return [
            replace(hit, cid=self.name(hit, clients[number if several else 0]))
            if (everybody or not hit.cid) and hit.kind != "engagement"
            else hit
            for number, hit in enumerate(hits)
        ]

    def name(self, hit: Hit, client: Client) -> str:
        day = hit.datetime.date()
        shown = "\0".join((parse_address(hit.uri).site or "", client.ip or "", client.user_agent or ""))
        into = hit.datetime - datetime.combine(day, datetime.min.time())
        if into < APART:
            return self._early(hit.datetime, day, shown)
        name = self._hashed(day, shown)
        if into >= DAY - APART:
            self._see(name, hit.datetime)
        elif self._late and self._is_over(hit.datetime):
            self._late.clear()
        return name

    def _early(self, at: datetime, day: date, shown: str) -> str:
        before = self._hashed(day - DAY, shown)
        last = self._late.get(before)
        if last is None or at - last > APART:
            return self._hashed(day, shown)
        self._see(before, at)
        return before

    def _see(self, name: str, at: datetime) -> None:
        if len(self._late) < REMEMBERED or name in self._late:
            self._late[name] = max(at, self._late.get(name, at))

    def _is_over(self, at: datetime) -> bool:
        return at - next(iter(self._late.values())) > 2 * APART

    def _hashed(self, day: date, shown: str) -> str:
        key = self._salts.of(day)
        return hashlib.blake2b(shown.encode(errors="surrogatepass"), digest_size=NAME, key=key).hexdigest()


@contextlib.asynccontextmanager
async def open_visitors(engine: AsyncEngine, now: Now = utc, known_by: VisitorId = "cookie") -> AsyncIterator[Visitors]:
    """Names that all workers have in common, as soon as the database answers."""
    opened = Salts(engine, now)
    try:
        await opened.look()
        async with beside(opened.keep(), "crumby-salts"):
            yield Visitors(opened, known_by)
    finally:
        await opened.close()
