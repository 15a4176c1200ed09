"""The configuration in force, from the terminal."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.table import Table
from sqlalchemy import make_url

from crumby.cli.people import Json, show
from crumby.settings import KEYS, Settings, load_settings
from crumby.values import without_keys

HIDDEN: Final = "********"
SECRETS: Final = ("SECRET_KEY", "METRICS_TOKEN", "MAXMIND_LICENSE_KEY")
DATABASES: Final = ("SQLALCHEMY_DATABASE_URI", "REPORTS_DATABASE_URI")


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
    values["GEOIP2_SOURCE"] = settings.geoip2_source and without_keys(settings.geoip2_source)
    for key in DATABASES:
        values[key] = values[key] and _without_password(str(values[key]))
    return dict(sorted(values.items()))


def _without_password(uri: str) -> str:
    url = make_url(uri)
    return url.set(query=dict.fromkeys(url.query, HIDDEN)).render_as_string()


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
