"""`crumby sites`: the hosts that are counted here, since when, and how many came lately.

Rollups have all of it, some rows a day however many visits there are; where they are not complete, visits are read.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer
from rich.table import Column, Table
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from crumby.cli.people import Json, show
from crumby.cli.query import find, seemly
from crumby.database import Database, first_line, open_database
from crumby.errors import DatabaseUnavailable
from crumby.migrations import migrate
from crumby.reporting.query import Query, QueryFolders
from crumby.reporting.questions import understand
from crumby.rollups import Rollups, open_rollups
from crumby.settings import Settings, load_settings, shipped
from crumby.tables import visits

MOST: Final = 3650
UNKNOWN: Final = ""  # of hits whose page told no address
ROLLED: Final = "select site, min(day), max(day) from rollup_sites_day where views > 0 group by site"

Days = Annotated[
    int, typer.Option("--days", metavar="N", min=1, max=MOST, help="Count those of today and so many days before.")
]
Span = tuple[date | None, date | None]


@dataclass(frozen=True, slots=True)
class Site:
    site: str | None  # null where it is not known
    first: date | None  # day of a visit, in TIME_ZONE
    last: date | None
    visits: int  # of the last days
    visitors: int


def sites(days: Days = 30, json_: Json = False) -> None:
    settings = load_settings()
    found = asyncio.run(_sites(settings, days))
    if json_:
        print(json.dumps([_facts(site) for site in found], ensure_ascii=False))
    elif found:
        show(_table(found, days, settings.time_zone))
    else:
        print("No visit has come yet. docs/tracking.md has the tag that goes into each page")


async def _sites(settings: Settings, days: int) -> list[Site]:
    query = find(QueryFolders(shipped("queries")).all(), "public/sites")
    async with open_database(settings) as database:
        await migrate(database.engine)
        async with open_rollups(database, settings) as rollups:
            await rollups.catch_up()
            spans = await _spans(database, rollups, settings.zone)
            lately = await _lately(database, rollups, settings, query, days)
    names = sorted(spans.keys() | lately.keys(), key=lambda name: (-lately.get(name, (0, 0))[0], name))
    nobody: Span = (None, None)
    return [Site(name or None, *spans.get(name, nobody), *lately.get(name, (0, 0))) for name in names]


async def _lately(
    database: Database, rollups: Rollups, settings: Settings, query: Query, days: int
) -> Mapping[str, tuple[int, int]]:
    """Visits and visitors, by site, as the report of that name has them."""
    now = datetime.now(UTC).replace(tzinfo=None)
    asked = [("days", str(days)), ("limit", str(settings.query_row_limit))]
    question = understand(query, asked, settings, now, ready=rollups.ready)
    result = (await question.answer(database, settings)).result
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    return {row["site"] or UNKNOWN: (int(row["views"]), int(row["visitors"])) for row in rows}


async def _spans(database: Database, rollups: Rollups, zone: ZoneInfo) -> Mapping[str, Span]:
    """The days of the first and the last visit, by site."""
    try:
        async with database.reports.connect() as connection:
            if "sites" in rollups.ready:
                return _merged((await connection.execute(text(ROLLED))).all(), _day_of_number)
            since, until = func.min(visits.c.datetime), func.max(visits.c.datetime)
            rows = (await connection.execute(select(visits.c.site, since, until).group_by(visits.c.site))).all()
            return _merged(rows, lambda moment: _day(moment, zone))
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseUnavailable(f"the database can't be asked: {first_line(error)}") from error


def _merged(rows: Iterable[Sequence[Any]], day: Any) -> Mapping[str, Span]:
    return {row[0] or UNKNOWN: (day(row[1]), day(row[2])) for row in rows}


def _day_of_number(number: int) -> date:
    """20261122."""
    return datetime.strptime(str(number), "%Y%m%d").date()  # noqa: DTZ007 - a day


def _day(moment: datetime | None, zone: ZoneInfo) -> date | None:
    return moment.replace(tzinfo=UTC).astimezone(zone).date() if moment else None


def _facts(site: Site) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(site).items()}


def _table(found: Sequence[Site], days: int, zone: str) -> Table:
    before = f"the {days} days" if days > 1 else "the day"
    caption = f"visits and visitors of today and {before} before; days are those of {zone}"
    numbers = (Column(name, justify="right") for name in ("visits", "visitors"))
    table = Table("site", "first", "last", *numbers, caption=caption)
    for site in found:
        ends = ("" if day is None else day.isoformat() for day in (site.first, site.last))
        table.add_row(seemly(site.site or "not known"), *ends, f"{site.visits:,}", f"{site.visitors:,}")
    return table
