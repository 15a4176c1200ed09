"""A day as another program counted it is the same day in the reports."""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumby.importing.daily import SUMS, Days, amount, day_of, seconds_of, share_of, totals_of
from crumby.importing.item import UNKNOWN_DAY
from crumby.importing.source import Wanted
from crumby.rollups.files import load_rollup
from crumby.settings import Settings

ROLLUPS = Path(__file__).parents[2] / "queries" / "rollups"
WANTED = Wanted(Settings(), ZoneInfo("UTC"))
SOME = st.integers(0, 10_000)


def asked(rollup: str, day: int, **amounts: Any) -> Counter[str]:
    """What a report of that day finds in its rollup: visitors are who was not there on the day before it began."""
    found: Counter[str] = Counter()
    for total in totals_of(rollup, day, (), **amounts):
        found.update(total.sums)
        if total.prev_day < day:
            found["visitors"] += total.sums.get(SUMS[rollup][0], 0)
    return found


@pytest.mark.parametrize("rollup", SUMS)
def test_each_sum_is_one_of_the_rollups_file(rollup: str) -> None:
    """Its first is what counts visitors. Seen to fail with `visits` in the place of `views`."""
    file = load_rollup(ROLLUPS / f"{rollup}.sql")
    assert set(SUMS[rollup]) <= set(file.sums)
    assert rollup in {"exits", "hours"} or SUMS[rollup][0] == file.counted


def test_every_rollup_is_fed_but_for_retention() -> None:
    """Of that no total tells."""
    assert set(SUMS) == {path.stem for path in ROLLUPS.glob("*.sql")} - {"retention"}


@given(visitors=SOME, views=SOME, sessions=SOME, bounces=SOME, seconds=SOME)
def test_a_day_is_what_it_was(visitors: int, views: int, sessions: int, bounces: int, seconds: int) -> None:
    """Nobody was there without a view. Seen to fail with visitors counted on top of the views."""
    found = asked(
        "totals", 20240101, visitors=visitors, views=views, sessions=sessions, bounces=bounces, seconds=seconds
    )
    assert found["visitors"] == min(visitors, views)
    assert found["views"] == views
    assert found["sessions"] == sessions
    assert found["sessions"] - found["second_views"] == min(sessions, bounces)
    assert found["seconds"] == seconds
    assert found["in_session"] == (views if sessions else 0)


def test_visitors_are_neither_new_nor_of_that_day() -> None:
    """So they count in any period, and in none as new ones."""
    first, rest = totals_of("pages", 20240101, ("/a",), visitors=3, views=5)
    assert (first.prev_day, dict(first.sums)) == (UNKNOWN_DAY, {"views": 3})
    assert (rest.prev_day, dict(rest.sums)) == (20240101, {"views": 2})
    assert first.keys == rest.keys == ("/a",)


@pytest.mark.parametrize(
    ("rollup", "unknown"), [("totals", "bounces"), ("totals", "seconds"), ("sources", "seconds"), ("pages", "bounces")]
)
def test_sessions_of_which_rates_are_made_are_left_out_where_nobody_told_the_rates(rollup: str, unknown: str) -> None:
    """Seen to fail with None taken for 0."""
    found = asked(rollup, 20240101, visitors=3, views=5, sessions=4, **{"bounces": 1, "seconds": 9, unknown: None})
    assert (found["visitors"], found["views"]) == (3, 5)
    assert not found.keys() & {"sessions", "entries", "second_views", "seconds", "in_session"}


def test_sessions_of_which_none_are_made_stay() -> None:
    assert asked("countries", 20240101, visitors=3, views=5, sessions=4, bounces=None, seconds=None)["sessions"] == 4


def test_events_and_exits_count_by_themselves() -> None:
    assert asked("events", 20240101, visitors=2, events=7) == {"visitors": 2, "events": 7}
    assert asked("exits", 20240101, visitors=9, views=7, exits=3) == {"exits": 3, "in_session": 7}


def test_what_several_records_say_of_a_day_is_added_up_in_any_order() -> None:
    """Of each key there are two totals at the most. Seen to fail with the later one in the place of the earlier."""
    days = Days(WANTED)
    for day in (20240102, 20240101) * 700:
        days.add("countries", day, ("GB",), visitors=1, views=2, sessions=1)
        days.add("pages", day, ('/"ä", b',), views=2, sessions=1, bounces=None)
    totals = list(days.totals())
    assert len(totals) == len({(each.rollup, each.day, each.prev_day, each.keys) for each in totals}) == 6
    countries = [each for each in totals if (each.rollup, each.day) == ("countries", 20240102)]
    assert [dict(each.sums) for each in countries] == [{"views": 700}, {"views": 700, "sessions": 700}]
    assert {(each.keys, *each.sums.items()) for each in totals if each.rollup == "pages"} == {
        (('/"ä", b',), ("views", 1400))
    }
    days.close()


def test_of_two_reports_of_the_same_the_days_of_one_count() -> None:
    days = Days(WANTED)
    assert [days.is_of("pages", 20240101, who) for who in ("a.csv", "b.csv", "a.csv")] == [True, False, True]
    assert days.is_of("pages", 20240102, "b.csv")
    days.close()


def test_days_that_are_not_wanted_are_those_of_the_zone() -> None:
    """Seen to fail with those of UTC."""
    since, until = datetime(2024, 1, 31, 23), datetime(2024, 2, 29, 23)  # noqa: DTZ001 - UTC; midnight in Stockholm
    days = Days(replace(WANTED, zone=ZoneInfo("Europe/Stockholm"), since=since, until=until))
    assert [days.outside(day) for day in (20240131, 20240201, 20240229, 20240301)] == [
        "before --since",
        None,
        None,
        "after --until",
    ]
    days.close()


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-01-31", 20240131),
        ("20240131", 20240131),
        ("2024-01-31 23:00:00", 20240131),
        ("2024-01-31T23:00:00Z", 20240131),
        ("Jan 31, 2024", 20240131),
        ("31 January 2024", 20240131),
        ("2024-02-30", None),
        ("31/01/2024", None),  # or the first of a thirty-first month
        ("", None),
    ],
)
def test_a_day_is_read_in_the_forms_that_leave_no_doubt(text: str, day: int | None) -> None:
    assert day_of(text) == day


def test_numbers_are_read_as_people_and_databases_write_them() -> None:
    assert [amount(each) for each in ("12", "1,234", "12.0", "", "\\N", None)] == [12, 1234, 12, 0, 0, 0]
    assert [seconds_of(each) for each in ("63.5", "1:03", "00:01:03", "1m 03s", "")] == [63.5, 63, 63, 63, 0]
    assert [share_of(each) for each in ("0.42", "42%", "42.0", "1", "")] == [0.42, 0.42, 0.42, 1, 0]


@pytest.mark.parametrize("text", ["many", "nan", "inf", "-1", "1e99"])
def test_what_is_no_number_of_things_is_refused(text: str) -> None:
    """Seen to fail with inf rounded, which is an OverflowError."""
    for reader in (amount, seconds_of, share_of):
        with pytest.raises(ValueError, match=r".*"):
            reader(text)
