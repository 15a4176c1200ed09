"""An installation of 0.7.1 moves over without edits: its pixel requests, its database, its config, its queries.

What it is held against was recorded from 0.7.1 itself; `legacy/crumby071.py` tells how. Where 0.7.1's answer was
a fault, `differs` in `legacy/requests.json` says which, and what is right.
"""

import asyncio
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest

from crumby.app import create_app
from crumby.database import async_url
from crumby.settings import Settings, load_settings
from tests import servers
from tests.conftest import PLACES, place, write_mmdb
from tests.legacy import crumby071
from tests.servers import BROWSER, alive

LEGACY: Final = Path(__file__).parent / "legacy"
REQUESTS: Final = {entry["name"]: entry for entry in json.loads((LEGACY / "requests.json").read_text("utf-8"))}
ANSWERS: Final = json.loads((LEGACY / "answers.json").read_text("utf-8"))
PIXEL_LENGTH: Final = 43
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
TABLES: Final = ("visits", "events", "users", "calendar")
# In MySQL 0.7.1's FLOAT shows six digits of what it holds, the DOUBLE that took its place all of them; and its
# DATETIME had no fraction.
SHOWN: Final = {
    "latitude": "round(latitude, 3)",
    "longitude": "round(longitude, 3)",
    "datetime": "date_format(datetime, '%Y-%m-%d %H:%i:%s')",
}

# Where the recorded visitors were, as 0.7.1's City database told it.
RECORDED_PLACES: Final = PLACES | {
    "2.125.160.216/29": place(
        "EU", "GB", "England", "West Berkshire", city="Boxford", at=(51.75, -1.25), radius_km=100, zone="Europe/London"
    ),
    "2001:218::/32": place("AS", "JP", at=(35.68536, 139.75309), radius_km=100, zone="Asia/Tokyo"),
}


Answer = tuple[int, Any]  # status, JSON


class Stored(NamedTuple):
    """What came of a request."""

    status: int
    reason: str | None  # X-Crumby
    body: bytes
    rows: list[tuple[str, dict[str, Any]]]  # table, columns that are not null


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stored]:
    """Send every recorded request, each PROXY_COUNT's to an installation of its own."""
    folder = tmp_path_factory.mktemp("replayed")
    mmdb = folder / "City.mmdb"
    write_mmdb(mmdb, RECORDED_PLACES)
    replies: dict[str, Stored] = {}
    for proxy_count in sorted({entry.get("proxy_count", 0) for entry in REQUESTS.values()}):
        path = folder / f"{proxy_count}.db"
        entries = [entry for entry in REQUESTS.values() if entry.get("proxy_count", 0) == proxy_count]
        keys = {"geoip2_database_name": str(mmdb), "proxy_count": str(proxy_count), "bots": "off"}
        replies |= asyncio.run(replay(installation(f"sqlite:///{path}", **keys), path, entries))
    return replies


def installation(url: str, **keys: str) -> Settings:
    defaults = {"sqlalchemy_database_uri": url, "secret_key": "a secret of the tests, long enough"}
    return load_settings({f"CRUMBY_{key.upper()}": value for key, value in (defaults | keys).items()})


async def replay(settings: Settings, path: Path, entries: list[dict[str, Any]]) -> dict[str, Stored]:
    replies = {}
    async with alive(create_app(settings)) as running:
        for entry in entries:
            transport = httpx.ASGITransport(running.app, client=(entry["peer"], 50_000))
            headers = [(name.encode(), value.encode()) for name, value in entry["headers"].items()]
            request = httpx.Request(
                entry.get("method", "GET"), f"http://localhost:5071{entry['target']}", headers=headers
            )
            before = {table: count(path, table) for table in ("visits", "events")}
            response = await transport.handle_async_request(request)
            rows = [(table, row) for table in before for row in rows_after(path, table, before[table])]
            replies[entry["name"]] = Stored(
                response.status_code, response.headers.get("X-Crumby"), await response.aread(), rows
            )
    return replies


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute(f"select coalesce(max(id), 0) from {table}").fetchone()[0])


def rows_after(path: Path, table: str, last: int) -> list[dict[str, Any]]:
    """The rows behind the id `last`; of each the columns that 0.7.1 had and that are not null."""
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute(f"select * from {table} where id > ? order by id", [last]).fetchall()
    theirs = [name for name in crumby071.COLUMNS[table] if name not in {"id", "datetime"}]
    return [{key: row[key] for key in theirs if row[key] is not None} for row in rows]


def expected_row(entry: dict[str, Any]) -> dict[str, Any] | None:
    """What 0.7.1 stored, with its faults mended."""
    differs = entry.get("differs", {})
    if "status" in differs:
        return None
    if "row" in differs:
        mended: dict[str, Any] = differs["row"]["now"]
        return mended
    if not entry["row"]:
        return None
    changes = {column: change["now"] for column, change in differs.items()}
    return {column: value for column, value in (entry["row"] | changes).items() if value is not None}


@pytest.mark.parametrize("name", [name for name, entry in REQUESTS.items() if expected_row(entry)])
def test_a_request_of_the_old_script_is_stored_column_for_column(name: str, replayed: dict[str, Stored]) -> None:
    entry = REQUESTS[name]
    table = entry["table"] or "visits"
    assert replayed[name].rows == [(table, expected_row(entry))]
    assert replayed[name].status == 200
    assert len(replayed[name].body) == PIXEL_LENGTH


@pytest.mark.parametrize("name", [name for name, entry in REQUESTS.items() if not expected_row(entry)])
def test_a_request_that_holds_no_hit_is_refused_and_says_why(name: str, replayed: dict[str, Stored]) -> None:
    reply = replayed[name]
    expected = REQUESTS[name].get("differs", {}).get("status", {}).get("now", REQUESTS[name]["status"])
    assert (reply.status, reply.rows) == (expected, [])
    assert expected != 400 or (reply.reason or "").startswith("invalid: ")


class Old(NamedTuple):
    """A database as 0.7.1 left it."""

    url: str
    read: Callable[[str], list[list[str]]]  # the rows of a select, as text

    def contents(self) -> dict[str, list[list[str]]]:
        return {table: self.read(f"select {self.columns(table)} from {table} order by 1") for table in TABLES}

    def columns(self, table: str) -> str:
        return ", ".join(SHOWN.get(name, name) if "mysql" in self.url else name for name in crumby071.COLUMNS[table])


def old_database(kind: str, request: pytest.FixtureRequest, folder: Path, last_day: date) -> Old:
    if kind == "sqlite":
        path = folder / f"{last_day}.db"
        crumby071.build(path, last_day)
        return Old(f"sqlite:///{path}", lambda sql: read_sqlite(path, sql))
    server: servers.DatabaseServer = request.getfixturevalue(kind)
    url = server.database()
    name = url.rpartition("/")[2]
    if kind == "mariadb":  # the character set that MySQL 5.6 had without being asked
        server.execute(f"alter database {name} character set latin1 collate latin1_swedish_ci")
    server.execute(crumby071.script("mysql" if kind == "mariadb" else "postgresql", last_day), name)
    names = "set names utf8mb4; " if kind == "mariadb" else ""
    return Old(url, lambda sql: [line.split("\t") for line in server.execute(names + sql, name).splitlines()])


def read_sqlite(path: Path, sql: str) -> list[list[str]]:
    with closing(sqlite3.connect(path)) as database:
        return [list(map(str, row)) for row in database.execute(sql)]


class Moved(NamedTuple):
    """An old database before, and after an app had it open, answered, stored, and let its users in."""

    before: dict[str, list[list[str]]]
    after: dict[str, list[list[str]]]
    visits_a_day: dict[str, Any]
    reopened: list[Answer]  # the same, from a second start
    pixel: int  # status
    newest: list[str]  # cid and title of the last visit
    sign_ins: dict[str, list[int]]  # status of three tries: right, the first 72 bytes, right again


NEW_VISIT: Final = ("v2-0123456789abcdef0123456789abc", "日本語 😀")


@pytest.fixture(scope="module", params=["sqlite", "mariadb", "postgres"])
def moved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Moved:
    old = old_database(request.param, request, tmp_path_factory.mktemp("moved"), crumby071.LAST_DAY)
    before = old.contents()
    visits_a_day, pixel, sign_ins = asyncio.run(use(installation(old.url)))
    reopened = asyncio.run(ask(installation(old.url), ["public/visits?from=2016-07-16&to=2017-08-20"]))
    newest = old.read("select cid, doc_title from visits order by id desc limit 1")[0]
    return Moved(before, old.contents(), visits_a_day, [*reopened.values()], pixel, newest, sign_ins)


async def use(settings: Settings) -> tuple[dict[str, Any], int, dict[str, list[int]]]:
    async with alive(create_app(settings)) as running:
        async with browser(running.app) as client:
            answer = await client.get("/api/public/visits?from=2016-07-16&to=2017-08-20")
            cid, title = NEW_VISIT
            visit = {"v": "1", "t": "visit", "cid": cid, "dl": crumby071.SITE, "dt": title, "dr": ""}
            pixel = await client.get("/71.gif", params=visit)
        sign_ins = {}
        for name, password in crumby071.PASSWORDS.items():
            tries = [password, password.encode()[:72].decode(), password]
            sign_ins[name] = [await sign_in(running.app, name, attempt) for attempt in tries]
        return answer.json(), pixel.status_code, sign_ins


def browser(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:5071", headers=BROWSER)


async def sign_in(app: Any, name: str, password: str) -> int:
    async with browser(app) as client:
        response = await client.post("/login", data={"username": name, "password": password})
        private = await client.get("/api/private")
        assert (response.status_code == 303) == (private.status_code == 200)
        return response.status_code


@pytest.mark.parametrize("table", ["visits", "events", "calendar"])
def test_an_old_database_opens_in_place_and_keeps_every_row(table: str, moved: Moved) -> None:
    before = moved.before[table]
    assert [row for row in moved.after[table] if row in before] == before
    assert len(before) >= len(crumby071.EVENTS)


def test_what_did_not_fit_an_old_database_does_so_now(moved: Moved) -> None:
    assert moved.pixel == 200
    assert tuple(moved.newest) == NEW_VISIT


def test_the_calendar_of_an_old_database_reaches_beyond_today(moved: Moved) -> None:
    today = datetime.now(UTC).date()
    days = [date.fromisoformat(day[:10]) for (day,) in moved.after["calendar"]]
    assert moved.before["calendar"][-1][0] < today.isoformat()
    assert days[-1] > today + timedelta(365)
    assert days == [days[0] + timedelta(number) for number in range(len(days))]


def test_the_shipped_report_counts_the_old_rows_as_0_7_1_did(moved: Moved) -> None:
    recorded = ANSWERS["fixed"]["answers"]["public/visits?t0=2017-07-21&t1=2017-08-20"]
    assert moved.visits_a_day["columns"] == recorded["columns"]
    assert recorded["data"] == [row for row in moved.visits_a_day["data"] if row[0] >= "2017-07-21"]
    assert sum(views for _, _, views in moved.visits_a_day["data"]) == len(crumby071.VISITS)


def test_a_database_that_has_moved_opens_again(moved: Moved) -> None:
    assert moved.reopened == [(200, moved.visits_a_day)]


@pytest.mark.parametrize("name", crumby071.PASSWORDS)
def test_an_old_password_signs_in_and_is_kept_as_argon2id_from_then_on(name: str, moved: Moved) -> None:
    hashes = {user: hashed for _, user, hashed in moved.after["users"]}
    assert hashes[name].startswith("$argon2id$")
    assert (moved.sign_ins[name][0], moved.sign_ins[name][2]) == (303, 303)


def test_a_long_password_counts_whole_once_bcrypt_is_left_behind(moved: Moved) -> None:
    assert moved.sign_ins["long"] == [303, 401, 303]


def test_a_config_of_the_aws_walk_through_loads_unedited(tmp_path: Path) -> None:
    text = (LEGACY / "crumby.cfg").read_text("utf-8").replace("'/var/lib/crumby'", repr(str(tmp_path)))
    (tmp_path / "crumby.cfg").write_text(text, "utf-8")
    (tmp_path / "MYSQL_PASS").write_text("Xy12abCD", "ascii")
    (tmp_path / "SECRET_KEY").write_text("aB3dE5gH7jK9mN1pQ3sT5vW7\n", "ascii")

    settings = load_settings({"CRUMBY_SETTINGS": str(tmp_path / "crumby.cfg")})

    assert settings.sqlalchemy_database_uri == "mysql+pymysql://root:Xy12abCD@localhost/crumby"
    assert async_url(settings.sqlalchemy_database_uri).drivername == "mysql+asyncmy"
    assert settings.geoip2_database_name == Path("/var/lib/crumby/GeoLite2-City.mmdb")
    assert settings.secret_key == "aB3dE5gH7jK9mN1pQ3sT5vW7"
    assert settings.session_cookie_secure is True
    assert settings.domain == ""
    assert settings.crossdomain_origin == ()


QUESTIONS: Final = [(key, question) for key in ANSWERS for question in ANSWERS[key]["answers"]]


class Answered(NamedTuple):
    database: str
    answers: dict[tuple[str, str], Answer]


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def answered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answered:
    """What 0.7.1's seven query files answer here, over the same rows: on fixed days, and on the last ones."""
    folder = tmp_path_factory.mktemp("answered")
    shutil.copytree(LEGACY / "queries", folder / "queries")
    answers: dict[tuple[str, str], Answer] = {}
    for key, last_day in (("fixed", crumby071.LAST_DAY), ("today", datetime.now(UTC).date())):
        old = old_database(request.param, request, folder, last_day)
        questions = list(ANSWERS[key]["answers"])
        replies = asyncio.run(ask(installation(old.url, queries=str(folder / "queries")), questions))
        answers |= {(key, question): reply for question, reply in replies.items()}
    return Answered(request.param, answers)


async def ask(settings: Settings, questions: list[str]) -> dict[str, Answer]:
    async with alive(create_app(settings)) as running, browser(running.app) as client:
        await client.post("/login", data={"username": "ada", "password": crumby071.PASSWORDS["ada"]})
        replies = {question: await client.get(f"/api/{question}") for question in questions}
    return {question: (reply.status_code, reply.json()) for question, reply in replies.items()}


@pytest.mark.parametrize(("key", "question"), QUESTIONS, ids=[f"{key} {question}" for key, question in QUESTIONS])
def test_a_query_file_of_0_7_1_answers_as_it_did(key: str, question: str, answered: Answered) -> None:
    recorded = ANSWERS[key]["answers"][question]
    if answered.database == "mariadb":  # `cid + date(…)` adds other numbers there
        recorded = ANSWERS[key]["mariadb"].get(question, recorded)
    passed = crumby071.LAST_DAY if key == "fixed" else datetime.now(UTC).date()
    days = passed - date.fromisoformat(ANSWERS[key]["last_day"])
    expected = [later(row, days, answered.database) for row in recorded["data"]]
    status, answer = answered.answers[key, question]
    assert status == 200
    assert answer["columns"] == recorded["columns"]
    # Rows that a file's own `order by` leaves equal may come in any order.
    assert sorted(map(repr, answer["data"])) == sorted(map(repr, expected))


def later(row: list[Any], days: timedelta, database: str) -> list[Any]:
    """The row, a day in it moved as far as today has moved, its text as an old MySQL could hold it."""
    texts = {number: value for number, value in enumerate(row) if isinstance(value, str)}
    for number, value in texts.items():
        if DAY.fullmatch(value):
            texts[number] = (date.fromisoformat(value) + days).isoformat()
        elif database == "mariadb":
            texts[number] = crumby071.as_latin1(value)
    return [texts.get(number, value) for number, value in enumerate(row)]


REFUSED: Final = ("t0=2017-08-20&t1=2017-07-01", "t0=nonsense&t1=2017-08-20", "days=-1", "days=abc")


@pytest.mark.parametrize("question", REFUSED)
def test_a_period_that_0_7_1_did_not_understand_is_refused(question: str, tmp_path: Path) -> None:
    crumby071.build(tmp_path / "crumby.db")
    replies = asyncio.run(ask(installation(f"sqlite:///{tmp_path / 'crumby.db'}"), [f"public/visits?{question}"]))
    assert [status for status, _ in replies.values()] == [422]
