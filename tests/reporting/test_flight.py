"""The same question, asked by many at once, is run once; and again within its file's `cache`, not at all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import event

from crumby.reporting.flight import Asked, Flights, Kept
from crumby.reporting.period import Period
from crumby.reporting.questions import Answer
from crumby.reporting.run import Limits, Result
from crumby.reporting.view import View
from tests.reporting.site import Site, open_site

MANY = 20
SLOW = {  # half a second, or so
    "sqlite": "with recursive c(n) as (select 1 union all select n + 1 from c where n < 2000000)\n"
    "select min(n) as n from c",
    "mysql": "select sleep(0.5) as n",
    "postgresql": "select 1 as n from pg_sleep(0.5)",
}
ROWS_WITHOUT_END = "select a.datetime from calendar a, calendar b, calendar c"
ENDLESS = "select count(*) as n from calendar a, calendar b, calendar c where a.datetime > b.datetime"
FORMATS = ["json", "records", "ndjson", "csv", "html"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One whose limits are far away."""
    limits = {"query_timeout": "60", "query_row_limit": "10000000"}
    async with open_site(module_url, tmp_path_factory.mktemp("site"), **limits) as opened:
        yield opened


@contextlib.contextmanager
def statements(site: Site) -> Iterator[list[str]]:
    """Give those that the reports' driver is given meanwhile."""
    given: list[str] = []

    def listener(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement != "start transaction read only":  # which MariaDB is told first
            given.append(statement)

    engine = site.database.reports.sync_engine
    event.listen(engine, "before_cursor_execute", listener)
    try:
        yield given
    finally:
        event.remove(engine, "before_cursor_execute", listener)


async def at_once(site: Site, address: str, *asked: dict[str, str]) -> list[httpx.Response]:
    return await asyncio.gather(*(site.guest.get(address, params=each) for each in asked))


@pytest.mark.parametrize("form", FORMATS)
async def test_twenty_who_ask_the_same_at_once_are_answered_by_one_statement(site: Site, form: str) -> None:
    """Seen to fail without the flights."""
    with site.query(SLOW[site.database.dialect]) as address, statements(site) as given:
        answers = await at_once(site, address, *[{"format": form}] * MANY)
    assert len(given) == 1
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


async def test_another_question_is_another_statement(site: Site) -> None:
    """Seen to fail where what is asked is not all looked at: the filters, or the file's own parameters."""
    sql = "-- parameter who: text\nselect count(*) as n from visits"
    sql += " where {{ period('datetime') }} and {{ filters() }} and (cid = :who or :who is null) {{ limit() }}"
    pairs = [
        ("days", "1"),
        ("days", "2"),
        ("country", "SE"),
        ("country", "!SE"),
        ("browser", "SE"),
        ("tz", "Asia/Tokyo"),
    ]
    pairs += [("who", "ann"), ("who", "bob"), ("limit", "1"), ("offset", "1"), ("compare", "previous")]
    with site.query(sql) as address, statements(site) as given:
        answers = await at_once(site, address, *({name: value} for name, value in pairs))
    assert {answer.status_code for answer in answers} == {200}
    assert len(given) == len(pairs) + 1  # of which the last is two


async def test_an_error_reaches_all_of_them(site: Site) -> None:
    broken = {
        "sqlite": SLOW["sqlite"].replace("min(n)", "abs(-9223372036854775807 - min(n))"),
        "mysql": "select sleep(0.2) as n, cast(id as unsigned) - 9999999999 as m from visits where id = 1",
        "postgresql": "select 1 / (n - n) as n from (select 1 as n from pg_sleep(0.2)) as slow",
    }[site.database.dialect]
    with site.query(broken) as address, statements(site) as given:
        answers = await at_once(site, address, *[{}] * MANY)
    assert len(given) == 1
    assert {(answer.status_code, answer.json()["error"]) for answer in answers} == {(500, "QueryFileError")}


async def test_nothing_is_kept_afterwards(site: Site) -> None:
    """Seen to fail where a landed flight stays."""
    with site.query("select 1 as n") as address, statements(site) as given:
        for _ in range(3):
            await site.guest.get(address)
    assert len(given) == 3


def in_use(site: Site) -> int:
    return int(site.database.reports.pool.checkedout())  # type: ignore[attr-defined]


async def test_who_leaves_does_not_take_the_others_answer_along(site: Site) -> None:
    """Seen to fail where the first who leaves stops the statement."""
    with site.query(SLOW[site.database.dialect]) as address, statements(site) as given:
        staying = [asyncio.ensure_future(site.status(address, {})) for _ in range(3)]
        await asyncio.gather(*(site.status(address, {}, leaves_after_s=0.05) for _ in range(3)))
        assert await asyncio.gather(*staying) == [200, 200, 200]
    assert len(given) == 1


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_the_last_one_who_leaves_stops_the_statement(site: Site, form: str) -> None:
    """Seen to fail where a flight goes on without anybody."""
    with site.query(ENDLESS) as address:
        async with asyncio.timeout(30):  # half of its limit
            leaving = [site.status(address, {"format": form}, leaves_after_s=0.2 + 0.1 * n) for n in range(3)]
            assert await asyncio.gather(*leaving) == [499, 499, 499]
        assert in_use(site) == 0


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_who_leaves_stops_the_rows_on_their_way(site: Site, form: str) -> None:
    """Seen to fail where a stream does not watch its client: the rows go on, to nobody."""
    with site.query(ROWS_WITHOUT_END) as address:
        async with asyncio.timeout(30):
            assert await site.status(address, {"format": form}, leaves_after_s=2) == 200
        assert in_use(site) == 0


async def test_long_answers_are_of_one_client_each(site: Site) -> None:
    """The rows that were looked at, too. Seen to fail where two take the same flow."""
    ones = "select 0 as d" + "".join(f" union all select {digit}" for digit in range(1, 10))
    tens = ", ".join(f"({ones}) {name}" for name in "abcd")
    twice = "(select 1 as e union all select 2) f"
    with site.query(f"select a.d * 1000 + b.d * 100 + c.d * 10 + d.d as n from {tens}, {twice}") as address:
        answers = await at_once(site, address, *[{"format": "csv"}] * 3)
    for answer in answers:
        assert sorted(map(int, answer.text.split()[1:])) == sorted([*range(10_000)] * 2)


# What a file lets be kept


@pytest.mark.parametrize("collection", ["public", "private"])
async def test_an_answer_is_given_again_for_as_long_as_its_file_says(site: Site, collection: str) -> None:
    """Seen to fail on a cache of no seconds."""
    with site.query("-- cache: 60\nselect 1 as n", collection) as address, statements(site) as given:
        for form in FORMATS * 2:
            response = await site.member.get(address, params={"format": form})
            assert response.status_code == 200
    assert len(given) == 1
    kept = {"public": "private, no-cache", "private": "private, no-store"}  # the last one is a page
    assert response.headers["Cache-Control"] == kept[collection]


async def test_a_browser_may_keep_it_for_what_is_left_of_that(site: Site) -> None:
    with site.query("-- cache: 60\nselect 2 as n") as address:
        response = await site.guest.get(address)
        assert response.headers["Cache-Control"] == "public, max-age=60"
        assert int(response.headers["Age"]) <= 1


async def test_a_file_that_changed_is_asked_again(site: Site) -> None:
    for number in (1, 2):
        with site.query(f"-- cache: 60\nselect {number} as n") as address:
            assert (await site.guest.get(address)).json()["data"] == [[number]]


VIEW = View.of(Period(date(2026, 3, 1), date(2026, 3, 2), ZoneInfo("UTC")), datetime(2026, 3, 1))  # noqa: DTZ001 - UTC
ASKED = Asked("public", "own", "select 1", VIEW, (), None, Limits(1, 10))
ANSWER = Answer(Result(["n"], [("x" * 1000,)], truncated=False))


def test_a_kept_answer_is_gone_when_its_time_is() -> None:
    now = 100.0
    kept = Kept(clock=lambda: now)
    kept.put(ASKED, ANSWER, 10)
    now = 109.9
    assert kept.get(ASKED) == (ANSWER, 9)
    now = 110.0
    assert kept.get(ASKED) is None


def test_kept_answers_take_no_more_room_than_they_may() -> None:
    """Of the newest there is room for two and a half. Seen to fail where nothing is dropped."""
    kept = Kept(room=2900)
    asked = [replace_name(str(number)) for number in range(5)]
    for each in asked:
        kept.put(each, ANSWER, 60)
    assert [kept.get(each) is not None for each in asked] == [False, False, False, True, True]
    kept.put(ASKED, Answer(Result(["n"], [("x" * 3000,)], truncated=False)), 60)
    assert kept.get(ASKED) is None


def test_answers_of_a_file_that_changed_are_dropped() -> None:
    """Seen to fail where their room is given back only with time."""
    kept = Kept()
    kept.put(ASKED, ANSWER, 60)
    kept.put(ASKED._replace(source="select 2"), ANSWER, 60)
    assert kept.get(ASKED) is None
    assert kept.get(ASKED._replace(source="select 2"))


def replace_name(name: str) -> Asked:
    return ASKED._replace(name=name)


async def test_the_moment_of_asking_makes_no_other_question() -> None:
    """Seen to fail where `now` is a part of it: then no two are alike."""
    later = replace(VIEW, now=datetime(2026, 3, 1, 1))  # noqa: DTZ001 - UTC
    questions = [question(view) for view in (VIEW, later)]
    assert Asked.of(questions[0], Limits(1, 10)) == Asked.of(questions[1], Limits(1, 10))


def question(view: View) -> Any:
    from crumby.reporting.header import Header
    from crumby.reporting.query import Query
    from crumby.reporting.questions import Question

    return Question(Query("public", "own", Path("own.sql"), "select 1", Header()), view, {"b": 1, "a": None})


async def test_who_comes_after_the_last_one_left_begins_anew() -> None:
    """The one that was left is stopped meanwhile, which takes a while. Seen to fail where it is joined."""
    flights = Flights()
    begun = 0

    async def start() -> int:
        nonlocal begun
        begun += 1
        number = begun
        try:
            await asyncio.sleep(0.2)
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)  # of the database, to stop
            raise
        return number

    first = asyncio.ensure_future(flights.share("key", start))
    await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.sleep(0.05)
    assert await flights.share("key", start) == 2
    with pytest.raises(asyncio.CancelledError):
        await first
