"""`crumby export`: what is stored, to be handed on. For now of one visitor."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from crumby.cli.interrupting import on_ctrl_c
from crumby.cli.people import Json
from crumby.database import open_database
from crumby.errors import CrumbyError
from crumby.migrations import migrate
from crumby.settings import Settings, load_settings
from crumby.subjects import Subject, told

Visitor = Annotated[
    str,
    typer.Option("--visitor", help="Of a visitor, by cid, or of those who came from an address.", metavar="CID|IP"),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="A file, for its owner alone; else the terminal.", show_default=False
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


class ExportError(CrumbyError):
    pass


def export(visitor: Visitor, output: Output = None, force: Force = False, json_: Json = False) -> None:
    subject = Subject.of(visitor)
    if output and output.expanduser().exists() and not force:
        raise ExportError(f"{output} is there already; --force replaces it")
    with on_ctrl_c(lambda: "stopped: nothing is written"):
        document = asyncio.run(_told(load_settings(), subject))
    # What is no text, and SQLite keeps all the same, is written as JSON writes it.
    text = json.dumps(document, ensure_ascii=False, indent=2).encode(errors="backslashreplace").decode()
    if output is None:
        print(text)
        return
    _write(output.expanduser(), text)
    counts = {name: len(rows) for name, rows in document.items() if isinstance(rows, list)}
    if json_:
        print(json.dumps({"file": str(output.expanduser().absolute()), "rows": counts}))
        return
    rows = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    print(f"{output} holds what is stored of {subject.said}: {rows}", file=sys.stderr)


async def _told(settings: Settings, subject: Subject) -> dict[str, Any]:
    async with open_database(settings) as database:
        await migrate(database.engine)
        return await told(database, settings, subject)


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and never to be read by others."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
    partial.replace(path)
