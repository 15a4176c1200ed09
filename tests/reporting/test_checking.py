"""The checking of query files: no query is run, and each fault is found and named by its line, on each database."""

import asyncio
import logging
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from crumby.app import create_app
from crumby.database import open_database
from crumby.errors import DatabaseUnavailable
from crumby.reporting.checking import Fault, faults, warn
from crumby.reporting.query import QueryFolders
from crumby.settings import shipped
from tests import servers
from tests.conftest import MakeSettings
from tests.reporting.site import Site, until_checked
from tests.servers import alive

UTC = ZoneInfo("UTC")
DECLARED = """\
-- Counted
-- The chart counts.
--
-- chart: bars of n, q by p
-- column n: integer, a number
-- column m: integer, another
select count(*) as n, 1 as z from visits
"""


async def found(site: Site, sql: str) -> list[Fault]:
    """What is wrong with a query file of that text."""
    site.write("checked", sql)
    queries = [query for query in QueryFolders(site.folder).all() if query.name == "checked"]
    return [fault async for fault in faults(site.database, queries, UTC)]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log has of the checking."""
    return [record.getMessage() for record in caplog.records if record.name == "crumby.reporting.checking"]


async def test_the_shipped_queries_are_sound(site: Site) -> None:
    queries = QueryFolders(shipped("queries")).all()
    assert len(queries) >= 7
    assert [fault async for fault in faults(site.database, queries, UTC)] == []


@pytest.mark.parametrize(
    ("sql", "line", "said"),
    [
        ("-- A\n-- paramter rows: integer\nselect 1", 2, "did you mean 'parameter'"),
        ("-- A\n-- chart: pie\nselect 1", 2, "a chart is one of table"),
        ("-- A\n-- order: last\nselect 'last'", 2, "order is a whole number"),
        ("-- A\n-- Of each doc_titel.\nselect\n doc_titel\nfrom visits", 4, "did you mean doc_title?"),
        ("-- A\n\nselect 1\n{% if %}", 4, "Expected an expression"),
        ("-- A\nselect 1\n where {{ perod('x') }} = 'x'", 3, "'perod' is undefined"),
        ("-- A\nselect 1\nwhere\n {{ period() }}", 4, "missing 1 required positional argument"),
        ("-- parameter who: text = ada\nselect 1\nwhere cid = {{ who }}", 3, "bind it instead"),
        ("select 1\nwhere 1 = :nope", 2, "declare `parameter nope: text`"),
        ("select 1; select 2", None, "one statement"),
        ("select\n cid\nfrom visits\nwhere 1 = 1 form doc_uri", 4, "form|syntax"),
        ("select\n doc_titel\nfrom visits", 2, "did you mean doc_title?"),
        ("select v.lnag, 1\nfrom visits v", 1, "did you mean lang?"),
        ("select 1\nfrom vists", 2, "did you mean visits?"),
        ("select 1\nfrom elsewhere", 2, "no table of Crumby's has such a name"),
        ("select 1 as a\nfrom visits\norder by nope", 3, "nope"),
        ("select no_such_function(1)\nfrom visits", 1, "(?i)no_such_function"),
        ("update visits set cid = ''", None, "with `select`"),
        ("select 1 as a,\n 2 as a", None, "(?i)duplicate column name 'a'|2 columns of the answer are named 'a'"),
    ],
)
async def test_a_fault_is_named_with_its_line_and_the_remedy(site: Site, sql: str, line: int | None, said: str) -> None:
    """Fails where the order by is not looked at (no `explain`: MariaDB drops it from a subquery)."""
    (fault,) = await found(site, sql)
    assert (fault.query, fault.file) == ("public/checked", str(site.folder / "public" / "checked.sql"))
    assert re.search(said, fault.said), fault.said
    assert line is None or fault.line == line, fault
    assert not re.search(r"<class|\(\d+, ", fault.said)


async def test_columns_that_the_header_has_and_the_answer_has_not_are_faults_and_the_reverse(site: Site) -> None:
    said = {fault.said: fault.line for fault in await found(site, DECLARED)}
    assert said == {
        "`column m:` declares a column which the answer has not; it has n, z": 6,
        "the header declares no column 'z'; add `column z: TYPE, what it means`": 7,
        "`chart:` names a column 'p', which the answer has not; it has n, z": 4,
        "`chart:` names a column 'q', which the answer has not; it has n, z": 4,
    }


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 as a, 2 as b",  # a header may declare no columns
        "-- column a: text, x\nwith x as (select cid as a from visits) select a from x order by a limit 3 -- the end",
        "-- parameter rows: integer = 3\nselect cid, '{x}' as b, 'a:b' as c from visits limit :rows;",
        "-- parameter since: date\nselect 1 as n from visits where datetime >= :since and {{ period('datetime') }}",
        "select cid from visits union select cid from events order by 1",
    ],
)
async def test_what_can_be_answered_is_sound(site: Site, sql: str) -> None:
    assert await found(site, sql) == []
    assert (await site.guest.get("/api/public/checked")).status_code == 200


ENDLESS = {
    "sqlite": "(with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) as x from n)",
    "mysql": "(select max(sleep(60)) as x from calendar)",
    "postgresql": "(select max(pg_sleep(60)::text) as x from calendar)",
}


@pytest.mark.parametrize(
    "sql",
    [
        "select x from {} s",
        "select c.datetime, s.x from calendar c left join {} s on s.x is not null",
        "with s as {} select a.x as one, b.x as two from s a join s b on a.x = b.x",
        "select {} as x",
        "select {} as x union select 'b' as x union select cid from visits",
    ],
)
async def test_nothing_is_run(site: Site, sql: str, caplog: pytest.LogCaptureFixture) -> None:
    """Fails without the inner limit of `COLUMNS`: SQLite makes the joined tables before it sees the outer one."""
    caplog.set_level(logging.DEBUG, "crumby.reporting.checking")
    assert await found(site, sql.format(ENDLESS[site.database.dialect])) == []
    assert told(caplog) == []  # that it was stopped


async def test_a_database_that_is_away_does_not_hide_what_takes_none(tmp_path: Path, settings: MakeSettings) -> None:
    folder = tmp_path / "queries" / "public"
    folder.mkdir(parents=True)
    (folder / "a.sql").write_text("select 1")
    (folder / "b.sql").write_text("select :nope")
    uri = f"postgresql://crumby@127.0.0.1:{servers.free_port()}/crumby"
    async with open_database(settings(sqlalchemy_database_uri=uri)) as database:
        telling = faults(database, QueryFolders(folder.parent).all(), UTC)
        assert (await anext(telling)).query == "public/b"
        with pytest.raises(DatabaseUnavailable):
            await anext(telling)


# The start


async def test_a_start_logs_each_fault_once_and_goes_on(
    database_url: str, settings: MakeSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails without the task."""
    folder = tmp_path / "queries" / "private"
    folder.mkdir(parents=True)
    (folder / "bad.sql").write_text("select\n nope\nfrom visits")
    (folder / "worse.sql").write_text("-- A\n-- order: last\nselect 1")
    (folder / "good.sql").write_text("select cid from visits")
    caplog.set_level(logging.INFO, "crumby")
    app = create_app(settings(sqlalchemy_database_uri=database_url, queries=str(folder.parent)))
    async with alive(app) as running:
        await until_checked()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(running.app), base_url="http://crumby.test") as http:
            assert (await http.get("/api/public/visits")).status_code == 200
    worse, bad = told(caplog)
    assert worse.startswith(f"{folder / 'worse.sql'}, line 2: order is a whole number")
    assert bad.startswith(f"{folder / 'bad.sql'}, line 2: ")


async def test_files_are_looked_at_once_the_database_has_its_tables(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails without the wait: a database that comes back empty would make each file a faulty one."""
    site.write("checked", "select nope from visits")
    prepared = asyncio.Event()
    checking = asyncio.create_task(warn(site.database, QueryFolders(site.folder), UTC, prepared))
    await asyncio.sleep(0.3)
    assert told(caplog) == []
    prepared.set()
    await checking
    assert len(told(caplog)) == 1


async def test_a_start_without_its_database_says_nothing_of_the_files_and_its_stop_waits_for_none(
    settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "crumby")
    uri = f"postgresql://crumby@127.0.0.1:{servers.free_port()}/crumby"
    async with alive(create_app(settings(sqlalchemy_database_uri=uri))):
        await asyncio.sleep(0.2)
    assert told(caplog) == []


@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.02, 0.05])
async def test_a_stop_in_the_middle_of_the_check_is_clean(
    after_s: float, database_url: str, settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async with alive(create_app(settings(sqlalchemy_database_uri=database_url))):
        await asyncio.sleep(after_s)
    assert told(caplog) == []


async def test_what_goes_wrong_with_the_check_itself_spoils_nothing(
    settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where the task may end in an error: the stop awaits it."""

    async def fail(*_arguments: object) -> list[str]:
        raise RuntimeError

    monkeypatch.setattr("crumby.reporting.checking._said", fail)
    async with alive(create_app(settings())):
        await until_checked()
