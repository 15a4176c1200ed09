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
    url = make_url(settings.sqlalchemy_database_uri)
    values["SQLALCHEMY_DATABASE_URI"] = url.set(query=dict.fromkeys(url.query, HIDDEN)).render_as_string()
    return dict(sorted(values.items()))


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
