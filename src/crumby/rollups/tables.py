"""The tables of the rollups, and what adds new rows to them, in each database's words.

    rollup_x_day      by day and the visitor's day before
    rollup_x_month    both cut to their months
    rollup_x_return   of visitors who were there in an earlier month: by month, and the day before as it is

Rows lie in the order that the reports read them in: by key, then days, in SQLite, which skips from one value of a key
to the next; days first in InnoDB, which does not. Of those who returned it is the day before that is looked for.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from crumby.rollups.files import Key, Rollup

STATE: Final = "rollup_state"
KINDS: Final[Mapping[str, str]] = {
    "sqlite": " without rowid",
    "mysql": " engine = InnoDB default charset = utf8mb4 collate = utf8mb4_bin",
    "postgresql": "",
}
MONTH: Final = "({0} - {0} % 100 + 1)"  # 20260131 → 20260101


def state_table(dialect: str) -> str:
    """A row for each rollup: what it was made by, and how far it has come."""
    text = 'varchar({}) collate "C" not null' if dialect == "postgresql" else "varchar({}) not null"
    number = "bigint not null"
    return (
        f"create table if not exists {STATE} ("
        f"name {text.format(64)} primary key, "
        f"hash {text.format(64)}, "  # of its file
        f"zone {text.format(64)}, "  # whose days it counts by
        f"visits {number}, events {number}, engagements {number}, amended {number}, "  # the last ones that are in it
        f"totals {number}, "
        f"witness {text.format(100)}, "  # tells whether that visit is still the one that it was
        f"witness_total {text.format(100)}, "  # the same of that total
        f"complete {number}, "  # 1 once it has come to the end
        f"analyzed {number}, "  # visits and totals that there were when its tables were analyzed last
        f"version {number})" + KINDS[dialect]
    )


def creation(rollup: Rollup, dialect: str) -> Iterator[str]:
    sums = {
        rollup.month_table: rollup.sums,
        rollup.day_table: rollup.sums,
        rollup.return_table: (rollup.counted,),
    }
    for name, summed in sums.items():
        columns = _columns(rollup, summed, dialect)
        yield f"create table {name} ({columns}, primary key ({_primary(rollup, name, dialect)})){KINDS[dialect]}"
        if dialect == "postgresql":
            yield f"create index {name}_by_day on {name} ({_looked_for(rollup, name)[0]})"


def names(rollup: str) -> list[str]:
    """The tables of a rollup, by its name."""
    return [f"rollup_{rollup}_{step}" for step in ("day", "month", "return")]


def part_table(rollup: Rollup) -> str:
    return f"rollup_part_{rollup.name}"


def part_creation(rollup: Rollup, dialect: str) -> str:
    """A temporary table for what is new, grouped."""
    table = part_table(rollup)
    if dialect == "sqlite":
        return f"create temp table {table} ({', '.join(rollup.columns)})"
    return f"create temporary table {table} ({_columns(rollup, rollup.sums, dialect)}){KINDS[dialect]}"


def new_rows(rollup: Rollup) -> str:
    """What is in it."""
    return f"select {', '.join(rollup.columns)} from {part_table(rollup)}"


def _columns(rollup: Rollup, sums: Iterable[str], dialect: str) -> str:
    keys = [f"{key.name} {_type(key, dialect)} not null" for key in rollup.keys]
    days = ["day integer not null", "prev_day integer not null"]
    return ", ".join([*keys, *days, *(f"{name} bigint not null" for name in sums)])


def _type(key: Key, dialect: str) -> str:
    if key.length is None:
        return "integer"
    return f"varchar({key.length})" + (' collate "C"' if dialect == "postgresql" else "")


def _primary(rollup: Rollup, table: str, dialect: str) -> str:
    keys = [key.name for key in rollup.keys]
    first, second = _looked_for(rollup, table)
    return ", ".join([first, *keys, second] if dialect == "mysql" else [*keys, first, second])


def _looked_for(rollup: Rollup, table: str) -> tuple[str, str]:
    return ("prev_day", "day") if table == rollup.return_table else ("day", "prev_day")


def adding(rollup: Rollup, dialect: str, rows: str) -> Iterator[str]:
    """Statements that add `rows`, a table or what stands for one, to each of its tables."""
    keys = [f"r.{key.name}" for key in rollup.keys]
    sums = [f"sum(r.{name})" for name in rollup.sums]
    all_of_it = [*keys, "r.day", "r.prev_day", *(f"r.{name}" for name in rollup.sums)]
    grouped = f"group by {', '.join(map(str, range(1, len(keys) + 3)))}"
    before = f"case when r.prev_day = 0 then 0 else {MONTH.format('r.prev_day')} end"
    returned = f"r.prev_day <> 0 and r.prev_day < {MONTH.format('r.day')}"
    once = f"sum(r.{rollup.counted})"
    for table, names, values, end in (
        (rollup.day_table, rollup.sums, all_of_it, "where true"),
        (rollup.month_table, rollup.sums, [*keys, MONTH.format("r.day"), before, *sums], f"where true {grouped}"),
        (
            rollup.return_table,
            (rollup.counted,),
            [*keys, MONTH.format("r.day"), "r.prev_day", once],
            f"where {returned} {grouped}",
        ),
    ):
        columns = ", ".join([*rollup.columns[: len(keys) + 2], *names])
        into = table if dialect == "mysql" else f"{table} as t"
        selected = f"select {', '.join(values)} from {rows} r {end}"
        yield f"insert into {into} ({columns}) {selected} {_merging(rollup, table, names, dialect)}"


def _merging(rollup: Rollup, table: str, sums: Iterable[str], dialect: str) -> str:
    if dialect == "mysql":
        return "on duplicate key update " + ", ".join(f"{s} = {table}.{s} + values({s})" for s in sums)
    added = ", ".join(f"{s} = t.{s} + excluded.{s}" for s in sums)
    return f"on conflict ({_primary(rollup, table, dialect)}) do update set {added}"
