"""`crumby tail`: each hit is told once, as it is committed, and in a line that no stranger can leave."""

import asyncio
import io
import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.cells import cell_len
from rich.console import Console
from sqlalchemy import delete, insert, update

from crumby.cli import arrivals
from crumby.cli import tail as tail_
from crumby.cli.arrivals import Arrivals, Look, Refused
from crumby.cli.tail import CROWD, Tail, Wanted
from crumby.cli.ticker import JsonTicker, PlainTicker, ScreenTicker, Ticker
from crumby.database import Database, open_database
from crumby.ingest.bots import Reason
from crumby.migrations import migrate
from crumby.reasons import REASONS, meaning
from crumby.settings import load_settings
from crumby.tables import events, refusals, visits
from tests.cli.conftest import Ask
from tests.conftest import MakeSettings
from tests.servers import Crumby, Postgres, wait_until

ON_SERVERS = pytest.mark.parametrize("database_url", ["mariadb", "postgres"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NOON = datetime(2026, 11, 22, 12)  # noqa: DTZ001
UTC_ZONE = ZoneInfo("UTC")


@pytest.fixture
async def database(database_url: str, settings: MakeSettings) -> AsyncIterator[Database]:
    async with open_database(settings(sqlalchemy_database_uri=database_url)) as database:
        await migrate(database.engine)
        yield database


def visit(page: str, **more: Any) -> dict[str, Any]:
    return {"hit_id": secrets.token_bytes(16), "datetime": NOON, "site": "bakery.example", "page": page, **more}


async def stored(database: Database, *rows: dict[str, Any]) -> None:
    async with database.engine.begin() as connection:
        for row in rows:
            await connection.execute(insert(visits).values(row))


async def pages(arrivals: Arrivals) -> list[str]:
    return [row.page for row in (await arrivals.look()).hits]


class Following:
    """`crumby tail` as a process."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self.out, self.err = folder / "out", folder / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            command = [sys.executable, "-m", "crumby", "tail", *words]
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=environ, cwd=folder)

    @property
    def told(self) -> list[dict[str, Any]]:
        """Lines that are whole."""
        return [json.loads(line) for line in self.out.read_text("utf-8").split("\n")[:-1]]

    def wait_for(self, count: int) -> None:
        wait_until(lambda: self.out.read_bytes().count(b"\n") >= count, f"{count} lines of tail")

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@contextmanager
def following(*words: str, environ: Mapping[str, str], folder: Path) -> Iterator[Following]:
    tail = Following(words, environ, folder)
    try:
        yield tail
    finally:
        tail.process.kill()
        tail.process.wait()


# Exactly once


@pytest.mark.parametrize(
    "database_url", ["sqlite", "mariadb", pytest.param("postgres", marks=pytest.mark.long)], indirect=True
)
def test_each_hit_of_a_running_server_is_told_once(database_url: str, tmp_path: Path) -> None:
    """By two workers, with hits that are sent twice: their transactions are undone, and leave ids that never come.

    Seen to fail where nothing is looked for below the head, and where all that is above the floor is told.
    """
    count = 200
    ids = [secrets.token_hex(16) for _ in range(count)]

    def send(client: Any, number: int) -> None:
        hit = {"t": "visit", "id": ids[number], "cid": f"cid{number % 9}", "dl": f"https://bakery.example/{number}"}
        if number % 3 == 0:
            hit |= {"t": "event", "en": "signup", "ev": str(number)}
        assert client.post("/hit", content=json.dumps(hit)).status_code == 204

    server = Crumby(database_url, arguments=["--workers", "2"])
    with server, following("--json", "-n", "1", environ=server.environment(), folder=tmp_path) as tail:
        with server.client() as client, ThreadPoolExecutor(8) as pool:
            send(client, 0)
            tail.wait_for(1)  # it is there
            again = [number for number in range(count) for _ in range(1 + (number % 20 == 0))]
            list(pool.map(lambda number: send(client, number), again))
            tail.wait_for(count)
            client.post("/hit", content="{}")
        server.stop()  # which writes down what was refused
        tail.wait_for(count + 1)
        assert tail.end() == 0
    hits, refused = tail.told[:-1], tail.told[-1]
    assert Counter(hit["page"] for hit in hits) == {f"/{number}": 1 for number in range(count)}
    assert {hit["kind"] for hit in hits} == {"visit", "event"}
    assert (refused["kind"], refused["reason"], refused["hits"]) == ("refused", "InvalidHit", 1)
    assert tail.err.read_text() == ""
    said = tail.out.read_text()
    assert "127.0.0.1" not in said
    assert "cid" not in said


@ON_SERVERS
async def test_a_row_that_is_committed_after_later_ones_is_told_once(database: Database) -> None:
    """Seen to fail where nothing is looked for below the head."""
    await stored(database, visit("/before"))
    arrivals = Arrivals(database, 100)
    assert await pages(arrivals) == ["/before"]
    async with database.engine.begin() as late:
        await late.execute(insert(visits).values(visit("/late")))
        await stored(database, visit("/first"))
        assert await pages(arrivals) == ["/first"]
        assert await pages(arrivals) == []
    await stored(database, visit("/last"))
    assert sorted(await pages(arrivals)) == ["/last", "/late"]
    assert await pages(arrivals) == []


@ON_SERVERS
async def test_one_that_is_on_its_way_when_tail_begins_is_told(database: Database) -> None:
    async with database.engine.begin() as late:
        await late.execute(insert(visits).values(visit("/late")))
        await stored(database, visit("/first"))
        arrivals = Arrivals(database, 100)
        assert await pages(arrivals) == ["/first"]
    assert await pages(arrivals) == ["/late"]


@ON_SERVERS
async def test_an_id_that_never_comes_is_given_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all that follows it would be kept in mind for good."""
    monkeypatch.setattr(arrivals, "LOOKS", 3)
    monkeypatch.setattr(arrivals, "REMEMBERED", 2)
    following = Arrivals(database, 100)
    await following.look()
    async with database.engine.connect() as undone:
        await undone.execute(insert(visits).values(visit("/undone")))
        await undone.rollback()
    for number in range(20):
        await stored(database, visit(f"/{number}"))
        assert await pages(following) == [f"/{number}"]
    assert len(following._tables[0]._told) <= 3 + 2 * 2


async def test_who_is_forgotten_meanwhile_is_missed_by_nobody(database: Database) -> None:
    """SQLite gives the ids of the last rows again. Seen to fail where nothing goes back."""
    await stored(database, visit("/1"), visit("/2"), visit("/3"))
    following = Arrivals(database, 100)
    assert await pages(following) == ["/1", "/2", "/3"]
    async with database.engine.begin() as connection:
        await connection.execute(delete(visits).where(visits.c.page.in_(["/2", "/3"])))
    await stored(database, visit("/4"), visit("/5"), visit("/6"))
    assert await pages(following) == ["/4", "/5", "/6"]
    async with database.engine.begin() as connection:
        await connection.execute(delete(visits))
    assert await pages(following) == []
    await stored(database, visit("/7"))
    assert await pages(following) == ["/7"]


async def test_more_than_a_page_comes_page_by_page(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "PAGE", 4)
    following = Arrivals(database, 100)
    await following.look()
    await stored(database, *(visit(f"/{number}") for number in range(10)))
    looks = [await following.look() for _ in range(4)]
    told = [row.page for look in looks for row in look.hits]
    assert told == [f"/{number}" for number in range(10)]
    assert [look.more for look in looks] == [True, True, False, False]


# What was refused


async def test_a_rise_is_told_once_and_with_its_reason(database: Database) -> None:
    """Of the first look that of the last hour. Seen to fail where a rise is what a row holds."""
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    long_ago = now - timedelta(hours=5)
    rows = [{"datetime": long_ago, "reason": "bot", "hits": 7}, {"datetime": now, "reason": "bot", "hits": 2}]
    async with database.engine.begin() as connection:
        await connection.execute(insert(refusals), rows)
    following = Arrivals(database, 100)
    first = (await following.look()).refused
    assert [each[:2] for each in first] == [("bot", 2)]
    assert first[0].since is not None
    async with database.engine.begin() as connection:
        more = update(refusals).values(hits=refusals.c.hits + 3)
        await connection.execute(more.where(refusals.c.datetime == now))
        await connection.execute(insert(refusals).values(datetime=now, reason="gpc", hits=1))
    looks = [await following.look() for _ in range(2 * arrivals.REFUSED_EVERY)]
    risen = sorted(each for look in looks for each in look.refused)
    assert risen == [("bot", 3, None), ("gpc", 1, None)]


def test_each_reason_has_words() -> None:
    counted = {*Reason, "rate-limited", "daily-limit", "InvalidHit", "HitTooLarge", "InvalidToken", "Overloaded"}
    assert counted <= REASONS.keys()
    assert meaning("bot", 1) == "was of crawlers and other programs"
    assert meaning("Odd") == "Odd"


# A line


HOSTILE = "[b]\x1b[31mred\x1b]0;title\x07\r\nsecond\u202eline\x9b2J\u2028:smile:\t日本語の長いタイトルです"


def look(*rows: dict[str, Any], refused: Sequence[Refused] = ()) -> Look:
    class Row(dict[str, Any]):
        def __getattr__(self, name: str) -> Any:
            return self[name]

        @property
        def _mapping(self) -> dict[str, Any]:
            return dict(self)

    return Look([Row(row) for row in rows], refused, more=False)  # type: ignore[misc]


def full(table: Any, **values: Any) -> dict[str, Any]:
    return {**dict.fromkeys(arrivals.COLUMNS[table]), "datetime": NOON, "site": "bakery.example", "page": "/", **values}


@pytest.mark.parametrize("width", [40, 80, 120])
def test_what_a_stranger_sent_stays_in_its_cell(width: int) -> None:
    """Seen to fail where a cell is printed as it is."""
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=width, markup=False, emoji=False, highlight=False)
    texts = [name for name in arrivals.COLUMNS[visits] if name not in {"id", "hit_id", "datetime"}]
    hostile = [
        full(visits, **dict.fromkeys(texts, HOSTILE)),
        full(
            events, site=HOSTILE, page=HOSTILE, name=HOSTILE, value=HOSTILE, properties=json.dumps({HOSTILE: HOSTILE})
        ),
    ]
    tail = Tail(ScreenTicker(UTC_ZONE, console, sites=True), Wanted(None, ""), CROWD)
    tail.show(look(*hostile, refused=[Refused(HOSTILE, 1)]))
    day, first, second, *rest = plain(text)
    assert day.startswith("Sunday, 22 November 2026")
    assert first.startswith("12:00:00")
    assert second.startswith("12:00:00")
    assert rest
    for line in (day, first, second, *rest):
        assert cell_len(line) <= width
        assert not set(line) & set("\x1b\r\x07\x9b\u202e\u2028\t"), line


def plain(text: io.StringIO) -> list[str]:
    """Without the colours, which are all that a terminal is told."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text.getvalue()).splitlines()


def test_a_file_gets_cells_that_are_parted_by_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    tail = Tail(PlainTicker(ZoneInfo("Europe/Berlin")), Wanted(None, ""), CROWD)
    more = {"source": "Google", "city": "Malmö", "country": "SE", "browser": "firefox", "platform": "linux"}
    tail.show(
        look(
            full(visits, doc_title=HOSTILE, **more),
            full(events, name="signup", value="header", properties='{"plan": "pro", "seats": 2}'),
            refused=[Refused("bot", 3)],
        )
    )
    first, second, third = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert first[:3] == ["2026-11-22 13:00:00", "visit", "bakery.example/"]
    assert first[4:] == ["Google", "Malmö, SE", "firefox/linux"]
    assert second[1:] == ["event", "bakery.example/", "-", "signup: header, plan=pro, seats=2"]
    assert third[1:3] == ["refused", "3 hits: bot, were of crawlers and other programs"]


def test_of_a_crowd_a_terminal_gets_some_and_a_program_all(capsys: pytest.CaptureFixture[str]) -> None:
    crowd = look(*(full(visits, page=f"/{number}") for number in range(CROWD + 812)))
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=80)
    Tail(ScreenTicker(UTC_ZONE, console, sites=True), Wanted(None, ""), CROWD).show(crowd)
    lines = plain(text)
    assert len(lines) == 1 + CROWD + 1
    assert lines[-1].strip() == "… 812 more"
    tickers: list[Ticker] = [JsonTicker(UTC_ZONE), PlainTicker(UTC_ZONE)]
    for ticker in tickers:
        Tail(ticker, Wanted(None, ""), sys.maxsize).show(crowd)
        assert len(capsys.readouterr().out.splitlines()) == CROWD + 812


# The command


@pytest.fixture
def filled(home: Path) -> Path:
    async def fill() -> None:
        async with open_database(load_settings(os.environ)) as database:
            await migrate(database.engine)
            rows = [visit(f"/blog/{number}", datetime=NOON + timedelta(hours=number)) for number in range(5)]
            await stored(database, *rows, visit("/", site="other.example", datetime=NOON + timedelta(minutes=150)))
            async with database.engine.begin() as connection:
                event = {"hit_id": b"e" * 16, "datetime": NOON + timedelta(minutes=210), "name": "signup"}
                await connection.execute(insert(events).values(site="bakery.example", page="/blog/3", **event))

    asyncio.run(fill())
    return home


def told(verb: Ask, *words: str) -> list[str]:
    answer = verb("tail", "--once", "--json", *words)
    assert (answer.status, answer.err) == (0, "")
    return [hit["page"] for hit in map(json.loads, answer.out.splitlines())]


def test_the_last_ones_come_first_by_their_time(filled: Path, verb: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to fail where visits and events are merged page by page, which these are in three."""
    monkeypatch.setattr(arrivals, "PAGE", 2)
    assert told(verb) == ["/blog/0", "/blog/1", "/blog/2", "/", "/blog/3", "/blog/3", "/blog/4"]
    assert told(verb, "--last", "2") == ["/blog/3", "/blog/4"]
    assert told(verb, "-n", "0") == []


def test_one_site_or_some_pages_alone(filled: Path, verb: Ask) -> None:
    assert told(verb, "--site", "www.Other.example") == ["/"]
    assert told(verb, "--path", "/blog/3") == ["/blog/3", "/blog/3"]


def test_it_is_done_when_nobody_reads_on(filled: Path) -> None:
    """Seen to fail with `Exception ignored … BrokenPipeError`."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "crumby", "tail", "--once"]
    environ = os.environ | {"PYTHONUNBUFFERED": ""}  # or nothing is left to be written at the end
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environ, check=False, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_without_a_database_it_says_what_makes_one(verb: Ask) -> None:
    answer = verb("tail")
    assert (answer.status, answer.out) == (1, "")
    assert "crumby.db is not there yet; `crumby run` makes it" in answer.err


def test_a_database_that_is_not_ready_is_told_with_a_remedy(home: Path, verb: Ask) -> None:
    (home / "crumby.db").touch()
    answer = verb("tail")
    assert (answer.status, answer.out) == (1, "")
    assert answer.err == "crumby: no such table: visits; `crumby doctor` says what is amiss\n"


async def test_an_outage_is_told_once_however_long_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tail_, "AGAIN_S", 0.0)

    class Failing:
        left = 3

        async def look(self) -> Look:
            self.left -= 1
            if self.left >= 0:
                raise ConnectionResetError("gone")
            return look()

    await tail_._looked(Failing())  # type: ignore[arg-type]
    assert capsys.readouterr().err.splitlines() == [
        "crumby: the database is away, and waited for: gone",
        "crumby: the database is back",
    ]


def test_a_server_that_goes_away_is_waited_for(tmp_path: Path) -> None:
    """Said once when it goes, once when it is back; what came before and after is told once."""
    with Postgres() as server:
        url = server.database()
        name = url.rpartition("/")[2]
        environ = {**os.environ, "HOME": str(tmp_path), "CRUMBY_SQLALCHEMY_DATABASE_URI": url}

        def store(page: str) -> None:
            server.execute(f"insert into visits (datetime, site, page) values (now(), 'a', '{page}')", name)

        with Crumby(url):  # which makes the tables
            pass
        store("/before")
        with following("--json", environ=environ, folder=tmp_path) as tail:
            tail.wait_for(1)
            server.kill()
            wait_until(lambda: b"DatabaseUnavailable" in tail.err.read_bytes(), "tail says that it is away")
            server.start()
            wait_until(lambda: b"DatabaseBack" in tail.err.read_bytes(), "tail says that it is back")
            store("/after")
            tail.wait_for(2)
            assert tail.end() == 0
        assert [hit["page"] for hit in tail.told] == ["/before", "/after"]
        assert len(tail.err.read_text().splitlines()) == 2


def test_a_file_that_goes_away_is_waited_for(filled: Path, tmp_path: Path) -> None:
    """Who has a file open goes on reading it when it has no name any more. Seen to fail where nobody looks."""
    path = filled / "crumby.db"
    with following("--json", "-n", "1", environ=os.environ, folder=tmp_path) as tail:
        tail.wait_for(1)
        for each in filled.glob("crumby.db*"):
            each.rename(filled / f"away-{each.name}")
        wait_until(lambda: b"is away" in tail.err.read_bytes(), "tail says that it is away")
        for each in filled.glob("away-*"):
            (filled / each.name.removeprefix("away-")).write_bytes(each.read_bytes())
        assert path.exists()

        async def store() -> None:
            async with open_database(load_settings(os.environ)) as database:
                await stored(database, visit("/after"))

        asyncio.run(store())
        tail.wait_for(2)
        assert tail.end() == 0
    assert [hit["page"] for hit in tail.told] == ["/blog/4", "/after"]


@pytest.mark.long
def test_its_memory_is_flat(tmp_path: Path) -> None:
    """A hundred thousand hits through a server."""
    with Crumby() as server, following("--json", environ=server.environment(), folder=tmp_path) as tail:
        statm = Path(f"/proc/{tail.process.pid}/statm")
        sizes: list[int] = []
        with server.client() as client:
            sent = 0
            while len(sizes) < 10:
                hits = [{"t": "visit", "id": secrets.token_hex(16), "dl": f"https://a.example/{n}"} for n in range(50)]
                assert client.post("/hit", content=json.dumps(hits[: 50 if sent else 1])).status_code == 204
                sent += 50 if sent else 1
                if sent == 1:
                    tail.wait_for(1)
                if sent > 10_000 * (len(sizes) + 1):
                    tail.wait_for(sent)
                    sizes.append(int(statm.read_text().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20)
        print(sizes, "MiB")
        assert sizes[-1] - sizes[1] <= 4, sizes
