"""Visits and events of days before a horizon are deleted, once every rollup has counted them.

    pruned ──── the horizon, and a mark of this database's
      └─► rollup_kept ──── of each rollup: those days are never to be counted again
            └─► visits, events ──── the oldest first, PART at a time, with what was told of them
                  └─► visitors ──── those who were last there before it; strays
                        └─► the log of the embedded database starts anew

Each of these is a transaction of its own, of some milliseconds, which hits may wait for. It may end after any of them,
and be begun again: what has gone is not looked for. Rows that come late for those days count, and go the next time.
"""

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any, Final
from zoneinfo import ZoneInfo

from crumby.rollups import amended, kept, tables
from crumby.rollups.amended import among
from crumby.rollups.clock import Clock
from crumby.rollups.engine import Engine
from crumby.rollups.kept import Kept
from crumby.rollups.work import Busy, Work, Writing

PART: Final = 500  # rows in a transaction
LOOKED_AT: Final = 2000  # visitors at a time
TURN_S: Final = 120  # that a worker may be silent before another goes on in its place
TRIES: Final = 60  # that the log is to start anew, where reports read it all the time
NAME: Final = 16  # bytes of a mark, or of a worker's name
TABLES: Final = ("visits", "events")


class Taken(Exception):
    """Another worker is at it."""


class Over(Taken):
    """It was done."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """A midnight of the configured zone: the days before it go."""

    day: date
    zone: str

    @classmethod
    def of(cls, days: int, zone: str, now: datetime | None = None) -> "Horizon":
        """Today stays, and so many days before it."""
        today = (now or datetime.now(UTC)).astimezone(ZoneInfo(zone)).date()
        return cls(max(today - timedelta(days=days), date(1970, 1, 2)), zone)

    @property
    def number(self) -> int:
        """20260131."""
        return int(self.day.strftime("%Y%m%d"))

    @property
    def instant(self) -> datetime:
        """In UTC, without a zone, as rows have it."""
        return datetime.combine(self.day, clock(), ZoneInfo(self.zone)).astimezone(UTC).replace(tzinfo=None)

    @property
    def seconds(self) -> int:
        """Since 1970."""
        return round(self.instant.replace(tzinfo=UTC).timestamp())

    def bound(self, dialect: str) -> dict[str, Any]:
        """For statements that say `datetime < :horizon`. SQLite compares texts."""
        return {"horizon": str(self.instant) if dialect == "sqlite" else self.instant}


class Prune:
    """One run of it. `daily`: in turn with the other workers, and once for each horizon."""

    def __init__(self, horizon: Horizon, *, daily: bool = False) -> None:
        self.horizon = horizon
        self.visits = 0  # deleted, by now
        self.events = 0
        self.visitors = 0
        self._daily = daily
        self._worker = secrets.token_hex(NAME)
        self._renewed = -TURN_S * 1.0
        self._mark = ""
        self._after: str | None = ""  # cid; None once all visitors have been looked at
        self._tries = 0

    def step(self, work: Work, engine: Engine) -> bool:
        """A piece of it → whether there is more. Raises Busy while a rollup is behind, and Taken."""
        if time.monotonic() - self._renewed > TURN_S / 4:
            self._take_turn(work)
        if self._warn(work, engine) or any(self._rows(work, engine, table) for table in TABLES):
            return True
        if self._after is not None:
            self._some_visitors(work, self._after)
            return True
        self._tries += 1
        if not work.restart_log() and self._tries < TRIES:
            return True
        self._end(work, engine)
        return False

    def _take_turn(self, work: Work) -> None:
        now = int(time.time())
        row = {"horizon": self.horizon.seconds, "worker": self._worker, "turn": now + TURN_S, "since": 0}
        with work.transaction(), work.writing() as database:
            rows = database.rows("select mark, horizon, done, since, worker, turn from pruned")
            ((first,),) = database.rows(f"select {_seconds(work)} from visits")
            if rows:
                self._mark, horizon, done, since, worker, until = rows[0]
                if self._daily and done >= self.horizon.seconds:
                    raise Over
                if self._daily and worker != self._worker and until > now:
                    raise Taken
                row |= {
                    "horizon": max(horizon, self.horizon.seconds),
                    "since": min(filter(None, (since, first)), default=0),
                }
                database.do("update pruned set worker = :worker, turn = :turn, horizon = :horizon, since = :since", row)
            else:
                self._mark = secrets.token_hex(NAME)
                database.do(
                    "insert into pruned (mark, horizon, done, since, worker, turn) "
                    "values (:mark, :horizon, 0, :since, :worker, :turn)",
                    row | {"mark": self._mark, "since": first or 0},
                )
        self._renewed = time.monotonic()

    def _warn(self, work: Work, engine: Engine) -> bool:
        """Whether there were rollups that did not know yet."""
        with work.transaction():
            states = engine.complete(work)
            known = kept.read(work)
            behind = [state for state in states if not self._knows(known.get(state.name))]
            for state in behind:
                shape = engine.rollups[state.name].shape
                counted = state.marks.visits, state.marks.events, state.marks.totals
                facts = Kept(self._mark, shape, self.horizon.number, *counted)
                kept.put(work, state.name, facts)
        return bool(behind)

    def _knows(self, known: Kept | None) -> bool:
        return known is not None and known.mark == self._mark and known.day >= self.horizon.number

    def _rows(self, work: Work, engine: Engine, table: str) -> int:
        """How many are gone now."""
        with work.transaction():
            states = engine.complete(work)
            known = kept.read(work)
            if not all(self._knows(known.get(state.name)) for state in states):
                raise Busy  # one has begun anew since
            heads = engine.heads(work)
            counted = min((state.marks for state in states), key=lambda marks: getattr(marks, table), default=heads)
            told = min((state.marks.engagements for state in states), default=heads.engagements)
            ids = self._oldest(work, table, getattr(counted, table), told)
            if ids:
                witnesses = {int(state.witness.split()[0]) for state in states if state.witness}
                with work.writing() as database:
                    if table == "visits":
                        amended.tell_of(database, sorted(witnesses.intersection(ids)))
                        forget_told(database, ids)
                    amended.remove(database, table, set(ids))
        setattr(self, table, getattr(self, table) + len(ids))
        return len(ids)

    def _oldest(self, work: Work, table: str, counted: int, told: int) -> list[int]:
        waiting = " and id not in (select visit_id from engagements where id > :told)" if table == "visits" else ""
        where = {"counted": counted} | ({"told": told} if waiting else {})
        rows = work.rows(
            f"select id from {table} where datetime < :horizon and id <= :counted{waiting} "
            f"order by datetime limit {PART}",
            where | self.horizon.bound(work.dialect),
        )
        return [number for (number,) in rows]

    def _some_visitors(self, work: Work, after: str) -> None:
        bound = self.horizon.bound(work.dialect)
        with work.apart():
            found = work.rows(
                "select cid, case when last < :horizon then 1 else 0 end from visitors where cid > :after "
                f"order by cid limit {LOOKED_AT}",
                bound | {"after": after},
            )
        gone = [cid for cid, is_old in found if is_old]
        for start in range(0, len(gone), PART):
            named, cids = _named(gone[start : start + PART])
            with work.transaction(), work.writing() as database:
                self.visitors += database.do(
                    f"delete from visitors where cid in ({named}) and last < :horizon", cids | bound
                )
                database.do(f"delete from strays where cid in ({named}) and {_NOBODY}", cids)
        self._after = found[-1][0] if len(found) == LOOKED_AT else None

    def _end(self, work: Work, engine: Engine) -> None:
        """Answers that are kept by the rollups' version are of rows that may be gone."""
        with work.transaction():
            version = time.time_ns() // 1_000_000
            work.do(f"update {tables.STATE} set version = :version where version < :version", {"version": version})
            engine.pruned(work, str(self.horizon.instant))
        with work.transaction(), work.writing() as database:
            database.do(
                "update pruned set done = :horizon, turn = 0 where done < :horizon", {"horizon": self.horizon.seconds}
            )


_NOBODY: Final = "not exists (select 1 from visitors v where v.cid = strays.cid)"


def _seconds(work: Work) -> str:
    return Clock(work.dialect, "UTC", 1970, 1970).seconds("min(datetime)")


def counted(work: Work, horizon: Horizon) -> Mapping[str, int]:
    """How many rows are to go, by table."""
    with work.apart():
        return {
            table: int(
                work.rows(
                    f"select count(*) from {table} where {column} < :horizon",
                    horizon.bound(work.dialect),
                )[0][0]
            )
            for table, column in (("visits", "datetime"), ("events", "datetime"), ("visitors", "last"))
        }


def forget_told(database: Writing, visits: Iterable[int]) -> None:
    """What was told of these visits later. The last row stays without its visit, for SQLite counts on from it."""
    ids = among(list(visits)).replace("id", "visit_id", 1)
    ((last,),) = database.rows("select max(id) from engagements")
    if last is not None:
        database.do(f"delete from engagements where {ids} and id < {last:d}")
        nothing = "visit_id = 0, engaged = 0, told = 0, scroll = 0, scrolled = 0, finished = 0"
        database.do(f"update engagements set {nothing} where id = {last:d} and {ids}")


def forget_all_told(work: Work, visits: Iterable[int]) -> None:
    """The same, in a transaction of its own. Raises Busy."""
    with work.transaction(), work.writing() as database:
        forget_told(database, visits)


def forget_visitors(work: Work, cids: Iterable[str]) -> int:
    """What is remembered of them → of how many something was. Raises Busy."""
    gone, all_of_them = 0, sorted(cids)
    for start in range(0, len(all_of_them), PART):
        named, values = _named(all_of_them[start : start + PART])
        with work.transaction(), work.writing() as database:
            gone += database.do(f"delete from visitors where cid in ({named})", values)
            database.do(f"delete from strays where cid in ({named})", values)
    return gone


def _named(cids: Iterable[str]) -> tuple[str, dict[str, str]]:
    values = {f"cid{number}": cid for number, cid in enumerate(cids)}
    return ", ".join(f":{name}" for name in values), values
