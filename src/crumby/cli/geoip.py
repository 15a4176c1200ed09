"""`crumby geoip`: get a City database."""

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from crumby.errors import GeoDatabaseError
from crumby.ingest import geofile
from crumby.settings import load_settings

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
) -> None:
    target = load_settings().geoip2_database_name if upgrade else Path.cwd() / FILE_NAME
    chosen = _source(source, account, key)
    with _bar() as progress:
        found = geofile.install(chosen, target, progress)
    print(f"{found} is at {target}")
    if isinstance(chosen, geofile.Source) and chosen.credit:
        print(f"Its licence asks for a credit where places are shown: {chosen.credit}")


def _source(source: str | None, account: str | None, key: str | None) -> geofile.Source | Path:
    if source and re.match("https?://", source):
        return geofile.Source((source,))
    if source:
        path = Path(source).expanduser()
        if not path.is_file():
            raise GeoDatabaseError(f"there is no file {path}")
        return path
    if account and key:
        return geofile.maxmind(account, key)
    if account or key:
        raise GeoDatabaseError("MaxMind takes both: MAXMIND_ACCOUNT_ID and MAXMIND_LICENSE_KEY")
    return geofile.dbip(datetime.now(UTC).date())


@contextlib.contextmanager
def _bar() -> Iterator[geofile.Progress]:
    columns = (TextColumn("City database"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("download", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
