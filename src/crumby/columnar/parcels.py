"""The outbox's tables, and what is in their rows."""

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from crumby.rollups.copied import MARKS, OUTBOX, TURN
from crumby.rollups.marks import Marks, State
from crumby.rollups.tables import KINDS
from crumby.rollups.work import Work

CREATE, DROP, ROWS, HITS, WHOLE, PRUNED, SWEPT = "create", "drop", "rows", "hits", "whole", "pruned", "swept"
ALL_DAYS: Final = 99991231  # all of it has been told: what comes is to be told at once
LEVEL: Final = 1  # of zlib: a tenth of the size for little

_packed: Final = msgspec.msgpack.Encoder().encode
_lines: Final = msgspec.json.Encoder().encode_lines


class Noted(NamedTuple):
    hash: str
    zone: str
    marks: Marks
    witness: str
    witness_total: str
    complete: bool  # of visits and events: all that there were have been told of once
    day: int  # of a rollup: up to it everything has been told


class Parcel(NamedTuple):
    """A row of the outbox."""

    id: int
    what: str
    body: Mapping[str, Any]


def read(work: Work) -> dict[str, Noted]:
    """By the rollup's name."""
    fields = ", ".join(Marks._fields)
    rows = work.rows(f"select name, hash, zone, {fields}, witness, witness_total, complete, day from {MARKS}")
    return {name: _noted(*facts) for name, *facts in rows}


def _noted(hash_: str, zone: str, *facts: Any) -> Noted:
    *ids, witness, of_total, complete, day = facts
    return Noted(hash_, zone, Marks(*ids), witness, of_total, bool(complete), day)


def note(work: Work, name: str, noted: Noted) -> None:
    row = {"name": name, **noted._asdict(), **noted.marks._asdict(), "complete": int(noted.complete)}
    del row["marks"]
    work.do(f"delete from {MARKS} where name = :name", {"name": name})
    work.do(f"insert into {MARKS} ({', '.join(row)}) values ({', '.join(f':{key}' for key in row)})", row)


def put(work: Work, what: str, body: Mapping[str, Any]) -> None:
    row = {"what": what, "body": zlib.compress(_packed(body), LEVEL)}
    work.do(f"insert into {OUTBOX} (what, body) values (:what, :body)", row)


def parcel(number: int, what: str, body: bytes) -> Parcel:
    return Parcel(number, what, msgspec.msgpack.decode(zlib.decompress(body)))


def lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """As ClickHouse's JSONCompactEachRow has them."""
    return _lines([tuple(row) for row in rows])


def rows_of(told: Mapping[str, Collection[bytes]], states: Sequence[State]) -> dict[str, Any]:
    return {
        "lines": {name: b"".join(parts) for name, parts in told.items()},
        "states": [told_of(state, complete=state.complete) for state in states],
    }


def told_of(state: State, *, complete: bool) -> dict[str, Any]:
    """As `rollup_state` has it."""
    return {
        "name": state.name,
        "hash": state.hash,
        "zone": state.zone,
        **state.marks._asdict(),
        "complete": int(complete),
        "version": state.version,
    }


def again(work: Work, after: Marks, until: Marks) -> dict[str, list[int]]:
    """Ids of those that are there already, and are others now, or gone."""
    told = {"after": after.engagements, "until": until.engagements, "there": after.visits}
    found = {"visits": set[int](), "events": set[int]()}
    if until.engagements != after.engagements:
        sql = "select distinct visit_id from engagements where id > :after and id <= :until and visit_id <= :there"
        found["visits"].update(number for (number,) in work.rows(sql, told) if number)
    if until.amended != after.amended:
        for table, ids in found.items():
            there = {"after": after.amended, "until": until.amended, "there": getattr(after, table)}
            of = table[:-1]
            sql = (
                f"select distinct {of} from amended where id > :after and id <= :until and sign <> 0 and {of} <= :there"
            )
            ids.update(number for (number,) in work.rows(sql, there) if number)
    return {table: sorted(ids) for table, ids in found.items()}


def creation(dialect: str) -> list[str]:
    text = 'varchar({}) collate "C" not null' if dialect == "postgresql" else "varchar({}) not null"
    number = "bigint not null"
    key = {"sqlite": "integer primary key autoincrement", "mysql": "bigint auto_increment primary key"}
    octets = {"sqlite": "blob", "mysql": "longblob", "postgresql": "bytea"}[dialect]
    identity = key.get(dialect, "bigint generated always as identity primary key")
    kind = KINDS[dialect] if dialect != "sqlite" else ""
    ids = ", ".join(f"{field} {number}" for field in Marks._fields)
    noted = (
        f"name {text.format(64)} primary key, hash {text.format(64)}, zone {text.format(64)}, {ids}, "
        f"witness {text.format(100)}, witness_total {text.format(100)}, complete {number}, day {number}"
    )
    turn = (
        f"generation {text.format(32)} primary key, sent {number}, batch {number}, "
        f"worker {text.format(32)}, turn {number}"
    )
    return [
        f"create table {OUTBOX} (id {identity}, what {text.format(16)}, body {octets} not null){kind}",
        f"create table {MARKS} ({noted}){kind}",
        f"create table {TURN} ({turn}){kind}",
    ]


def fits(work: Work, table: str) -> bool:
    """Whether it is there, as it is today."""
    wanted = {
        OUTBOX: ["id", "what", "body"],
        MARKS: ["name", "hash", "zone", *Marks._fields, "witness", "witness_total", "complete", "day"],
        TURN: ["generation", "sent", "batch", "worker", "turn"],
    }
    return work.has(table) and work.columns(f"select * from {table} where 1 = 0") == wanted[table]
