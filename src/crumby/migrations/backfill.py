"""What newer columns say of rows that were there before them: page, source, device, session; and who the visitors were.

    visits, events ── as if they came anew, in the order of their time ──► dimensions/ ──► visits, events, visitors

In that order the tables are read and written from their beginning to their end. In the order of visitors, which
sessions seem to ask for, each row lies somewhere else: four times as long on MariaDB, and worse with more rows than
fit its memory. Ours holds some thousand. Nothing is changed but what is new, so all of it may be done again from the
start, as it is on MySQL after a kill.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Row,
    String,
    Table,
    Update,
    bindparam,
    delete,
    func,
    insert,
    select,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.dialects import mysql

from crumby.dimensions.address import parse_address
from crumby.dimensions.device import device
from crumby.dimensions.session import EPOCH, Visitor, place
from crumby.dimensions.source import origin
from crumby.tables import events, visitors, visits

log = logging.getLogger(__name__)

PART: Final = 2000  # rows of a table that are in memory at a time
ASKED: Final = 500  # visitors that one statement asks for
TOLD_S: Final = 5.0  # between two lines in the log
VISITOR: Final = re.compile(
    r"[\w.\-]{1,32}", re.ASCII
)  # as a hit must have it; whoever has no such name has no session

Where = Callable[[Table], list[ColumnElement[bool]]]  # a part of the rows, of either table


class View(msgspec.Struct, frozen=True):
    """What a visit gets, by column."""

    id: int
    cid: str
    datetime: datetime
    site: str | None
    page: str | None
    source: str | None
    channel: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    utm_term: str | None
    utm_content: str | None
    device: str | None
    platform: str | None
    browser: str | None
    version: str | None
    screen_res: str | None
    country: str | None
    subdivision_1: str | None
    city: str | None
    lang: str | None
    session: int | None = None
    seq: int | None = None
    gap: int | None = None
    entry: str | None = None
    prev: int | None = None
    page_prev: int | None = None
    prevs: str | None = None
    prev_page: str | None = None
    first: int | None = None


class Act(msgspec.Struct, frozen=True):
    """What an event gets, by column."""

    id: int
    cid: str
    datetime: datetime
    site: str | None
    page: str | None
    name: str | None
    value: str | None
    session: int | None = None
    prev: int | None = None
    value_prev: int | None = None
    page_prev: int | None = None


MACHINE: Final = ("platform", "browser", "version", "screen_res", "country", "subdivision_1", "city", "lang")
DEED: Final = ("name", "value")
READ: Final = frozenset({"id", "cid", "datetime", *MACHINE, *DEED})  # all else is written


def fill(connection: Connection, tell: Callable[[int, int], None] = lambda _done, _total: None) -> None:
    connection.execute(delete(visitors))
    total = sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in (visits, events))
    done, told = 0, time.monotonic()
    for where in chain(_parts(connection, "datetime"), _parts(connection, "id")):
        done += _fill(connection, where)
        tell(done, total)
        if connection.dialect.name == "mysql":
            connection.commit()
        if time.monotonic() - told > TOLD_S:
            told = time.monotonic()
            log.warning("older hits are placed in their sessions: %s of %s", f"{done:,}", f"{total:,}")


def _parts(connection: Connection, name: str) -> Iterator[Where]:
    """The rows that have a time, by it, or those that have none, by their id: PART of each table at the most.

    Unless more are of one instant, which are never parted.
    """
    after: Any = None
    while True:
        part = _part(connection, name, after, None)
        keys = [_key(connection, name, table).label("value") for table in (visits, events)]
        last = [
            select(key).where(*part(table)).order_by(key).limit(1).offset(PART - 1).subquery()
            for key, table in zip(keys, (visits, events), strict=True)
        ]
        ends = union_all(*(select(each.c.value) for each in last)).subquery()
        end = connection.scalar(select(func.min(ends.c.value)))
        yield _part(connection, name, after, end)
        if end is None:
            return
        after = end


def _part(connection: Connection, name: str, after: Any, end: Any) -> Where:
    def where(table: Table) -> list[ColumnElement[bool]]:
        key = _key(connection, name, table)
        timed = table.c.datetime.is_not(None) if name == "datetime" else table.c.datetime.is_(None)
        return [timed, *([key > after] if after is not None else []), *([key <= end] if end is not None else [])]

    return where


def _key(connection: Connection, name: str, table: Table) -> ColumnElement[Any]:
    """A time of SQLite's is a text, and is taken for no more than that: another program may have written it."""
    return type_coerce(table.c[name], String) if name == "datetime" and _is_sqlite(connection) else table.c[name]


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _fill(connection: Connection, where: Where) -> int:
    """How many rows there were."""
    views = [_view(row) for row in _rows(connection, visits, where)]
    acts = [_act(row) for row in _rows(connection, events, where)]
    placed = place(_known(connection, sorted({row.cid for row in views} | {row.cid for row in acts})), views, acts)
    _write(connection, visits, placed.visits)
    _write(connection, events, placed.events)
    changed = [*placed.begun, *placed.going_on]
    for cids in _few([visitor.cid for visitor in changed]):
        connection.execute(delete(visitors).where(visitors.c.cid.in_(cids)))
    if now := [*placed.new, *changed]:
        connection.execute(insert(visitors), [msgspec.structs.asdict(visitor) for visitor in now])
    return len(views) + len(acts)


def _rows(connection: Connection, table: Table, where: Where) -> Iterable[Row[Any]]:
    own = ("referrer", *MACHINE) if table is visits else DEED
    columns = (table.c[name] for name in ("id", "cid", "doc_uri", *own))
    at = _key(connection, "datetime", table).label("at")
    rows = select(at, *columns).where(*where(table))
    return connection.execute(rows.with_for_update() if connection.dialect.name == "mysql" else rows)


def _known(connection: Connection, cids: Sequence[str]) -> dict[str, Visitor]:
    found = (connection.execute(select(visitors).where(visitors.c.cid.in_(few))) for few in _few(cids))
    return {row.cid: Visitor(*row) for rows in found for row in rows}


def _few(cids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (cids[start : start + ASKED] for start in range(0, len(cids), ASKED))


def _view(row: Row[Any]) -> View:
    address = parse_address(_text(row.doc_uri))
    come = origin(_text(row.referrer), address)
    cid, at = _who_and_when(row)
    return View(
        id=row.id,
        cid=cid,
        datetime=at,
        site=address.site,
        page=address.page,
        source=come.source,
        channel=come.channel,
        utm_source=address.utm_source,
        utm_medium=address.utm_medium,
        utm_campaign=address.utm_campaign,
        utm_term=address.utm_term,
        utm_content=address.utm_content,
        device=device(_text(row.platform), _text(row.screen_res)),
        platform=_text(row.platform),
        browser=_text(row.browser),
        version=_text(row.version),
        screen_res=_text(row.screen_res),
        country=_text(row.country),
        subdivision_1=_text(row.subdivision_1),
        city=_text(row.city),
        lang=_text(row.lang),
    )


def _act(row: Row[Any]) -> Act:
    address = parse_address(_text(row.doc_uri))
    cid, at = _who_and_when(row)
    return Act(row.id, cid, at, address.site, address.page, _text(row.name), _text(row.value))


def _who_and_when(row: Row[Any]) -> tuple[str, datetime]:
    """Nobody, where the row does not tell both."""
    cid, at = _text(row.cid), _instant(row.at)
    return (cid, at) if cid and at and VISITOR.fullmatch(cid) else ("", EPOCH)


def _text(value: object) -> str | None:
    """SQLite may have anything in a column of text."""
    return value if isinstance(value, str) else None


def _instant(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def _write(connection: Connection, table: Table, rows: Sequence[View] | Sequence[Act]) -> None:
    if not rows:
        return
    names = [name for name in rows[0].__struct_fields__ if name not in READ]
    values = [{"number": row.id, **{name: getattr(row, name) for name in names}} for row in rows]
    connection.execute(_update(connection.dialect.name, table, names), values)


def _update(dialect: str, table: Table, names: Sequence[str]) -> Insert | Update:
    """MySQL's driver sends an update row by row, which takes ten times as long, but many rows with one insert.

    No row is new, for each has been locked since it was read.
    """
    if dialect != "mysql":
        return update(table).where(table.c.id == bindparam("number")).values({name: bindparam(name) for name in names})
    row = mysql.insert(table).values({"id": bindparam("number"), **{name: bindparam(name) for name in names}})
    return row.on_duplicate_key_update({name: row.inserted[name] for name in names})
