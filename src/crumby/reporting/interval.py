"""The buckets of a timeseries: hours, days, weeks or months as the report's zone has them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, cast, get_args

from crumby.errors import InvalidParameter
from crumby.reporting.period import Period

Interval = Literal["hour", "day", "week", "month"]

HOURS_MOST: Final = 92  # days that can be told by the hour
HOUR: Final = timedelta(hours=1)


def parse_interval(query: Mapping[str, str], period: Period) -> Interval:
    """What the request says, else what gives a chart some two dozen to a hundred points. Raises InvalidParameter."""
    days = (period.t1 - period.t0).days + 1
    if "interval" not in query:
        return "hour" if days <= 2 else "day" if days <= 92 else "week" if days <= 190 else "month"  # noqa: PLR2004
    asked = query["interval"]
    if asked not in get_args(Interval):
        raise InvalidParameter(f"interval: {asked[:60]!r} is not one of {', '.join(get_args(Interval))}")
    if asked == "hour" and days > HOURS_MOST:
        raise InvalidParameter(
            f"interval: a period of {days} days is too long to be told by the hour; {HOURS_MOST} are not"
        )
    return cast("Interval", asked)


def buckets(period: Period, interval: Interval) -> Iterator[str]:
    """Each of the period's, in order, as the macro `bucket` names it.

    `2026-03-29T01:00`, `2026-03-29T03:00`: the hour that the clocks leave out is none, and the one that they repeat
    is one.
    """
    if interval == "hour":
        yield from _hours(period)
        return
    for day in _beginnings(period, interval):
        yield day.isoformat()[:7] if interval == "month" else day.isoformat()


def _beginnings(period: Period, interval: Interval) -> Iterator[date]:
    last = None
    for number in range((period.t1 - period.t0).days + 1):
        day = period.t0 + timedelta(days=number)
        if interval == "week":
            day -= timedelta(days=day.weekday())
        elif interval == "month":
            day = day.replace(day=1)
        if day != last:
            yield day
            last = day


def _hours(period: Period) -> Iterator[str]:
    seen = ""
    instant = period.start
    while instant < period.end:
        hour = _local(instant, period).strftime("%Y-%m-%dT%H:00")
        if hour > seen:
            yield hour
            seen = hour
        instant += HOUR


def _local(instant: datetime, period: Period) -> datetime:
    return instant.replace(tzinfo=UTC).astimezone(period.zone)
