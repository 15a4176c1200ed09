"""A time zone as pieces of constant offset from UTC, for SQL, which has no zones that all databases agree on."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

STRIDE: Final = timedelta(days=3)  # since 1900 no zone has changed its clocks twice within less
SECOND: Final = timedelta(seconds=1)


@lru_cache(maxsize=256)  # a century takes some 30 ms
def offsets(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[tuple[datetime, int], ...]:
    """(Up to which instant, seconds), in order, for `[start, end)`; UTC, without a zone.

    One, but where the clocks are changed: Europe/Berlin, March 2026, has
    `[(2026-03-29 01:00, 3600), (2026-03-31 22:00, 7200)]`.
    """
    found: list[tuple[datetime, int]] = []
    at, offset = start, _offset(start, zone)
    while at < end - SECOND:
        until = min(at + STRIDE, end - SECOND)
        after = _offset(until, zone)
        if after != offset:
            until = _change(at, until, zone)
            found.append((until, offset))
        at, offset = until, after
    if start < end:  # there are days that a zone left out
        found.append((end, offset))
    return tuple(found)


def _offset(instant: datetime, zone: ZoneInfo) -> int:
    offset = instant.replace(tzinfo=UTC).astimezone(zone).utcoffset()
    return round(offset.total_seconds()) if offset else 0


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The second between `low` and `high` from which on the zone's offset is the one at `high`."""
    before = _offset(low, zone)
    while high - low > SECOND:
        middle = low + timedelta(seconds=round((high - low).total_seconds() / 2))
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high
