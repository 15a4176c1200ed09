"""The comment at the top of a query file, as prose and as data."""

import contextlib
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from crumby.errors import InvalidParameter, QueryFileError
from crumby.reporting.header import Chart, Column, Header, parse_header
from crumby.reporting.parameters import Parameter, parse_value

LEGACY = Path(__file__).parent.parent / "legacy" / "queries"


def header(*lines: str) -> Header:
    return parse_header("\n".join(f"-- {line}" for line in lines) + "\nselect 1")


def test_the_first_line_is_the_title_and_the_prose_the_description() -> None:
    found = header("Visits.", "Visitors and page views of each day.", "", "Quiet days are included.")
    assert found.title == "Visits"
    assert found.description == "Visitors and page views of each day. Quiet days are included."


def test_a_file_without_a_header_has_the_defaults() -> None:
    assert parse_header("select 1") == Header(
        title="", description="", group="Reports", order=100, chart=Chart("table")
    )


@pytest.mark.parametrize("path", sorted(LEGACY.glob("*/*.sql")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_bare_file_of_0_7_1_has_the_defaults(path: Path) -> None:
    assert parse_header(path.read_text("utf-8")) == Header()


@pytest.mark.parametrize("text", ["", "\n\n", "-- \n--\n", "  \t\r\n"])
def test_an_empty_file_has_the_defaults(text: str) -> None:
    assert parse_header(text) == Header()


@pytest.mark.parametrize("prefix", ["\ufeff", "\n\n", "\ufeff\r\n  "])
def test_a_byte_order_mark_and_blank_lines_may_stand_before_it(prefix: str) -> None:
    assert parse_header(prefix + "-- Visits\nselect 1").title == "Visits"


def test_lines_may_end_as_windows_ends_them() -> None:
    found = parse_header("-- Visits\r\n-- group: Traffic\r\nselect 1\r\n")
    assert (found.title, found.group) == ("Visits", "Traffic")


def test_comments_behind_the_first_word_of_sql_are_not_part_of_it() -> None:
    assert parse_header("-- Visits\nselect 1\n-- order: 7\n").order == 100


def test_a_blank_line_ends_it() -> None:
    assert parse_header("-- Visits\n\n-- order: 7\nselect 1").order == 100


@pytest.mark.parametrize(
    "line",
    [
        "Note: private windows count twice.",
        "The ratio is 1:2 by day.",
        "See https://example.com/docs: it explains them.",
        "Where they come from: addresses, cookies and sessions.",
        "of these: all",
        "Groups: all of them.",  # near a key, but a sentence: it begins with a capital
        "chart:bars",  # an entry has a space behind its colon
    ],
)
def test_prose_may_hold_colons(line: str) -> None:
    assert header("Title", line) == Header(title="Title", description=line)


def test_group_and_order_are_read() -> None:
    found = header("Title", "group: Where from, and why", "order: 7")
    assert (found.group, found.order) == ("Where from, and why", 7)


@pytest.mark.parametrize(
    ("text", "chart"),
    [
        ("table", Chart("table")),
        ("stat of users", Chart("stat", None, ("users",))),
        ("bars of views by uri", Chart("bars", "uri", ("views",))),
        ("timeseries of users, views", Chart("timeseries", None, ("users", "views"))),
        ("timeseries of users,views , sessions by date", Chart("timeseries", "date", ("users", "views", "sessions"))),
        ("bars by uri", Chart("bars", "uri", ())),
    ],
)
def test_a_chart_names_its_columns(text: str, chart: Chart) -> None:
    assert header("Title", f"chart: {text}").chart == chart


@pytest.mark.parametrize(
    ("declared", "default"),
    [
        ("text = chrome", "chrome"),
        ("text =", ""),
        ("text", None),
        ("integer = -7", -7),
        ("number = 0.25", 0.25),
        ("boolean = yes", True),
        ("boolean = False", False),
        ("date = 2026-01-31", date(2026, 1, 31)),
        ("datetime = 2026-01-31T12:30", datetime(2026, 1, 31, 12, 30)),  # noqa: DTZ001 - UTC, as the tables have it
    ],
)
def test_a_parameter_has_a_type_a_default_and_a_meaning(declared: str, default: object) -> None:
    (parameter,) = header("Title", f"parameter which: {declared}, the one, or the other").parameters
    kind = declared.split(maxsplit=1)[0]
    assert (parameter.name, parameter.type) == ("which", kind)
    assert (parameter.default, type(parameter.default)) == (default, type(default))
    assert parameter.description == "the one, or the other"


def test_a_column_has_a_type_and_a_meaning() -> None:
    found = header("Title", "column users: integer, visitors: distinct cookies, of a day", "column Title: text")
    assert found.columns == (
        Column("users", "integer", "visitors: distinct cookies, of a day"),
        Column("Title", "text", ""),
    )


def test_a_line_two_spaces_further_in_goes_on_with_the_one_before() -> None:
    found = header(
        "Title", "Prose that", "  goes on.", "column users: integer, visitors,", "  by cookie", "group: A", "    B"
    )
    assert found.description == "Prose that goes on."
    assert found.columns == (Column("users", "integer", "visitors, by cookie"),)
    assert found.group == "A B"


def test_a_file_names_the_rollups_that_it_can_read_and_may_keep_its_panel_closed() -> None:
    found = header("Title", "rollup: events, totals", "panel: closed")
    assert (found.rollups, found.closed) == (("events", "totals"), True)
    assert header("Title", "Panel: of judges", "Rollup: a cake").description == "Panel: of judges Rollup: a cake"


def test_a_file_names_the_card_that_it_is_a_tab_of() -> None:
    assert header("Title", "tab: Places").tab == "Places"
    assert header("Title", "Tab: of a browser").tab is None


def test_keys_are_read_in_any_case() -> None:
    assert header("Title", "Order: 7", "GROUP: Traffic").order == 7


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("charts: bars", "the header says 'charts': did you mean 'chart'? (charts: bars)"),
        ("paramter rows: integer", "the header says 'paramter': did you mean 'parameter'? (paramter rows: integer)"),
        ("Columns users: integer", "the header says 'Columns': did you mean 'column'? (Columns users: integer)"),
        ("chart: pie", "a chart is one of table, timeseries, bars, map, heatmap, stat, as in `chart: bars of views"),
        (
            "chart: bars of",
            "a chart is one of table, timeseries, bars, map, heatmap, stat, as in `chart: bars of views by uri`, not ",
        ),
        ("chart it: bars", "a chart is written `chart: bars of views by uri`, not `chart it: bars`"),
        ("group it: Traffic", "a group is written `group: Traffic`, not `group it: Traffic`"),
        ("order: first", "order is a whole number up to 999999, not 'first'"),
        ("panel: shut", "a panel is open or closed, not 'shut' (panel: shut)"),
        ("order: -1", "order is a whole number up to 999999, not '-1'"),
        ("parameter: integer", "a parameter is written `parameter rows: integer = 100, how many rows at most`, not "),
        ("column: integer", "a column is written `column views: count, page views`, not `column: integer`"),
        ("column a: int", "or both, not 'int' (column a: int)"),
        ("parameter a: , so", "a type is one of text, integer, number, boolean, date, datetime, not ''"),
        ("parameter a: integer = many", "the default 'many' of a is not a whole number"),
        ("parameter a: number = 1e9", "the default '1e9' of a is not a number"),
        ("parameter a: boolean = maybe", "the default 'maybe' of a is not true or false"),
        ("parameter a: date = today", "the default 'today' of a is not a date such as 2026-01-31"),
        ("parameter a: datetime = noon", "the default 'noon' of a is not a time such as 2026-01-31T12:00"),
        ("parameter a: text = " + "x" * 501, "of a is not text of at most 500 characters"),
    ],
)
def test_a_fault_is_named(line: str, message: str) -> None:
    with pytest.raises(QueryFileError) as caught:
        header("Title", line)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("text", "", ""),
        ("text", "'; drop table visits --", "'; drop table visits --"),
        ("integer", "007", 7),
        ("integer", "-999999999999999999", -999_999_999_999_999_999),
        ("number", "3", 3.0),
        ("boolean", "1", True),
        ("boolean", "NO", False),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("datetime", "2026-01-31 12:30:15.5", datetime(2026, 1, 31, 12, 30, 15, 500_000)),  # noqa: DTZ001 - as above
        ("datetime", "2026-01-31", datetime(2026, 1, 31)),  # noqa: DTZ001 - as above
    ],
)
def test_a_value_is_read_as_its_type(kind: Any, text: str, value: object) -> None:
    assert parse_value(kind, text) == value


@pytest.mark.parametrize("text", ["2026-01-31T12:00Z", "2026-01-31T13:00+01:00", "2026-01-31T01:00-11:00"])
def test_a_time_with_an_offset_is_taken_to_utc(text: str) -> None:
    assert parse_value("datetime", text) == datetime(2026, 1, 31, 12)  # noqa: DTZ001 - UTC, as the tables have it


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text", "a\0b"),
        ("text", "x" * 501),
        ("integer", "1" * 19),
        ("integer", "1.0"),
        ("integer", " 1"),
        ("integer", "1_000"),
        ("integer", "\u0663"),  # an Arabic three
        ("number", "nan"),
        ("number", "inf"),
        ("number", "1e400"),
        ("number", ".5"),
        ("boolean", "on"),
        ("boolean", ""),
        ("date", "2026-02-30"),
        ("date", "20260131"),
        ("date", "2026-W05-1"),  # ten characters as well
        ("datetime", "2026-01-31T25:00"),
        ("datetime", "0001-01-01T00:00+14:00"),  # before the first year, in UTC
        ("datetime", ""),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(kind: Any, text: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^which: '.*' is not (a|text|true)"):
        Parameter("which", kind, None, "").parse(text)


@given(some.sampled_from(["text", "integer", "number", "boolean", "date", "datetime"]), some.text())
def test_any_text_is_a_value_or_refused(kind: Any, text: str) -> None:
    with contextlib.suppress(InvalidParameter):
        assert Parameter("which", kind, None, "").parse(text) is not None


@given(some.lists(some.text(some.characters(exclude_characters="\n\r"), max_size=60), max_size=8))
def test_any_comment_is_a_header_or_a_named_fault(lines: list[str]) -> None:
    with contextlib.suppress(QueryFileError):
        assert header(*lines).order >= 0
