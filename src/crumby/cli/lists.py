"""`crumby lists`: what crawlers, spammers and hosting networks are known by, how old it is, and newer ones."""

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from crumby.cli.completing import list_names
from crumby.cli.people import Json, show
from crumby.errors import BotListError
from crumby.ingest import listfile
from crumby.ingest.lists import BotList, folder_of, in_use, manifest
from crumby.settings import load_settings


def lists(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="crawlers, spammers, hosting; else all of them.",
            show_default=False,
            autocompletion=list_names,
        ),
    ] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Get newer ones, check them, and use them.")] = False,
    source: Annotated[
        str | None, typer.Option("--from", help="A URL or a file to get the one list from.", metavar="URL")
    ] = None,
    shrink: Annotated[
        bool, typer.Option("--shrink", help="Take a list even if it has less than half of the entries.")
    ] = False,
    json_: Json = False,
) -> None:
    known = manifest()
    chosen = names or list(known)
    for name in chosen:
        if name not in known:
            raise BotListError(f"{name}: there is no such list; there are {', '.join(known)}")
    if source and (len(chosen) != 1 or not refresh):
        raise BotListError("--from is for one list: crumby lists --refresh crawlers --from URL")
    folder = folder_of(load_settings())
    failed = _refresh(chosen, (source,) if source else None, folder, shrink=shrink) if refresh else False
    facts = [_facts(_found(name, folder)) for name in chosen]
    if json_:
        print(json.dumps(facts, ensure_ascii=False))
    else:
        show(_table(facts))
    if failed:
        raise typer.Exit(1)


def _refresh(names: list[str], sources: tuple[str, ...] | None, folder: Path, *, shrink: bool) -> bool:
    """Whether one of them failed; the others are not held up by it."""
    failed = False
    for name in names:
        try:
            listfile.refresh(name, sources or manifest()[name].urls, folder, shrink=shrink)
        except BotListError as error:
            failed = True
            print(f"crumby: {error}; the one before stays", file=sys.stderr)
    return failed


def _found(name: str, folder: Path) -> BotList:
    """As the server has it: what can't be read does not count."""
    try:
        return in_use(name, folder)
    except BotListError as error:
        print(f"crumby: {error}; the shipped one is used", file=sys.stderr)
        return in_use(name, None)


def _facts(found: BotList) -> dict[str, str | int | None]:
    known = manifest()[found.name]
    of = date.fromisoformat(found.of) if found.of else None
    return {
        "list": found.name,
        "entries": len(found.entries),
        "bytes": found.packed,
        "of": found.of or None,
        "age_days": (datetime.now(UTC).date() - of).days if of else None,
        "from": found.source,
        "what": known.what,
        "home": known.home,
        "licence": known.licence,
    }


def _table(facts: list[dict[str, str | int | None]]) -> Table:
    table = Table("list", "entries", "KiB", "of", "days old", "from", "what is in it", show_lines=True)
    for each in facts:
        size = f"{int(each['bytes'] or 0) / 1024:.0f}"
        age = "" if each["age_days"] is None else str(each["age_days"])
        table.add_row(
            str(each["list"]),
            str(each["entries"]),
            size,
            str(each["of"] or ""),
            age,
            str(each["from"]),
            str(each["what"]),
        )
    return table
