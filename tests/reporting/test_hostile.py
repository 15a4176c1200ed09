"""Whatever a request says, a query is one statement: the same text, to the letter, at the database's driver."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import get_args
from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from crumby.reporting.filters import DIMENSIONS
from crumby.reporting.interval import Interval
from crumby.reporting.query import Query, load_query
from crumby.settings import shipped
from crumby.tables import visits
from tests.reporting.crumbs import VISITS
from tests.reporting.site import Site, statements

SHIPPED = sorted(shipped("queries").glob("p*/*.sql"))
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

ENDINGS = ["", " or 1 = 1", " or 1 = 1 --", "; select 1", ") or (1 = 1", " union select 1, 2", "/*", "\n--", "||now()"]
ENDINGS += [" desc", ", (select 1)", " = x"]
MARKS = ["views", "page'", '-"page"', "country`", "1)", "$1", "\\'", "{{", "1e0", "%"]
PAYLOADS = list(
    dict.fromkeys(
        [
            *HOSTILE,
            *(f"{sign}{value}" for sign in ("!", "~", "!~", "-") for value in HOSTILE),  # of filters and orders
            *(f"{mark}{ending}" for mark in MARKS for ending in ENDINGS),
        ]
    )
)
SAMPLES = 1  # payloads for each parameter of each query, in the short form
TURNS = 4  # of the parameters of a query, on the servers: there each fourth

NO_REPORTS = ("start transaction", "explain", "(")  # what begins one in MySQL, and what the files are checked with


async def texts_for(site: Site, address: str, requests: list[dict[str, str]]) -> set[str]:
    """The texts of the reports' statements, as they are given to the driver."""
    with statements(site) as given:
        for parameters in requests:
            assert await site.status(address, parameters, member=True) in {200, 422}, parameters
    return {text for text in given if not text.startswith(NO_REPORTS) and "crumby_inner" not in text}


async def assert_untouched(site: Site) -> None:
    async with site.database.engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(visits)) == len(VISITS)


MARCH = {"from": "2026-03-27", "to": "2026-03-31"}
ZONES = ["Etc/UTC", "Asia/Kathmandu", "Europe/Berlin"]  # an offset of nothing, one, and two of them
WHEN = frozenset({"days", "from", "to", "t0", "t1", "period"})  # decide on the usual interval as well
LONG = [  # periods that are read from other rollups: whole months, months and days at one end or both
    {"from": f"2026-0{first}", "to": f"2026-{last}"} for first in ("1-01", "1-05") for last in ("08-31", "08-30")
]
STARTS = WHEN - {"to", "t1"}
COUNTS = frozenset({"days", "limit", "offset"})  # take few of the payloads, and so two numbers besides


def harmless(query: Query, name: str, like: Iterable[str]) -> list[str]:
    """Values that a person gives: their statements are all that there are. A filter's are of the forms of `like`."""
    own = {parameter.name: parameter for parameter in query.header.parameters}
    if name in own:
        return [str(choice) for choice in own[name].choices] or ["x", ""]
    if name in DIMENSIONS:
        return sorted({f"{value[: len(value) - len(value.lstrip('!~'))][:2]}x" for value in like})
    if name == "sort":
        return [f"{sign}{column.name}" for column in query.header.columns for sign in ("", "-")]
    known = {"tz": ZONES, "interval": get_args(Interval), "limit": ["9"], "offset": ["9"], "compare": ["previous"]}
    return list(known.get(name, []))


def asking(name: str, value: str) -> dict[str, str]:
    return ({} if name in STARTS else MARCH) | {name: value}


async def shapes_for(site: Site, query: Query, name: str, like: Iterable[str]) -> set[str]:
    """The statements that a parameter may come to."""
    requests = [asking(name, value) for value in harmless(query, name, like)]
    if name in WHEN:
        requests += LONG
    if name in WHEN and "interval" in query.understands:
        requests += [asking("interval", value) for value in harmless(query, "interval", [])]
    return await texts_for(site, address_of(query), requests)


def address_of(query: Query) -> str:
    return f"/api/{query.collection}/{query.name}"


async def assert_one_statement(site: Site, path: Path, payloads: Callable[[int], Sequence[str]]) -> None:
    """`payloads` are those for the parameter of a number."""
    query = load_query(path.parent.name, path)
    await site.rollups.finish()  # or a statement of before would be compared with one of after
    plain = await texts_for(site, address_of(query), [{}])
    assert len(plain) == 1
    plain |= await texts_for(site, address_of(query), [MARCH])  # which may have another interval
    for number, name in enumerate(sorted({*query.understands, "format", "_"})):
        given = payloads(number)
        if not given:
            continue
        hostile = [*given, *(["3", "12"] if name in COUNTS else [])]
        texts = await texts_for(site, address_of(query), [asking(name, value) for value in hostile])
        if not texts <= plain:
            assert texts - plain <= await shapes_for(site, query, name, hostile), name
    await assert_untouched(site)


def test_there_are_four_hundred_payloads() -> None:
    assert len(PAYLOADS) >= 400


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_a_shipped_query_is_one_statement(site: Site, path: Path) -> None:
    """Planted: a filter's value, a sort's column, an interval printed into the statement.

    Each parameter of each query gets others of the payloads than its neighbours, and each payload its turn.
    """
    place = SHIPPED.index(path)
    turns = 1 if site.database.dialect == "sqlite" else TURNS

    def some(number: int) -> list[str]:
        if (number + place) % turns:
            return []
        return [PAYLOADS[(place * 101 + number * 7 + 200 * more) % len(PAYLOADS)] for more in range(SAMPLES)]

    await assert_one_statement(site, path, some)


@pytest.mark.long
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_a_shipped_query_is_one_statement_whatever_is_asked(site: Site, path: Path) -> None:
    """Some 14,000 requests for each query and database."""
    await assert_one_statement(site, path, lambda _: PAYLOADS)


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
    with statements(site) as texts:
        for value in HOSTILE[:-2]:
            named = await site.guest.get("/api/public/visits", params={value: "1"})
            assert named.status_code == (200 if value == "_" else 422), value
            if value.strip("./ "):
                path = await site.guest.get(f"/api/public/{quote(value, safe='')}")
                assert path.status_code in {404, 422}, value
    assert texts == []
