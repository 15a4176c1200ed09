"""What is taken out of the outbox: in the order of its ids, by one process at a time, and once it is sent deleted.

take ──► a batch, noted as being on its way: the same until it is acknowledged, whoever takes it
  └─► where nothing waits, what is new, and the next days of a rollup that has not been told as a whole
renew ──► it takes longer
acknowledge ──► it is deleted
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from crumby.columnar.outbox import HITS_WAITING, Outbox
from crumby.columnar.parcels import ALL_DAYS, ROWS, Noted, Parcel, lines, note, parcel, put, read, rows_of
from crumby.rollups import marks
from crumby.rollups.copied import OUTBOX, TURN
from crumby.rollups.engine import Engine
from crumby.rollups.files import Rollup
from crumby.rollups.marks import State
from crumby.rollups.work import Work

SEED: Final = 40_000  # rows of a rollup at a time
JOINED: Final = 64  # rows of the outbox that are sent together,
JOINED_BYTES: Final = 4 << 20  # unless they are so large
LEASE_S: Final = 30  # that who sends may be silent, before another process goes on in its place
NAME: Final = 16  # bytes


class Taken(Exception):
    """Another process sends."""


@dataclass(frozen=True, slots=True)
class Batch:
    generation: str
    sent: int  # the last one before it
    parcels: Sequence[Parcel]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How far ClickHouse is behind."""

    parcels: int  # rows of the outbox
    first: int  # of them, by its id; 0 where nothing waits
    last: int
    done: int  # ids of visits, events and totals that are in the outbox, or were
    of: int
    rollups: Sequence[str]  # that it has not been told of as a whole

    @property
    def behind(self) -> int:
        return max(0, self.of - self.done)


class Taking:
    """One a process."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._worker = secrets.token_hex(NAME)

    def take(self, work: Work, engine: Engine) -> Batch:
        """What is to be sent next, which is the same until it is acknowledged. Raises Busy, and Taken."""
        with work.transaction():
            generation, sent, until, worker, turn = self._turn(work)
            now = int(time.time())
            if worker not in {"", self._worker} and turn > now:
                raise Taken
            if until <= sent:  # nothing is on its way
                engine.tell_of_hits(work)
                self._seed(work, engine)
                generation, sent, *_ = self._turn(work)
                until = self._until(work)
            if until or worker != self._worker or turn - now < LEASE_S / 2:
                renewed = {"worker": self._worker, "turn": now + LEASE_S, "until": until}
                work.do(f"update {TURN} set worker = :worker, turn = :turn, batch = :until", renewed)
            rows = work.rows(f"select id, what, body from {OUTBOX} where id <= :until order by id", {"until": until})
            return Batch(generation, sent, [parcel(*row) for row in rows])

    def _turn(self, work: Work) -> Any:
        return work.rows(f"select generation, sent, batch, worker, turn from {TURN}")[0]

    def _until(self, work: Work) -> int:
        octets = until = 0
        for number, length in work.rows(f"select id, length(body) from {OUTBOX} order by id limit {JOINED}"):
            octets += length
            if until and octets > JOINED_BYTES:
                break
            until = number
        return until

    def renew(self, work: Work, batch: Batch) -> None:
        """It takes longer. Raises Busy, and Taken where it is somebody else's turn."""
        with work.transaction():
            self._change(work, batch, "turn = :turn")

    def acknowledge(self, work: Work, batch: Batch) -> None:
        """ClickHouse has it. Raises as `renew`."""
        with work.transaction():
            self._change(work, batch, "turn = :turn, sent = batch, batch = 0")
            work.do(f"delete from {OUTBOX} where id <= :until", {"until": batch.parcels[-1].id})

    def _change(self, work: Work, batch: Batch, setting: str) -> None:
        own = {"worker": self._worker, "generation": batch.generation, "turn": int(time.time()) + LEASE_S}
        if not work.do(f"update {TURN} set {setting} where worker = :worker and generation = :generation", own):
            raise Taken

    def leave(self, work: Work) -> None:
        """It is somebody else's turn."""
        with work.transaction():
            work.do(f"update {TURN} set worker = '', turn = 0 where worker = :worker", {"worker": self._worker})

    def begin_anew(self, work: Work) -> None:
        """ClickHouse has other things than it was told."""
        with work.transaction():
            self._outbox.anew(work)

    def waiting(self, work: Work, engine: Engine) -> Waiting:
        with work.transaction():
            known = read(work)
            ((parcels, first, last),) = work.rows(f"select count(*), min(id), max(id) from {OUTBOX}")
            there = {name for name, each in known.items() if each.day == ALL_DAYS}
            without = sorted(set(engine.rollups) - there)
            return Waiting(parcels, first or 0, last or 0, known[""].marks.rows, engine.heads(work).rows, without)

    def _seed(self, work: Work, engine: Engine) -> None:
        """The next days of a rollup that is complete, and has not been told as a whole."""
        ((there,),) = work.rows(f"select count(*) from {OUTBOX}")
        if there >= HITS_WAITING:
            return
        noted = read(work)
        for state in marks.read(work):
            known, rollup = noted.get(state.name), engine.rollups.get(state.name)
            if not rollup or not known or not state.complete or known.day == ALL_DAYS:
                continue
            if (known.hash, known.zone, known.marks) == (state.hash, state.zone, state.marks):
                self._tell(work, rollup, state, known)
                return

    def _tell(self, work: Work, rollup: Rollup, state: State, known: Noted) -> None:
        last = _last_day(work, rollup, known.day)
        found = (
            f"select {', '.join(rollup.columns)} from {rollup.day_table} where day > {known.day:d} and day <= {last:d}"
        )
        told = {rollup.name: [lines(work.plain_rows(found))]}
        put(work, ROWS, rows_of(told, [state] if last == ALL_DAYS else []))
        note(work, rollup.name, known._replace(day=last))


def _last_day(work: Work, rollup: Rollup, after: int) -> int:
    """Up to which some thousand rows go."""
    counted = f"select day, count(*) from {rollup.day_table} where day > :after group by day order by day"
    rows = 0
    before = after
    for day, more in work.rows(counted, {"after": after}):
        if rows and rows + more > SEED:
            return before
        rows += more
        before = day
    return ALL_DAYS
