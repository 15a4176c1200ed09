"""`crumby query`: ask a query file in the terminal. Who has the terminal has the database, so nobody signs in."""

import asyncio
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import typer
from rich.table import Table

from crumby.cli.completing import periods, query_names
from crumby.cli.people import Json, show
from crumby.cli.queryfiles import check_files, expect_file, list_files, new_file
from crumby.database import open_database
from crumby.errors import InvalidParameter, NotFound
from crumby.reporting.query import Query, QueryFolders
from crumby.reporting.questions import Answer, Question, first_visit, understand
from crumby.reporting.results import encoded, flat
from crumby.rollups import open_rollups
from crumby.settings import Settings, load_settings
from crumby.spelling import nearest

# What would move the cursor, colour the screen or turn the line around: titles are whatever a visitor sent.
BLANKS: Final = re.compile(r"[\t\n\r]+")
UNSEEMLY: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

Form = Literal["table", "csv", "json", "records", "ndjson"]

# Which days: `crumby dashboard` asks as well.
Preset = Annotated[
    str | None,
    typer.Option(
        "--period", metavar="NAME", help="Such as today, last_month, this_year or all.", autocompletion=periods
    ),
]
Days = Annotated[str | None, typer.Option(metavar="N", help="Days before today, or before --to.")]
First = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First day, YYYY-MM-DD.")]
Last = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last day, YYYY-MM-DD.")]
Zone = Annotated[str | None, typer.Option(metavar="ZONE", help="Time zone, such as Europe/Berlin.")]


def query(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Such as `visits` or `private/locations`.",
            show_default=False,
            autocompletion=query_names,
        ),
    ] = None,
    period: Preset = None,
    days: Days = None,
    first: First = None,
    last: Last = None,
    tz: Zone = None,
    compare: Annotated[
        str | None, typer.Option(metavar="WITH", help="previous (period), or (the same a) year (ago).")
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter", "-p", metavar="NAME=VALUE", help="One of the file's own, or country=SE, sort=-views …"
        ),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option(
            "--format",
            metavar="FORM",
            help="table, csv, json, records or ndjson.",
            show_default="table on a terminal, else json",
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the queries there are.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Look all of them, or those named, over for faults.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Begin a query file of that name, in QUERIES' private/.")] = False,
    public: Annotated[bool, typer.Option("--public", help="With --new: in its public/.")] = False,
    json_: Json = False,
) -> None:
    if list_ + check + new > 1:
        raise typer.BadParameter("--list, --check and --new are three things")
    settings = load_settings()
    folders = QueryFolders.laid_over(settings.queries)
    chosen = names or []
    if check:
        queries = [find(folders.all(), name) for name in chosen] or folders.all()
        check_files(settings, queries, {} if chosen else folders.passed_over, json_=json_)
    elif new:
        new_file(settings, folders.all(), _one(chosen), "public" if public else "private", json_=json_)
    elif list_ or not chosen:
        list_files(folders.all(), json_=json_)
    else:
        shared = {"period": period, "days": days, "from": first, "to": last, "tz": tz, "compare": compare}
        asked = _asked({name: value for name, value in shared.items() if value is not None}, parameters or [])
        default: Form = "table" if sys.stdout.isatty() and not json_ else "json"
        answer(settings, find(folders.all(), _one(chosen)), asked, form or default)


def answer(settings: Settings, query: Query, asked: Sequence[tuple[str, str]], form: Form) -> None:
    question, answered = asyncio.run(_answer(settings, query, asked))
    result = answered.result
    if form == "table":
        print(seemly(_title(question)))
        show(_table(question, answered))
        if not result.rows:
            print("no rows")
    else:
        content = encoded(answered, form, question)
        typer.echo(content, nl=not content.endswith(b"\n") and bool(content))
    if result.truncated:
        print(
            f"crumby: there are more than these {len(result.rows):,} rows; QUERY_ROW_LIMIT lets no more through",
            file=sys.stderr,
        )


def find(queries: Sequence[Query], name: str) -> Query:
    """The query of that name, `visits` or `public/visits`. Raises NotFound."""
    found = {f"{query.collection}/{query.name}": query for query in queries if name in _names(query)}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise NotFound(f"there are two queries {name}: say {' or '.join(sorted(found))}")
    every = {known: query for query in queries for known in _names(query)}
    near = nearest(name, every)
    hint = f"did you mean {near}?" if near else "`crumby query --list` lists those there are"
    raise NotFound(f"there is no query {name}; {hint}")


def _names(query: Query) -> tuple[str, str]:
    return query.name, f"{query.collection}/{query.name}"


def _one(names: Sequence[str]) -> str:
    if len(names) != 1:
        raise typer.BadParameter("give one NAME")
    return names[0]


def _asked(shared: dict[str, str], parameters: Sequence[str]) -> list[tuple[str, str]]:
    """As a request has them."""
    asked = list(shared.items())
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if not equals:
            raise InvalidParameter(f"-p {parameter}: write -p name=value")
        asked.append((name, value))
    return asked


async def _answer(settings: Settings, query: Query, asked: Sequence[tuple[str, str]]) -> tuple[Question, Answer]:
    now = datetime.now(UTC).replace(tzinfo=None)
    understand(query, asked, settings, now)  # what can't be understood needs no database to be told
    async with open_database(settings) as database:
        expect_file(database)
        begun = await first_visit(database, asked)
        async with open_rollups(database, settings) as rollups:
            await rollups.catch_up()
            question = understand(query, asked, settings, now, first_visit=begun, ready=rollups.ready)
            return question, await question.answer(database, settings)


def _title(question: Question) -> str:
    """A line of its own: above a narrow table rich would fold it."""
    period = question.view.period
    return f"{question.query.title}, {period.t0} to {period.t1} ({period.zone.key})"


def _table(question: Question, answered: Answer) -> Table:
    """Numbers to the right, whatever their column was declared."""
    columns, rows = flat(answered, question.query)
    table = Table()
    for number, name in enumerate(columns):
        values = [row[number] for row in rows if row[number] is not None]
        numeric = bool(values) and all(isinstance(value, int | float) and value is not True for value in values)
        table.add_column(seemly(name), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*map(seemly, row))
    return table


def seemly(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
    return UNSEEMLY.sub("\N{REPLACEMENT CHARACTER}", BLANKS.sub(" ", str(value)))
