"""What the database is asked for a chunk: what fills `hits` and `acts`, and what each file adds to its tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crumby.rollups import delta, tables
from crumby.rollups.clock import Clock
from crumby.rollups.delta import SECONDS, TOLD, VIEWS, Delta
from crumby.rollups.files import Rollup, words

ACTS: Final = "acts"
STAGES: Final = (VIEWS, SECONDS, TOLD, ACTS)  # one after the other


@dataclass(frozen=True)
class Statements:
    """Of some rollups by a clock; made once."""

    clock: Clock
    fill: Mapping[str, str]  # by stage
    amend: Mapping[str, str]
    by_stage: Mapping[str, Sequence[Rollup]]
    needs: Mapping[str, frozenset[str]]  # stages, by rollup
    added: Mapping[str, Sequence[str]]  # by rollup


def prepared(rollups: Iterable[Rollup], clock: Clock, *, answering: bool = False) -> Statements:
    """`answering`: what a rollup adds is to be told as well."""
    by_stage: dict[str, list[Rollup]] = {stage: [] for stage in STAGES}
    needs: dict[str, frozenset[str]] = {}
    added: dict[str, Sequence[str]] = {}
    named = {"day"}
    for rollup in rollups:
        sql = rollup.select(clock)
        said = words(sql)
        named |= said
        stages = [*(delta.kinds(sql) if "hits" in said else ()), *([ACTS] if ACTS in said else ())]
        if not stages:
            stages = [VIEWS]
        needs[rollup.name] = frozenset(stages)
        by_stage[stages[-1]].append(rollup)
        added[rollup.name] = list(_adding(rollup, sql, clock.dialect, answering=answering))
    made = Delta(clock, named)
    needed = frozenset[str]().union(*needs.values())
    pending = clock.dialect != "sqlite" and TOLD in needed
    fill = {kind: made.hits(kind, pending=pending and kind == VIEWS) for kind in delta.KINDS if kind in needed}
    amend = {kind: made.hits(kind, pending=TOLD in needed, amended=True) for kind in needed & {VIEWS, SECONDS}}
    if ACTS in needed:
        fill[ACTS], amend[ACTS] = made.acts(), made.acts(amended=True)
    return Statements(clock, fill, amend, by_stage, needs, added)


def added_since(rollup: Rollup, clock: Clock, day: int, *, answering: bool = False) -> Sequence[str]:
    """What it adds of that day and later ones: those before it have what they had."""
    later = f"select * from ({rollup.select(clock)}) made where day >= {day:d}"
    return list(_adding(rollup, later, clock.dialect, answering=answering))


def _adding(rollup: Rollup, sql: str, dialect: str, *, answering: bool) -> Iterator[str]:
    """Where it is to answer, PostgreSQL's one statement does; the others have a table that can be asked."""
    columns = ", ".join(rollup.columns)
    if dialect == "postgresql":
        days, months, returns = tables.adding(rollup, dialect, "made")
        made = f"made as materialized (select {columns} from ({sql}) made)"
        ending = f", returns as ({returns}) select {columns} from made" if answering else f" {returns}"
        yield f"with {made}, days as ({days}), months as ({months}){ending}"
        return
    part = tables.part_table(rollup)
    yield f"insert into {part} ({columns}) {sql}"
    yield from tables.adding(rollup, dialect, part)
    yield f"delete from {part}"
