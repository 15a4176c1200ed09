"""Query files, looked over before anybody asks them: each is parsed, rendered with its defaults and explained.

Nothing is run. `explain` makes the database understand the statement, and around a statement of no rows it tells the
columns, without a step of the statement itself.
"""

import asyncio
import logging
import re
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from crumby.database import Database, first_line
from crumby.errors import DatabaseUnavailable, QueryFileError, QueryTimeout
from crumby.reporting.binding import Statement
from crumby.reporting.header import COMMENT
from crumby.reporting.period import parse_period
from crumby.reporting.query import Query, QueryFolders
from crumby.reporting.run import Limits, run
from crumby.reporting.view import View
from crumby.spelling import nearest
from crumby.tables import calendar, events, refusals, visitors, visits

log = logging.getLogger(__name__)

REPORTED: Final = (visits, events, visitors, calendar, refusals)
LIMITS: Final = Limits(timeout_s=10.0, rows=10_000)  # of a look at one file; a plan has a row a step
GOODBYE_S: Final = 2.0  # that a stop waits for it
EXPLAIN: Final = "explain {}"
# The inner limit is for SQLite, which would flatten `(…) limit 0` and make the joined subqueries' tables first.
COLUMNS: Final = "select * from (select * from (\n{}\n) as crumby_inner limit 1) as crumby_outer limit 0"
# MariaDB computes `select (…)`, without a `from`, before it sees any limit around; within this one it would compute the
# parts of a union, and takes no `with`.
COLUMNS_MYSQL: Final = "(\n{}\n) limit 0"
COMPOUND: Final = re.compile(r"\b(?:union|intersect|except|with)\b", re.IGNORECASE)

# What a database, or Jinja, says of a name that there is not: SQLite, MariaDB, PostgreSQL, ClickHouse.
UNKNOWN: Final = re.compile(
    r"""no\ such\ (?:column|table):\ (?P<sqlite>\S+)
      | Unknown\ (?:column|table)\ '(?P<mysql>[^']+)' | Table\ '(?P<table>[^']+)'\ doesn't\ exist
      | (?:column|relation)\ "?(?P<postgresql>[^"\s]+)"?\ does\ not\ exist
      | Unknown\ (?:table\ )?expression\ (?:or\ function\ )?identifier\ [`'](?P<clickhouse>[^`']+)""",
    re.VERBOSE,
)
# What it says that can be looked for in the file.
PLACES: Final = tuple(
    map(
        re.compile,
        (
            r"^`(.+?)`",  # our own, of a header
            r"\((\w.*:.*)\)$",  # the header's
            r"not `(.+)`$",
            r"""near ["']([^"'\n]+)""",
            r"no such \w+: ([^\s;]+)",
            r"""(?i:table|function) '?(?:\w+\.)?(\w+)'? does(?: not|n't) exist""",
            r'(?:column|relation|function) "?([\w.]+).* does not exist',
            r"undeclared (:\w+)",
            r"""["'`]([^"'`]+)["'`]""",
        ),
    )
)
DRIVERS_OWN: Final = re.compile(r"""^<class '[^']+'>:\s* | ^\(\d+,\s*["'] | ["']\)$""", re.VERBOSE)


@dataclass(frozen=True, slots=True)
class Fault:
    """What the author of a query file has to mend."""

    query: str  # such as public/visits
    file: str
    line: int | None  # where it can be told, from 1
    said: str

    def __str__(self) -> str:
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.said}"


async def warn(database: Database, folders: QueryFolders, zone: ZoneInfo, prepared: asyncio.Event) -> None:
    """Tell the log, once the database has its tables. One that goes away meanwhile is no fault of the files.

    A stop lets the look at one file end: a connection that is cut while it is made would stay open.
    """
    await prepared.wait()
    stopping = asyncio.Event()
    looking = asyncio.ensure_future(_tell(database, folders, zone, stopping))
    try:
        await asyncio.shield(looking)
    finally:
        stopping.set()
        await asyncio.wait({looking}, timeout=GOODBYE_S)
        looking.cancel()


async def _tell(database: Database, folders: QueryFolders, zone: ZoneInfo, stopping: asyncio.Event) -> None:
    try:
        async for fault in faults(database, folders.all(), zone, stopping):
            log.warning("%s", fault)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not spoil the stop, which awaits this
        log.debug("the query files could not be checked: %s", error)


async def faults(
    database: Database, queries: Iterable[Query], zone: ZoneInfo, stopping: asyncio.Event | None = None
) -> AsyncIterator[Fault]:
    """Every fault that can be found. Raises DatabaseUnavailable, after those that take no database."""
    view = View.of(parse_period({}, zone, datetime.now(UTC).replace(tzinfo=None)))
    sound: list[Query] = []
    for query in queries:
        try:
            query.render(database.asking, view, query.arguments({}))
        except QueryFileError as error:
            yield _fault(query, str(error), _line_of(error))
        else:
            sound.append(query)
    if sound:
        await _meet(database)
    for query in sound:
        if stopping and stopping.is_set():
            return
        for said in await _said(database, query, view):
            yield _fault(query, said)


async def _said(database: Database, query: Query, view: View) -> list[str]:
    """What the database has to say of it, and how its columns differ from the header's."""
    try:
        await _columns(database, _within(EXPLAIN, query), view)
        columns = await _columns(database, _within(_asking_for_columns(database, query), query), view)
    except QueryTimeout as error:  # a machine under load says nothing of the file
        log.debug("not checked: %s", error)
        return []
    except QueryFileError as error:
        return [_hinted(str(error).removeprefix(f"{query.shown}: "))]
    return [*_twice(columns), *_differences(query, columns)]


def _asking_for_columns(database: Database, query: Query) -> str:
    return COLUMNS_MYSQL if database.asking == "mysql" and not COMPOUND.search(query.source) else COLUMNS


async def _columns(database: Database, query: Query, view: View) -> Sequence[str]:
    return (await run(database, query, view, query.arguments({}), LIMITS)).columns


@dataclass(frozen=True)
class _Within(Query):
    """A query whose statement stands within another. Its values stay bound, and it reaches as far as a report."""

    form: str = "{}"

    def render(self, dialect: str, view: View, arguments: Mapping[str, Any]) -> Statement:
        statement = super().render(dialect, view, arguments)
        return replace(statement, text=self.form.format(statement.text), near=None)


def _within(form: str, query: Query) -> Query:
    return _Within(**{field.name: getattr(query, field.name) for field in fields(query)}, form=form)


async def _meet(database: Database) -> None:
    """See that it is there, and Crumby's. Raises DatabaseUnavailable."""
    try:
        async with asyncio.timeout(LIMITS.timeout_s), database.reports.connect() as connection:
            await connection.execute(select(refusals.c.reason).limit(0))  # the newest of them
    except TimeoutError as error:
        raise DatabaseUnavailable("the database does not answer") from error
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseUnavailable(
            f"the database can't be asked: {_tidy(first_line(error))}; `crumby run` makes its tables"
        ) from error


def _tidy(said: str) -> str:
    return DRIVERS_OWN.sub("", said)


def _hinted(said: str) -> str:
    """In the database's own words, with the remedy for a name that there is not."""
    said = _tidy(said)
    found = UNKNOWN.search(said)
    if not found:
        return said
    name = str(found[found.lastgroup or 0]).rpartition(".")[2]
    known = {name for table in REPORTED for name in (table.name, *table.columns.keys())}
    near = nearest(name.lower(), sorted(known))
    return f"{said}; did you mean {near}?" if near else f"{said}; no table of Crumby's has such a name"


def _twice(columns: Sequence[str]) -> Iterator[str]:
    """MariaDB refuses a second column of a name with a message of its own."""
    for name, times in Counter(map(_named(columns), columns)).items():
        if times > 1:
            yield f"{times} columns of the answer are named {name!r}, and records keep one; rename the others with `as`"


def _named(columns: Sequence[str]) -> Callable[[str], str]:
    """SQLite tells a second `a` as `a:1`."""

    def named(column: str) -> str:
        name, _, number = column.rpartition(":")
        return name if number.isdecimal() and name in columns else column

    return named


def _differences(query: Query, columns: Sequence[str]) -> Iterator[str]:
    """A header may leave the columns out; one that declares some is to declare them all."""
    header = query.header
    declared = [column.name for column in header.columns]
    answered = list(dict.fromkeys(map(_named(columns), columns)))
    has = f"which the answer has not; it has {', '.join(answered)}"
    for name in declared:
        if name not in answered:
            yield f"`column {name}:` declares a column {has}"
    for name in answered if declared else ():
        if name not in declared:
            yield f"the header declares no column {name!r}; add `column {name}: TYPE, what it means`"
    for name in dict.fromkeys((*filter(None, [header.chart.x]), *header.chart.y)):
        if name not in answered:
            yield f"`chart:` names a column {name!r}, {has}"


def _fault(query: Query, said: str, line: int | None = None) -> Fault:
    prefix = re.match(rf"{re.escape(query.shown)}(?:, line (\d+))?: ", said)
    if prefix:
        said = said[prefix.end() :]
        line = line or (int(prefix[1]) if prefix[1] else None)
    return Fault(f"{query.collection}/{query.name}", str(query.path), line or _place(query, said), said)


def _line_of(error: BaseException) -> int | None:
    """Where the template raised it."""
    cause = error.__cause__ or error.__context__
    frames = traceback.extract_tb(cause.__traceback__) if cause else []
    return next((frame.lineno for frame in reversed(frames) if frame.filename == "<template>"), None)


def _place(query: Query, said: str) -> int | None:
    """The one line that has what the message speaks of; None where several have it, or it speaks of nothing."""
    lines = query.source.splitlines()
    top = next((number for number, line in enumerate(lines) if line.strip() and not COMMENT.fullmatch(line)), 0)
    of_header = bool(query.error) or said.startswith("`")
    found = next(filter(None, (pattern.search(said) for pattern in PLACES)), None)
    if not found:
        return None
    word = re.compile(rf"(?<!\w){re.escape(found[1].strip())}(?!\w)", re.IGNORECASE)
    places = range(top) if of_header else range(top, len(lines))
    hits = [number + 1 for number in places if word.search(lines[number])]
    return hits[0] if len(hits) == 1 else None
