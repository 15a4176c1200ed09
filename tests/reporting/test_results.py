"""One answer from every database, in every format."""

import csv
import io
import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from crumby.reporting.results import plain
from tests.reporting.site import Site

COLUMNS = """\
-- column flag: boolean
-- column day: date
-- column moment: datetime
"""


async def value_of(site: Site, sql: str | dict[str, str], columns: str = "") -> Any:
    """The one value of a query; `sql` may differ from database to database."""
    text = sql if isinstance(sql, str) else sql[site.database.dialect]
    response = await site.answer(f"{columns}select {text}")
    assert response.status_code == 200, response.text
    return response.json()["data"][0][0]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("null", None),
        ("1", 1),
        ("count(*) from events", 14),
        ("sum(id) from (select 9007199254740993 as id union all select 2) as large", 9_007_199_254_740_995),
        ("max(id) from (select 9223372036854775807 as id) as largest", 9_223_372_036_854_775_807),
        ("1.5", 1.5),
        ("avg(n) from (select 1 as n union all select 2) as few", 1.5),
        ("avg(n) from (select 1 as n union all select 3) as few", 2),
        ("1e0 * 3", 3),
        ("-0.25", -0.25),
        ("'text'", "text"),
        ("''", ""),
        ("'Crumbs 🥐'", "Crumbs 🥐"),
        ("'2026-01-31 12:00:00'", "2026-01-31 12:00:00"),
        ("'100%'", "100%"),
        ("'a:b'", "a:b"),
        ("date(datetime) from visits where cid = 'bob' order by id limit 1", "2026-03-27"),
        ({"sqlite": "x'00ff'", "mysql": "x'00ff'", "postgresql": r"'\x00ff'::bytea"}, "00ff"),
    ],
)
async def test_a_value_is_the_same_from_every_database(site: Site, sql: str | dict[str, str], value: object) -> None:
    found = await value_of(site, sql)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("1 = 1 as flag", True),
        ("1 = 0 as flag", False),
        ("1 = null as flag", None),
        ("date(datetime) as day from visits where cid = 'bob' order by id limit 1", "2026-03-27"),
        ("datetime as day from visits where cid = 'bob' order by id limit 1", "2026-03-27"),
        ("max(datetime) as moment from visits where cid = 'dora'", "2026-03-30T18:15:00"),
        ("min(datetime) as moment from visits where cid = 'dora'", "2026-03-30T18:14:59.999999"),
        ("max(datetime) as moment from visits where cid = 'nobody'", None),
    ],
)
async def test_a_value_of_a_declared_type_is_the_same_from_every_database(site: Site, sql: str, value: object) -> None:
    found = await value_of(site, sql, COLUMNS)
    assert (found, type(found)) == (value, type(value))  # 1 is True to Python


async def test_numbers_without_end_are_null(site: Site) -> None:
    endless = {
        "sqlite": "1e308 * 10",
        "mysql": "null",  # MariaDB refuses to reckon them
        "postgresql": "'infinity'::float8, 'nan'::float8, 'nan'::numeric, '-infinity'::numeric",
    }[site.database.dialect]
    response = await site.answer(f"select {endless}")
    assert set(response.json()["data"][0]) == {None}
    assert "inf" not in (await site.answer(f"select {endless}", format="csv")).text.splitlines()[1].lower()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Decimal("12.50"), 12.5),
        (Decimal("12.00"), 12),
        (Decimal("1E+400"), None),
        (Decimal("1E+25"), 1e25),
        (Decimal("NaN"), None),
        (2.0**62, 2**62),
        (1e300, 1e300),
        (-0.0, 0),
        (datetime(2026, 1, 31, 12), "2026-01-31T12:00:00"),  # noqa: DTZ001 - UTC, as the tables have it
        (date(2026, 1, 31), "2026-01-31"),
        (time(12, 30), "12:30:00"),
        (timedelta(minutes=1), 60),
        (memoryview(b"\x00\xff"), "00ff"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_a_drivers_value_is_plain(value: object, shown: object) -> None:
    assert plain(value) == shown


DECIMALS = some.decimals().filter(lambda number: not number.is_snan())  # which no database gives
ANYTHING = some.one_of(some.none(), some.booleans(), some.integers(), some.floats(), some.text(), DECIMALS)


@given(ANYTHING, some.sampled_from(["text", "integer", "number", "boolean", "date", "datetime", None]))
def test_any_value_becomes_json_under_any_declared_type(value: object, kind: Any) -> None:
    assert json.loads(json.dumps(plain(value, kind), allow_nan=False)) == plain(value, kind)


TABLE = "select 'a' as name, 1 as n union all select '🥐', null order by 1"


async def test_json_has_columns_and_rows(site: Site) -> None:
    response = await site.answer(TABLE)
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {"columns": ["name", "n"], "data": [["a", 1], ["🥐", None]]}


async def test_records_have_names(site: Site) -> None:
    response = await site.answer(TABLE, format="records")
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == [{"name": "a", "n": 1}, {"name": "🥐", "n": None}]


async def test_ndjson_is_a_record_a_line(site: Site) -> None:
    response = await site.answer(TABLE, format="ndjson")
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert response.text == '{"name":"a","n":1}\n{"name":"🥐","n":null}\n'


async def test_csv_is_a_file_of_the_querys_name(site: Site) -> None:
    response = await site.answer(TABLE, format="csv")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="own.csv"'
    assert response.text == "name,n\r\na,1\r\n🥐,\r\n"


@pytest.mark.parametrize("form", ["json", "records", "ndjson"])
async def test_only_csv_is_a_file(site: Site, form: str) -> None:
    assert "Content-Disposition" not in (await site.answer(TABLE, format=form)).headers


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\r=1", "\n=1"])
async def test_no_spreadsheet_runs_what_a_visitor_wrote(site: Site, text: str) -> None:
    sql = (
        '-- parameter title: text\nselect :title as title, -1 as n, "=1+1".n as "=head" from (select 2 as n) as "=1+1"'
    )
    if site.database.dialect == "mysql":
        sql = sql.replace('"', "`")
    response = await site.answer(sql, format="csv", title=text)
    head, row = csv.reader(io.StringIO(response.text, newline=""))
    assert head == ["title", "n", "'=head"]
    assert row == [f"'{text}", "-1", "2"]


async def test_what_csv_parts_cells_with_stays_in_its_cell(site: Site) -> None:
    title = 'a,b;"c"\r\nd'
    response = await site.answer("-- parameter title: text\nselect :title as title", format="csv", title=title)
    assert list(csv.reader(io.StringIO(response.text, newline=""))) == [["title"], [title]]
