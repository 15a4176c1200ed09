"""How far a report reaches on ClickHouse: values stay values, it reads and no more, for so long and so many rows."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.dialects import registry
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from crumby.columnar import tables
from crumby.database import open_database
from crumby.errors import ConfigurationError, DatabaseUnavailable, QueryFileError
from crumby.reporting import columnar
from crumby.reporting.binding import Statement
from crumby.reporting.statement import single
from crumby.settings import shipped
from tests.clickhouse import ClickHouse
from tests.conftest import MakeSettings
from tests.reporting import test_hostile
from tests.reporting.copied import CopiedSite, open_copied
from tests.reporting.test_hostile import HOSTILE, test_a_value_is_compared_as_it_is  # noqa: F401 - is run once more
from tests.reporting.test_macros import (  # noqa: F401 - so are these
    test_a_bucket_is_what_the_request_asks_for,
    test_a_week_begins_on_monday,
    test_an_instant_is_written_in_the_zone,
    test_hours_and_weekdays_are_the_zones,
    test_nulls_are_below_every_value_on_each_database,
    test_seconds_are_an_instant_again,
    test_seconds_are_those_since_1970,
    test_the_host_of_an_address,
)
from tests.servers import READY_S

SITES = ("clickhouse",)
LIMIT_S = 2
MOST = 100
ENDLESS = "select count(*) as n from numbers(100000000000) where number * number % 7 = 3"
RUNNING = "select count(*) from system.processes where query like '%100000000000%' and query not like '%processes%'"
SOME = ["public/pages", "public/traffic", "private/goals", "private/campaigns", "private/event_values"]


@pytest.fixture(scope="module")
def module_url(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(
    module_url: str, clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CopiedSite]:
    limits = {"query_timeout": str(LIMIT_S), "query_row_limit": str(MOST)}
    async with open_copied(clickhouse, tmp_path_factory.mktemp("reach"), **limits) as opened:
        await opened.take(rolled=False)
        yield opened


@pytest.fixture
def over_the_wire(site: CopiedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """`statements` of those tests are the ones that ClickHouse itself is given."""
    monkeypatch.setattr(test_hostile, "statements", lambda _site: site.wire())


@pytest.mark.usefixtures("over_the_wire")
@pytest.mark.parametrize("report", SOME)
async def test_a_shipped_query_is_one_statement(site: CopiedSite, report: str) -> None:
    """Planted: values as literals, which is what the driver makes of its own binds."""
    path = shipped("queries") / f"{report}.sql"
    place = test_hostile.SHIPPED.index(path)
    payloads = test_hostile.PAYLOADS
    await test_hostile.assert_one_statement(
        site, path, lambda number: [payloads[(place * 101 + number * 7) % len(payloads)]] if number % 3 == 0 else []
    )


@pytest.mark.usefixtures("over_the_wire")
async def test_a_query_with_parameters_of_its_own_is_one_statement(site: CopiedSite) -> None:
    """Planted: a place for a value that is not `Nullable` as long as there is one."""
    with site.query(test_hostile.TYPED) as address:
        requests = [test_hostile.MARCH | {name: value} for name in test_hostile.OWN for value in HOSTILE[::4]]
        assert len(await test_hostile.texts_for(site, address, [test_hostile.MARCH, *requests])) == 1


@pytest.mark.parametrize(
    "hidden",
    [
        "select 1 as a, '\\'' as b from users",
        "select $$'$$ as a from users --'",
        "select $a$ ' $a$ as a, 1 from users where 1 = 1 --'",
        "select 1 as `a` # '\nfrom users # '",
        "select 1 from (select 1 // '\nfrom users // '\n)",
    ],
)
def test_a_table_of_secrets_is_seen_behind_what_looks_like_text(hidden: str) -> None:
    """Planted: strings without backslashes, `#` and `//` that begin no comment, `$$` that quotes nothing."""
    with pytest.raises(QueryFileError, match="the table users"):
        single(hidden, "clickhouse")


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("select * from url('http://127.0.0.1/', 'CSV')", "`url`"),
        ("select * from \"file\" ('/etc/passwd')", "`file`"),
        ("select file('/etc/passwd')", "`file`"),
        ("select * from s3Cluster('x')", "`s3cluster`"),
        ("select * from remoteSecure('a', b.c)", "`remotesecure`"),
        ("select * from merge('system', 'one')", "`merge`"),
        ("select 1 settings max_execution_time = 0", "`settings`"),
        ("select * from (select 1 settings max_threads=9)", "`settings`"),
        ("select 1 format TSV", "`format`"),
        ("select 1 format TSV settings x = 1", "`format`"),
        ("select 1 into outfile '/tmp/x'", "`into`"),
        ('select "u\\x72l"(1)', "could hide something"),
        ("select 1 /* a /* b */", "could hide something"),
        ("select a$b$ ' $b$", "could hide something"),
        ("select \u2018a\u2019", "could hide something"),
        ("select x'41\\' , 1 --'", "could hide something"),
    ],
)
def test_what_is_not_a_reports_is_refused_by_its_words(sql: str, word: str) -> None:
    with pytest.raises(QueryFileError) as refused:
        single(sql, "clickhouse")
    assert word in str(refused.value)


@pytest.mark.parametrize(
    "sql",
    [
        "select format, settings, file from t",
        "select URLHierarchy('x'), 'url(' as a -- file('x')",
        "select 1 as settings group by format order by settings",
        "select $$ settings a = 1 $$ as a, 5 as `merge`",
    ],
)
def test_a_word_that_only_looks_so_is_taken(sql: str) -> None:
    assert single(sql, "clickhouse") == sql


async def answered(site: CopiedSite, text: str, values: Any = None, types: Any = None) -> list[Any]:
    """Of a statement that nobody has looked over."""
    statement = Statement(text, "clickhouse", values or {}, types or {})
    async with (
        site.database.reports.connect() as connection,
        columnar.asked(connection, statement, LIMIT_S, MOST) as rows,
    ):
        return list(await rows.fetch(MOST))


@pytest.mark.parametrize(
    "sql",
    [
        "insert into copied_refusals (reason) values ('mallory')",
        "create table mallory (a Int8) engine = Memory",
        "drop table copied_visits",
        "set max_execution_time = 0",
        "select 1 settings max_execution_time = 0",
        "select * from url('http://127.0.0.1:1/', 'LineAsString')",
        "select * from file('/etc/passwd', 'LineAsString')",
        "with 1 as a insert into copied_refusals (reason) select 'mallory'",
    ],
)
async def test_the_connection_itself_only_reads(site: CopiedSite, sql: str) -> None:
    """Planted: settings without `readonly`."""
    with pytest.raises(QueryFileError):
        await answered(site, sql)
    assert site.copy.do("select count(*) from refusals where reason = 'mallory'") == "0\n"


async def test_values_of_each_type_come_and_go_as_they_are(site: CopiedSite) -> None:
    """Planted: a backslash that is not escaped, an instant without its microseconds, a null as the text `\\N`."""
    at, day = datetime(2026, 3, 29, 2, 5, 7, 123456), date(2026, 3, 29)  # noqa: DTZ001 - UTC throughout
    values = {"a": "it's \\ \0 \n\t🥐 {b:String} \\N", "b": True, "c": at, "d": day, "e": 1.5, "f": None, "g": -5}
    assert await answered(site, "select :a, :b, :c, :d, :e, :f, :g, '::a :b'", values) == [
        [values["a"], True, at, "2026-03-29", 1.5, None, -5, "::a :b"]
    ]
    assert await answered(site, "select :a as a, :a is null", {"a": None}, {"a": "text"}) == [[None, 1]]
    uuid = "61f0c404-5cb3-11e7-907b-a6006ad3dba0"
    kinds = f"toDecimal64(2.50, 2), nan, 1 / 0, toUUID('{uuid}'), [1, 2], toUInt64(-1), 7 / 2, substr('é', 1, 1)"
    assert await answered(site, f"select {kinds}") == [[2.5, None, None, uuid, [1, 2], 2**64 - 1, 3.5, "\ufffd"]]


async def test_nothing_is_null_and_names_are_columns_as_elsewhere(site: CopiedSite) -> None:
    """Planted: each of these settings left out."""
    [row] = await answered(
        site, "select sum(id) as s, count(*) as n, max(datetime) as m, sum(id) + 1 as id from visits where 1 = 0"
    )
    assert row == [None, 0, None, None]
    joined = "select b.a from (select 1 as a) x left join (select 2 as a) b on b.a = x.a"
    assert await answered(site, joined) == [[None]]
    assert await answered(site, "select 1 as a union select 1") == [[1]]
    assert await answered(site, "select cast(null as integer), timezone()") == [[None, "UTC"]]


async def test_a_report_that_never_ends_is_stopped(site: CopiedSite) -> None:
    """Planted: no `max_execution_time`; a code that is not known."""
    with pytest.raises(TimeoutError, match="Timeout exceeded"):
        await answered(site, ENDLESS)
    answer = await site.answer(ENDLESS)
    assert answer.status_code == 503
    assert answer.json() == {
        "error": "QueryTimeout",
        "detail": "queries/public/own.sql ran past 2 s and was stopped",
    }
    await until_none_runs(site)


async def until_none_runs(site: CopiedSite) -> None:
    async with asyncio.timeout(READY_S):
        while site.copy.do(RUNNING) != "0\n":  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.05)


async def test_who_leaves_ends_the_query(site: CopiedSite) -> None:
    """Planted: `cancel_http_readonly_queries_on_client_close = 0`; it ran on to its limit, of 1,000 s here."""
    statement = Statement(ENDLESS, "clickhouse", {}, {})

    async def ask() -> None:
        async with (
            site.database.reports.connect() as connection,
            columnar.asked(connection, statement, 1000, MOST),
        ):
            pass

    asking = asyncio.ensure_future(ask())
    async with asyncio.timeout(READY_S):
        while site.copy.do(RUNNING) != "1\n":  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.05)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    await until_none_runs(site)


async def test_an_answer_past_the_limit_is_cut_and_says_so(site: CopiedSite) -> None:
    """Planted: a row more than the limit."""
    for rows, cut in ((MOST, None), (MOST + 1, True), (10**10, True)):
        body = (await site.answer(f"select number as n from numbers({rows})")).json()
        assert (len(body["data"]), body.get("truncated")) == (MOST, cut)


async def test_an_answer_without_rows_has_its_columns(site: CopiedSite) -> None:
    body = (await site.answer("select cid as who, count(*) as n from visits where cid = 'x' group by cid")).json()
    assert (body["columns"], body["data"]) == (["who", "n"], [])


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select nope from visits", "Unknown expression identifier `nope`"),
        ("select a from nope", "Unknown table expression identifier 'nope'"),
        ("select nofunc(1)", "Function with name `nofunc` does not exist"),
        ("select throwIf(number = 3, 'late') from numbers(10)", "late"),
        ("select 'a' + 1", "Illegal types String and UInt8 of arguments of function plus"),
        ("select * from visits where", "Syntax error: failed at position 27 (end of query)"),
    ],
)
async def test_what_clickhouse_does_not_take_is_the_files_fault(site: CopiedSite, sql: str, said: str) -> None:
    """Planted: all that it says, with its version and the statement."""
    answer = await site.answer(sql)
    assert answer.status_code == 500
    detail = answer.json()["detail"]
    assert detail.startswith(f"queries/public/own.sql: {said}")
    assert not any(told in detail for told in ("version", "In scope", "DB::Exception", "127.0.0.1"))


async def test_without_clickhouse_there_are_no_reports(site: CopiedSite) -> None:
    """Planted: an error of the driver's that nobody knows."""
    server = site.copy.clickhouse
    server.kill()
    try:
        for _ in ("by a connection that was there", "by another"):
            answer = await site.answer("select 1 as a")
            assert answer.status_code == 503
            assert answer.json()["detail"].startswith("the reports' ClickHouse can't be")
            await site.database.reports.dispose()
        assert (await site.guest.get("/readyz")).status_code == 200
    finally:
        server.start()
    assert (await site.answer("select 1 as a")).json()["data"] == [[1]]


async def test_while_it_is_filled_there_are_no_reports(site: CopiedSite) -> None:
    """Planted: an error of the file's."""
    site.copy.do("drop view visits")
    try:
        answer = await site.answer("select count(*) as a from visits")
        assert answer.status_code == 503
        assert "does not have all visits yet; `crumby rollup`" in answer.json()["detail"]
    finally:
        site.copy.do(tables.view("visits"))
    assert (await site.answer("select count(*) as a from visits")).status_code == 200


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ("reader:cookie", None),
        ("strict:cookie", "its account has readonly = 1"),
        ("crumby:wrong", "Authentication failed"),
    ],
)
async def test_an_account_may_read_only_as_long_as_it_takes_limits(
    clickhouse: ClickHouse, settings: MakeSettings, account: str, said: str | None
) -> None:
    uri = clickhouse.url.format(port=clickhouse.port, name="default").replace("crumby:cookie", account)
    async with open_database(settings(reports_database_uri=uri)) as database:
        assert (database.dialect, database.asking) == ("sqlite", "clickhouse")
        kinds = (DatabaseUnavailable, DBAPIError)
        refused = pytest.raises(kinds, check=lambda error: str(said) in columnar.told(error))
        with refused if said else contextlib.nullcontext():
            async with (
                database.reports.connect() as connection,
                columnar.asked(connection, Statement("select 1", "clickhouse", {}, {}), 5, 5) as rows,
            ):
                assert await rows.fetch(5) == [[1]]


@pytest.mark.parametrize("main", ["sqlite:///a.db", "mysql://a/b", "postgresql://a/b"])
@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("clickhouse://a:b@c/d", "clickhousedb+async://a:***@c/d"),
        ("clickhouses://c:8443/d", "clickhousedb+async://c:8443/d?secure=true"),
    ],
)
async def test_clickhouse_follows_any_of_the_three(settings: MakeSettings, main: str, uri: str, shown: str) -> None:
    async with open_database(settings(sqlalchemy_database_uri=main, reports_database_uri=uri)) as database:
        assert database.replica
        assert database.replica.url.render_as_string() == shown
        assert database.asking == "clickhouse"
        assert database.reading.dialect.name == database.dialect != "clickhouse"


async def test_without_the_package_its_name_is_told(settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    load = registry.load

    def without(name: str) -> Any:
        if name.startswith("clickhouse"):
            raise NoSuchModuleError(name)
        return load(name)

    monkeypatch.setattr(registry, "load", without)
    with pytest.raises(ConfigurationError, match=r"pip install 'crumby\[clickhouse\]'"):
        async with open_database(settings(reports_database_uri="clickhouse://a/b")):
            pass
