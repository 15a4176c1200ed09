"""Whatever a request says, a query is one statement: the same text, to the letter, at the database's driver."""

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import event, func, select

from crumby.tables import visits
from tests.reporting.crumbs import VISITS
from tests.reporting.site import Site

SHIPPED = [
    "/api/public/visits",
    "/api/public/documents",
    "/api/public/locations",
    "/api/public/platforms",
    "/api/private/origins",
    "/api/private/locations",
    "/api/private/events",
]
SHARED = ["days", "from", "to", "t0", "t1", "tz", "format", "_"]
TYPED = """\
-- parameter who: text
-- parameter rows: integer
-- parameter share: number
-- parameter local: boolean
-- parameter since: date
-- parameter at: datetime
select cid, platform, {{ day("datetime") }} as day, {{ strip_scheme("doc_uri") }} as uri, :local as local
from visits
where {{ period("datetime") }}
  and (cid = :who or doc_title = :who or :who is null)
  and (id < :rows or :rows is null)
  and (longitude is null or longitude < :share or :share is null)
  and (datetime >= :since or :since is null)
  and (datetime >= :at or :at is null)
order by id
"""
OWN = ["who", "rows", "share", "local", "since", "at"]

HOSTILE = [
    # SQL
    "'",
    '"',
    "`",
    "\\'",
    "';",
    "--",
    "/*",
    "' or '1' = '1",
    "' or 1 = 1 --",
    '" or "" = "',
    "1 or 1 = 1",
    "1; drop table visits",
    "'; drop table visits; --",
    "'); delete from visits; --",
    "\\'; drop table visits; #",
    "' union select password from users --",
    "' || (select password from users) || '",
    "0x27",
    "%bf%27",
    "\u02bc or 1 = 1",  # a letter that some character sets turn into an apostrophe
    "\uff07 or 1 = 1",
    "$$",
    "?",
    "%s",
    "%(who)s",
    ":who",
    ":nope",
    "::text",
    # Templates
    "{{ 7 * 7 }}",
    "{% if true %}",
    "{{ ''.__class__.__mro__ }}",
    "{#",
    # Numbers and days that are none, or nearly
    "",
    "0",
    "-1",
    "9" * 18,
    "9" * 30,
    "nan",
    "null",
    "2026-03-28",
    "2026-02-30",
    "0001-01-01",
    "9999-12-31",
    "2026-03-28T12:00:00+14:00",
    "0001-01-01T00:00:00+14:00",
    # Zones
    "Asia/Kathmandu",
    "Europe/Berlin",
    "../../../etc/passwd",
    "/etc/localtime",
    # Text
    "\0",
    "a\0b",
    "\r\nX-Header: 1",
    "🥐",
    "é" * 100,
    "\ufffe",
    "\u202e",
    "x" * 501,
    "x" * 10_000,
    "<script>alert(1)</script>",
    "=cmd|' /c calc'!a1",
]


NO_REPORTS = ("start transaction", "explain", "(")  # what begins one in MySQL, and what the files are checked with


@contextlib.contextmanager
def recorded(site: Site) -> Iterator[list[str]]:
    """The texts of the reports' statements, as they are given to the driver."""
    texts: list[str] = []

    def listener(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith(NO_REPORTS) and "crumby_inner" not in statement:
            texts.append(statement)

    engine = site.database.reports.sync_engine
    event.listen(engine, "before_cursor_execute", listener)
    yield texts
    event.remove(engine, "before_cursor_execute", listener)


async def texts_for(site: Site, address: str, requests: list[dict[str, str]]) -> set[str]:
    member = "/private/" in address
    with recorded(site) as texts:
        for parameters in requests:
            assert await site.status(address, parameters, member=member) in {200, 422}, parameters
    return set(texts)


async def assert_untouched(site: Site) -> None:
    async with site.database.engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(visits)) == len(VISITS)


MARCH = {"from": "2026-03-27", "to": "2026-03-31"}
SHAPES = [MARCH, MARCH | {"tz": "Asia/Kathmandu"}, MARCH | {"tz": "Europe/Berlin"}]  # without, with, with two offsets


@pytest.mark.parametrize("address", SHIPPED)
async def test_a_shipped_query_is_one_statement(site: Site, address: str) -> None:
    plain = await texts_for(site, address, [{}])
    shapes = await texts_for(site, address, SHAPES)
    assert len(plain) == 1
    assert plain <= shapes
    # What refuses a value knows neither query nor database: two queries, of those with all the macros, get every one.
    thorough = address in {"/api/public/visits", "/api/private/locations"}
    for name in SHARED:
        period = {} if name in {"days", "from", "t0"} else MARCH
        hostile = [period | {name: value} for value in (HOSTILE if thorough else HOSTILE[::4])]
        assert await texts_for(site, address, hostile) <= (shapes if name == "tz" else plain), name
    await assert_untouched(site)


async def test_a_query_with_parameters_of_its_own_is_one_statement(site: Site) -> None:
    with site.query(TYPED) as address:
        plain = await texts_for(site, address, [MARCH])
        assert len(plain) == 1
        for name in OWN:
            assert await texts_for(site, address, [MARCH | {name: value} for value in HOSTILE]) == plain, name
    await assert_untouched(site)


async def test_a_value_is_compared_as_it_is(site: Site) -> None:
    sql = "-- parameter who: text\nselect :who as who, count(*) as n from visits where doc_title = :who"
    # A hit is stored without trailing blanks, which MariaDB's comparison would not see.
    taken = [value for value in HOSTILE if len(value) <= 500 and "\0" not in value and value == value.rstrip(" ")]
    with site.query(sql) as address:
        for value in taken:
            response = await site.guest.get(address, params={"who": value})
            assert response.json()["data"] == [[value, 1 if value == "" else 0]]


async def test_hostile_names_and_paths_are_not_found_or_do_not_fit(site: Site) -> None:
    with recorded(site) as texts:
        for value in HOSTILE[:-2]:
            named = await site.guest.get("/api/public/visits", params={value: "1"})
            assert named.status_code == (200 if value == "_" else 422), value
            if value.strip("./ "):
                path = await site.guest.get(f"/api/public/{quote(value, safe='')}")
                assert path.status_code in {404, 422}, value
    assert texts == []
