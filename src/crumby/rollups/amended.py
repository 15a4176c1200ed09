"""Visits and events that have changed, or gone, since they were counted.

    amended ── sign -1: as the row was │ sign +1: as it is ──► delta.py, at the next step

Whoever changes rows writes here what they were and what they are, in the transaction that changes them; the rollups
take it in and move their marks on in one of theirs. So nothing counts twice or is missed, though the two be in two
files, and whatever dies between. It is a table of the database's, not of the rollups', and holds rows for some
seconds: each is deleted when all rollups have it. Only who holds the rollups' lock writes here.
"""

from collections.abc import Collection, Sequence
from importlib import import_module
from itertools import islice
from typing import Final

from sqlalchemy import BigInteger, Column, MetaData, Table
from sqlalchemy.schema import CreateTable

from crumby.rollups.delta import DIMENSIONS
from crumby.rollups.work import Work, Writing
from crumby.tables import events, row_id, visits

OF_VISITS: Final = (
    *("hit_id", "datetime", "seq", "gap", "session", "engaged", "scroll", "prev", "page_prev", "prevs", "first"),
    *(column for column, _ in DIMENSIONS.values()),
)
OF_EVENTS: Final = ("hit_id", "datetime", "site", "page", "name", "value", "prev", "value_prev", "page_prev")
COPIED: Final = {"visits": OF_VISITS, "events": OF_EVENTS}
TABLE: Final = Table(
    "amended",
    MetaData(),
    Column("id", row_id(), primary_key=True),
    Column("visit", BigInteger),  # its id,
    Column("event", BigInteger),  # or the event's
    Column("sign", BigInteger),
    *(Column(name, visits.c[name].type) for name in OF_VISITS),
    *(Column(name, events.c[name].type) for name in OF_EVENTS if name not in OF_VISITS),
)
PART: Final = 500  # rows in a transaction, which hits may wait for


def is_there(work: Work) -> bool:
    if work.dialect == "sqlite":
        return bool(work.rows("select 1 from source.sqlite_master where name = :name", {"name": TABLE.name}))
    return work.has(TABLE.name)


def create(work: Work) -> None:
    dialect = import_module(f"sqlalchemy.dialects.{work.dialect}").dialect()
    statement = str(CreateTable(TABLE, if_not_exists=True).compile(dialect=dialect))
    with work.writing() as database:
        database.do(statement)


def hold(database: Writing, table: str, ids: Collection[int]) -> None:
    """Nobody changes these rows any more: nothing is told of them meanwhile. In SQLite nobody does anyhow."""
    if database.dialect != "sqlite":
        database.rows(f"select id from {table} where {among(ids)} for update")


def amend(database: Writing, table: str, ids: Collection[int], sign: int) -> None:
    """Note how these rows are."""
    if not ids:
        return
    columns = ", ".join(COPIED[table])
    database.do(
        f"insert into amended (sign, {table[:-1]}, {columns}) "
        f"select {sign}, id, {columns} from {table} where {among(ids)}"
    )


def close(database: Writing) -> None:
    """Leave nothing but an empty row behind when the others are deleted: ids count on from the last one."""
    database.do("insert into amended (sign) values (0)")


def take_out(work: Work, table: str, ids: Collection[int]) -> None:
    """Delete PART rows at the most, and what they added to the rollups. Raises Busy."""
    if not ids:
        return
    with work.transaction(), work.writing() as database:
        hold(database, table, ids)
        amend(database, table, ids, -1)
        close(database)
        remove(database, table, set(ids))


def tell_of(database: Writing, ids: Collection[int]) -> None:
    """These visits go, and what they added stays: a rollup whose witness is among them is to know that."""
    if ids:
        database.do(
            f"insert into amended (sign, visit, hit_id, datetime) select 0, id, hit_id, datetime from visits "
            f"where {among(ids)}"
        )
        close(database)


def remove(database: Writing, table: str, ids: set[int]) -> None:
    """SQLite gives the id of its last row again when that is gone, so an empty row stays until others follow it."""
    ((last,),) = database.rows(f"select max(id) from {table}")
    columns = [column.name for column in (visits if table == "visits" else events).c if column.name != "id"]
    if last in ids:
        database.do(f"update {table} set {', '.join(f'{name} = null' for name in columns)} where id = {last:d}")
    empty = " and ".join(f"{name} is null" for name in ("datetime", "hit_id", "cid", "ip", "doc_uri", "session"))
    gone = [
        *(ids - {last}),
        *(row[0] for row in database.rows(f"select id from {table} where id < {last or 0:d} and {empty}")),
    ]
    if gone:
        database.do(f"delete from {table} where {among(gone)}")


def among(ids: Collection[int]) -> str:
    return f"id in ({', '.join(f'{number:d}' for number in sorted(ids))})"


def parts(ids: Collection[int]) -> Sequence[Sequence[int]]:
    each = iter(sorted(set(ids)))
    return list(iter(lambda: list(islice(each, PART)), []))
