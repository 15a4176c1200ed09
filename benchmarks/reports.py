"""How long reports take, and how that grows: `python -m benchmarks.reports --visits 0.1,1`.

A real `crumby run` over files that `fill.py` made. Every report of the dashboard is asked for a day, 30 days, 92 days
and 12 months, with and without a filter:

    cold    the first time after the start, when none of the file is in memory
    warm    the median of the same once more, each time computed anew
    six     the same as a browser does it, six at a time: until the last of them is there
    page    the same of those alone that stand open when the page is opened
    earlier the median of other periods of that length, which end in the midst of a month
    again   the same question once more, as a page that is looked at twice asks it

and then all of them by several viewers at once, and while hits come in. Beside it the same machine's yardsticks.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import uvloop
from sqlalchemy import func, select, text

from benchmarks import asking, machine, traffic
from benchmarks.asking import Connection, Report
from benchmarks.boards import OK, Beside, Board, Crowd, Outcome, Panel, Size, table
from benchmarks.databases import DATABASES, database_server
from benchmarks.fill import MILLION, Filling, bar, fill, kept, today
from benchmarks.ingest import environ
from benchmarks.load import Load, hit_ids
from benchmarks.machine import Running, Server
from crumby import background, tables
from crumby.database import open_database, rollups_path
from crumby.reporting.period import a_year_before
from crumby.settings import Settings

FILTERS: Final = ("country=SE", "browser=firefox", "page=/docs/article-1")
PERIODS: Final = {"1 day": 1, "30 days": 30, "92 days": 92, "12 months": None}
PRESET: Final = "last_12_months"
VIEWERS: Final = (1, 10, 50)
PATIENCE_S: Final = 30.0  # a dashboard that took longer is not asked more than once more
TAKES_NO_FILTER: Final = 422
CONNECTIONS: Final = 64  # of the load beside the reports
LARGEST_COPIED: Final = 10 * MILLION  # visits of a file that is copied so that hits can be added
YARD: Final = """
with recursive n (n) as (select 1 union all select n + 1 from n where n < 1000000)
select count(*), count(distinct n * 7919 % 1000003) from n
"""
BRUTE: Final = """
select country, count(distinct cid), count(*) from visits where datetime >= ? and datetime < ? group by country
"""


OLDEST: Final = """
select min(datetime) from visits where id = (select min(visits) + 1 from rollups.rollup_state where complete = 1)
"""


@dataclass(frozen=True, slots=True)
class Options:
    sizes: tuple[int, ...]
    folder: Path
    on: str
    database_url: str | None
    rounds: int
    filters: tuple[str, ...]
    periods: tuple[str, ...]
    viewers: tuple[int, ...]
    seconds: float  # of a turn of the load; 0 for none
    geo: Path | None
    rebuild: bool
    server_cores: set[int]
    load_core: int
    json: bool


@dataclass(slots=True)
class Site:
    """A database of so many visits, and the server before it."""

    options: Options
    url: str
    visits: int
    scratch: Path
    last_day: date = field(init=False)

    def __post_init__(self) -> None:
        asyncio.run(asking.add_user(self.url))
        self.last_day = asyncio.run(newest(self.url)).date()

    @property
    def folder(self) -> Path | None:
        """Of an SQLite file, which has nothing else beside it."""
        return Path(self.url.removeprefix("sqlite:///")).parent if self.url.startswith("sqlite") else None

    def environ(self) -> dict[str, str]:
        return environ() | {
            "CRUMBY_SQLALCHEMY_DATABASE_URI": self.url,
            "CRUMBY_GEOIP2_DATABASE_NAME": str(self.options.geo or self.scratch / "none.mmdb"),
            "CRUMBY_SECRET_KEY": "of no consequence: this server lives a minute",
            "CRUMBY_SPOOL": str(self.scratch / "spool.db"),
            "CRUMBY_PROXY_COUNT": "1",
            "CRUMBY_QUERY_TIMEOUT": "600",  # what is slow is to be measured, not stopped
        }

    def served(self) -> Running:
        port = machine.free_port()
        command = [sys.executable, "-m", "crumby", "run", "--port", str(port)]
        return machine.pinned(command, port=port, cores=self.options.server_cores, environ=self.environ())

    def forget(self) -> None:
        """Let the system drop the file from its memory."""
        for path in self.folder.glob("*.db*") if self.folder else ():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def rolled_up(self) -> float | None:
        """Seconds that all rollups take to be made; None where they were there, or there are none to be made."""
        command = [sys.executable, "-m", "crumby", "rollup"]
        if subprocess.run([*command, "--help"], env=self.environ(), capture_output=True, check=False).returncode:
            return None
        there = bool(self.folder and list(self.folder.glob("*-rollups.db"))) and not self.options.rebuild
        begun = time.perf_counter()
        rebuilding = [*command, *["--rebuild"] * self.options.rebuild]
        subprocess.run(rebuilding, env=self.environ(), check=True, stdout=subprocess.DEVNULL)
        return None if there else time.perf_counter() - begun

    def bytes_a_visit(self) -> float:
        if self.folder:
            return sum(path.stat().st_size for path in self.folder.glob("*.db*")) / self.visits
        return asyncio.run(size_on_server(self.url)) / self.visits


def main() -> None:
    options = parse(sys.argv[1:])
    outcome = measure(options)
    print(json.dumps(asdict(outcome), indent=2) if options.json else table(outcome))
    if faults := list(outcome.faults()):
        sys.exit("\n".join(faults))


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reports", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--visits", default="0.1", help="millions, such as 0.1,1,10 or 50 (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where the SQLite files are kept (default: they are not)")
    parser.add_argument(
        "--on", choices=DATABASES, default="sqlite", help="a server is started and filled (%(default)s)"
    )
    parser.add_argument("--database-url", help="a database that is filled already, instead")
    parser.add_argument("--rounds", type=int, default=3, help="other periods for a warm figure (%(default)s)")
    parser.add_argument("--filters", default=",".join(FILTERS), help="each alone, besides none (%(default)s)")
    parser.add_argument("--periods", default=",".join(PERIODS), help="(%(default)s)")
    parser.add_argument("--viewers", default=",".join(map(str, VIEWERS)), help="at once (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="a turn of the hits beside; 0: none (%(default)s)")
    parser.add_argument("--geo", type=Path, help="a City database (.mmdb) to place the hits with")
    parser.add_argument("--rebuild", action="store_true", help="make the rollups of a kept file anew, and time it")
    parser.add_argument("--server-cores", default="0", help="cores of the server, such as 0,1 (%(default)s)")
    parser.add_argument("--load-core", type=int, default=1, help="core of those who ask (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures for a program")
    values = vars(parser.parse_args(arguments))
    values["sizes"] = tuple(round(float(each) * MILLION) for each in values.pop("visits").split(","))
    values["server_cores"] = {int(core) for core in values["server_cores"].split(",")}
    for name in ("filters", "periods"):
        values[name] = tuple(filter(None, values[name].split(",")))
    values["viewers"] = tuple(int(each) for each in values["viewers"].split(",") if each)
    unknown = sorted(set(values["periods"]) - set(PERIODS))
    if unknown or not values["periods"]:
        parser.error(f"--periods: {', '.join(unknown) or 'none'}: give one or more of {', '.join(PERIODS)}")
    return Options(**values)


def measure(options: Options) -> Outcome:
    everywhere = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="crumby-bench-") as scratch:
        yard_ms = yardstick()
        sizes = []
        for site in sites(options, Path(scratch)):
            os.sched_setaffinity(0, {options.load_core})
            sizes.append(measured(site))
            os.sched_setaffinity(0, everywhere)  # for the next one's filling, and a database server
    return Outcome(options.on, yard_ms, sizes, machine.facts())


def sites(options: Options, scratch: Path) -> Iterator[Site]:
    """Each size's database, filled."""
    if options.database_url:
        yield Site(options, options.database_url, asyncio.run(counted(options.database_url)), scratch)
        return
    if options.on == "sqlite":
        for visits in options.sizes:
            path = kept(options.folder or scratch, Filling(visits, today()), bar(visits))
            yield Site(options, f"sqlite:///{path}", visits, scratch)
        return
    with database_server(options.on, large=True) as server:
        for visits in options.sizes:
            url = server.database()
            asyncio.run(fill(url, Filling(visits, today()), bar(visits)))
            yield Site(options, url, visits, scratch)


def measured(site: Site) -> Size:
    options = site.options
    rollup_s = site.rolled_up()
    boards = [
        uvloop.run(board(site, period, filter_)) for period in options.periods for filter_ in ("", *options.filters)
    ]
    if "12 months" in options.periods:
        boards.append(uvloop.run(board(site, PRESET, "")))
    with site.served() as server:
        crowds = [uvloop.run(crowd(site, server, viewers)) for viewers in options.viewers]
        memory = server.memory()
    return Size(
        visits=site.visits,
        bytes_a_visit=site.bytes_a_visit(),
        rollup_s=rollup_s,
        brute_ms={period: brute_force(site, period) for period in options.periods} if site.folder else {},
        boards=boards,
        crowds=crowds,
        beside=beside(site) if options.seconds and site.visits <= LARGEST_COPIED else None,
        memory=memory,
    )


def asked(site: Site, period: str, filter_: str, back: int = 0) -> str:
    """The request's words. `back`: so many days earlier."""
    if period == PRESET:
        return f"period={PRESET}"
    first, last = days(period, site.last_day - timedelta(days=back))
    return f"from={first}&to={last}" + f"&{filter_}" * bool(filter_)


def days(period: str, last: date) -> tuple[date, date]:
    many = PERIODS[period]
    return (a_year_before(last) if many is None else last - timedelta(days=many)) + timedelta(days=1), last


async def board(site: Site, period: str, filter_: str) -> Board:
    site.forget()
    with site.served() as server:
        cookie = await asking.sign_in(server.port)
        reports = await asking.dashboard(server.port, cookie)
        connection = await Connection.open(server.port, cookie)
        words = asked(site, period, filter_)
        begun = time.perf_counter()
        cold = [await connection.ask(report.path(words)) for report in reports]
        rounds = site.options.rounds if time.perf_counter() - begun < PATIENCE_S else 1
        before = server.cpu_seconds()
        warm = await each_asked(connection, reports, [words] * rounds, anew=True)
        cpu_ms = 1e3 * (server.cpu_seconds() - before) / rounds
        paths = [report.path(words) for report in reports]
        together = [await asking.view(server.port, cookie, paths, [], anew=True) for _ in range(rounds)]
        first = [report.path(words) for report in reports if report.stands_open]
        opened = [await asking.view(server.port, cookie, first, [], anew=True) for _ in range(rounds)]
        again = [await connection.ask(path) for path in paths]
        others = [asked(site, period, filter_, back) for back in range(1, rounds + 1)] if period != PRESET else []
        earlier = await each_asked(connection, reports, others)
        connection.close()
    panels = [
        Panel(
            report.name,
            one.status,
            len(one.json()["data"]) if one.status == OK else 0,
            one.ms,
            two.ms,
            statistics.median(three),
            statistics.median(four) if four else None,
        )
        for report, one, two, three, four in zip(reports, cold, again, warm, earlier, strict=True)
        if not (filter_ and one.status == TAKES_NO_FILTER)
    ]
    return Board(period, filter_, panels, cpu_ms, statistics.median(together), statistics.median(opened))


async def each_asked(
    connection: Connection, reports: Sequence[Report], requests: Sequence[str], *, anew: bool = False
) -> list[list[float]]:
    """All reports, by one request after the other: ms of each, by report."""
    found: list[list[float]] = [[] for _ in reports]
    for words in requests:
        for report, ms in zip(reports, found, strict=True):
            ms.append((await connection.ask(report.path(words), anew=anew)).ms)
    return found


async def crowd(site: Site, server: Server, viewers: int) -> Crowd:
    cookie = await asking.sign_in(server.port)
    reports = await asking.dashboard(server.port, cookie)
    words = asked(site, "30 days", "", back=10 + viewers)  # of days that nobody has asked for yet
    paths = [report.path(words) for report in reports]

    async def all_at_once() -> float:
        return max(await asyncio.gather(*(asking.view(server.port, cookie, paths, []) for _ in range(viewers))))

    return Crowd(viewers, await all_at_once(), await all_at_once())


def beside(site: Site) -> Beside:
    """Hits are added, so it is done on a copy."""
    folder = site.folder
    if not folder:
        return uvloop.run(both(site))
    with tempfile.TemporaryDirectory(prefix="crumby-copy-", dir=folder.parent) as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        name = Path(site.url.removeprefix("sqlite:///")).name
        return uvloop.run(both(Site(site.options, f"sqlite:///{Path(copy) / name}", site.visits, site.scratch)))


async def both(site: Site) -> Beside:
    requests, ids = itertools.cycle(traffic.requests()), hit_ids()
    answered: list[float] = []
    with site.served() as server:
        load = Load("127.0.0.1", server.port, requests, ids)
        cookie = await asking.sign_in(server.port)
        reports = await asking.dashboard(server.port, cookie)

        async def look_on() -> None:
            for back in itertools.cycle(range(200)):
                for period in site.options.periods:
                    words = asked(site, period, "", back)
                    await asking.view(server.port, cookie, [report.path(words) for report in reports], answered)

        await load.run(CONNECTIONS, 1.0)
        alone, with_reports = [], []
        lags: tuple[list[float], list[float]] = ([], [])
        for _ in range(3):
            async with background.beside(watch_rollups(site, lags[0]), "lags"):
                alone.append(await load.run(CONNECTIONS, site.options.seconds))
            looking = background.beside(look_on(), "reports")
            async with looking, background.beside(watch_rollups(site, lags[1]), "lags"):
                with_reports.append(await load.run(CONNECTIONS, site.options.seconds))
    return Beside(
        alone=statistics.median(each.rate for each in alone),
        beside=statistics.median(each.rate for each in with_reports),
        p99_alone_ms=statistics.median(each.percentile_ms(99) for each in alone),
        p99_beside_ms=statistics.median(each.percentile_ms(99) for each in with_reports),
        reports_per_s=len(answered) / sum(each.seconds for each in with_reports),
        lag_alone_s=max(lags[0], default=None),
        lag_beside_s=max(lags[1], default=None),
    )


async def watch_rollups(site: Site, lags: list[float]) -> None:
    """How old the oldest visit is that is in no rollup, twice a second."""
    while site.folder:
        await asyncio.sleep(0.5)
        lags.append(rollup_lag(Path(site.url.removeprefix("sqlite:///"))))


def rollup_lag(path: Path) -> float:
    """Seconds."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.execute("attach ? as rollups", (f"file:{rollups_path(path)}?mode=ro",))
        oldest = connection.execute(OLDEST).fetchone()[0]
    return (datetime.now(UTC).replace(tzinfo=None) - datetime.fromisoformat(oldest)).total_seconds() if oldest else 0.0


def yardstick() -> float:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        return timed(connection, YARD, ())


def brute_force(site: Site, period: str) -> float:
    path = site.url.removeprefix("sqlite:///")
    first, last = days(period, site.last_day)
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return timed(connection, BRUTE, (f"{first} 00:00:00", f"{last + timedelta(days=1)} 00:00:00"))


def timed(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> float:
    """Milliseconds of processor time, the lesser of two."""
    found = []
    for _ in range(2):
        begun = time.process_time()
        connection.execute(sql, values).fetchall()
        found.append(1e3 * (time.process_time() - begun))
    return min(found)


async def newest(url: str) -> datetime:
    async with (
        open_database(Settings(sqlalchemy_database_uri=url)) as database,
        database.engine.connect() as connection,
    ):
        found: datetime = (await connection.execute(select(func.max(tables.visits.c.datetime)))).scalar_one()
        return found


async def counted(url: str) -> int:
    async with (
        open_database(Settings(sqlalchemy_database_uri=url)) as database,
        database.engine.connect() as connection,
    ):
        return (await connection.execute(select(func.count()).select_from(tables.visits))).scalar_one()


async def size_on_server(url: str) -> int:
    """Bytes of all tables and indexes."""
    asks = {
        "mysql": "select sum(data_length + index_length) from information_schema.tables"
        " where table_schema = database()",
        "postgresql": "select pg_database_size(current_database())",
    }
    async with (
        open_database(Settings(sqlalchemy_database_uri=url)) as database,
        database.engine.connect() as connection,
    ):
        return int((await connection.execute(text(asks[database.dialect]))).scalar_one())


if __name__ == "__main__":
    main()
