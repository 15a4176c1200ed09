"""A report reads, for a limited time, a limited number of rows. Here the limits are a second and a hundred rows."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import delete, event, func, inspect, select

from crumby.reporting.pace import SOME, Pace
from crumby.tables import events, metadata, visits
from crumby.traffic import Traffic
from tests.faults.ledger import new_hit
from tests.reporting.crumbs import VISITS
from tests.reporting.site import Site, open_site

LIMIT_S = 1.0
SLACK_S = 5.0  # of a busy machine, for the request itself

CROSS_JOIN = "select count(*) as n from calendar a, calendar b, calendar c where a.datetime > b.datetime"
COUNTING = "with recursive counting(n) as (select 1 union all select n + 1 from counting) "
ENDLESS = {
    "sqlite": [CROSS_JOIN, COUNTING + "select max(n) as n from counting"],
    "mysql": [CROSS_JOIN, "select sleep(60) as n"],
    "postgresql": [CROSS_JOIN, COUNTING + "select max(n) as n from counting", "select pg_sleep(60) as n"],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    limits = {"query_timeout": str(LIMIT_S), "query_row_limit": "100"}
    async with open_site(module_url, tmp_path_factory.mktemp("site"), **limits) as opened:
        yield opened


def in_use(site: Site) -> int:
    """How many connections the reports hold."""
    return int(site.database.reports.pool.checkedout())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "sql",
    [
        "insert into visits (cid) values ('mallory')",
        "update visits set cid = 'mallory'",
        "delete from visits",
        "create table mallory (id integer)",
        "create index mallory on visits (cid)",
        "drop table visits",
        "alter table visits add column mallory integer",
        "{% if true %}delete{% endif %} from events",
    ],
)
async def test_a_query_file_cannot_write(site: Site, sql: str) -> None:
    response = await site.answer(sql)
    assert response.status_code == 500
    assert response.json()["error"] == "QueryFileError"
    assert response.json()["detail"].startswith("queries/public/own.sql: ")
    async with site.database.engine.connect() as connection:
        found = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        assert set(metadata.tables) <= set(found)
        assert "mallory" not in found
        assert await connection.scalar(select(func.count()).select_from(visits)) == len(VISITS)
        assert await connection.scalar(select(func.count()).where(visits.c.cid == "mallory")) == 0


async def assert_stopped(site: Site, sql: str) -> None:
    start = time.monotonic()
    response = await site.answer(sql)
    assert time.monotonic() - start < 1.2 * LIMIT_S + SLACK_S
    assert response.status_code == 503, response.text
    detail = "queries/public/own.sql ran past 1 s and was stopped"
    assert response.json() == {"error": "QueryTimeout", "detail": detail}
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("number", range(3))
async def test_a_report_that_never_ends_is_stopped_and_the_connection_serves_the_next(site: Site, number: int) -> None:
    endless = ENDLESS[site.database.dialect]
    if number >= len(endless):
        return
    lost: list[object] = []
    event.listen(site.database.reports.sync_engine, "invalidate", lambda *connection: lost.append(connection))
    await assert_stopped(site, endless[number])
    assert (in_use(site), lost) == (0, [])
    assert (await site.answer("select 1 as one")).json()["data"] == [[1]]


async def test_endless_reports_do_not_hold_up_the_others(site: Site) -> None:
    with site.query(CROSS_JOIN) as address:
        endless = [asyncio.ensure_future(site.guest.get(address, params={"days": days})) for days in range(4)]
        await asyncio.sleep(0.1)
        assert (await site.guest.get("/api/public/platforms")).status_code == 200
        assert not any(each.done() for each in endless)
        assert {(await each).status_code for each in endless} == {503}
    assert in_use(site) == 0


async def test_reports_that_wait_for_others_are_answered_in_the_same_time(site: Site) -> None:
    """There are fewer connections than reports. Seen to fail where the waiting does not count into the limit."""
    with site.query(CROSS_JOIN) as address:
        start = time.monotonic()
        endless = [asyncio.ensure_future(site.guest.get(address, params={"days": days})) for days in range(20)]
        await asyncio.sleep(0.1)
        hit = new_hit()
        assert (await site.guest.post("/hit", json=hit)).status_code == 204
        assert not any(each.done() for each in endless)
        answers = [await each for each in endless]
        assert time.monotonic() - start < 1.2 * LIMIT_S + SLACK_S
    assert {answer.status_code for answer in answers} == {503}
    assert in_use(site) == 0
    async with site.database.engine.begin() as connection:
        for table in (visits, events):
            await connection.execute(delete(table).where(table.c.cid == hit["cid"]))


class Rush(Traffic):
    rate = 2 * SOME


RUSH = Rush()


def test_reports_without_hits_are_not_slowed() -> None:
    """Six at once took twice as long as one after the other. Seen to fail on a pace that always rests."""
    pace = Pace(lambda: 10, Traffic())
    busy(0.05)
    start = time.monotonic()
    assert not pace()
    assert time.monotonic() - start < 0.05


def test_a_report_alone_is_not_slowed() -> None:
    pace = Pace(lambda: 1, RUSH)
    busy(0.05)
    start = time.monotonic()
    assert not pace()
    assert time.monotonic() - start < 0.05


def test_reports_rest_the_longer_the_more_of_them_run() -> None:
    """Seen to fail on a pace that never rests."""
    rests = []
    for reports in (2, 5):
        pace = Pace(iter([reports]).__next__, RUSH)
        busy(0.02)
        start = time.monotonic()
        assert not pace()
        rests.append(time.monotonic() - start)
    assert rests[0] >= 0.04
    assert rests[1] >= 0.16


def test_a_report_that_rests_is_stopped_at_once() -> None:
    pace = Pace(lambda: 10, RUSH)
    pace.stop()
    busy(0.1)
    start = time.monotonic()
    assert pace()
    assert time.monotonic() - start < 0.2


def busy(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


async def test_an_endless_answer_is_cut_and_not_gathered(site: Site) -> None:
    start = time.monotonic()
    response = await site.answer("select a.datetime from calendar a, calendar b, calendar c")
    assert response.status_code == 200, response.text
    assert (len(response.json()["data"]), response.json()["truncated"]) == (100, True)
    assert time.monotonic() - start < LIMIT_S
    assert (await site.answer("select 1 as one")).status_code == 200


async def test_an_answer_past_the_limit_is_cut_and_says_so(site: Site) -> None:
    sql = "select datetime from calendar order by datetime limit 101"
    response = await site.answer(sql)
    assert len(response.json()["data"]) == 100
    assert response.json()["truncated"] is True
    for form in ("json", "records", "ndjson", "csv", "html"):
        assert (await site.answer(sql, format=form)).headers["X-Crumby-Truncated"] == "true"


async def test_an_answer_of_just_the_limit_is_whole(site: Site) -> None:
    response = await site.answer("select datetime from calendar order by datetime limit 100")
    assert len(response.json()["data"]) == 100
    assert "truncated" not in response.json()
    assert "X-Crumby-Truncated" not in response.headers


async def test_an_answer_without_rows_has_its_columns(site: Site) -> None:
    response = await site.answer("select cid, ip from visits where id < 0")
    assert (response.json()["columns"], response.json()["data"]) == (["cid", "ip"], [])


@pytest.mark.parametrize(
    "sql", ["select * from nowhere", "select nope from visits", "selec 1", "select count(distinct"]
)
async def test_sql_that_the_database_refuses_is_the_files_fault(site: Site, sql: str) -> None:
    response = await site.answer(sql)
    assert (response.status_code, response.json()["error"]) == (500, "QueryFileError")
    assert response.json()["detail"].startswith("queries/public/own.sql: ")
    assert "sqlalche.me" not in response.text
    assert (await site.answer("select 1 as one")).status_code == 200


async def test_a_fault_among_the_later_rows_is_the_files_as_well(site: Site) -> None:
    sql = {
        "sqlite": "select abs(case when n < 50 then n else -9223372036854775807 - 1 end) as n from counting",
        "mysql": "select cast(case when n < 50 then n else -1 end as unsigned) - n - 1 as n from counting",
        "postgresql": "select 1 / (50 - n) as n from counting",
    }[site.database.dialect]
    limited = COUNTING.replace("from counting", "from counting where n < 90")
    response = await site.answer(limited + sql)
    assert (response.status_code, response.json()["error"]) == (500, "QueryFileError")
