"""The same question, asked by many at once, is run once."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from crumby.reporting.flight import Flights
from tests.reporting.site import Site, open_site, statements

MANY = 20
SLOW = {  # half a second, or so; and never given again
    "sqlite": "-- cache: 0\nwith recursive c(n) as (select 1 union all select n + 1 from c where n < 2000000)\n"
    "select min(n) as n from c",
    "mysql": "-- cache: 0\nselect sleep(0.5) as n",
    "postgresql": "-- cache: 0\nselect 1 as n from pg_sleep(0.5)",
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
    with site.query("-- cache: 0\nselect 1 as n") as address, statements(site) as given:
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


RUNNING = {
    "mysql": "select count(*) from information_schema.processlist where info like '%calendar c%'"
    " and id <> connection_id()",
    "postgresql": "select count(*) from pg_stat_activity where state = 'active' and query like '%calendar c%'"
    " and pid <> pg_backend_pid()",
}


async def until_stopped(site: Site) -> None:
    """The server itself has ended what nobody waits for."""
    if site.database.dialect == "sqlite":
        return
    async with asyncio.timeout(10), site.database.engine.connect() as connection:
        while await connection.scalar(text(RUNNING[site.database.dialect])):  # noqa: ASYNC110 - it is the server's
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_the_last_one_who_leaves_stops_the_statement(site: Site, form: str) -> None:
    """Seen to fail where a flight goes on without anybody, and where MariaDB is not told: it goes on for a minute."""
    with site.query(ENDLESS) as address:
        async with asyncio.timeout(30):  # half of its limit
            leaving = [site.status(address, {"format": form}, leaves_after_s=0.2 + 0.1 * n) for n in range(3)]
            assert await asyncio.gather(*leaving) == [499, 499, 499]
        assert in_use(site) == 0
        await until_stopped(site)


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
