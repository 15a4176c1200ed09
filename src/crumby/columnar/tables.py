"""What Crumby makes in ClickHouse.

    copied_visits, copied_events, copied_totals, copied_refusals, copied_calendar
                        rows as the main database has them, the last version of each; `visits` and so on are views
    rollup_x_day        of each rollup what was counted, to be added up
      └─► rollup_x_month, rollup_x_return   made of the same blocks by materialized views
    rollup_state        which of them are there as a whole
    copied              of which fill all of this is, and up to which row of the outbox

Visits and events can be read once all that there were have come: their views are made then.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, Table

from crumby.columnar.parcels import Parcel
from crumby.rollups.marks import Marks
from crumby.rollups.tables import names
from crumby.tables import calendar, events, refusals, totals, visits

STEPS: Final = 1  # of its schema; each later one is a way from the one before
WITNESS: Final = "copied"
STATES: Final = "copied_rollups"
OURS: Final = ("rollup_", "copied")  # begin the names of its tables
WINDOW: Final = 1000  # blocks of a table that are known when they come again
DEDUPLICATED: Final = f"non_replicated_deduplication_window = {WINDOW}"
LONG: Final = frozenset(
    {"doc_title", "doc_uri", "referrer", "_referrer", "cid", "ip", "page", "entry", "prev_page", "prevs"}
)
OF_STATE: Final = ("name", "hash", "zone", *Marks._fields, "complete", "version")

COPIED: Final[Mapping[str, Table]] = {each.name: each for each in (visits, events, totals, refusals, calendar)}
KEYS: Final = {
    "visits": "datetime, id",
    "events": "datetime, id",
    "totals": "id",
    "refusals": "datetime, reason",
    "calendar": "datetime",
}
BY_MONTH: Final = ("visits", "events")


def creation(generation: str) -> Iterator[str]:
    """All but the rollups' own, in an empty database."""
    for name, table in COPIED.items():
        columns = ", ".join(f"`{column.name}` {_type(column, KEYS[name])}" for column in table.columns)
        parted = " partition by toYYYYMM(datetime)" if name in BY_MONTH else ""
        yield (
            f"create table {copy_of(name)} ({columns}, copied UInt64) engine = ReplacingMergeTree(copied){parted} "
            f"order by ({KEYS[name]}) settings {DEDUPLICATED}"
        )
        if name not in BY_MONTH:
            yield view(name)
    numbers = ", ".join(f"{field} Int64" for field in OF_STATE[3:])
    yield (
        f"create table {STATES} (name String, hash String, zone String, {numbers}, copied UInt64) "
        f"engine = ReplacingMergeTree(copied) order by name"
    )
    yield f"create or replace view rollup_state as select {', '.join(OF_STATE)} from {STATES} final"
    yield (
        f"create table {WITNESS} (generation String, schema UInt32, sent UInt64, at DateTime default now()) "
        "engine = ReplacingMergeTree(sent) order by generation"
    )
    yield f"insert into {WITNESS} (generation, schema, sent) values ('{generation}', {STEPS}, 0)"


def view(name: str) -> str:
    columns = ", ".join(f"`{column.name}`" for column in COPIED[name].columns)
    whole = " settings do_not_merge_across_partitions_select_final = 1" if name in BY_MONTH else ""
    return f"create or replace view {name} as select {columns} from {copy_of(name)} final{whole}"


def views() -> list[str]:
    """Of what can be read once all of it has come."""
    return [view(name) for name in BY_MONTH]


def copy_of(name: str) -> str:
    return f"copied_{name}"


def _type(column: Column[Any], keys: str) -> str:
    kind = column.type.python_type
    name = {int: "Int64", float: "Float64", str: "String", bytes: "String"}.get(kind, "DateTime64(6, 'UTC')")
    if column.name in keys.split(", ") or not column.nullable:
        return name
    if kind is str and column.name not in LONG and getattr(column.type, "length", None):
        return f"LowCardinality(Nullable({name}))"
    return f"Nullable({name})"


# The rollups


def dropping(rollup: str) -> list[str]:
    day, month, returned = names(rollup)
    return [
        f"drop table if exists {table} sync" for table in (f"{month}_rows", f"{returned}_rows", day, month, returned)
    ]


def rollup_creation(parcel: Parcel) -> Iterator[str]:
    """As `outbox.py` has told of it."""
    keys = [f"`{name}`" for name, _ in parcel.body["keys"]]
    sums: Sequence[str] = parcel.body["sums"]
    once = [parcel.body["counted"]]
    day, month, returned = names(parcel.body["name"])
    types = [f"`{name}` {'String' if length else 'Int64'}" for name, length in parcel.body["keys"]]
    for table, added, order in (
        (day, sums, ["day", "prev_day"]),
        (month, sums, ["day", "prev_day"]),
        (returned, once, ["prev_day", "day"]),
    ):
        columns = [*types, "day Int32", "prev_day Int32", *(f"`{name}` Int64" for name in added)]
        yield (
            f"create table {table} ({', '.join(columns)}) engine = SummingMergeTree(({', '.join(added)})) "
            f"order by ({', '.join([*keys, *order])}) settings {DEDUPLICATED}"
        )
    first = "r.day - r.day % 100 + 1"
    before = "if(r.prev_day = 0, 0, r.prev_day - r.prev_day % 100 + 1)"
    yield _moving(month, day, keys, f"{first} as day, {before} as prev_day", sums, "")
    yield _moving(
        returned, day, keys, f"{first} as day, r.prev_day as prev_day", once,
        f" where r.prev_day <> 0 and r.prev_day < {first}",
    )  # fmt: skip


def _moving(into: str, day: str, keys: Sequence[str], days: str, sums: Sequence[str], where: str) -> str:
    own = [*(f"r.{key} as {key}" for key in keys), days, *(f"r.`{name}` as `{name}`" for name in sums)]
    return f"create materialized view {into}_rows to {into} as select {', '.join(own)} from {day} as r{where}"
