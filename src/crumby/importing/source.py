"""The programs whose history Crumby reads: a module each in `sources/`, of which the one that is wanted is imported.

A module has `NAME`, and

    recognises(given: Input) -> bool     by its beginning, or the names of its files; raises nothing
    opened(given: Input, wanted: Wanted) -> Source

whose docstring says where the format is documented, what is kept of it and what is lost.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, ClassVar, Final, Protocol
from zoneinfo import ZoneInfo

from crumby.errors import CrumbyError
from crumby.importing.ids import Names
from crumby.importing.input import Input
from crumby.importing.item import Item
from crumby.settings import Settings


@dataclass(frozen=True, slots=True)
class Kind:
    module: str
    title: str  # for people
    grows: bool = False  # whoever comes again finds what was there, and more behind it


KINDS: Final[Mapping[str, Kind]] = {  # in the order in which they are asked whether they know a file
    "crumby": Kind("archive", "an export of Crumby"),
    "crumby-0.7.1": Kind("crumby071", "a database of Crumby 0.7.1, an SQLite file or a dump"),
    "plausible": Kind("plausible", "Plausible's CSV export, a zip or its folder"),
    "umami": Kind("umami", "Umami: its CSV export, or a dump of its MySQL or PostgreSQL"),
    "goatcounter": Kind("goatcounter", "GoatCounter's CSV or JSON export"),
    "matomo": Kind("matomo", "Matomo: Live.getLastVisitsDetails as JSON, or a dump of its MySQL"),
    "ga4": Kind("ga4", "Google Analytics 4: BigQuery export as JSON lines, or a report as CSV"),
    "fathom": Kind("fathom", "Fathom's CSV export"),
    "simple-analytics": Kind("simpleanalytics", "Simple Analytics' CSV or JSON export"),
    "access-log": Kind("accesslog", "a web server's access log: nginx, Apache, Caddy, JSON", grows=True),
}


class ImportRefused(CrumbyError):
    """That can't be read. What was stored before it is, and stays."""

    status = 422


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asked for."""

    settings: Settings
    zone: ZoneInfo  # of moments that say none, and of days
    site: str | None = None  # host of pages, where records have a path alone; of records of several sites the only one
    since: datetime | None = None  # UTC; what is before it is left out: the importer sees to it
    until: datetime | None = None
    follow: bool = False
    format: str | None = None  # of an access log: as nginx' log_format or Apache's LogFormat has it
    bots: bool = False  # crawlers as well

    def names(self, source: str) -> Names:
        """Of its records, keyed by the installation's secret; one is made and kept where there is none."""
        return Names(self.settings.with_secret().secret_key or "", source)


class Source(Protocol):
    """One input, read in its order.

    `items(mark)` goes on at a mark that an earlier reader gave; 0 is the beginning. Between two items `mark` is where
    another reader has to begin for what comes after the item that came last. It may lie before that: an item that comes
    again is known by its id, and nothing comes of it.
    """

    NAME: ClassVar[str]

    ordered: bool  # items come in the order of their time, but for some seconds; else they are sorted first
    size: int  # of what `mark` counts, in all; 0 where nobody knows
    mark: int
    origin: str  # whose totals they are: "plausible example.com"

    def items(self, mark: int) -> Iterator[Item]:
        """Raises ImportRefused for what is no such file, naming the place and what is wrong with it."""


def kind_of(name: str) -> Kind:
    return KINDS[name]


def module_of(name: str) -> Any:
    return import_module(f"crumby.importing.sources.{kind_of(name).module}")


def recognised(given: Input) -> str:
    """Which kind it is. Raises ImportRefused."""
    for name in KINDS:
        if module_of(name).recognises(given):
            return name
    known = "; ".join(f"{name}: {kind.title}" for name, kind in KINDS.items())
    raise ImportRefused(f"{given.name}: nobody knows what this is; say it by --from. {known}")
