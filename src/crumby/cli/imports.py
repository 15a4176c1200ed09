"""`crumby import`: the history that another program has, or an access log."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer
from rich.progress import Progress
from rich.table import Table

from crumby.cli.interrupting import on_ctrl_c
from crumby.cli.people import Json, show
from crumby.cli.progress import progress
from crumby.cli.rollup import to_the_end
from crumby.database import Database, open_database
from crumby.importing.importer import Importer, Outcome, Tell
from crumby.importing.input import Input
from crumby.importing.ledger import Entry, listed
from crumby.importing.source import KINDS, Wanted
from crumby.migrations import migrate
from crumby.rollups import open_rollups
from crumby.settings import Settings, load_settings

REASONS: Final = 12  # that are shown
ACCESS_LOG: Final = "access-log"

Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE", help="Files or folders to read, compressed or not; - is standard input.", show_default=False
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="KIND",
        help=f"Whose they are, if that can't be told: {', '.join(KINDS)}.",
        autocompletion=lambda: list(KINDS),
        show_default=False,
    ),
]
Site = Annotated[
    str | None,
    typer.Option(metavar="HOST", help="Site of pages that are named by their path; of several sites the one to take."),
]
Zone = Annotated[str | None, typer.Option("--tz", metavar="ZONE", help="Of times that say none; else TIME_ZONE.")]
Since = Annotated[str | None, typer.Option(metavar="DATE", help="Only what was on this day or later, YYYY-MM-DD.")]
Until = Annotated[str | None, typer.Option(metavar="DATE", help="Only what was on this day or before.")]
Format = Annotated[
    str | None, typer.Option("--format", metavar="FORMAT", help="Of an access log: what log_format or LogFormat says.")
]
Bots = Annotated[bool, typer.Option("--bots", help="Take crawlers as well.")]
Follow = Annotated[bool, typer.Option("--follow", help="Go on as the log is written, until Ctrl-C.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")]
Anew = Annotated[bool, typer.Option("--anew", help="Read from the beginning, not from where it was left.")]
Listing = Annotated[bool, typer.Option("--list", help="List what was imported.")]


def import_(
    files: Files = None,
    kind: Kind = None,
    site: Site = None,
    tz: Zone = None,
    since: Since = None,
    until: Until = None,
    format_: Format = None,
    bots: Bots = False,
    follow: Follow = False,
    dry_run: DryRun = False,
    anew: Anew = False,
    list_: Listing = False,
    json_: Json = False,
) -> None:
    settings = load_settings()
    if list_:
        _print_list(asyncio.run(_listed(settings)), json_=json_)
        return
    if not files:
        raise typer.BadParameter("name a file to import, or a folder; `-` is standard input", param_hint="FILE")
    if kind and kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(KINDS)}", param_hint="--from")
    if format_ or follow:  # which nothing else has
        kind = kind or ACCESS_LOG
    if follow and (len(files) > 1 or files == ["-"] or dry_run):
        raise typer.BadParameter("it follows one file, and stores what comes", param_hint="--follow")
    zone = _zone(tz or settings.time_zone)
    wanted = Wanted(
        settings=settings,
        zone=zone,
        site=site,
        since=_moment(since, zone, "--since"),
        until=_moment(until, zone, "--until", days=1),
        follow=follow,
        format=format_,
        bots=bots,
    )
    outcomes: list[Outcome] = []
    with on_ctrl_c(lambda: _stopped(outcomes, dry=dry_run)):
        asyncio.run(_import(wanted, files, kind, outcomes, dry=dry_run, anew=anew))
    _tell(outcomes, dry=dry_run, json_=json_)


async def _import(
    wanted: Wanted, files: Sequence[str], kind: str | None, outcomes: list[Outcome], *, dry: bool, anew: bool
) -> None:
    async with open_database(wanted.settings) as database:
        await migrate(database.engine)
        importer = Importer(database, wanted, dry=dry, anew=anew)
        importer.outcomes = outcomes
        with contextlib.ExitStack() as stack, progress() as bar:
            given = [stack.enter_context(Input(each, waits=wanted.follow)) for each in files]
            if len(given) > 1:
                begins = {each: await importer.begins(each, kind) for each in given}
                given.sort(key=lambda each: begins[each])
            for each in given:
                with _shown(bar, each.name) as tell:
                    await importer.take(each, kind, tell)
            if not dry:
                await importer.end()
                await _count(database, wanted.settings, bar)


async def _count(database: Database, settings: Settings, bar: Progress) -> None:
    """What reports read."""
    async with open_rollups(database, settings) as rollups:
        await to_the_end(rollups, bar)
        while await rollups.put_right():
            await to_the_end(rollups, bar)


@contextlib.contextmanager
def _shown(bar: Progress, name: str) -> Iterator[Tell]:
    task = bar.add_task(name, total=None)
    yield lambda done, of: bar.update(task, completed=done, total=of or None)
    bar.remove_task(task)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise typer.BadParameter(
            f"there is no time zone {name!r}; say one such as Europe/Berlin", param_hint="--tz"
        ) from None


def _moment(said: str | None, zone: ZoneInfo, option: str, days: int = 0) -> datetime | None:
    """In UTC, as the database has it: the day's beginning, or that of the day after."""
    if said is None:
        return None
    try:
        day = date.fromordinal(date.fromisoformat(said).toordinal() + days)
    except ValueError:
        raise typer.BadParameter(f"{said!r} is no day such as 2026-01-31", param_hint=option) from None
    return datetime.combine(day, time(), zone).astimezone(UTC).replace(tzinfo=None)


# What is said in the end


def _stopped(outcomes: Sequence[Outcome], *, dry: bool) -> str:
    if dry:
        return "stopped: it was a dry run, nothing is stored"
    rows = sum(each.visits for each in outcomes), sum(each.events for each in outcomes)
    return "stopped: {:,} visits and {:,} events are stored; the same command goes on from there".format(*rows)


def _tell(outcomes: Sequence[Outcome], *, dry: bool, json_: bool) -> None:
    if json_:
        print(json.dumps([_facts(each, dry=dry) for each in outcomes]))
        return
    for each in outcomes:
        _print(each, dry=dry)


def _facts(outcome: Outcome, *, dry: bool) -> dict[str, Any]:
    return {
        "name": outcome.entry.name,
        "source": outcome.entry.source,
        "stored": not dry,
        "resumed": outcome.resumed > 0,
        "visits": outcome.visits,
        "events": outcome.events,
        "totals": outcome.totals,
        "visitors": outcome.visitors,
        "known": outcome.known,
        "first": outcome.entry.first and outcome.entry.first.isoformat(timespec="seconds"),
        "last": outcome.entry.last and outcome.entry.last.isoformat(timespec="seconds"),
        "skipped": dict(outcome.skipped),
    }


def _print(outcome: Outcome, *, dry: bool) -> None:
    entry = outcome.entry
    went_on = ", from where it was left" if outcome.resumed else ""
    print(f"{entry.name}: {KINDS[entry.source].title}{went_on}", file=sys.stderr)
    table = Table("", "rows", "")
    would = "would be stored" if dry else "stored"
    for what, many in (("visits", outcome.visits), ("events", outcome.events), ("totals of a day", outcome.totals)):
        if many or what == "visits":
            table.add_row(f"{what} {would}", f"{many:,}", _span(entry) if what == "visits" else "")
    if outcome.known:
        table.add_row("stored already", f"{outcome.known:,}", "")
    for why, many in outcome.skipped.most_common(REASONS):
        table.add_row(f"left out: {why}", f"{many:,}", outcome.examples.get(why, ""))
    show(table)


async def _listed(settings: Settings) -> Sequence[Entry]:
    async with open_database(settings) as database:
        await migrate(database.engine)
        return await listed(database)


def _print_list(entries: Sequence[Entry], *, json_: bool) -> None:
    if json_:
        print(json.dumps([_entry(each) for each in entries]))
        return
    table = Table("file", "from", "visits", "events", "totals", "left out", "days", "")
    for each in entries:
        table.add_row(
            each.name,
            each.source,
            *(f"{number:,}" for number in (each.visits, each.events, each.totals, each.skipped.total())),
            _span(each),
            "" if each.done else "not to its end",
        )
    show(table)


def _span(entry: Entry) -> str:
    return f"{entry.first:%Y-%m-%d} to {entry.last:%Y-%m-%d}" if entry.first and entry.last else ""


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "source": entry.source,
        "begun": entry.begun.isoformat(timespec="seconds"),
        "done": entry.done,
        "visits": entry.visits,
        "events": entry.events,
        "totals": entry.totals,
        "skipped": dict(entry.skipped),
        "first": entry.first and entry.first.isoformat(timespec="seconds"),
        "last": entry.last and entry.last.isoformat(timespec="seconds"),
    }
