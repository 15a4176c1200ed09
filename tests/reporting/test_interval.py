"""The buckets of a timeseries, and the rows that fill those of nothing."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from crumby.errors import InvalidParameter
from crumby.reporting.comparing import aligned, beside, filled
from crumby.reporting.header import parse_header
from crumby.reporting.interval import buckets, parse_interval
from crumby.reporting.period import Period, parse_comparison
from crumby.reporting.run import Result
from crumby.reporting.view import View, parse_view

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 4, 1, 12)  # noqa: DTZ001 - UTC, as the tables have it


def period(first: str, last: str, zone: ZoneInfo = BERLIN) -> Period:
    return Period(date.fromisoformat(first), date.fromisoformat(last), zone)


def test_an_hour_that_the_clocks_leave_out_is_none() -> None:
    night = list(buckets(period("2026-03-29", "2026-03-29"), "hour"))
    assert night[:4] == ["2026-03-29T00:00", "2026-03-29T01:00", "2026-03-29T03:00", "2026-03-29T04:00"]
    assert len(night) == 23


def test_an_hour_that_the_clocks_repeat_is_one() -> None:
    night = list(buckets(period("2026-10-25", "2026-10-25"), "hour"))
    assert night == [f"2026-10-25T{hour:02}:00" for hour in range(24)]


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "UTC"])
def test_a_day_of_any_zone_has_its_hours(zone: str) -> None:
    assert len(list(buckets(period("2026-06-01", "2026-06-02", ZoneInfo(zone)), "hour"))) == 48


def test_days_weeks_and_months_are_named_by_their_beginning() -> None:
    spring = period("2026-02-27", "2026-03-03")
    assert list(buckets(spring, "day")) == ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03"]
    assert list(buckets(spring, "week")) == ["2026-02-23", "2026-03-02"]
    assert list(buckets(spring, "month")) == ["2026-02", "2026-03"]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("2026-01-02", "hour"),
        ("2026-01-03", "day"),
        ("2026-04-02", "day"),
        ("2026-04-03", "week"),
        ("2026-12-31", "month"),
    ],
)
def test_the_interval_suits_the_period(last: str, expected: str) -> None:
    assert parse_interval({}, period("2026-01-01", last)) == expected


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("minute", "interval: 'minute' is not one of hour, day, week, month"),
        ("hour", "a period of 365 days is too long"),
    ],
)
def test_an_interval_that_does_not_fit_is_named(asked: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        parse_interval({"interval": asked}, period("2026-01-01", "2026-12-31"))


FILLED = parse_header("-- T\n-- fill: at\n-- column at: moment\n-- column views: count\n-- column share: percent\n")
RANKED = parse_header("-- T\n-- column lang: language\n-- column views: count\n")
HOURLY = parse_header("-- T\n-- column weekday: weekday\n-- column views: count\n")


def test_a_bucket_of_nothing_has_counts_of_zero_and_no_shares() -> None:
    view = View.of(period("2026-03-01", "2026-03-03"))
    result = Result(["at", "views", "share"], [["2026-03-02", 5, 50.0]], truncated=False)
    assert filled(FILLED, result, parse_view([("interval", "day")], FILLED, view.period, NOW)).rows == [
        ["2026-03-01", 0, None],
        ["2026-03-02", 5, 50.0],
        ["2026-03-03", 0, None],
    ]


@pytest.mark.parametrize("asked", [("sort", "-views"), ("limit", "1"), ("offset", "1")])
def test_rows_that_were_chosen_are_not_filled_up(asked: tuple[str, str]) -> None:
    days = period("2026-03-01", "2026-03-03")
    result = Result(["at", "views", "share"], [["2026-03-02", 5, 50.0]], truncated=False)
    assert filled(FILLED, result, parse_view([asked], FILLED, days, NOW)) == result


def test_a_row_finds_its_like_by_what_names_it() -> None:
    now = Result(["lang", "views"], [["sv", 3], ["en", 2], [None, 1]], truncated=False)
    before = Result(["lang", "views"], [["en", 9], [None, 8]], truncated=False)
    assert aligned(RANKED, now, before) == [None, ["en", 9], [None, 8]]


def test_a_number_that_names_a_row_is_no_measure() -> None:
    now = Result(["weekday", "views"], [[1, 3], [2, 2]], truncated=False)
    before = Result(["weekday", "views"], [[2, 9]], truncated=False)
    assert aligned(HOURLY, now, before) == [None, [2, 9]]


def test_a_timeseries_is_compared_by_place() -> None:
    now = Result(["at", "views", "share"], [["2026-03-02", 5, 1.0], ["2026-03-03", 6, 1.0]], truncated=False)
    before = Result(["at", "views", "share"], [["2026-02-28", 4, 1.0]], truncated=False)
    assert aligned(FILLED, now, before) == [["2026-02-28", 4, 1.0], None]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("previous", "2024-02-26", "2024-02-27"),
        ("year", "2023-02-28", "2023-02-28"),
        ("weekday", "2024-02-21", "2024-02-22"),
    ],
)
def test_a_period_is_compared_with_the_one_before_or_a_year_ago(asked: str, first: str, last: str) -> None:
    assert parse_comparison({"compare": asked}, period("2024-02-28", "2024-02-29")) == period(first, last)
    assert parse_comparison({}, period("2024-02-28", "2024-02-29")) is None


@pytest.mark.parametrize(
    ("days", "first"), [(1, "2026-03-24"), (7, "2026-03-24"), (8, "2026-03-17"), (14, "2026-03-17")]
)
def test_weekdays_are_compared_with_their_like_and_no_day_with_itself(days: int, first: str) -> None:
    """Seen to fail where a period of whole weeks goes back one more."""
    begins = date(2026, 3, 31)
    asked = period("2026-03-31", str(begins + timedelta(days=days - 1)))
    other = parse_comparison({"compare": "weekday"}, asked)
    assert other
    assert (str(other.t0), (other.t1 - other.t0).days + 1, other.t0.weekday()) == (first, days, begins.weekday())
    assert other.t1 < asked.t0


def test_what_was_counted_before_stands_in_columns_of_its_own() -> None:
    columns, rows = beside(RANKED, ["lang", "views"], [["sv", 3], [None, 1]], [None, [None, 8]])
    assert columns == ["lang", "views", "views_before"]
    assert rows == [["sv", 3, None], [None, 1, 8]]
