"""Which days a request asks for, and the instants where they begin and end."""

import contextlib
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as some

from crumby.errors import InvalidParameter
from crumby.reporting.period import Period, parse_period

ZULU = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
KATHMANDU = ZoneInfo("Asia/Kathmandu")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 3, 31, 23, 30)  # noqa: DTZ001 - UTC, as the tables have it; in Berlin it is April


def asked(zone: ZoneInfo = ZULU, /, **query: str) -> tuple[str, str]:
    """The first and the last day; `from_` stands for `from`, which Python keeps to itself."""
    period = parse_period({name.rstrip("_"): value for name, value in query.items()}, zone, NOW)
    return period.t0.isoformat(), period.t1.isoformat()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_without_a_word_it_is_today_and_the_thirty_days_before() -> None:
    assert asked() == ("2026-03-01", "2026-03-31")


def test_days_are_counted_back_from_today() -> None:
    assert asked(days="7") == ("2026-03-24", "2026-03-31")
    assert asked(days="0") == ("2026-03-31", "2026-03-31")


def test_days_are_counted_back_from_the_last_day_where_one_is_named() -> None:
    assert asked(days="7", to="2026-01-31") == ("2026-01-24", "2026-01-31")


@pytest.mark.parametrize(("first", "last"), [("from_", "to"), ("t0", "t1"), ("from_", "t1"), ("t0", "to")])
def test_both_days_are_named_in_the_words_of_today_or_of_0_7_1(first: str, last: str) -> None:
    assert asked(**{first: "2026-01-05", last: "2026-01-09"}) == ("2026-01-05", "2026-01-09")


def test_from_alone_lasts_until_today() -> None:
    assert asked(from_="2026-03-05") == ("2026-03-05", "2026-03-31")


def test_a_first_day_in_the_future_is_a_period_of_one_day() -> None:
    assert asked(from_="2027-01-01") == ("2027-01-01", "2027-01-01")


def test_to_alone_is_the_end_of_thirty_days() -> None:
    assert asked(to="2026-01-31") == ("2026-01-01", "2026-01-31")


def test_today_is_the_day_of_the_zone() -> None:
    assert asked(BERLIN, days="0") == ("2026-04-01", "2026-04-01")
    assert asked(days="0", tz="Europe/Berlin") == ("2026-04-01", "2026-04-01")


def test_the_requested_zone_goes_before_the_configured_one() -> None:
    period = parse_period({"tz": "Asia/Kathmandu"}, BERLIN, NOW)
    assert period.zone == KATHMANDU


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"days": "-1"}, "days: '-1' is not a whole number from 0 to 36525"),
        ({"days": "7.5"}, "days: '7.5' is not a whole number"),
        ({"days": ""}, "days: '' is not a whole number"),
        ({"days": "\u0667"}, "days: '\u0667' is not a whole number"),  # an Arabic seven
        ({"days": "36526"}, "days: '36526' is not a whole number from 0 to 36525"),
        ({"from": "2026-02-30"}, "from: '2026-02-30' is not a date such as 2026-01-31"),
        ({"to": "20260131"}, "to: '20260131' is not a date"),
        ({"t0": "2017-8-1"}, "t0: '2017-8-1' is not a date"),
        ({"t1": "2026-01-31\n"}, "t1: '2026-01-31\\\\n' is not a date"),
        ({"from": "0001-01-01"}, "from: 0001-01-01 is out of range"),
        ({"to": "9999-12-31"}, "to: 9999-12-31 is out of range"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "from \\(2026-02-02\\) is after to \\(2026-02-01\\)"),
        ({"from": "1900-01-01", "to": "2026-01-01"}, "the period is longer than 36525 days"),
        ({"days": "7", "from": "2026-02-02"}, "give either days or from, not both"),
        ({"tz": "Europe/Atlantis"}, "tz: there is no time zone 'Europe/Atlantis'"),
        ({"tz": "../../etc/passwd"}, "tz: there is no time zone '../../etc/passwd'"),
        ({"tz": "Europe"}, "tz: there is no time zone 'Europe'"),
        ({"tz": ""}, "tz: there is no time zone ''"),
        ({"tz": "UTC\0"}, "tz: there is no time zone 'UTC\\\\x00'"),
        ({"tz": "é" * 300}, "tz: there is no time zone 'é{60}'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(query: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        parse_period(query, ZULU, NOW)


def test_the_period_ends_where_the_day_after_begins() -> None:
    period = Period(date(2026, 1, 5), date(2026, 1, 6), ZULU)
    assert (period.start, period.end) == (utc("2026-01-05T00:00"), utc("2026-01-07T00:00"))


def test_a_day_in_kathmandu_begins_a_quarter_past_six_in_the_evening_before() -> None:
    period = Period(date(2026, 1, 5), date(2026, 1, 5), KATHMANDU)
    assert (period.start, period.end) == (utc("2026-01-04T18:15"), utc("2026-01-05T18:15"))
    assert period.offsets() == [(period.end, 20_700)]


def test_the_night_in_march_is_an_hour_short_in_berlin() -> None:
    period = Period(date(2026, 3, 29), date(2026, 3, 29), BERLIN)
    assert (period.start, period.end) == (utc("2026-03-28T23:00"), utc("2026-03-29T22:00"))
    assert period.offsets() == [(utc("2026-03-29T01:00"), 3600), (period.end, 7200)]


def test_the_night_in_october_is_an_hour_long_in_berlin() -> None:
    period = Period(date(2025, 10, 26), date(2025, 10, 26), BERLIN)
    assert (period.start, period.end) == (utc("2025-10-25T22:00"), utc("2025-10-26T23:00"))
    assert period.offsets() == [(utc("2025-10-26T01:00"), 7200), (period.end, 3600)]


def test_a_change_after_the_period_is_none_of_its_own() -> None:
    period = Period(date(2026, 3, 1), date(2026, 3, 28), BERLIN)
    assert period.offsets() == [(period.end, 3600)]


def test_a_day_whose_midnight_is_skipped_begins_when_the_clocks_skip_it() -> None:
    period = Period(date(2018, 11, 4), date(2018, 11, 4), SAO_PAULO)
    assert (period.start, period.end) == (utc("2018-11-04T03:00"), utc("2018-11-05T02:00"))
    assert period.offsets() == [(period.end, -7200)]


def test_the_day_before_a_skipped_midnight_keeps_the_old_offset() -> None:
    period = Period(date(2018, 11, 3), date(2018, 11, 4), SAO_PAULO)
    assert period.offsets() == [(utc("2018-11-04T03:00"), -10_800), (period.end, -7200)]


def test_a_day_that_a_zone_left_out_holds_nothing() -> None:
    period = Period(date(2011, 12, 30), date(2011, 12, 30), ZoneInfo("Pacific/Apia"))  # which crossed the date line
    assert period.start == period.end
    assert period.offsets() == []


def test_a_zone_without_changes_has_one_offset_in_a_century() -> None:
    period = Period(date(1990, 1, 1), date(2089, 12, 31), ZoneInfo("Asia/Dubai"))
    assert period.offsets() == [(period.end, 14_400)]


def test_a_century_in_berlin_knows_each_change() -> None:
    offsets = Period(date(1990, 1, 1), date(2089, 12, 31), BERLIN).offsets()
    assert len(offsets) == 2 * 100 + 1
    assert {offset for _, offset in offsets} == {3600, 7200}


PERIODS = some.builds(
    lambda first, days, zone: Period(first, first + timedelta(days=days), ZoneInfo(zone)),
    some.dates(date(1900, 1, 1), date(2100, 1, 1)),
    some.integers(0, 800),
    some.sampled_from(sorted(available_timezones())),
)


@given(PERIODS)
def test_a_period_never_ends_before_it_begins(period: Period) -> None:
    assert period.start <= period.end


@given(PERIODS)
def test_the_offsets_cover_the_period_in_order_and_are_the_zones_own(period: Period) -> None:
    offsets = period.offsets()
    edges = [period.start, *(until for until, _ in offsets)]
    assert edges[-1] == period.end
    assert all(start < until for start, until in pairwise(edges))
    for (start, until), (_, offset) in zip(pairwise(edges), offsets, strict=True):
        for instant in (start, until - timedelta(seconds=1)):
            local = instant.replace(tzinfo=UTC).astimezone(period.zone)
            assert local.utcoffset() == timedelta(seconds=offset)


@given(PERIODS)
def test_the_offsets_of_neighbours_differ(period: Period) -> None:
    assert all(before != after for (_, before), (_, after) in pairwise(period.offsets()))


@given(some.dictionaries(some.sampled_from(["days", "from", "to", "t0", "t1", "tz"]), some.text()))
def test_any_text_gives_a_period_or_a_reason(query: dict[str, str]) -> None:
    with contextlib.suppress(InvalidParameter):
        period = parse_period(query, ZULU, NOW)
        assert period.t0 <= period.t1


@pytest.mark.parametrize(
    ("preset", "first", "last"),
    [
        ("today", "2026-03-31", "2026-03-31"),
        ("yesterday", "2026-03-30", "2026-03-30"),
        ("last_7_days", "2026-03-25", "2026-03-31"),
        ("last_28_days", "2026-03-04", "2026-03-31"),
        ("last_30_days", "2026-03-02", "2026-03-31"),
        ("last_90_days", "2026-01-01", "2026-03-31"),
        ("this_week", "2026-03-30", "2026-03-31"),  # a Tuesday
        ("last_week", "2026-03-23", "2026-03-29"),
        ("this_month", "2026-03-01", "2026-03-31"),
        ("last_month", "2026-02-01", "2026-02-28"),
        ("this_year", "2026-01-01", "2026-03-31"),
        ("last_year", "2025-01-01", "2025-12-31"),
        ("last_12_months", "2025-04-01", "2026-03-31"),
        ("all", "2024-02-29", "2026-03-31"),
    ],
)
def test_a_named_period_is_the_calendars(preset: str, first: str, last: str) -> None:
    """It is 2 o'clock of the 31st in Berlin: the first visit was of the 29th there, and of the 28th in UTC."""
    now = datetime(2026, 3, 31, 0, 0)  # noqa: DTZ001 - UTC, as the tables have it
    since = datetime(2024, 2, 28, 23, 30)  # noqa: DTZ001
    period = parse_period({"period": preset, "tz": "Europe/Berlin"}, ZULU, now, since)
    assert (period.t0.isoformat(), period.t1.isoformat()) == (first, last)


def test_all_of_nothing_is_today() -> None:
    assert parse_period({"period": "all"}, ZULU, NOW) == Period(NOW.date(), NOW.date(), ZULU)


@pytest.mark.parametrize("name", ["t0", "t1"])
def test_a_day_that_is_none_is_told_beside_one_that_counts(name: str) -> None:
    with pytest.raises(InvalidParameter, match=f"{name}: 'soon' is not a date"):
        parse_period({"from": "2026-03-01", "to": "2026-03-02", name: "soon"}, ZULU, NOW)
