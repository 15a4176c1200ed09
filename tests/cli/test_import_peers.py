"""Whoever arrives with another program's history finds it in the reports, as it was told, and once."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ask

FIXTURES = Path(__file__).parents[1] / "importing" / "fixtures"

ONE_DAY = ("--from", "2024-01-01", "--to", "2024-01-01")
SUMMARY = ("visitors", "sessions", "views", "views_per_session", "bounce_rate", "duration")


def rows(verb: Ask, report: str, *period: str) -> list[list[Any]]:
    answer = verb("query", report, *(period or ONE_DAY), "--json")
    assert answer.status == 0, answer.err
    found: list[list[Any]] = json.loads(answer.out)["data"]
    return found


@pytest.mark.parametrize(
    ("export", "summary", "report", "row"),
    [
        ("plausible", [10, 12, 30, 2.5, 100 * 4 / 12, 50], "pages", ["/", 9, 18, 10, 30, 30, None]),
        ("fathom/folder", [6, 6, 15, 2.5, 100 * 2 / 6, 40], "countries", ["TR", 2, 2, 5]),
        ("fathom/pageviews.csv", [8, 8, 1211, 1211 / 8, 62.5, 30], "devices", ["mobile", 2, 2, 2]),
        ("ga4/date.csv", [10, 12, 30, 2.5, 100 * 4 / 12, 606 / 12], None, None),
        ("ga4/rows.jsonl", [2, 2, 2, 1, 100, 0], "channels", ["Paid Social", 1, 1, 1, 100, 0]),
        ("simpleanalytics/pageviews.csv", [2, 2, 3, 1.5, 50, 299], "browsers", ["safari", 1, 1, 1]),
    ],
)
def test_a_day_is_in_the_reports_as_the_other_program_had_it_once(
    verb: Ask, export: str, summary: list[float], report: str | None, row: list[Any] | None
) -> None:
    """Seen to fail with visitors of totals on a day of their own, and with totals that were added by every run."""
    first = verb("import", str(FIXTURES / export), "--json")
    assert first.status == 0, first.err
    told = json.loads(first.out)[0]
    assert told["totals"] + told["visits"] > 0
    found = rows(verb, "summary")[0]
    assert found == pytest.approx(summary, abs=0.51)  # a report rounds
    if report:
        assert row in rows(verb, report)
    again = json.loads(verb("import", str(FIXTURES / export), "--json", "--anew").out)[0]
    assert (again["totals"], again["visits"], again["events"]) == (0, 0, 0)
    assert rows(verb, "summary")[0] == found


def test_days_of_an_import_stand_beside_each_other_in_a_longer_period(verb: Ask) -> None:
    """Visitors of two days are added up: nobody told who came on both."""
    assert verb("import", str(FIXTURES / "plausible")).status == 0
    found = rows(verb, "summary", "--from", "2023-12-01", "--to", "2024-02-29")[0]
    assert found[:3] == [15, 17, 35]
    assert rows(verb, "summary", "--from", "2024-01-02", "--to", "2024-01-02")[0][:3] == [5, 5, 5]
