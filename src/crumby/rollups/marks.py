"""How far each rollup has come: a row of the state table, written in the transaction that brings it there."""

import hashlib
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, NamedTuple

from crumby.rollups.kept import TABLE as KEPT
from crumby.rollups.tables import STATE
from crumby.rollups.work import Work


class Marks(NamedTuple):
    """Ids: the last ones that are in it."""

    visits: int = 0
    events: int = 0
    engagements: int = 0
    amended: int = 0
    totals: int = 0

    def behind(self, heads: "Marks") -> int:
        """How many ids of visits, events and totals are still to come."""
        return sum(
            max(0, head - mark)
            for head, mark in ((heads.visits, self.visits), (heads.events, self.events), (heads.totals, self.totals))
        )

    @property
    def counted(self) -> int:
        """How much there may be in a rollup's tables."""
        return self.visits + self.totals

    @property
    def rows(self) -> int:
        """As heads: how many ids of visits, events and totals there are."""
        return NONE.behind(self)


NONE: Final = Marks()


class Again(NamedTuple):
    """What is counted a second time counts from that day on; up to these ids it is."""

    day: int = 0  # 20260131
    visits: int = 0
    events: int = 0
    totals: int = 0

    def ends(self, marks: Marks) -> bool:
        return marks.visits >= self.visits and marks.events >= self.events

    def bound(self, after: Marks, until: Marks) -> Marks:
        """Up to where a chunk may go that has no other rows."""
        visits, events = min(until.visits, self.visits), min(until.events, self.events)
        return until._replace(visits=max(after.visits, visits), events=max(after.events, events))


NEW: Final = Again()


@dataclass(frozen=True, slots=True)
class State:
    """A row of the state table."""

    name: str
    hash: str
    zone: str
    marks: Marks = NONE
    witness: str = ""  # of the visit at its mark
    witness_total: str = ""  # of the total
    complete: bool = False  # it has come to the end once
    analyzed: int = -1  # visits and totals that there were when its tables were analyzed last
    version: int = 0  # another one whenever a day before today has changed
    kept: Again = NEW  # of rollup_kept: what it must not count again

    @property
    def again(self) -> Again:
        """What it counts a second time now, if anything."""
        return NEW if self.kept.ends(self.marks) else self.kept


def read(work: Work) -> list[State]:
    own = ", ".join(f"s.{name}" for name in columns())
    known = ", ".join(f"coalesce(k.{name}, 0)" for name in Again._fields)
    rows = work.rows(f"select {own}, {known} from {STATE} s left join {KEPT} k on k.name = s.name")
    return [_state(*row) for row in rows]


def _state(name: str, hash_: str, zone: str, *facts: Any) -> State:
    marks, others = facts[: len(Marks._fields)], facts[len(Marks._fields) :]
    witness, of_total, complete, analyzed, version, *kept = others
    return State(name, hash_, zone, Marks(*marks), witness, of_total, bool(complete), analyzed, version, Again(*kept))


def columns() -> list[str]:
    """Of the state table."""
    return list(_row(State("", "", "")))


def create(work: Work, state: State) -> None:
    row = _row(state)
    values = ", ".join(f":{key}" for key in row)
    work.do(f"insert into {STATE} ({', '.join(row)}) values ({values})", row)


def delete(work: Work, name: str) -> None:
    work.do(f"delete from {STATE} where name = :name", {"name": name})


def move(work: Work, before: State, after: State) -> None:
    """Raises RuntimeError where another process has moved it, which its lock forbids."""
    row = _row(after)
    changed = ", ".join(f"{key} = :{key}" for key in row if key != "name")
    where = " and ".join(f"{key} = :was_{key}" for key in Marks._fields)
    was = {f"was_{key}": mark for key, mark in before.marks._asdict().items()}
    if work.do(f"update {STATE} set {changed} where name = :name and {where}", row | was) != 1:
        raise RuntimeError(f"{STATE}: {before.name} is not where it was; nothing is written")


def witness(work: Work, visit: int) -> str:
    """The last visit that is in it, and what tells it from any other that may come to have its id."""
    last = (
        "select id, hit_id, datetime from visits where id <= :visit and datetime is not null order by id desc limit 1"
    )
    return next((_testimony(*row) for row in work.rows(last, {"visit": visit})), "")


def witness_total(work: Work, total: int) -> str:
    """The last total that is in it, and what tells it from any other that may come to have its id."""
    if not total:
        return ""
    there = "select t.origin, t.rollup, t.day, t.prev_day, t.keys, t.sums from totals t where t.id = :total"
    return next((f"{total} {_checksum(row)}" for row in work.rows(there, {"total": total})), "")


def _checksum(row: Iterable[object]) -> str:
    return hashlib.blake2b(repr(list(row)).encode(errors="replace"), digest_size=16).hexdigest()


def sound(work: Work, states: Iterable[State]) -> list[State]:
    """Those whose witnesses are still there, or have been taken out since."""
    known: dict[Hashable, bool] = {}

    def testified(state: State) -> bool:
        key = (state.witness, state.witness_total, state.marks.visits, state.marks.amended, state.marks.totals)
        if key not in known:
            of_totals = state.witness_total == witness_total(work, state.marks.totals)
            known[key] = of_totals and _testifies(work, state)
        return known[key]

    return list(filter(testified, states))


def _testifies(work: Work, state: State) -> bool:
    if not state.witness:
        return not witness(work, state.marks.visits)
    own = {"visit": int(state.witness.split()[0])}
    there = "select id, hit_id, datetime from visits where id = :visit"
    gone = "select visit, hit_id, datetime from amended where visit = :visit and sign <= 0 and id > :amended"
    rows = [*work.rows(there, own), *work.rows(gone, own | {"amended": state.marks.amended})]
    return state.witness in {_testimony(*row) for row in rows}


def _testimony(visit: int, hit_id: bytes | None, at: object) -> str:
    return f"{visit} {hit_id.hex() if isinstance(hit_id, bytes) else '-'} {str(at)[:40]}"


def groups(states: Iterable[State]) -> Iterator[tuple[Marks, Again, list[State]]]:
    """Those that have come equally far, and count as much again, the farthest first."""
    ordered = sorted(states, key=lambda state: (state.marks, state.again, state.name), reverse=True)
    for (marks, again), group in groupby(ordered, key=lambda state: (state.marks, state.again)):
        yield marks, again, list(group)


def _row(state: State) -> dict[str, Any]:
    return {
        "name": state.name,
        "hash": state.hash,
        "zone": state.zone,
        **state.marks._asdict(),
        "witness": state.witness,
        "witness_total": state.witness_total,
        "complete": int(state.complete),
        "analyzed": state.analyzed,
        "version": state.version,
    }
