"""The configuration, from the terminal: see it, or begin one."""

import json
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from sqlalchemy import make_url

from crumby.cli.people import Json, show
from crumby.errors import ConfigurationError
from crumby.settings import KEYS, Settings, load_settings

FILE_NAME: Final = "crumby.cfg"
HIDDEN: Final = "********"
SECRETS: Final = ("SECRET_KEY", "METRICS_TOKEN")


def env(json_: Json = False) -> None:
    values = redacted(load_settings())
    if json_:
        print(json.dumps(values, indent=2))
        return
    table = Table("key", "value", "meaning")
    for key, value in values.items():
        table.add_row(key, str(value), KEYS[key.lower()].meaning)
    show(table)


def redacted(settings: Settings) -> dict[str, Any]:
    """The settings by their keys, without what opens anything."""
    values = {key.upper(): _plain(value) for key, value in asdict(settings).items()}
    for key in SECRETS:
        values[key] = values[key] and HIDDEN
    url = make_url(settings.sqlalchemy_database_uri)
    values["SQLALCHEMY_DATABASE_URI"] = url.set(query=dict.fromkeys(url.query, HIDDEN)).render_as_string()
    return dict(sorted(values.items()))


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def init(
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    path = Path.cwd() / FILE_NAME
    if force:
        path.unlink(missing_ok=True)
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise ConfigurationError(f"{path} is there already; --force replaces it") from None
    path.write_text(template(secrets.token_urlsafe(32)), "utf-8")
    print(f"{path} is written. Next:")
    print("  1. edit it")
    print(f"  2. export CRUMBY_SETTINGS={path}")
    print("  3. crumby run")


def template(secret: str) -> str:
    """A crumby.cfg that names each key, what it means and its default, and keeps a secret of its own."""
    parts = [
        "# Crumby's configuration, in Python's syntax: upper-case names are its keys, any code may stand beside them.",
        "# A line without its # takes effect. CRUMBY_<KEY> variables of the environment win over this file.",
    ]
    for name, key in KEYS.items():
        value = (
            f"SECRET_KEY = {secret!r}"
            if name == "secret_key"
            else f"#{name.upper()} = {_literal(getattr(Settings, name))}"
        )
        parts.append(f"# {key.meaning}\n{value}")
    return "\n\n".join(parts) + "\n"


def _literal(value: object) -> str:
    if isinstance(value, Path):
        return repr(str(value))
    return "'*'" if value == ("*",) else repr(value)
