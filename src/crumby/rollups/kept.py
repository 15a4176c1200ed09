"""What no rollup may count again: the days whose visits are deleted, and what it has counted of them.

    rollup_kept   a row for each rollup that has counted the days before a horizon, written before their visits go

A rollup that begins anew keeps its rows of those days, and counts the visits that there are into the days since: where
they were counted from this very database, and have the columns that its file asks for. What is noted here outlasts the
rollup's state, which another version of Crumby may drop.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from crumby.rollups import tables
from crumby.rollups.files import Rollup
from crumby.rollups.work import Work

TABLE: Final = "rollup_kept"
TABLES: Final = ("visits", "events", "totals")  # whose ids it notes


class Kept(NamedTuple):
    mark: str  # of the database whose visits they were
    shape: str  # of the rollup's tables
    day: int  # 20260131: the days before it are kept
    visits: int = 0  # ids: the last ones that had been counted when it began anew
    events: int = 0
    totals: int = 0  # not from the beginning: see `create`


def is_there(work: Work) -> bool:
    return work.has(TABLE) and "totals" in work.columns(f"select * from {TABLE} where 1 = 0")


def create(work: Work) -> None:
    """Its columns stay in versions to come, or else what they keep goes with them; others may join them."""
    text = 'varchar({}) collate "C" not null' if work.dialect == "postgresql" else "varchar({}) not null"
    work.do(
        f"create table if not exists {TABLE} (name {text.format(64)} primary key, mark {text.format(64)}, "
        f"shape {text.format(64)}, day bigint not null, visits bigint not null, events bigint not null)"
        + tables.KINDS[work.dialect]
    )
    if not is_there(work):
        work.do(f"alter table {TABLE} add column totals bigint not null default 0")


def read(work: Work) -> Mapping[str, Kept]:
    """By the rollup's name."""
    return {name: Kept(*facts) for name, *facts in work.rows(f"select name, {', '.join(Kept._fields)} from {TABLE}")}


def put(work: Work, name: str, kept: Kept) -> None:
    drop(work, name)
    columns = ", ".join(Kept._fields)
    values = ", ".join(f":{field}" for field in Kept._fields)
    work.do(f"insert into {TABLE} (name, {columns}) values (:name, {values})", {"name": name, **kept._asdict()})


def drop(work: Work, name: str) -> None:
    work.do(f"delete from {TABLE} where name = :name", {"name": name})


def has_totals(work: Work, name: str, until: int) -> None:
    """It has counted these: noted at once, for it outlasts the rollup's state."""
    work.do(
        f"update {TABLE} set totals = :until where name = :name and totals < :until", {"name": name, "until": until}
    )


def mark(work: Work) -> str:
    """The database's own, where anything was ever pruned of it."""
    rows = work.rows("select mark from pruned")
    return rows[0][0] if rows else ""


def leave_the_rest(work: Work, rollup: Rollup, kept: Kept) -> None:
    """Of its tables leave nothing but the days that are kept, and the months that they add up to."""
    work.do(f"delete from {rollup.day_table} where day >= {kept.day:d}")
    work.do(f"delete from {rollup.month_table}")
    work.do(f"delete from {rollup.return_table}")
    _, *others = tables.adding(rollup, work.dialect, rollup.day_table)
    for statement in others:
        work.plain(statement)
