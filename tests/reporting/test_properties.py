"""An event's property, read alike on SQLite, MariaDB and PostgreSQL."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import insert

from crumby.ingest.properties import properties
from crumby.settings import shipped
from crumby.tables import events
from tests.reporting.bakery import bake, happened
from tests.reporting.site import Site, open_site

TOLD: dict[str, Any] = {
    "plan": "pro",
    "empty": "",
    "quotes": "'n' \"rye\" \\ / `x`",
    "emoji": "🥐 50% :t0 {{ 1 }}",
    "yes": True,
    "no": False,
    "zero": 0,
    "whole": -12,
    "large": 123_456_789_012_345_678,
    "part": 2400.5,
    "third": 1 / 3,
    "small": 0.0001,
    "a.b": "a point",
    "$[0]": "brackets",
    "it's": "a quote",
    "two words": "blank",
    "Größe:x": "letters",
    "PLAN": "capitals",
}
TEXTS = TOLD | {
    "yes": "true",
    "no": "false",
    "zero": "0",
    "whole": "-12",
    "large": "123456789012345678",
    "part": "2400.5",
    "third": "0.333333333333333",
    "small": "0.0001",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with open_site(module_url, tmp_path_factory.mktemp("properties")) as opened:
        await bake(opened.database.engine)
        at = max(row["datetime"] for row in happened()) + timedelta(days=10)
        rows: list[dict[str, Any]] = [
            {"datetime": at, "name": "told", "properties": properties(json.dumps(TOLD))},
            {"datetime": at, "name": "other", "properties": properties('{"plan": "free", "part": "none"}')},
            {"datetime": at, "name": "none", "properties": None},
        ]
        async with opened.database.engine.begin() as connection:
            await connection.execute(insert(events), [dict.fromkeys(events.c.keys()[1:]) | row for row in rows])
        yield opened


async def read(site: Site, *macros: str) -> list[list[Any]]:
    columns = ", ".join(f"{{{{ {macro} }}}} as c{number}" for number, macro in enumerate(macros))
    sql = f"select name, {columns} from events e where name in ('told', 'other', 'none') order by name"
    response = await site.answer(sql, period="all")
    assert response.status_code == 200, response.text
    data: list[list[Any]] = response.json()["data"]
    return data


async def test_a_property_is_read_as_it_was_told(site: Site) -> None:
    """Seen to fail where SQLite gives 1 for true, and where a name is a path."""
    none, other, told = await read(site, *(f"property({name!r})" for name in TOLD))
    assert told[1:] == list(TEXTS.values())
    assert other[1:] == ["free" if name == "plan" else "none" if name == "part" else None for name in TOLD]
    assert set(none[1:]) == {None}


async def test_a_number_is_one_and_anything_else_is_none(site: Site) -> None:
    """Seen to fail where PostgreSQL is to make a number of a word."""
    names = ("part", "third", "whole", "large", "plan", "yes", "nothing", "empty")
    none, other, told = await read(site, *(f"property({name!r}, 'number')" for name in names))
    assert told[1:] == [2400.5, pytest.approx(1 / 3), -12, pytest.approx(1.23456789012345678e17), *[None] * 4]
    assert set(other[1:]) == set(none[1:]) == {None}


async def test_a_property_can_be_grouped_compared_and_sorted_by(site: Site) -> None:
    """And with its table's short name. Seen to fail where a name is taken for a path of any case."""
    found = await read(site, "property('plan', 'text', 'e')")
    assert [row[1] for row in found] == [None, "free", "pro"]
    sql = """
        select {{ property("PLAN") }} as plan, count(*) as events from events
        where {{ period("datetime") }} and {{ property("plan") }} <> 'PRO' group by {{ property("PLAN") }}
        {{ order_by("plan") }}
    """
    assert (await site.answer(sql, period="all")).json()["data"] == [[None, 1], ["capitals", 1]]


@pytest.mark.parametrize(
    ("macro", "reason"),
    [
        ('property("")', "property takes a name"),
        ("property(5)", "property takes a name"),
        ("property('a\"b')", "property takes a name"),
        ("property('a' * 65)", "property takes a name"),
        ('property("a", "date")', "as 'text' or 'number', not 'date'"),
        ("property(which)", "a text of the request can't be part of the SQL"),
    ],
)
async def test_what_names_none_is_the_authors_fault(site: Site, macro: str, reason: str) -> None:
    sql = f"-- parameter which: text = plan, a property\nselect {{{{ {macro} }}}} as it from events where :which <> ''"
    response = await site.answer(sql, which="plan")
    assert response.status_code == 500
    assert reason in response.json()["detail"]


async def test_the_documents_example_answers(site: Site) -> None:
    """That of docs/queries.md, with the event that it speaks of."""
    text = (shipped("queries").parent / "docs" / "queries.md").read_text("utf-8")
    (sql,) = re.findall(r"### Properties\n.*?```sql\n(.*?)```", text, re.DOTALL)
    at = max(row["datetime"] for row in happened()) + timedelta(days=10)
    told = ['{"plan":"pro","seats":5,"trial":true}', '{"plan":"pro","seats":2.5,"trial":true}', '{"trial":false}']
    rows = [{"datetime": at, "name": "signup", "properties": each} for each in told]
    async with site.database.engine.begin() as connection:
        await connection.execute(insert(events), [dict.fromkeys(events.c.keys()[1:]) | row for row in rows])
    response = await site.answer(sql, period="all")
    assert response.json()["data"] == [["pro", 2, 7.5]], response.text
