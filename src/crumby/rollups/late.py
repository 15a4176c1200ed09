"""Visitors with a row that came too late for its place in time: their later rows are told that it was there before.

    strays ──► where their rows are: a sweep over all ids, for there is no index by visitor
           └─► each visitor's rows in the order of their time ──► memory.Replay ──► those stamps that differ ──► amended

What is remembered of the visitor knew of the late row at once, so that those that come now are right. The others are
changed in parts, each in a transaction of its own, and only where a stamp is wrong. The visitor is a stray until the
last part, so that it may end anywhere, and begin again with nothing to repeat.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from types import SimpleNamespace
from typing import Any, Final

from crumby.dimensions.memory import COME, OWN, Replay
from crumby.dimensions.session import SECONDS
from crumby.rollups.amended import PART, amend, among, close, hold
from crumby.rollups.clock import Clock
from crumby.rollups.marks import Marks
from crumby.rollups.work import Busy, Work, Writing

log = logging.getLogger(__name__)

MOST: Final = 200  # visitors that one sweep looks for
SWEPT: Final = 20_000  # ids that it looks at at a time: 40 ms; ten million take 11 s of a core
ROWS: Final = 100_000  # of them, in 15 MiB of memory; whoever has more is a machine, and stays as it is
HEARD: Final = ("page", *COME, *dict.fromkeys(column for columns in OWN.values() for column in columns))
STAMPS: Final = {"visits": ("prev", "page_prev", "prevs", "first"), "events": ("prev", "value_prev", "page_prev")}
READ: Final = {
    "visits": ("id", "entry", *HEARD, *STAMPS["visits"]),
    "events": ("id", "name", "value", "page", *STAMPS["events"]),
}
LAST: Final = (1 << 63) - 1
ORDER: Final = itemgetter(0, 1, 3)
Place = tuple[Any, int, str, int]  # instant, 0 for a view, table, id


class Strays:
    """Their putting right, a piece at a time."""

    def __init__(self) -> None:
        self._pieces: Iterator[None] | None = None
        self._work: Work

    def step(self, work: Work, counted: Marks) -> bool:
        """A piece of it → whether there is more. Up to what is `counted` no row is still on its way."""
        self._work = work
        self._pieces = self._pieces or self._put_right(counted)
        try:
            next(self._pieces)
        except BaseException as error:
            self._pieces = None
            if isinstance(error, StopIteration):
                return False
            raise
        return True

    def _put_right(self, counted: Marks) -> Iterator[None]:
        after = ""
        while cids := self._some(after):
            after = cids[-1]
            found: dict[str, list[Place]] = {cid: [] for cid in cids}
            for table in STAMPS:
                yield from self._sweep(table, getattr(counted, table), found)
            for cid in cids:
                stray = _Stray(cid, sorted(found.pop(cid, ()), key=ORDER), counted)
                while not self._done(stray):
                    yield
                yield

    def _some(self, after: str) -> list[str]:
        with self._work.apart():
            cids = f"select cid from strays where cid > :after order by cid limit {MOST}"
            return [cid for (cid,) in self._work.rows(cids, {"after": after})]

    def _done(self, stray: "_Stray") -> bool:
        try:
            with self._work.transaction():
                return stray.part(self._work)
        except Busy:  # where it has swept is remembered
            return False

    def _sweep(self, table: str, until: int, found: dict[str, list[Place]]) -> Iterator[None]:
        for after in range(0, until, SWEPT):
            with self._work.apart():
                where = {"after": after, "until": min(until, after + SWEPT)}
                for cid, place in _places(self._work, table, list(found), where):
                    found[cid].append(place)
            while sum(map(len, found.values())) > ROWS:
                cid = max(found, key=lambda cid: len(found[cid]))
                log.warning(
                    "visitor %s has more than %s rows: some stay without what came late", cid, len(found.pop(cid))
                )
            yield


def mark(work: Work, cids: Sequence[str]) -> None:
    """These are strays. Raises Busy."""
    with work.transaction(), work.writing() as database:
        for cid in cids:
            if not database.rows("select 1 from strays where cid = :cid", {"cid": cid}):
                database.do("insert into strays values (:cid)", {"cid": cid})


def _places(
    talk: Work | Writing, table: str, cids: Sequence[str], where: dict[str, int]
) -> Iterator[tuple[str, Place]]:
    """Of their rows, but for those without a time."""
    named = {f"cid{number}": cid for number, cid in enumerate(cids)}
    rows = talk.rows(
        f"select cid, datetime, id from {table} where id > :after and id <= :until and datetime is not null "
        f"and cid in ({', '.join(f':{name}' for name in named)})",
        where | named,
    )
    return ((cid, (at, int(table == "events"), table, number)) for cid, at, number in rows)


class _Stray:
    def __init__(self, cid: str, places: Sequence[Place], counted: Marks) -> None:
        self._cid = cid
        self._places = places  # in the order of their time
        self._counted = counted
        self._next = 0
        self._replay: Replay | None = None

    def part(self, work: Work) -> bool:
        """The next rows, within a transaction of the rollups' → whether it is done with."""
        part = self._places[self._next : self._next + PART]
        rows = _read(work, part)
        replay = self._replay = self._replay or self._begun(work, rows)
        changed = _changes(replay, part, rows)
        last = self._next + PART >= len(self._places)
        with work.writing() as database:
            if last:
                self._end(database, replay, changed)
            _write(database, changed)
        self._next += PART
        return last

    def _begun(self, work: Work, rows: Mapping[Any, Any]) -> Replay:
        earliest = min((row.at for row in rows.values()), default=0)
        seconds = Clock(work.dialect, "UTC", 1970, 1970).seconds("first")
        first = work.rows(f"select {seconds} from visitors where cid = :cid", {"cid": self._cid})
        return Replay(first[0][0] if first and first[0][0] else earliest, earliest)

    def _end(self, database: Writing, replay: Replay, changed: dict[str, list[dict[str, Any]]]) -> None:
        """No row of the visitor comes meanwhile. Where one has come that is late again, the stray stays one."""
        if database.dialect != "sqlite":
            database.rows("select cid from visitors where cid = :cid for update", {"cid": self._cid})
        newer = sorted(
            (
                place
                for table in STAMPS
                for _, place in _places(
                    database, table, [self._cid], {"after": getattr(self._counted, table), "until": LAST}
                )
            ),
            key=ORDER,
        )
        if newer and self._places and ORDER(newer[0]) < ORDER(self._places[-1]):
            return
        for table, rows in _changes(replay, newer, _read(database, newer)).items():
            changed[table] += rows
        database.do("delete from strays where cid = :cid", {"cid": self._cid})


def _read(talk: Work | Writing, places: Iterable[Place]) -> dict[tuple[str, int], Any]:
    """Of them those that are there, and have a time that is one, by table and id."""
    seconds = Clock(talk.dialect, "UTC", 1970, 1970).seconds("datetime")
    found: dict[tuple[str, int], Any] = {}
    for table, names in READ.items():
        ids = [number for _, _, where, number in places if where == table]
        if ids:
            asked = f"select {seconds}, {', '.join(names)} from {table} where {among(ids)}"
            for at, *values in talk.rows(asked):
                if at is not None:
                    row = SimpleNamespace(**dict(zip(names, values, strict=True)), at=min(max(at, 1), SECONDS))
                    found[table, row.id] = row
    return found


def _changes(
    replay: Replay, places: Iterable[Place], rows: Mapping[tuple[str, int], Any]
) -> dict[str, list[dict[str, Any]]]:
    """The rows whose stamps are others now, by table."""
    changed: dict[str, list[dict[str, Any]]] = {table: [] for table in STAMPS}
    for _, _, table, number in places:
        row = rows.get((table, number))
        if row:
            stamps: tuple[Any, ...] = replay.view(row, row.at) if table == "visits" else replay.act(row, row.at)
            if stamps != tuple(getattr(row, name) for name in STAMPS[table]):
                changed[table].append({"id": number, **dict(zip(STAMPS[table], stamps, strict=True))})
    return changed


def _write(database: Writing, changed: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    for table, rows in changed.items():
        if not rows:
            continue
        ids = [row["id"] for row in rows]
        hold(database, table, ids)
        amend(database, table, ids, -1)
        setting = ", ".join(f"{name} = :{name}" for name in STAMPS[table])
        database.each(f"update {table} set {setting} where id = :id", rows)
        amend(database, table, ids, 1)
    if any(changed.values()):
        close(database)
