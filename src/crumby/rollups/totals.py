"""Days as another program had counted them: rows of `totals` are added to the rollups' tables, as they are.

    totals, those after the mark ──► of each rollup its own, fitted to its file ──► rollup_…_day, …_month, …_return

Nothing is read of visits for it. What does not fit a file as it is now is passed over: a rollup whose file is another
one begins anew, and then all of them are looked at again.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from crumby.rollups import tables
from crumby.rollups.delta import FEW_CHARACTERS, MOST_BYTES
from crumby.rollups.files import Rollup, words
from crumby.rollups.marks import Again
from crumby.rollups.statements import ACTS
from crumby.rollups.work import Work

LARGEST: Final = 1 << 53  # of a sum; a thousand of them are still one of a database's
LARGEST_KEY: Final = (1 << 31) - 1
FIRST_DAY: Final = 19700101
LAST_DAY: Final = 99991231
LONG_KEY: Final = 2600  # bytes of all texts of a key; PostgreSQL's end at 2,704

Place = tuple[tuple[str | int, ...], int, int]  # key, day, prev_day
Counted = dict[Place, list[int]]  # the sums, in the order of the rollup's file


class Imported(NamedTuple):
    """Which days have totals."""

    spans: Mapping[str, Mapping[int, tuple[int, int]]] = MappingProxyType({})  # by rollup and month the first and last
    last: int = 0  # id of a total
    whole: bool = True  # all that can be read have them all


_keys = msgspec.json.Decoder(list[str | int])
_sums = msgspec.json.Decoder(dict[str, int])


def read(
    work: Work, rollup: Rollup, after: int, until: int, kept: Again, days: tuple[int, int] = (FIRST_DAY, LAST_DAY)
) -> Counted:
    """What those after an id, until another, add to it, but for what it has `kept`."""
    rows = work.rows(
        "select t.day, t.prev_day, t.keys, t.sums from totals t where t.id > :after and t.id <= :until "  # MySQL has a
        "and t.rollup = :rollup and t.day >= :first and t.day <= :last "  # word `keys` of its own
        "and (t.id > :counted or t.day >= :kept)",
        {
            "after": after,
            "until": until,
            "rollup": rollup.name,
            "first": days[0],
            "last": days[1],
            "counted": kept.totals,
            "kept": kept.day,
        },
    )
    return added((_placed(work.dialect, rollup, *row) for row in rows), len(rollup.sums))


def added(rows: Iterable[tuple[Place, Sequence[int]] | None], sums: int) -> Counted:
    found: Counted = {}
    for row in rows:
        if row:
            known = found.setdefault(row[0], [0] * sums)
            known[:] = map(int.__add__, known, row[1])
    return found


def _placed(
    dialect: str, rollup: Rollup, day: int, prev_day: int, keys: str, sums: str
) -> tuple[Place, Sequence[int]] | None:
    try:
        key, named = _keys.decode(keys), _sums.decode(sums)
    except (msgspec.DecodeError, UnicodeError):
        return None
    fitted = fitting(dialect, rollup, key)
    amounts = [named.get(name, 0) for name in rollup.sums]
    known = _is_day(day) and (0 <= prev_day <= LAST_DAY) and max(map(abs, amounts)) <= LARGEST
    if fitted is None or not known or not any(amounts):
        return None
    return (fitted, day, prev_day), amounts


def fitting(dialect: str, rollup: Rollup, key: Sequence[str | int]) -> tuple[str | int, ...] | None:
    """A key as the rollup's tables have it, cut to their columns; None for what is none of its keys."""
    if len(key) != len(rollup.keys):
        return None
    found: list[str | int] = []
    for each, value in zip(rollup.keys, key, strict=True):
        if (each.length is None) != isinstance(value, int):
            return None
        if isinstance(value, int) and abs(value) > LARGEST_KEY:
            return None
        found.append(value[: each.length] if isinstance(value, str) else value)
    return _short(rollup, found) if dialect == "postgresql" else tuple(found)


def _short(rollup: Rollup, key: Sequence[str | int]) -> tuple[str | int, ...] | None:
    """As `delta.py` cuts the texts of events; None for what is too long for an index all the same."""
    most = MOST_BYTES if ACTS in words(rollup.sql) else LONG_KEY
    texts = [value.replace("\0", "") if isinstance(value, str) else value for value in key]
    cut = [value[:FEW_CHARACTERS] if isinstance(value, str) and _size(value) > most else value for value in texts]
    return tuple(cut) if sum(map(_size, cut)) <= LONG_KEY else None


def _size(value: str | int) -> int:
    return len(value.encode()) if isinstance(value, str) else 0


def add(work: Work, rollup: Rollup, counted: Mapping[Place, Sequence[int]]) -> Sequence[Sequence[str | int]]:
    """To each of its tables, within a transaction → the rows that it added."""
    rows = [[*key, day, prev_day, *sums] for (key, day, prev_day), sums in counted.items() if any(sums)]
    if rows:
        _add(work, rollup, rows)
    return rows


def _add(work: Work, rollup: Rollup, rows: Sequence[Sequence[str | int]]) -> None:
    columns = ", ".join(rollup.columns)
    if work.dialect == "postgresql":
        days, months, returns = tables.adding(rollup, work.dialect, "made")
        types = ", ".join(f"{name} {_type(rollup, name)}" for name in rollup.columns)
        made = f"select {columns} from json_to_recordset(cast(:made as json)) as r ({types})"
        named = [dict(zip(rollup.columns, row, strict=True)) for row in rows]
        work.do(
            f"with made as materialized ({made}), days as ({days}), months as ({months}) {returns}",
            {"made": msgspec.json.encode(named).decode()},
        )
        return
    part = tables.part_table(rollup)
    names = [f"v{number}" for number in range(len(rollup.columns))]
    values = ", ".join(f":{name}" for name in names)
    work.each(f"insert into {part} ({columns}) values ({values})", [dict(zip(names, row, strict=True)) for row in rows])
    for statement in tables.adding(rollup, work.dialect, part):
        work.plain(statement)
    work.plain(f"delete from {part}")


def seen(work: Work, known: Imported, last: int) -> Imported:
    """What is known, and what came since; from the beginning where some have gone."""
    if last < known.last:
        known = Imported()
    rows = work.rows(
        "select rollup, min(day), max(day) from totals "
        "where id > :after and id <= :last and day >= :first_day and day <= :last_day group by rollup, day - day % 100",
        {"after": known.last, "last": last, "first_day": FIRST_DAY, "last_day": LAST_DAY},
    )
    spans = {name: {**months} for name, months in known.spans.items()}
    for name, first, until in rows:
        if _is_day(first) and _is_day(until):
            months = spans.setdefault(name, {})
            there = months.get(first // 100, (first, until))
            months[first // 100] = (min(first, there[0]), max(until, there[1]))
    return Imported(spans, last, whole=False)


def _is_day(number: int) -> bool:
    try:
        date(number // 10_000, number // 100 % 100, number % 100)
    except ValueError:
        return False
    return True


def _type(rollup: Rollup, column: str) -> str:
    if column in rollup.sums:
        return "bigint"
    return "text" if any(key.name == column and key.length is not None for key in rollup.keys) else "integer"
