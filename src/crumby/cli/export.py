"""`crumby export`: what is stored, to be handed on. All of it in an archive, or of one visitor as JSON."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from crumby.cli.interrupting import on_ctrl_c
from crumby.cli.people import Json
from crumby.cli.progress import progress, show
from crumby.database import open_database
from crumby.errors import CrumbyError
from crumby.exporting.manifest import Format
from crumby.migrations import migrate
from crumby.settings import Settings, load_settings

if TYPE_CHECKING:
    from crumby.exporting.export import Export

Form = Annotated[
    Format | None,
    typer.Option("--format", help="Of an archive: ndjson, csv, sqlite or parquet.", show_default="ndjson"),
]
From = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First day, YYYY-MM-DD.")]
To = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last day.")]
Zone = Annotated[
    str | None,
    typer.Option("--time-zone", "--tz", metavar="ZONE", help="Of these days; else TIME_ZONE."),
]
Site = Annotated[str | None, typer.Option(metavar="HOST", help="Of one site alone.")]
Visitor = Annotated[
    str | None,
    typer.Option(
        "--visitor",
        help="Of a visitor, by cid, or of those who came from an address. Without --format: one JSON document.",
        metavar="CID|IP",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="A file, for its owner alone; else standard output.", show_default=False
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


class ExportError(CrumbyError):
    pass


def export(
    form: Form = None,
    first: From = None,
    last: To = None,
    zone: Zone = None,
    site: Site = None,
    visitor: Visitor = None,
    output: Output = None,
    force: Force = False,
    json_: Json = False,
) -> None:
    target = output.expanduser() if output else None
    if target and target.exists() and not force:
        raise ExportError(f"{output} is there already; --force replaces it")
    given = {"from": first, "to": last, "tz": zone, "site": site, "visitor": visitor}
    asked = {name: value for name, value in given.items() if value is not None}
    if visitor and not form and len(asked) == 1:
        _document(visitor, target, json_=json_)
    else:
        _archive(form or "ndjson", asked, target, json_=json_)


# All that is stored of a visitor, as a document


def _document(visitor: str, target: Path | None, *, json_: bool) -> None:
    from crumby.subjects import Subject

    subject = Subject.of(visitor)
    with on_ctrl_c(lambda: "stopped: nothing is written"):
        document = asyncio.run(_told(load_settings(), subject))
    # What is no text, and SQLite keeps all the same, is written as JSON writes it.
    text = json.dumps(document, ensure_ascii=False, indent=2).encode(errors="backslashreplace")
    if target is None:
        print(text.decode())
        return
    with _replacing(target) as file:
        file.write(text + b"\n")
    counts = {name: len(rows) for name, rows in document.items() if isinstance(rows, list)}
    _say(target, f"what is stored of {subject.said}", counts, json_=json_)


async def _told(settings: Settings, subject: Any) -> dict[str, Any]:
    from crumby.subjects import told

    async with open_database(settings) as database:
        await migrate(database.engine)
        return await told(database, settings, subject)


# An archive


def _archive(form: Format, asked: Mapping[str, str], target: Path | None, *, json_: bool) -> None:
    from crumby.exporting.export import rows_of
    from crumby.exporting.selection import Selection

    if target is None and (json_ or sys.stdout.isatty()):
        raise ExportError("an archive is nothing to be read here: name a file, `crumby export --output all.zip`")
    settings = load_settings()
    selection = Selection.of(asked, settings.zone)
    with on_ctrl_c(lambda: _unwritten(target)), _opened(target) as file:
        export = asyncio.run(_exported(settings, selection, form, file))
    if target and export.manifest:
        _say(target, "an archive", rows_of(export.manifest), json_=json_)


def _unwritten(target: Path | None) -> str:
    if target is None:
        return "stopped: what was written is no whole archive"
    return f"stopped: there is no archive; {target} is {'as it was' if target.exists() else 'not written'}"


async def _exported(settings: Settings, selection: Any, form: Format, file: IO[bytes]) -> "Export":
    from crumby.exporting.export import Export
    from crumby.rollups import open_rollups

    async with open_database(settings) as database:
        await migrate(database.engine)
        async with open_rollups(database, settings) as rollups:
            with _bar() as tell:
                export = Export(database, rollups, selection, form, tell)
                async with contextlib.aclosing(export.octets()) as octets:
                    async for piece in octets:
                        await asyncio.to_thread(file.write, piece)
    return export


@contextlib.contextmanager
def _bar() -> Iterator[Any]:
    """A line for each table, one after the other."""
    with progress() as bar:
        yield lambda table, done, of: show(bar, table, done, of)


# Files


@contextlib.contextmanager
def _opened(target: Path | None) -> Iterator[IO[bytes]]:
    if target:
        with _replacing(target) as file:
            yield file
    else:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Whole or not at all, and never to be read by others."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _say(target: Path, what: str, counts: Mapping[str, int], *, json_: bool) -> None:
    if json_:
        print(json.dumps({"file": str(target.absolute()), "bytes": target.stat().st_size, "rows": dict(counts)}))
        return
    rows = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    print(f"{target} holds {what}: {rows}", file=sys.stderr)
