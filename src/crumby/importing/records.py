"""What records of other programs have in common: moments, addresses, properties."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from crumby.dimensions.address import Address, host
from crumby.dimensions.source import origin
from crumby.errors import InvalidHit
from crumby.importing import names
from crumby.importing.source import ImportRefused
from crumby.ingest.hit import readable
from crumby.ingest.properties import MAX_NAME, MAX_PROPERTIES, properties
from crumby.ingest.text import clean

FORBIDDEN: Final = str.maketrans({'"': "'", "\\": "/"})  # in a property's name


def moment(text: str | None) -> datetime | None:
    """In UTC, which it also is where it says no zone: `2026-01-31 12:00:00.5`, `2026-01-31T13:00:00+01:00`, `…Z`."""
    try:
        found = datetime.fromisoformat((text or "").strip())
        return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, OverflowError):
        return None


def address(text: str | None) -> str | None:
    """Of a page, or where it was linked: as a hit's is stored; None for an empty one."""
    return clean(readable(text)) or None


def host_of(domain: str | None) -> str | None:
    """`https://www.Example.com/blog` and `example.com` → `example.com`."""
    return host((domain or "").rpartition("://")[2].partition("/")[0])


def is_elsewhere(site: str | None, wanted: str | None) -> bool:
    return wanted is not None and site is not None and site != host_of(wanted)


def come(referrer: str | None = None, source: str | None = None, campaign: str | None = None) -> dict[str, str | None]:
    """Columns that say where a visitor came from, of a source's or a campaign's name that no address has."""
    source, campaign = clean(source) or None, clean(campaign) or None
    found = origin(referrer, Address(tag=source, utm_source=source if campaign else None, utm_campaign=campaign))
    return {"source": found.source, "channel": found.channel}


def placed(country: str | None, region: str | None = None, city: str | None = None) -> dict[str, str | None]:
    """Columns of a place. A region goes by its ISO 3166-2 code, "US-TX" or "TX"."""
    code = names.country(country)
    if not code:
        return {}
    if region and "-" not in region:
        region = f"{code}-{region}"
    return {"country": code, "subdivision_1": names.region(region), "subdivision_2": None, "city": city or None}


@contextmanager
def columns_there(name: str) -> Iterator[None]:
    """Raises ImportRefused for a record that lacks a column, as a file of something else does; `name` is the file's."""
    try:
        yield
    except KeyError as error:
        raise ImportRefused(f"{name}: there is no column {error.args[0]!r} in it; is it what --from says?") from None


def told(pairs: Iterable[tuple[str | None, Any]]) -> str | None:
    """An event's properties, as many of them as Crumby keeps; of a name that it does not take, the nearest."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        fit = clean((name or "").translate(FORBIDDEN), MAX_NAME)
        if fit and fit not in found and len(found) < MAX_PROPERTIES and isinstance(value, str | int | float | None):
            found[fit] = value
    while found:
        try:
            return properties(json.dumps(found))
        except InvalidHit:
            found.popitem()  # what is too long for all of them, or a number too large
    return None
