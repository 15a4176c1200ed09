"""What ClickHouse has yet to be told, written down in the transactions in which it happens.

    a chunk of the rollups ─ its new rows, its marks ─┐
    visits, events, totals ─ up to which id           ├─► outbox, a row each ──► sending.py, in their order
    a rollup that is copied anew, or goes; pruning ───┘

The table lies beside the rollups: in their file where the database is SQLite, on the server otherwise. What is
committed there is sent, in the order of its ids, until ClickHouse has acknowledged it; nothing else is.

`outbox_marks` has a row for each rollup: by what file it was made, how far it had come, and up to which day of it
everything has been told. One whose own marks say otherwise begins anew: its tables are made, and filled day by day
from what the rollup holds once it is complete (`taking.py`); of its chunks those rows follow whose days were told by
then. The row without a name is of visits, events and totals themselves: which of them were told of, changed or deleted
since goes by their ids.

`outbox_turn` says whose turn it is to send, which rows are on their way, and of which fill all of it is. Where the
database is another one than it was, or too much waits, or ClickHouse has other things than it was told, everything
begins anew.
"""

import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from crumby.columnar.parcels import (
    ALL_DAYS,
    CREATE,
    DROP,
    HITS,
    PRUNED,
    ROWS,
    SWEPT,
    WHOLE,
    Noted,
    Parcel,
    again,
    creation,
    fits,
    lines,
    note,
    put,
    read,
    rows_of,
)
from crumby.rollups import marks
from crumby.rollups.copied import MARKS, OUTBOX, TABLES, TURN
from crumby.rollups.files import Rollup
from crumby.rollups.marks import NONE, Marks, State
from crumby.rollups.settling import Heads
from crumby.rollups.work import Work

__all__ = ["Outbox", "Parcel"]

log = logging.getLogger(__name__)

HITS_AT_ONCE: Final = 5000  # visits, events and totals that a row of the outbox stands for
HITS_WAITING: Final = 4  # such rows that may wait, before no further ones are written
LIMIT_MIB: Final = 256  # that wait; beyond, ClickHouse is filled anew when it is back
LOOK_S: Final = 60.0  # between two looks at how much waits
NAME: Final = 16  # bytes


class Outbox:
    """As `Copy` has it; one a process."""

    def __init__(self) -> None:
        self._days: dict[str, int] = {}
        self._lines: dict[str, list[bytes]] = {}
        self._states: list[State] = []
        self._looked = 0.0

    # What the rollups tell

    def connected(self, work: Work) -> None:
        if work.dialect == "sqlite":
            work.do("pragma main.secure_delete = on")
        with work.apart():
            if all(fits(work, table) for table in TABLES):
                return
        with work.transaction():
            for table in filter(work.has, TABLES):
                work.do(f"drop table {table}")
            for statement in creation(work.dialect):
                work.do(statement)
            self.anew(work)

    def anew(self, work: Work) -> None:
        """Nothing of what was told counts any more, within a transaction."""
        for table in TABLES:
            work.do(f"delete from {table}")
        work.do(f"insert into {TURN} values (:name, 0, 0, '', 0)", {"name": secrets.token_hex(NAME)})
        note(work, "", Noted("", "", NONE, "", "", complete=False, day=0))
        self._days.clear()

    def begin(self, work: Work, states: Sequence[State], rollups: Mapping[str, Rollup], *, all_of_them: bool) -> None:
        self._lines.clear()
        self._states.clear()
        noted = read(work)
        self._days = {name: each.day for name, each in noted.items()}
        for state in states:
            known = noted.get(state.name)
            if known is None or (known.hash, known.zone, known.marks) != (state.hash, state.zone, state.marks):
                self._create(work, state, rollups[state.name])
        if all_of_them:
            for name in set(noted) - {state.name for state in states} - {""}:
                put(work, DROP, {"name": name})
                work.do(f"delete from {MARKS} where name = :name", {"name": name})

    def _create(self, work: Work, state: State, rollup: Rollup) -> None:
        made_of = {
            "name": state.name,
            "keys": [(key.name, key.length) for key in rollup.keys],
            "sums": rollup.sums,
            "counted": rollup.counted,
        }
        put(work, CREATE, made_of)
        note(work, state.name, Noted(state.hash, state.zone, state.marks, "", "", complete=False, day=0))
        self._days[state.name] = 0

    def added(self, rollup: Rollup, rows: Sequence[Sequence[Any]]) -> None:
        until, column = self._days.get(rollup.name, 0), len(rollup.keys)
        told = rows if until == ALL_DAYS else [row for row in rows if row[column] <= until]
        if told:
            self._lines.setdefault(rollup.name, []).append(lines(told))

    def moved(self, work: Work, states: Sequence[State]) -> None:
        first = states[0]
        names = {f"name{number}": state.name for number, state in enumerate(states)}
        setting = ", ".join(f"{field} = :{field}" for field in Marks._fields)
        of_them = ", ".join(f":{name}" for name in names)
        work.do(f"update {MARKS} set {setting} where name in ({of_them})", first.marks._asdict() | names)
        self._states += [state for state in states if self._days.get(state.name) == ALL_DAYS]

    def end(self, work: Work) -> None:
        if self._lines or self._states:
            put(work, ROWS, rows_of(self._lines, self._states))
        self._lines.clear()
        self._states.clear()

    def take_in(self, work: Work, heads: Heads) -> None:
        there = heads.now(work)
        known = read(work)[""]
        state = State("", "", "", known.marks, known.witness, known.witness_total)
        why = "the database is another one than it was"
        if all(map(int.__ge__, there, known.marks)) and marks.sound(work, [state]):
            why = self._too_much(work)
        if why:
            log.warning("%s: ClickHouse is filled anew", why)
            self.anew(work)
            return
        until = heads.chunk(work, known.marks, there, HITS_AT_ONCE)
        if self._many_wait(work):
            until = known.marks._replace(engagements=until.engagements, amended=until.amended)
        others = again(work, known.marks, until)
        complete = known.complete or not until.behind(there)
        if until != known.marks:
            if until.rows != known.marks.rows or any(others.values()):
                put(work, HITS, {"after": known.marks, "until": until, "again": others})
            of_visit, of_total = marks.witness(work, until.visits), marks.witness_total(work, until.totals)
            known = known._replace(marks=until, witness=of_visit, witness_total=of_total)
        elif complete == known.complete:
            return
        if complete and not known.complete:
            put(work, WHOLE, {})
        note(work, "", known._replace(complete=complete))

    def _many_wait(self, work: Work) -> bool:
        ((there,),) = work.rows(f"select count(*) from {OUTBOX} where what = '{HITS}'")
        return bool(there >= HITS_WAITING)

    def _too_much(self, work: Work) -> str:
        """A look now and then is enough to see it."""
        if time.monotonic() - self._looked < LOOK_S:
            return ""
        self._looked = time.monotonic()
        ((octets,),) = work.rows(f"select sum(length(body)) from {OUTBOX}")
        return f"more than {LIMIT_MIB} MiB wait for it" if (octets or 0) > LIMIT_MIB << 20 else ""

    def marks(self, work: Work) -> Marks:
        return read(work)[""].marks

    def pruned(self, work: Work, before: str) -> None:
        put(work, PRUNED, {"before": before})
        states = [state for state in marks.read(work) if self._days_of(work).get(state.name) == ALL_DAYS]
        put(work, ROWS, rows_of({}, states))

    def swept(self, work: Work) -> None:
        put(work, SWEPT, {"names": [name for name in self._days_of(work) if name]})

    def _days_of(self, work: Work) -> dict[str, int]:
        return {name: each.day for name, each in read(work).items()}
