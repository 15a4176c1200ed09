"""A visitor or an address: all that is stored of it, to be told or to be forgotten.

    what is asked for ──► cids ──► visits, events, visitors │ the spool ──► one JSON document
                                                            └───────────► deleted, and out of the rollups

An address stands for the visitors who ever came from it, with all that they did, from wherever: what one of them had
done without those hits nobody could tell.
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Table, and_, func, or_, select, union

from crumby.database import Database
from crumby.dimensions.memory import checksums, remembered
from crumby.dimensions.session import NOBODY
from crumby.errors import CrumbyError, SpoolUnavailable
from crumby.ingest.spool import Spool, Waiting
from crumby.rollups import Rollups
from crumby.settings import Settings
from crumby.tables import events, visitors, visits
from crumby.wiping import restart_log

NO_CIDS: Final = NOBODY | {""}
LONGEST: Final = 39  # characters of an address; a cid has 32
ROUNDS: Final = 5  # of a visitor who goes on coming meanwhile
STEP: Final = 500  # rows at a time, in the order given
TURN_S: Final = 60.0  # that the spool may be emptied by a server, until it is our turn
LOOK_AGAIN_S: Final = 0.2
LOG_TRIES: Final = 10

Tell = Callable[[str, int, int], None]  # of whom, rows so far, of so many


class NobodyInParticular(CrumbyError):
    status = 422


@dataclass(frozen=True, slots=True)
class Subject:
    """`said` is a cid, or an address where it can be read as one."""

    said: str
    ip: str | None

    @classmethod
    def of(cls, said: str) -> "Subject":
        """Raises NobodyInParticular."""
        said = said.strip()
        if said in NO_CIDS or len(said) > LONGEST:
            raise NobodyInParticular(f"{said[:60]!r} is neither a visitor's cid nor an address: give one of these")
        try:
            ip = ip_address(said)
        except ValueError:
            return cls(said, None)
        return cls(said, str(getattr(ip, "ipv4_mapped", None) or ip))

    def rows(self, table: Table) -> ColumnElement[bool]:
        """Whose they are."""
        own: ColumnElement[bool] = table.c.cid == self.said
        return or_(own, table.c.ip == self.ip, table.c.cid.in_(self._people())) if self.ip else own

    def _people(self) -> Any:
        both = (
            select(each.c.cid).where(and_(each.c.ip == self.ip, each.c.cid.not_in(NO_CIDS)))
            for each in (visits, events)
        )
        return union(*both)


@dataclass(frozen=True, slots=True)
class Found:
    """`rows` are tables and ids in them, in the order in which they go: by the last of them others are found."""

    rows: Sequence[tuple[str, Sequence[int]]] = ()
    cids: Collection[str] = ()
    hits: Collection[bytes] = ()  # ids of the visits' hits
    visitors: int = 0  # of whom something is remembered
    waiting: Sequence[Waiting] = ()

    def __bool__(self) -> bool:
        return bool(any(ids for _, ids in self.rows) or self.visitors or self.waiting)

    def of(self, table: str) -> list[int]:
        return [number for name, ids in self.rows if name == table for number in ids]


@dataclass(slots=True)
class Forgotten:
    visits: int = 0
    events: int = 0
    visitors: int = 0
    waiting: int = 0  # in the spool

    def add(self, found: Found) -> None:
        self.visits += len(found.of("visits"))
        self.events += len(found.of("events"))
        self.visitors += found.visitors
        self.waiting += len(found.waiting)


async def find(database: Database, settings: Settings, subject: Subject) -> Found:
    """What there is. Raises what the database does, and SpoolUnavailable."""
    stored = await _stored(database, subject)
    waiting: Sequence[Waiting] = ()
    async with _Spooled(settings) as spool:
        if spool:
            waiting = await spool.matching(await _fits(spool, subject, stored))
    return replace(stored, waiting=waiting)


async def forget(
    database: Database, rollups: Rollups, settings: Settings, subject: Subject, tell: Tell = lambda *_: None
) -> Forgotten:
    """Delete it, while hits go on coming in → what it was. Raises as `find`, and what the rollups do.

    Wherever it ends, it can be begun again. Who comes again meanwhile, or later, is somebody new.
    """
    forgotten = Forgotten()
    visits_gone: list[int] = []
    await _forget_spooled(settings, subject, await _stored(database, subject), forgotten)
    for _ in range(ROUNDS):
        found = await _stored(database, subject)
        if not found:
            break
        forgotten.add(found)
        visits_gone += found.of("visits")
        await rollups.finish()
        await rollups.forget_visitors(found.cids)
        await _take_out(rollups, subject, found, tell)
    await rollups.finish()
    await rollups.clear(visits_gone)
    return forgotten


async def _take_out(rollups: Rollups, subject: Subject, found: Found, tell: Tell) -> None:
    of, done = sum(len(ids) for _, ids in found.rows), 0
    for name, ids in found.rows:
        for start in range(0, len(ids), STEP):
            part = ids[start : start + STEP]
            await rollups.take_out(**{name: part})
            done += len(part)
            tell(subject.said, done, of)


async def _stored(database: Database, subject: Subject) -> Found:
    others: list[tuple[str, list[int]]] = []
    own: list[tuple[str, list[int]]] = []
    cids, hits = (set() if subject.ip else {subject.said}), set()
    async with database.engine.connect() as there:
        for table in (visits, events):
            columns = (table.c.id, table.c.cid, table.c.ip, table.c.hit_id)
            rows = (await there.execute(select(*columns).where(subject.rows(table)))).all()
            others.append((table.name, [row.id for row in rows if row.ip != subject.ip]))
            own.append((table.name, [row.id for row in rows if row.ip == subject.ip]))
            cids |= {row.cid for row in rows if row.cid and row.cid not in NO_CIDS}
            hits |= {row.hit_id for row in rows if row.hit_id and table is visits}
        known = 0
        for some in _parts(sorted(cids)):
            known += await there.scalar(select(func.count()).select_from(visitors).where(visitors.c.cid.in_(some))) or 0
    return Found([*others, *own], cids, hits, known)


def _parts(cids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (cids[start : start + STEP] for start in range(0, len(cids), STEP))


# What waits in the spool


class _Spooled:
    """The spool, if there is one."""

    def __init__(self, settings: Settings) -> None:
        self._spool = Spool(settings.spool, settings.spool_limit) if settings.spool.exists() else None

    async def __aenter__(self) -> Spool | None:
        if self._spool:
            await self._spool.open()
        return self._spool

    async def __aexit__(self, *_: object) -> None:
        if self._spool:
            await self._spool.close()


async def _fits(spool: Spool, subject: Subject, stored: Found) -> Callable[[Waiting], bool]:
    """Which of its rows are the subject's: what was told of a page view is known by the view's hit alone."""
    cids, hits = set(stored.cids), {_written(hit) for hit in stored.hits}
    if subject.ip:
        there = await spool.matching(lambda each: each.row.get("ip") == subject.ip)
        cids |= {each.row.get("cid") or "" for each in there} - NO_CIDS

    def is_theirs(each: Waiting) -> bool:
        return each.row.get("cid") in cids or (subject.ip is not None and each.row.get("ip") == subject.ip)

    hits |= {each.row.get("hit_id", "") for each in await spool.matching(is_theirs)}
    return lambda each: is_theirs(each) or (each.kind == "engagement" and each.row.get("hit_id") in hits)


def _written(hit: bytes) -> str:
    """As the spool has it."""
    return b64encode(hit).decode()


async def _forget_spooled(settings: Settings, subject: Subject, stored: Found, forgotten: Forgotten) -> None:
    """In our turn: what a server had taken out of it by then is in the database."""
    async with _Spooled(settings) as spool:
        if not spool:
            return
        deadline = asyncio.get_running_loop().time() + TURN_S
        while asyncio.get_running_loop().time() < deadline:
            with spool.turn() as ours:
                if ours:
                    rows = await spool.matching(await _fits(spool, subject, stored))
                    await spool.forget(rows)
                    forgotten.waiting += len(rows)
                    break
            await asyncio.sleep(LOOK_AGAIN_S)
        else:
            raise SpoolUnavailable(f"{settings.spool} has been emptied for {TURN_S:g} s; try again when that is done")
    await _without_log(settings.spool)


async def _without_log(path: Path) -> None:
    for _ in range(LOG_TRIES):
        if await asyncio.to_thread(restart_log, path):
            return
        await asyncio.sleep(LOOK_AGAIN_S)


# What is told


async def told(database: Database, settings: Settings, subject: Subject) -> dict[str, Any]:
    """All that is stored, as a document that JSON can have. Raises as `find`."""
    found = await find(database, settings, subject)
    rows: dict[str, Sequence[Row[Any]]] = {}
    async with database.engine.connect() as there:
        for table in (visits, events):
            of_them = select(table).where(subject.rows(table)).order_by(table.c.datetime, table.c.id)
            rows[table.name] = (await there.execute(of_them)).all()
        people: list[Row[Any]] = []
        for some in _parts(sorted(found.cids)):
            asked = select(visitors).where(visitors.c.cid.in_(some)).order_by(visitors.c.cid)
            people += (await there.execute(asked)).all()
    meanings = {word: said for name in rows for row in rows[name] for word, said in checksums(row).items()}
    return {
        "asked": subject.said,
        "told": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "visits": [_plain(row) for row in rows["visits"]],
        "events": [_event(row) for row in rows["events"]],
        "visitors": [_visitor(row, meanings) for row in people],
        "waiting": [{"kind": each.kind, **each.row} for each in found.waiting],
    }


def _plain(row: Row[Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in row._mapping.items()}  # noqa: SLF001 - its public name


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.isoformat(timespec='milliseconds')}Z"
    return value.hex() if isinstance(value, bytes) else value


def _event(row: Row[Any]) -> dict[str, Any]:
    return _plain(row) | {"properties": json.loads(row.properties) if row.properties else None}


def _visitor(row: Row[Any], meanings: Mapping[bytes, str]) -> dict[str, Any]:
    """What is remembered is a checksum of each thing; its meaning is known where a row that is left has the thing."""
    return _plain(row) | {
        "seen": [
            {
                "checksum": word.hex(),
                "meaning": meanings.get(word) or (dimension and f"{dimension}, of the last page view"),
                "last": f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}",
            }
            for dimension, word, at in remembered(row.seen or b"")
        ]
    }
