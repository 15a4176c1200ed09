"""What a query file cannot do, whatever it says: by its words, and where they were believed by the database itself.

`Unread` is a file whose words nobody looked at, so that each wall is tried without the one before it.
"""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from crumby.errors import QueryFileError
from crumby.reporting.binding import Statement
from crumby.reporting.header import Header
from crumby.reporting.period import Period
from crumby.reporting.query import Query
from crumby.reporting.reach import Reach
from crumby.reporting.run import Limits, Result, run
from crumby.reporting.view import View
from crumby.tables import users, visits
from tests.reporting.crumbs import VISITS
from tests.reporting.site import Site, open_site

MARCH = View.of(Period(date(2026, 3, 1), date(2026, 3, 31), ZoneInfo("UTC")))
LIMITS = Limits(5.0, 100)


class Unread(Query):
    def render(self, dialect: str, _view: View, _arguments: Mapping[str, Any]) -> Statement:
        return Statement(self.source, dialect, {}, {})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One connection serves all reports, and so inherits what one leaves behind."""
    async with open_site(module_url, tmp_path_factory.mktemp("site"), query_timeout="5") as opened:
        await opened.database.reports.dispose()
        opened.database.reports.pool._max_overflow = 0  # type: ignore[attr-defined]
        opened.database.reports.pool._pool.maxsize = 1  # type: ignore[attr-defined]
        yield opened


async def unread(site: Site, sql: str) -> Result:
    return await run(site.database, Unread("public", "own", Path("own.sql"), sql, Header()), MARCH, {}, LIMITS)


async def refused(site: Site, sql: str) -> str:
    """Why a client gets no answer to a query file of that text."""
    response = await site.answer(sql)
    assert (response.status_code, response.json()["error"]) == (500, "QueryFileError"), sql
    detail: str = response.json()["detail"]
    assert detail.startswith("queries/public/own.sql: ")
    return detail.removeprefix("queries/public/own.sql: ")


async def assert_whole(site: Site) -> None:
    async with site.database.engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(visits)) == len(VISITS)


SWITCHES = {
    "sqlite": ["pragma query_only = off", "pragma case_sensitive_like = on", "pragma temp_store = memory", "begin"],
    "mysql": [
        "set session transaction read write",
        "set session max_statement_time = 0",
        "set time_zone = '+05:45'",
        "set sql_mode = 'ansi_quotes'",
        "set autocommit = 1",
        "start transaction read write",
    ],
    "postgresql": [
        "set session characteristics as transaction read write",
        "set transaction read write",
        "set statement_timeout = 0",
        "set search_path = nowhere",
        "select set_config('transaction_read_only', 'off', true)",
        "select set_config('default_transaction_read_only', 'off', false), set_config('statement_timeout', '0', false)",
        "select set_config('search_path', 'nowhere', false), set_config('timezone', 'Asia/Kathmandu', false)",
        "select pg_advisory_lock(7)",
    ],
}
SESSION = {
    "sqlite": "select 'a' like 'A' as folds",
    "mysql": "select @n, @@tx_read_only, @@max_statement_time, @@time_zone, @@sql_mode, @@autocommit",
    "postgresql": "select current_setting('default_transaction_read_only'), current_setting('transaction_read_only'),"
    " current_setting('statement_timeout'), current_setting('search_path'), current_setting('timezone'),"
    " (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())",
}


async def test_a_query_file_switches_nothing(site: Site) -> None:
    """Seen to fail where any beginning is taken, and where `set_config` is."""
    for sql in SWITCHES[site.database.dialect]:
        said = await refused(site, sql)
        assert said.startswith("it begins with `") or "does more than ask" in said


async def test_nothing_of_a_session_survives_into_the_next_report(site: Site) -> None:
    """Seen to fail without `tidy`, and without SQLite's questions."""
    before = await unread(site, SESSION[site.database.dialect])
    for sql in [*SWITCHES[site.database.dialect], "select @n := 7"]:
        with contextlib.suppress(QueryFileError):
            await unread(site, sql)
        assert await unread(site, SESSION[site.database.dialect]) == before, sql
        with pytest.raises(QueryFileError):
            await unread(site, "delete from visits")
    await assert_whole(site)


async def test_postgresqls_connection_is_tidied_and_kept(site: Site) -> None:
    if site.database.dialect != "postgresql":
        return
    ids = {tuple((await unread(site, "select pg_backend_pid(), pg_advisory_lock(7)::text")).rows[0]) for _ in range(3)}
    assert len(ids) == 1


LEFT_BEHIND = {
    "mysql": "set session transaction read write",
    "postgresql": "set session characteristics as transaction read write",
}


async def test_a_report_reads_only_even_in_a_session_that_was_told_to_write(site: Site) -> None:
    """Seen to fail without the transaction's own READ ONLY."""
    if site.database.dialect not in LEFT_BEHIND:
        return
    async with site.database.reports.connect() as connection:
        await connection.execute(text(LEFT_BEHIND[site.database.dialect]))
        await connection.commit()
        with pytest.raises(DBAPIError, match=r"(?i)read.only"):
            await connection.execute(text("delete from visits"))
        await connection.invalidate()
    await assert_whole(site)


async def test_a_sequence_is_not_even_advanced(site: Site) -> None:
    if site.database.dialect == "postgresql":
        assert "read-only" in await refused(site, "select nextval('visits_id_seq')")


@pytest.mark.parametrize(
    "sql",
    [
        "with gone as (select 1) delete from visits",
        "with gone as (delete from visits returning id) select * from gone",
        "with gone as (select 1) update visits set cid = 'mallory'",
        "with gone as (select 1) insert into visits (cid) select 'mallory'",
        "select * into mallory from visits",
    ],
)
async def test_what_begins_as_a_question_does_not_write_either(site: Site, sql: str) -> None:
    await refused(site, sql)
    with pytest.raises(QueryFileError):
        await unread(site, sql)
    await assert_whole(site)


# Files


async def test_sqlite_opens_no_other_file_and_makes_none(site: Site, tmp_path: Path) -> None:
    """Seen to fail without SQLite's questions: `attach` made the file."""
    if site.database.dialect != "sqlite":
        return
    for sql in (f"attach '{tmp_path}/other.db' as other", f"vacuum into '{tmp_path}/other.db'"):
        assert "with `select`" in await refused(site, sql)
        with pytest.raises(QueryFileError, match="does more than ask"):
            await unread(site, sql)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sql", ["select load_extension('x')", "select fts3_tokenizer('simple')"])
async def test_sqlite_calls_no_function_that_leads_out_of_it(site: Site, sql: str) -> None:
    if site.database.dialect == "sqlite":
        assert "not a report's to call" in await refused(site, sql)


async def test_mysql_writes_and_reads_no_file(site: Site, tmp_path: Path) -> None:
    if site.database.dialect != "mysql":
        return
    tmp_path.chmod(0o777)
    for sql in (
        f"select cid from visits into outfile '{tmp_path}/out'",
        f"select 1 /*! into outfile '{tmp_path}/out' */",
        f"select 5 --1 into outfile '{tmp_path}/out'\n+ 0",
        "select load_file('/etc/hostname')",
    ):
        await refused(site, sql)
    assert list(tmp_path.iterdir()) == []


async def test_mysql_runs_no_second_statement_behind_two_dashes(site: Site) -> None:
    """`--1` is no comment there. Seen to fail where two dashes alone begin one: the rows were gone."""
    sql = "select 1 --1; set session transaction read write; commit; delete from visits"
    if site.database.dialect == "mysql":
        assert "behind a semicolon" in await refused(site, sql)
        await assert_whole(site)


async def test_a_report_locks_no_rows_that_hits_wait_for(site: Site) -> None:
    for sql in ("select id from visits for update", "select id from visits lock in share mode"):
        assert "does more than ask" in await refused(site, sql)


# Passwords


@pytest.mark.parametrize(
    "sql",
    [
        "select password from users",
        "select count(*) from users",
        "select u.password from visits v, Users u",
        "select 1 from visits left join USERS on 1 = 1",
        "select (select max(password) from users) as p",
        "select 1 from (visits cross join users)",
        "with p as (select password from users) select * from p",
        "select 1 union all select id from users",
        "select 1 from visits where cid in (select password from /* */ users)",
        "select token, password from shares",
        "select hash from tokens",
    ],
)
async def test_a_report_does_not_read_passwords(site: Site, sql: str) -> None:
    """Seen to fail where SQLite may read `users`, and where the servers' files are not looked through for it."""
    table = next(name for name in ("shares", "tokens", "users") if name in sql.lower())
    for collection in ("public", "private"):
        with site.query(sql, collection) as address:
            detail = (await site.member.get(address)).json()["detail"]
        assert detail.startswith(f"queries/{collection}/own.sql: the table {table} is not a report's to read")


async def test_a_quoted_or_qualified_name_is_seen_through(site: Site) -> None:
    names = {
        "sqlite": ['"users"', "main.users", "[users]", "`Users`", "'users'"],
        "mysql": [
            "`users`",
            f"{site.database.engine.url.database}.users",
            f"`{site.database.engine.url.database}` . `users`",
        ],
        "postgresql": ['"users"', "public.users", '"public"."users"', "only users", 'U&"\\0075sers"'],
    }[site.database.dialect]
    for name in names:
        said = await refused(site, f"select * from {name}")
        assert "not a report's to read" in said or "could hide" in said


async def test_sqlite_tells_no_password_however_it_is_asked(site: Site) -> None:
    if site.database.dialect == "sqlite":
        for sql in ("select password from users", "explain select count(*) from users", "select * from sqlite_dbpage"):
            with pytest.raises(QueryFileError, match=r"own\.sql: "):
                await unread(site, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 as users order by users",
        "select count(*) as users, count(id) as views from visits group by cid order by users, views",
        "select v.users from (select 1 as users) v where v.users in (select 1 as users)",
        "select 'from users' as a -- from users",
        "select users from (select 1 as users) as users",
        "values (1)",
        "with a as (select 1 as n) select n from a",
    ],
)
async def test_a_question_that_only_looks_so_is_answered(site: Site, sql: str) -> None:
    response = await site.answer(sql)
    assert response.status_code == 200, response.text


async def test_parentheses_may_come_first(site: Site) -> None:
    if site.database.dialect != "sqlite":  # which knows none there
        assert (await site.answer("((select 1 as n)) union (select 2)")).json()["data"] == [[1], [2]]


async def test_sqlites_own_tables_of_values_are_there(site: Site) -> None:
    if site.database.dialect == "sqlite":
        assert (await unread(site, "select value from json_each('[1, 2]')")).rows == [(1,), (2,)]
        assert (await unread(site, "select count(*) from sqlite_master")).rows
        assert (await unread(site, "explain query plan select cid from visits")).rows


# What SQLite would take the whole process for


async def test_a_pattern_holds_the_process_up_no_longer_than_its_text(site: Site) -> None:
    """Seen to fail with SQLAlchemy's own `regexp`, which never came back."""
    if site.database.dialect == "sqlite":
        patient = "select ? regexp '(a+)+$' as n".replace("?", f"'{'a' * 5_000}!'")
        assert (await unread(site, patient)).rows == [(0,)]
        found = "select cid regexp '^[a-z]+' from visits where cid is not null limit 1"
        assert (await unread(site, found)).rows == [(1,)]
        assert (await unread(site, "select null regexp 'a'")).rows == [(None,)]
        await refused(site, "select 'a' regexp '('")


async def test_a_text_has_a_length_that_the_machine_can_bear(site: Site) -> None:
    """Seen to fail without the limit: 900 MB."""
    if site.database.dialect == "sqlite":
        assert "too big" in await refused(site, "select hex(zeroblob(4000000)) as text")
        assert (await unread(site, "select length(hex(zeroblob(2000000)))")).rows == [(4_000_000,)]


async def test_crumby_itself_may_ask_sqlite_what_a_report_may_not(site: Site) -> None:
    """As `doctor` does, on the same connections. Seen to fail where a report's limits stay."""
    await unread(site, "select 1")
    async with site.database.reports.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(users)) == 1


async def test_what_crumby_itself_has_asked_is_no_reports_for_that(site: Site) -> None:
    """SQLite asks once, when a text is prepared. Seen to fail where what was prepared between two reports stays."""
    if site.database.dialect == "sqlite":
        sql = "select count(*) from users"
        await unread(site, "select 1")
        async with site.database.reports.connect() as connection:
            assert await connection.scalar(text(sql)) == 1
        with pytest.raises(QueryFileError, match="the table users is not a report's to read"):
            await unread(site, sql)


async def test_a_report_is_prepared_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ranking is in 2 ms, as long as it runs. Seen to fail where each report brings its own that SQLite asks."""
    if site.database.dialect != "sqlite":
        return
    asked: list[int] = []
    answer = Reach.__call__

    def counted(reach: Reach, action: int, *what: Any) -> int:
        asked.append(action)
        return answer(reach, action, *what)

    monkeypatch.setattr(Reach, "__call__", counted)
    for _ in range(3):
        await unread(site, "select count(*) as n from visits where cid = 'nobody'")
    assert asked.count(sqlite3.SQLITE_SELECT) == 1
