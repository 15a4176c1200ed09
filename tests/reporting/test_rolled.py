"""A report has one answer, whether it reads a rollup or the visits: over random periods, steps and filters.

The site counts in Europe/Berlin. The same clocks go by another name in Arctic/Longyearbyen, of which there are no
rollups: what is asked in that zone is counted from the visits, with `count(distinct cid)`.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import delete, insert

from crumby.dimensions.session import Visitor, place
from crumby.ingest.enrich import Event, Visit
from crumby.reporting.interval import Interval
from crumby.reporting.period import Period
from crumby.reporting.query import load_query
from crumby.reporting.rolled import Part, around, parts
from crumby.settings import shipped
from crumby.tables import events, visitors, visits
from tests.reporting.site import Site, open_site, statements

BERLIN, LONGYEARBYEN = "Europe/Berlin", "Arctic/Longyearbyen"
TOTALS: Final = {"visitors", "first_views", "views", "sessions", "second_views", "seconds", "in_session"}
FIRST, LAST = datetime(2025, 1, 20), datetime(2026, 5, 10)  # noqa: DTZ001 - UTC
SPANS: Final = (1, 2, 7, 30, 31, 91, 92, 93, 120, 200, 365, 366, 450)  # days
PERIODS: Final = 200
SOME: Final = 20  # of them on the servers, where a report takes ten times as long
ROLLED: Final = sorted(
    (path.parent.name, path.stem)
    for path in shipped("queries").glob("p*/*.sql")
    if load_query(path.parent.name, path).header.rollups
)
OWN: Final[dict[str, list[dict[str, str]]]] = {
    "traffic": [{}, {"interval": "day"}, {"interval": "week"}, {"interval": "month"}],
    "new_returning": [{}, {"interval": "day"}, {"interval": "week"}, {"interval": "month"}],
    "campaigns": [{"by": "utm_campaign"}, {"by": "utm_source"}, {"by": "utm_term"}],
    "retention": [{"cohort": "week"}, {"cohort": "month"}],
    "cities": [{}, {"country": "SE"}, {"city": "Umeå"}, {"country": "!"}],
    "countries": [{}, {"country": "!SE"}, {"compare": "previous"}],
    "pages": [{}, {"page": "~a"}, {"compare": "year"}, {"limit": "2"}],
    "entry_pages": [{}, {"limit": "2"}],
    "engagement": [{}, {"limit": "1"}, {"limit": "3"}],
    "event_values": [{}, {"event": "buy"}],
}


def people(source: random.Random) -> tuple[list[Visit], list[Event]]:
    """Some come once, some for a year; most keep to their machine, some travel. One keeps no cookie."""
    views: list[Visit] = []
    acts: list[Event] = []
    for number in range(60):
        cid = "null" if number == 0 else f"visitor-{number}"
        machine = _machine(source)
        at = FIRST + (LAST - FIRST) * source.random()
        for _ in range(source.choice([1, 1, 2, 3, 8, 30])):
            if source.random() < 0.2:
                machine |= dict([source.choice(list(_machine(source).items()))])
            came = {"source": source.choice([None, "Google", "news"]), "channel": source.choice(["Direct", "Search"])}
            came |= {
                "utm_source": source.choice([None, "letter"]),
                "utm_campaign": source.choice([None, "spring", "x"]),
            }
            for _ in range(source.choice([1, 1, 2, 4])):
                views.append(_row(Visit, cid, at, source, **machine, **came, **_told(source)))
                if source.random() < 0.2:
                    value = source.choice([None, "", "a", "b"])
                    name = source.choice(["buy", "404", "download", "outbound"])
                    acts.append(_row(Event, cid, at + timedelta(seconds=2), source, name=name, value=value))
                at += timedelta(minutes=source.expovariate(1 / 12))
            at += timedelta(days=source.expovariate(1 / 9))
    return [row for row in views if row.datetime < LAST], [row for row in acts if row.datetime < LAST]


def _machine(source: random.Random) -> dict[str, Any]:
    country, region, city = source.choice(
        [
            ("SE", "Västerbotten", "Umeå"),
            ("SE", "Skåne", "Lund"),
            ("GB", "England", "London"),
            ("", None, ""),
            (None,) * 3,
        ]
    )
    browser, version = source.choice([("firefox", "140"), ("firefox", "141"), ("safari", "18"), ("", None)])
    return {
        "country": country,
        "subdivision_1": region,
        "city": city,
        "browser": browser,
        "version": version,
        "platform": source.choice(["windows", "linux", None]),
        "device": source.choice(["desktop", "mobile"]),
        "lang": source.choice(["sv", "en-GB", ""]),
        "screen_res": source.choice(["1920x1080", "390x844"]),
    }


def _told(source: random.Random) -> dict[str, Any]:
    return {"engaged": source.choice([None, 0, 12]), "scroll": source.choice([None, 20, 95])}


def _row(kind: Any, cid: str, at: datetime, chance: random.Random, /, **own: Any) -> Any:
    own |= {"site": chance.choice(["a.example", "b.example"]), "page": chance.choice(["/", "/a", "/b", "/ab", ""])}
    names = kind.__struct_fields__[: len(kind.__struct_fields__) - len(kind.__struct_defaults__)]
    return kind(**dict.fromkeys(names) | own | {"cid": cid, "datetime": at, "hit_id": chance.randbytes(16)})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    source = random.Random("rolls")  # noqa: S311 - the same ones at each run
    states: dict[str, Visitor] = {}
    placed = place(states, *people(source))
    async with open_site(module_url, tmp_path_factory.mktemp("rolled"), time_zone=BERLIN) as opened:
        async with opened.database.engine.begin() as connection:
            for table in (visits, events, visitors):
                await connection.execute(delete(table))
            for table, rows in ((visits, placed.visits), (events, placed.events), (visitors, placed.new)):
                await connection.execute(insert(table), [msgspec.structs.asdict(row) for row in rows])
        await until_ready(opened)
        yield opened


async def until_ready(site: Site) -> None:
    while (await site.rollups.advance()).pending or len(site.rollups.ready) < len(site.rollups.names()):  # noqa: ASYNC110
        await asyncio.sleep(0.05)  # a server's ids have to settle


async def ask(site: Site, collection: str, name: str, asked: dict[str, str]) -> list[list[Any]]:
    response = await site.member.get(f"/api/{collection}/{name}", params=asked)
    assert response.status_code == 200, response.text
    answer = response.json()
    return [*answer["data"], *(answer.get("compared") or [])]


@pytest.mark.parametrize("number", range(SOME))
async def test_a_rollup_and_the_visits_give_one_answer(site: Site, number: int) -> None:
    """Seen to fail on `prev_day <= since`, and on months that forget who was there in the first one's first days.

    And on days after the period that are added and not taken off, and where the last pages are ranked first.
    """
    for each in range(number, PERIODS, SOME) if site.database.dialect == "sqlite" else [number]:
        source = random.Random(each)  # noqa: S311 - the same one at each run
        first = FIRST.date() + timedelta(days=source.randrange(-5, (LAST - FIRST).days))
        if source.random() < 0.4:
            first = first.replace(day=1)
        asked = {"from": first.isoformat(), "to": (first + timedelta(days=source.choice(SPANS) - 1)).isoformat()}
        for collection, name in source.sample(ROLLED, 3):
            own = source.choice(OWN.get(name, [{}]))
            rolled = await ask(site, collection, name, asked | own | {"tz": BERLIN})
            counted = await ask(site, collection, name, asked | own | {"tz": LONGYEARBYEN})
            assert rolled == counted, (name, asked, own)


@pytest.mark.parametrize(
    ("asked", "rolled"),
    [
        ({}, True),
        ({"tz": LONGYEARBYEN}, False),
        ({"country": "SE"}, True),
        ({"browser": "firefox"}, False),
        ({"country": "SE", "browser": "firefox"}, False),
    ],
)
async def test_visits_are_counted_where_no_rollup_has_what_is_asked(
    site: Site, asked: dict[str, str], *, rolled: bool
) -> None:
    with statements(site) as given:
        await ask(site, "public", "countries", asked | {"from": "2026-01-01", "to": "2026-02-01"})
    assert any("rollup_countries_day" in statement for statement in given) == rolled
    assert any("from visits" in statement.lower() for statement in given) != rolled


async def test_a_file_of_ones_own_tells_days_of_a_rollup(site: Site) -> None:
    """Seen to fail on a `day` that is a number there."""
    sql = "-- rollup: totals\nselect {{ day('datetime') }} as day, {{ views() }} as views, {{ visitors() }} as visitors"
    sql += " from {{ visits() }} where {{ period('datetime') }} and {{ filters() }} group by 1 order by 1"
    asked = {"from": "2026-01-05", "to": "2026-03-05"}
    with site.query(sql), statements(site) as given:
        rolled = await ask(site, "public", "own", asked | {"tz": BERLIN})
        counted = await ask(site, "public", "own", asked | {"tz": LONGYEARBYEN})
    assert len(counted) > 10
    assert rolled == counted
    assert ["rollup_totals_day" in statement for statement in given if "views" in statement] == [True, False]


@pytest.mark.parametrize(
    ("asked", "sums"),
    [
        ("select sum(Views) as n from {{ visits() }}", {"views"}),
        ("-- views\nselect sum(sessions) as n from {{ visits() }} order by sum(seconds)", {"sessions", "seconds"}),
        ("select 2 * {{ visitors() }} as n from {{ visits() }}", {"visitors"}),
        ("select count(*) as n from {{ visits() }}", {"visitors"}),  # something there must be
        ("select * from {{ visits() }}", TOTALS),
        ("select n.views, n.* from (select visits.* from {{ visits() }}) n", TOTALS),
    ],
)
async def test_of_a_rollup_is_added_up_what_is_named(site: Site, asked: str, sums: set[str]) -> None:
    """Seen to fail where `select *` is no name, where a line of comment is one, and where capitals are others."""
    with site.query(f"-- rollup: totals\n{asked}"), statements(site) as given:
        assert await ask(site, "public", "own", {"from": "2026-01-05", "to": "2026-03-05", "tz": BERLIN})
    (statement,) = [statement for statement in given if "rollup_totals_month" in statement]
    made = statement[statement.index("rollup_totals_day") :]
    assert set(re.findall(r" as (\w+)(?=,| from rollup)", made)) == sums


async def test_what_is_looked_for_by_name_is_in_no_rollup(site: Site) -> None:
    with statements(site) as given:
        await ask(site, "private", "goals", {"goal_1": "buy"})
        await ask(site, "public", "traffic", {"interval": "hour", "days": "3"})
    assert not any("rollup_" in statement for statement in given)


@pytest.mark.parametrize(
    ("first", "last", "today", "interval", "tables"),
    [
        ("2026-01-05", "2026-02-28", "2026-05-01", None, ["day", "month", "return"]),
        ("2026-01-05", "2026-02-27", "2026-05-01", None, ["day"]),  # no month is whole
        ("2026-01-01", "2026-01-31", "2026-05-01", None, ["month"]),
        ("2026-01-01", "2026-01-30", "2026-01-30", None, ["month"]),  # nothing comes after today
        ("2026-01-01", "2026-02-01", "2026-05-01", None, ["day", "month"]),
        ("2025-12-31", "2026-02-01", "2026-05-01", None, ["day", "day", "month", "return"]),
        ("2025-12-20", "2026-01-10", "2026-01-10", None, ["day", "month", "return"]),
        ("2025-12-20", "2026-01-09", "2026-01-09", None, ["day"]),  # nine days are not worth two tables more
        ("2026-01-05", "2026-04-30", "2026-05-01", "month", ["day", "month"]),
        ("2026-01-05", "2026-04-30", "2026-05-01", "week", ["day"]),
        ("2026-01-05", "2026-04-30", "2026-05-01", "day", ["day"]),
    ],
)
def test_whole_months_are_read_as_such(
    first: str, last: str, today: str, interval: Interval | None, tables: list[str]
) -> None:
    period = Period(date.fromisoformat(first), date.fromisoformat(last), ZoneInfo("UTC"))
    assert [part.table for part in parts(period, date.fromisoformat(today), interval)] == tables


@pytest.mark.parametrize(
    ("last", "today", "days"),
    [
        ("2026-03-25", "2026-05-01", [(20260326, 20260331)]),
        ("2026-03-20", "2026-05-01", []),  # eleven in place of twenty are not worth a table more
        ("2026-03-20", "2026-03-21", [(20260321, 20260331)]),  # only today can have any
        ("2026-03-20", "2026-03-20", []),
        ("2026-03-31", "2026-05-01", []),
    ],
)
def test_few_days_after_the_period_are_taken_off_its_last_month(
    last: str, today: str, days: list[tuple[int, int]]
) -> None:
    period = Period(date(2026, 1, 5), date.fromisoformat(last), ZoneInfo("UTC"))
    found = parts(period, date.fromisoformat(today), None, less=True)
    assert [(part.first, part.last) for part in found if part.taken_off] == days
    assert not any(part.taken_off for part in parts(period, date.fromisoformat(today), None))


async def test_who_came_before_the_period_and_after_it_is_no_visitor_of_it(site: Site) -> None:
    """The last month has them. Seen to fail where its days are taken off without who was there in the first one."""
    for month in range(2, 13, 1 if site.database.dialect == "sqlite" else 4):
        for day in (20, 28):
            asked = {"from": f"2025-{month:02}-{day}", "to": f"{2025 + month // 12}-{month % 12 + 1:02}-21"}
            rolled = await ask(site, "public", "summary", asked | {"tz": BERLIN})
            assert rolled == await ask(site, "public", "summary", asked | {"tz": LONGYEARBYEN}), asked


@pytest.mark.parametrize(
    ("asked", "ranked"),
    [
        ({"limit": "2"}, True),
        ({}, False),
        ({"limit": "2", "offset": "1"}, False),
        ({"limit": "2", "sort": "-visitors"}, False),
        ({"limit": "2", "page": "/a"}, False),
        ({"limit": "2", "tz": LONGYEARBYEN}, False),
        ({"limit": "5000"}, False),
    ],
)
async def test_pages_are_ranked_first_where_the_first_alone_are_wanted(
    site: Site, asked: dict[str, str], *, ranked: bool
) -> None:
    """Nowhere on MariaDB."""
    with statements(site) as given:
        await ask(site, "public", "pages", asked | {"from": "2026-01-05", "to": "2026-03-25"})
    assert any("with foremost" in statement for statement in given) == (ranked and site.database.dialect != "mysql")


RANKED: Final = {
    "cities": "private",
    "sources": "private",
    "regions": "public",
    "pages": "public",
    "entry_pages": "public",
    "exit_pages": "public",
    "engagement": "public",
}


@pytest.mark.parametrize("name", RANKED)
async def test_the_first_of_a_ranking_are_those_that_the_visits_have(site: Site, name: str) -> None:
    """Its months say who may be among them. Seen to fail where nobody is when there are fewer than are wanted.

    And where one that has just as many as the last is not looked at.
    """
    source = random.Random(name)  # noqa: S311 - the same ones at each run
    for _ in range(8 if site.database.dialect == "sqlite" else 2):
        first = FIRST.date() + timedelta(days=source.randrange(400))
        last = first + timedelta(days=source.choice((6, 13, 20, 29, 29, 59, 91, 200, 364)))
        asked = {"from": first.isoformat(), "to": last.isoformat(), "limit": str(source.randrange(1, 8))}
        rolled = await ask(site, RANKED[name], name, asked | {"tz": BERLIN})
        counted = await ask(site, RANKED[name], name, asked | {"tz": LONGYEARBYEN})
        assert rolled == counted, asked


@pytest.mark.parametrize(
    ("first", "last", "today", "months"),
    [
        ("2026-01-20", "2026-03-10", "2026-05-01", (20260101, 20260301)),
        ("2026-01-20", "2026-02-10", "2026-05-01", None),  # 22 of 59 days
        ("2026-01-20", "2026-02-10", "2026-02-10", (20260101, 20260201)),  # of 41
        ("2026-01-20", "2026-01-20", "2026-05-01", None),
    ],
)
def test_a_ranking_looks_at_the_months_around_where_the_half_of_them_is_asked_for(
    first: str, last: str, today: str, months: tuple[int, int] | None
) -> None:
    """And take who was there in the first one's first days for a visitor. Seen to fail without."""
    period = Period(date.fromisoformat(first), date.fromisoformat(last), ZoneInfo("UTC"))
    expected = Part("month", *months, months[0] + 1) if months else None
    assert around(period, date.fromisoformat(today)) == expected
