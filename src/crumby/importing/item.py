"""What a source yields: page views and events, rows that are whole, totals of a day, and what it has to leave out."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from crumby.dimensions.session import Visitor
from crumby.ingest.client import Client
from crumby.ingest.enrich import Event, Visit
from crumby.ingest.hit import Hit

UNKNOWN_DAY: Final = 1  # a `prev_day`: the visitors of a total count, and whether they are new nobody told

NOBODY: Final = Client(None, None, None, None)


class Found(msgspec.Struct, frozen=True, gc=False):
    """A page view or an event. `hit.id` is the same whenever it is read: `ids.py` makes it.

    What of its row the source knows by itself, and a hit does not say, is in `known`, by the column of `tables`:
    `{"country": "GB", "browser": "firefox"}`. The importer cuts it to its column.
    """

    hit: Hit
    client: Client = NOBODY
    known: Mapping[str, Any] | None = None


class Row(msgspec.Struct, frozen=True, gc=False):
    """Stored as it is: it knows its session already."""

    row: Visit | Event


class Person(msgspec.Struct, frozen=True, gc=False):
    """A visitor as another Crumby remembers them."""

    visitor: Visitor


class Total(msgspec.Struct, frozen=True, gc=False):
    """What a day adds to a rollup: `keys` in the order of the rollup's file, `sums` by its names.

    `sums` say how much it is, not how much more: whoever reads the same day again, with more in it, adds the rest.
    """

    rollup: str
    day: int  # 20260131
    prev_day: int  # `tables.totals` says what
    keys: tuple[str | int, ...]
    sums: Mapping[str, int]
    origin: str = ""  # whose it is, where it is not the source's


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A row of `tables.refusals`."""

    quarter: str  # "2026-01-31T10:15:00", UTC
    reason: str
    hits: int


class Skipped(msgspec.Struct, frozen=True, gc=False):
    """A record that nothing comes of."""

    why: str  # a few words, of which there are a few: "a crawler", "no address"
    what: str = ""  # the record, or what of it shows why; its beginning is shown


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """There is nothing more for now, of a source that is followed."""


Item = Found | Row | Person | Total | Refused | Skipped | Waiting
