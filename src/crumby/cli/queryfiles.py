"""The query files themselves, in the terminal: which there are, whether they are sound, and how to begin one."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import typer
from rich.table import Table

from crumby.cli.people import show
from crumby.database import Database, open_database
from crumby.errors import ConfigurationError, CrumbyError
from crumby.reporting.checking import Fault, faults
from crumby.reporting.parameters import Parameter
from crumby.reporting.query import FILE_NAME, Query, readable
from crumby.reporting.results import plain
from crumby.settings import Settings

TEMPLATE: Final = """\
-- {title}
-- What it answers, in as many lines as it takes.
--
-- chart: bars of visitors by lang
-- group: Reports
-- order: 100
-- click: language by lang
-- parameter least: integer = 1 (1 to 1000), leave out languages with fewer visitors
-- column lang: language, what the visitor's browser speaks
-- column visitors: count, distinct visitors
-- column views: count, page views
{#
  What stands between these marks is for you alone, and never part of the SQL.

  The lines above are the header, all of it optional: the title, the description, and then
    chart      table, timeseries, bars, map, heatmap or stat; `of` which columns, `by` which
    group      the part of the page that it stands in; `order` is its place there, small numbers first
    click      the dimension that a click on a row filters, `by` which column
    parameter  NAME: TYPE = DEFAULT (VALUES), MEANING; a TYPE is text, integer, number, boolean, date or datetime
    column     NAME: TYPE or FORMAT, MEANING, for each column; a FORMAT is count, percent, duration, country, …

  In the SQL, :least is the value of the parameter `least`: bound, never printed. {% if least > 1 %} decides whether
  a clause is there. Every report also takes a period, a time zone and a format; this one filters, `sort` and `limit`.
    {{ period("datetime") }}        the rows of the period, by an index
    {{ filters() }}                 what the request's filters leave, such as country=SE or page=~/blog/
    {{ bucket("datetime") }}        the hour, day, week or month of an instant, for a timeseries
    {{ visitors() }}                distinct visitors; sessions(), bounces() and duration() are its kin
    {{ order_by("views desc") }}    after what the request sorts by
    :start, :end, {{ t0 }}, {{ t1 }}    the period's first instant and the first one after it; its first and last day
  The tables are visits, events, visitors, calendar and refusals. docs/queries.md has all of it.
#}
select
  lang,
  {{ visitors() }} as visitors,
  count(*) as views
from visits
where {{ period("datetime") }} and {{ filters() }}
group by lang
having {{ visitors() }} >= :least
{{ order_by("visitors desc, lang") }}
{{ limit() }}
"""


def list_files(queries: Iterable[Query], *, json_: bool) -> None:
    if json_:
        print(json.dumps([_listed(query) for query in queries], indent=2, ensure_ascii=False))
        return
    table = Table("name", "title", "group", "parameters")
    for query in queries:
        parameters = ", ".join(map(_shown, query.header.parameters))
        table.add_row(_name(query), query.title, query.header.group, query.error or parameters)
    show(table)


def _name(query: Query) -> str:
    return f"{query.collection}/{query.name}"


def _listed(query: Query) -> dict[str, object]:
    return {
        "name": _name(query),
        "title": query.title,
        "group": query.header.group,
        "parameters": [
            {"name": each.name, "type": each.type, "default": plain(each.default), "description": each.description}
            for each in query.header.parameters
        ],
        "error": query.error,
    }


def _shown(parameter: Parameter) -> str:
    default = "" if parameter.default is None else f" = {plain(parameter.default)}"
    return f"{parameter.name}: {parameter.type}{default}"


def check_files(settings: Settings, queries: Sequence[Query], strays: Mapping[Path, str], *, json_: bool) -> None:
    found, trouble = asyncio.run(_check(settings, queries))
    found += [Fault(path.stem, str(path), None, why) for path, why in strays.items()]
    if json_:
        print(json.dumps([asdict(fault) for fault in found], indent=2, ensure_ascii=False))
    else:
        for fault in found:
            print(fault)
    if trouble:
        raise trouble
    if found:
        raise typer.Exit(1)
    if not json_:
        print(f"{len(queries)} query files are sound")


async def _check(settings: Settings, queries: Sequence[Query]) -> tuple[list[Fault], CrumbyError | None]:
    """What it found; and why no more, where the database does not tell."""
    found: list[Fault] = []
    try:
        async with open_database(settings) as database:
            expect_file(database)
            async for fault in faults(database, queries, settings.zone):
                found.append(fault)  # noqa: PERF401 - what was found until the database went away counts
    except CrumbyError as error:
        return found, error
    return found, None


def expect_file(database: Database) -> None:
    if database.sqlite_path and not database.sqlite_path.exists():
        raise ConfigurationError(f"the database {database.sqlite_path} is not there yet; `crumby run` makes it")


def new_file(settings: Settings, queries: Iterable[Query], name: str, collection: str, *, json_: bool) -> None:
    folder = _own_folder(settings)
    if not FILE_NAME.fullmatch(name):
        raise ConfigurationError(f"{name[:80]!r} is no name for a query: letters, digits, - and _, at most 64")
    known = next((query for query in queries if (query.collection, query.name) == (collection, name)), None)
    if known and known.path.is_relative_to(folder):
        raise ConfigurationError(f"{known.path} is there already, and stays as it is; choose another name")
    path = folder / collection / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(TEMPLATE.replace("{title}", readable(name)))
    if json_:
        print(json.dumps({"file": str(path), "replaces_shipped": bool(known)}))
        return
    print(f"{path} is written, and answers already{', in place of the shipped one' if known else ''}. Next:")
    print("  1. edit it")
    print(f"  2. crumby query --check {collection}/{name}")
    print(f"  3. crumby query {collection}/{name}")


def _own_folder(settings: Settings) -> Path:
    if settings.queries:
        return settings.queries
    raise ConfigurationError(
        "QUERIES is not set: name a folder of your own in crumby.cfg, QUERIES = '/path/to/queries', "
        "or in the environment, CRUMBY_QUERIES=/path/to/queries"
    )
