"""Random visits, periods and zones: a report counts what a loop over all rows does, one by one, in Python."""

import itertools
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from sqlalchemy import delete, insert

from crumby.tables import events, visitors, visits
from tests.reporting.bakery import COLUMNS, remembering
from tests.reporting.site import Site, open_site

Row = dict[str, Any]
HALF_AN_HOUR: Final = timedelta(minutes=30)
# Clocks that change by an hour, by half of one, not at all; far to the west and the east, and off by a quarter.
ZONES: Final = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Etc/UTC", "Asia/Kathmandu", "America/St_Johns",
    "Pacific/Pago_Pago", "Pacific/Kiritimati",
)  # fmt: skip
INTERVALS: Final = ("hour", "day", "week", "month")
SPANS: Final = (1, 1, 2, 3, 7, 10, 31, 62)  # days
AROUND: Final = [date(2026, 3, 29), date(2026, 10, 25), date(2026, 4, 5), date(2026, 11, 1)]  # days of changed clocks
PERIODS: Final = 40


def visits_at_random(source: random.Random) -> list[Row]:
    """Page views by 40 visitors and by nobody, most of them near the days on which clocks change."""
    return [
        {
            "cid": source.choice([f"visitor-{source.randrange(40)}"] * 20 + [None]),
            "datetime": datetime.combine(source.choice(AROUND), datetime.min.time())
            + timedelta(microseconds=round(source.gauss(0, 6) * 86_400_000_000)),
            "country": source.choice(["SE", "GB", "", None]),
        }
        for _ in range(250)
    ]


def in_sessions(rows: list[Row], source: random.Random) -> Iterator[Row]:
    """Each of them and what its visitor looked at next, placed in its session."""
    last: dict[str, Row] = {}
    numbers = itertools.count(1)
    more = [row | {"datetime": row["datetime"] + later} for row in rows for later in _later(source)]
    for row in sorted(more, key=lambda row: row["datetime"]):
        placed = dict.fromkeys(COLUMNS) | row
        if row["cid"]:
            before = last.get(row["cid"])
            goes_on = before and row["datetime"] - before["datetime"] <= HALF_AN_HOUR
            gap = round((row["datetime"] - before["datetime"]).total_seconds()) if before and goes_on else 0
            placed["session"] = before["session"] if before and goes_on else next(numbers)
            placed |= {"seq": before["seq"] + 1 if before and goes_on else 1, "gap": gap}
            last[row["cid"]] = placed
        yield placed


def _later(source: random.Random) -> list[timedelta]:
    """When the pages of one coming are viewed: at once, and up to a few times within the hours after."""
    return [timedelta(), *(timedelta(minutes=source.uniform(0, 200)) for _ in range(source.choice([0, 0, 1, 5])))]


SOURCE: Final = random.Random("crumbs")  # noqa: S311 - the same ones at each run
ROWS: Final = list(in_sessions(visits_at_random(SOURCE), SOURCE))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with open_site(module_url, tmp_path_factory.mktemp("random")) as opened:
        async with opened.database.engine.begin() as connection:
            for table in (visits, events, visitors):
                await connection.execute(delete(table))
            first = {row["cid"]: row["first"] for row in first_of_each()}
            await connection.execute(insert(visits), remembering(ROWS, first))
            await connection.execute(insert(visitors), list(first_of_each()))
        yield opened


def first_of_each() -> Iterator[Row]:
    first: dict[str, datetime] = {}
    for row in ROWS:
        first.setdefault(row["cid"], row["datetime"])
    return ({"cid": cid, "first": at} for cid, at in first.items() if cid)


def at_random(number: int) -> dict[str, str]:
    source = random.Random(number)  # noqa: S311 - the same one at each run
    begin = source.choice(AROUND) + timedelta(days=source.randrange(-12, 13))
    end = begin + timedelta(days=source.choice(SPANS) - 1)
    asked = {"tz": source.choice(ZONES), "from": begin.isoformat(), "to": end.isoformat()}
    return asked | {"interval": INTERVALS[number % 4]}


def local(row: Row, asked: dict[str, str]) -> datetime:
    moment: datetime = row["datetime"]
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(asked["tz"]))


def within(asked: dict[str, str]) -> list[Row]:
    return [row for row in ROWS if asked["from"] <= local(row, asked).date().isoformat() <= asked["to"]]


def bucket(row: Row, asked: dict[str, str]) -> str:
    at = local(row, asked)
    match asked["interval"]:
        case "hour":
            return at.strftime("%Y-%m-%dT%H:00")
        case "week":
            return (at.date() - timedelta(days=at.weekday())).isoformat()
        case "month":
            return at.strftime("%Y-%m")
    return at.date().isoformat()


def counted(rows: list[Row]) -> list[int]:
    """Visitors, sessions that begin among the rows, and page views."""
    return [len({row["cid"] for row in rows} - {None}), sum(row["seq"] == 1 for row in rows), len(rows)]


def bounced(rows: list[Row]) -> int:
    going_on = {row["session"] for row in ROWS if row["seq"] == 2}
    return sum(row["seq"] == 1 and row["session"] not in going_on for row in rows)


async def data(site: Site, report: str, asked: dict[str, str]) -> list[list[Any]]:
    response = await site.member.get(f"/api/public/{report}", params=asked)
    assert response.status_code == 200, response.text
    rows: list[list[Any]] = response.json()["data"]
    return rows


@pytest.mark.parametrize("number", range(PERIODS))
async def test_visitors_are_exact_over_any_period(site: Site, number: int) -> None:
    """Planted: `count(cid)`, sessions by `count(distinct session)`, an end of the period a second early."""
    asked = at_random(number)
    rows = within(asked)
    (answered,) = await data(site, "summary", {name: asked[name] for name in ("tz", "from", "to")})
    visitors, sessions, views = counted(rows)
    assert answered[:3] == [visitors, sessions, views]
    if sessions:
        assert answered[4] == pytest.approx(100 * bounced(rows) / sessions, abs=0.0501)
        assert answered[5] == pytest.approx(sum(row["gap"] or 0 for row in rows) / sessions, abs=0.501)


@pytest.mark.parametrize("number", range(PERIODS))
async def test_visitors_are_exact_in_every_hour_day_week_and_month(site: Site, number: int) -> None:
    """Planted: the offset of the period's end for all of it; `interval '1 hour'` for what is a quarter less."""
    asked = at_random(number)
    told = defaultdict(list)
    for row in within(asked):
        told[bucket(row, asked)].append(row)
    answered = {row[0]: row[1:4] for row in await data(site, "traffic", asked)}
    assert list(answered) == sorted(answered)
    assert {moment: counts for moment, counts in answered.items() if any(counts)} == {
        moment: counted(rows) for moment, rows in told.items()
    }


@pytest.mark.parametrize("number", range(0, PERIODS, 2))
async def test_visitors_are_exact_in_every_country(site: Site, number: int) -> None:
    """Planted: a null and an empty text that are two rows."""
    asked = at_random(number)
    told = defaultdict(list)
    for row in within(asked):
        told[row["country"] or None].append(row)
    answered = await data(site, "countries", {name: asked[name] for name in ("tz", "from", "to")})
    assert {row[0]: row[1:4] for row in answered} == {country: counted(rows) for country, rows in told.items()}
    assert len(answered) == len(told)


@pytest.mark.parametrize("number", range(0, PERIODS, 2))
async def test_each_visitor_is_new_once(site: Site, number: int) -> None:
    """Planted: who came first before the period is new in its first week."""
    asked = at_random(number)
    first = {row["cid"]: row["first"] for row in first_of_each()}
    rows = [row for row in within(asked) if row["cid"]]
    new = {(bucket(row, asked), row["cid"]) for row in rows if row["datetime"] == first[row["cid"]]}
    met = {(bucket(row, asked), row["cid"]) for row in rows}
    answered = await data(site, "new_returning", asked)
    assert sum(row[1] for row in answered) == len(new)
    assert sum(row[2] for row in answered) == len(met - new)
