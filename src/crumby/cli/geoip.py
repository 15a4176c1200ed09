"""`crumby geoip`: get a City database."""

import contextlib
import json
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from crumby.cli.people import Json
from crumby.errors import GeoDatabaseError
from crumby.ingest import geofile
from crumby.ingest.geo import credit_for
from crumby.settings import Settings, load_settings

FILE_NAME = "GeoLite2-City.mmdb"


def geoip(
    source: Annotated[
        str | None, typer.Argument(help="A URL or a file (.mmdb, .mmdb.gz, .tar.gz); else MaxMind or DB-IP.")
    ] = None,
    upgrade: Annotated[
        bool,
        typer.Option("--upgrade", "-upgrade", help="Replace the configured file, not one in this folder."),
    ] = False,
    account: Annotated[
        str | None, typer.Option(envvar="MAXMIND_ACCOUNT_ID", help="Account at MaxMind, for GeoLite2.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="MAXMIND_LICENSE_KEY", help="Its licence key; better in the environment."),
    ] = None,
    json_: Json = False,
) -> None:
    settings = load_settings()
    target = settings.geoip2_database_name if upgrade else Path.cwd() / FILE_NAME
    chosen = _source(source, account, key, settings)
    with _ended_cleanly(), _bar() as progress:
        found = geofile.install(chosen, target, progress)
    credit = credit_for(found.kind)
    if json_:
        built = found.built.isoformat().replace("+00:00", "Z")
        facts = {"path": str(target), "kind": found.kind, "built": built, "bytes": found.size}
        print(json.dumps(facts | {"credit": credit and credit._asdict()}))
        return
    print(f"{found} is at {target}")
    if credit:
        print(f"Crumby's pages give the credit that its licence asks for: {credit.words}, {credit.link}")


def _source(source: str | None, account: str | None, key: str | None, settings: Settings) -> geofile.Source | Path:
    """What is said here or in the environment, else what the configuration says; of both a source before an account."""
    said = source or (None if account or key else settings.geoip2_source)
    if said and re.match("https?://", said):
        return geofile.Source((said,))
    if said:
        return Path(said).expanduser()
    account, key = account or settings.maxmind_account_id, key or settings.maxmind_license_key
    if account and key:
        return geofile.maxmind(account, key)
    if account or key:
        raise GeoDatabaseError("MaxMind takes both: MAXMIND_ACCOUNT_ID and MAXMIND_LICENSE_KEY")
    return geofile.dbip(datetime.now(UTC).date())


@contextlib.contextmanager
def _ended_cleanly() -> Iterator[None]:
    """A SIGTERM, by which a server ends it as well, leaves nothing behind that was half fetched."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _bar() -> Iterator[geofile.Progress]:
    columns = (TextColumn("City database"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("download", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
