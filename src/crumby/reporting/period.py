"""The days that a report is about, in a time zone, and the instants where they begin and end."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crumby.errors import InvalidParameter
from crumby.offsets import offsets

DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 36_525  # a century
DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
NAMES: Final = ("period", "days", "from", "to", "t0", "t1", "tz", "compare")  # of the parameters


Preset = Callable[[date], tuple[date, date]]  # today → the first day and the last


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `t0` to `t1`, both of them included, as they are counted in `zone`."""

    t0: date
    t1: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        """The first instant; UTC, without a zone, as the tables have it."""
        return midnight(self.t0, self.zone)

    @property
    def end(self) -> datetime:
        """The first instant after; the period is `[start, end)`."""
        return midnight(self.t1 + timedelta(days=1), self.zone)

    def offsets(self) -> list[tuple[datetime, int]]:
        """The zone's offsets from UTC over the period: (up to which instant, seconds), in order.

        One, but for a period in which the clocks are changed: Europe/Berlin, March 2026, has
        `[(2026-03-29 01:00, 3600), (2026-03-31 22:00, 7200)]`.
        """
        return list(offsets(self.start, self.end, self.zone))


def parse_period(
    query: Mapping[str, str], zone: ZoneInfo, now: datetime, first_visit: datetime | None = None
) -> Period:
    """The period that a request asks for. `now` is UTC, as is `first_visit`, which `period=all` begins with.

    `days=7` is today and the seven days before it; `from` and `to` (0.7.1's code read `t0` and `t1`) name the
    first and the last day; `period=last_month` and its like are named in PRESETS; without any, the last 30 days.
    Raises InvalidParameter.
    """
    if "tz" in query:
        zone = _zone(query["tz"])
    today = _day_of(now, zone)
    if "period" in query:
        return _preset(query, today, zone, min(today, _day_of(first_visit or now, zone)))
    given = {name: _date(name, query[name]) for name in ("from", "to", "t0", "t1") if name in query}
    first = given.get("from", given.get("t0"))
    last = given.get("to", given.get("t1"))
    if "days" in query:
        if first:
            raise InvalidParameter("give either days or from, not both")
        days = _days(query["days"])
    else:
        days = DEFAULT_DAYS
    last = last or max(today, first or today)
    first = first or _before(last, days)
    if first > last:
        raise InvalidParameter(f"from ({first}) is after to ({last})")
    if (last - first).days > MAX_DAYS:
        raise InvalidParameter(f"the period is longer than {MAX_DAYS} days")
    return Period(first, last, zone)


def _day_of(instant: datetime, zone: ZoneInfo) -> date:
    return instant.replace(tzinfo=UTC).astimezone(zone).date()


def _preset(query: Mapping[str, str], today: date, zone: ZoneInfo, first: date) -> Period:
    more = next((name for name in ("days", "from", "to", "t0", "t1") if name in query), None)
    if more:
        raise InvalidParameter(f"give either period or {more}, not both")
    name = query["period"]
    if name == "all":
        return Period(max(first, _before(today, MAX_DAYS)), today, zone)
    if name not in PRESETS:
        raise InvalidParameter(f"period: {name[:60]!r} is not one of {', '.join((*PRESETS, 'all'))}")
    return Period(*PRESETS[name](today), zone)


def _last(days: int) -> Preset:
    """So many days, of which today is the last."""
    return lambda today: (today - timedelta(days=days - 1), today)


def _month(day: date) -> date:
    return day.replace(day=1)


def _last_week(today: date) -> tuple[date, date]:
    monday = today - timedelta(days=today.weekday())
    return monday - timedelta(days=7), monday - timedelta(days=1)


def _last_month(today: date) -> tuple[date, date]:
    last = _month(today) - timedelta(days=1)
    return _month(last), last


def a_year_before(day: date) -> date:
    """2024-02-29 → 2023-02-28."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


PRESETS: Final[Mapping[str, Preset]] = {
    "today": _last(1),
    "yesterday": lambda today: (today - timedelta(days=1), today - timedelta(days=1)),
    "last_7_days": _last(7),
    "last_28_days": _last(28),
    "last_30_days": _last(30),
    "last_90_days": _last(90),
    "this_week": lambda today: (today - timedelta(days=today.weekday()), today),
    "last_week": _last_week,
    "this_month": lambda today: (_month(today), today),
    "last_month": _last_month,
    "this_year": lambda today: (today.replace(month=1, day=1), today),
    "last_year": lambda today: (date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)),
    "last_12_months": lambda today: (a_year_before(today) + timedelta(days=1), today),
}
COMPARISONS: Final = ("previous", "year", "weekday")


def parse_comparison(query: Mapping[str, str], period: Period) -> Period | None:
    """`compare=previous`: as many days, right before; `compare=year`: the same days a year before.

    `compare=weekday`: as many days, as few whole weeks before as it takes: a Monday is compared with a Monday.
    """
    match query.get("compare"):
        case None:
            return None
        case "previous":
            last = _before(period.t0, 1)
            return Period(_before(last, (period.t1 - period.t0).days), last, period.zone)
        case "year":
            return Period(a_year_before(period.t0), a_year_before(period.t1), period.zone)
        case "weekday":
            days = (period.t1 - period.t0).days + 1
            back = days + -days % 7
            return Period(_before(period.t0, back), _before(period.t1, back), period.zone)
        case other:
            raise InvalidParameter(f"compare: {other[:60]!r} is not one of {', '.join(COMPARISONS)}")


@lru_cache(maxsize=256)  # 2 µs, of which each report of a page takes eight, all of the same days
def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When the day begins; UTC, without a zone. Where the clocks skip midnight, it is when they do."""
    return datetime.combine(day, time(), zone).astimezone(UTC).replace(tzinfo=None)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidParameter(f"tz: there is no time zone {name[:60]!r}; one is 'Europe/Berlin'") from None


def _days(text: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", text) or int(text) > MAX_DAYS:
        raise InvalidParameter(f"days: {text[:60]!r} is not a whole number from 0 to {MAX_DAYS}")
    return int(text)


def _date(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text if DATE.fullmatch(text) else "")  # which takes 20260131 as well
    except ValueError:
        raise InvalidParameter(f"{name}: {text[:60]!r} is not a date such as 2026-01-31") from None
    if not 1900 <= day.year <= 9000:  # noqa: PLR2004 - room for a day more in any zone
        raise InvalidParameter(f"{name}: {text} is out of range")
    return day


def _before(day: date, days: int) -> date:
    try:
        return day - timedelta(days=days)
    except OverflowError:
        raise InvalidParameter(f"days: {days} days before {day} is out of range") from None
