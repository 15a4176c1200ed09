"""Row 41 of the card: what opens a door is in no answer, log, table, traceback or list of processes.

A Crumby that says as much as it can (DEBUG, SQLALCHEMY_ECHO, ACCESS_LOG = all) is told secrets of all kinds in every
way that is right, and in some that are wrong. What hands a secret out on purpose is named here: the cookie that a login
sets, and the link that the start prints.
"""

import asyncio
import json
import re
import secrets
import sqlite3
import subprocess
import traceback
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pyotp
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from crumby.accounts import COOKIE, Accounts
from crumby.accounts.totp import new_secret
from crumby.database import open_database
from crumby.settings import Settings
from crumby.tables import users
from crumby.tokens import Tokens
from tests.cli.conftest import Ask
from tests.servers import Crumby, free_port

PASSWORD = "canary-of-the-password"
OTHERS = {
    "secret key": "canary-of-the-key-that-signs",
    "metrics token": "canary-of-the-monitor",
    "password": PASSWORD,
    "guess": "canary-of-a-guess",
    "share's password": "canary-of-the-share",
}
BROWSER = {"Accept": "text/html"}


@dataclass
class Told:
    """A server that was told everything, what it answered, and what it is not to say."""

    server: Crumby
    canaries: dict[str, str] = field(default_factory=lambda: dict(OTHERS))
    answers: list[str] = field(default_factory=list)

    def note(self, answer: httpx.Response) -> None:
        """Keep the answer, without the cookie that it sets: whoever signs in is given that."""
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.canaries[f"cookie {name} {len(self.canaries)}"] = value
        shown = [f"{name}: {value}" for name, value in answer.headers.multi_items() if name != "set-cookie"]
        self.answers.append("\n".join([*shown, answer.text]))

    def found_in(self, said: str, *but: str) -> list[str]:
        return [name for name, value in self.canaries.items() if name not in but and len(value) > 8 and value in said]


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    key, monitor = OTHERS["secret key"], OTHERS["metrics token"]
    talkative = {"CRUMBY_DEBUG": "1", "CRUMBY_SQLALCHEMY_ECHO": "1", "CRUMBY_ACCESS_LOG": "all"}
    with Crumby(secret_key=key, metrics_token=monitor, sql_editor="1", environ=talkative) as server:
        made = Told(server)
        first_user(made)
        asyncio.run(more_users(made))
        with server.client() as client, server.client() as guest:
            client.event_hooks = guest.event_hooks = {"response": [httpx.Response.read, made.note]}
            sign_in(made, client)
            share(made, client, guest)
            walk(made, client, guest)
            break_down(made, client, guest)
        yield made


def first_user(told: Told) -> None:
    link = re.search(r"/setup/([A-Za-z0-9_-]{43})", told.server.log)
    assert link
    told.canaries["setup token"] = link[1]
    with told.server.client() as client:
        told.note(client.post(f"/setup/{link[1]}", data={"username": "ann", "password": PASSWORD, "again": "other"}))
        told.note(client.post(f"/setup/{link[1]}", data={"username": "ann", "password": PASSWORD, "again": PASSWORD}))
        told.note(client.get(f"/setup/{link[1]}/x"))
    told.answers = [answer.replace(f"/setup/{link[1]}", "") for answer in told.answers]  # who asks has it


async def more_users(told: Told) -> None:
    url = f"sqlite:///{told.server.home / 'crumby.db'}"
    told.canaries["factor"] = new_secret()
    async with open_database(Settings(sqlalchemy_database_uri=url)) as database:
        await Accounts(database.engine).add("zoe", PASSWORD)
        await Accounts(database.engine).set_totp("zoe", told.canaries["factor"])
        for scope in ("read", "ingest"):
            told.canaries[scope] = await Tokens(database.engine).add(scope, scope, None, "ann")
        async with database.engine.connect() as connection:
            for name, kept in await connection.execute(select(users.c.username, users.c.password)):
                told.canaries[f"hash of {name}"] = kept


def sign_in(told: Told, client: httpx.Client) -> None:
    client.post("/login", data={"username": "ann", "password": OTHERS["guess"]})
    client.post("/login", data={"username": PASSWORD, "password": OTHERS["guess"]})  # in the wrong field
    del told.answers[-1]  # which shows the name again
    form = client.post("/login", data={"username": "zoe", "password": PASSWORD}).text
    note = re.search(r'name="note" value="([^"]+)"', form)
    assert note
    client.post("/login/code", data={"note": note[1], "code": "000000"})
    code = pyotp.TOTP(told.canaries["factor"]).now()
    assert client.post("/login/code", data={"note": note[1], "code": code}).status_code == 303
    client.post("/logout")
    assert client.post("/login", data={"username": "ann", "password": PASSWORD}).status_code == 303


def share(told: Told, client: httpx.Client, guest: httpx.Client) -> None:
    draft = {"title": "All", "panels": ["public/pages"], "password": OTHERS["share's password"]}
    made = client.post("/shares", json=draft).json()
    del told.answers[-1]  # which is the link
    told.canaries["share token"] = made["token"]
    for password in (OTHERS["guess"], OTHERS["share's password"]):
        guest.post(f"/share/{made['token']}", data={"password": password})
    for below in ("", "/api", "/api/public/pages", "/embed/public/pages", "/api/private/sources", "/nothing"):
        guest.get(f"/share/{made['token']}{below}")
    told.answers = [answer.replace(f"/share/{made['token']}", "") for answer in told.answers]  # who asks has it


def walk(told: Told, client: httpx.Client, guest: httpx.Client) -> None:
    hit = {"v": 2, "id": secrets.token_hex(16), "t": "visit", "cid": "6", "dl": "https://bakery.example/"}
    bearers = [told.canaries[name] for name in ("read", "ingest", "metrics token", "guess")]
    for bearer in bearers:
        for path in ("/api/private/sources", "/metrics", "/readyz", "/api/private/nothing"):
            guest.get(path, headers={"Authorization": f"Bearer {bearer}"})
        guest.post("/hit", json=hit, headers={"Authorization": f"Bearer {bearer}"})
        guest.get("/api/private/sources", headers={"Authorization": bearer, "Cookie": f"{COOKIE}={bearer}", **BROWSER})
    for path in (
        "/",
        "/api",
        "/api/private",
        "/api/private/sources",
        "/live",
        "/query",
        "/docs",
        "/openapi.json",
        "/x",
    ):
        client.get(path, headers=BROWSER)
        guest.get(path, params={"token": told.canaries["read"]})
        told.answers.pop()  # a page has links to itself


def break_down(told: Told, client: httpx.Client, guest: httpx.Client) -> None:
    """Ask once more, of a database that has lost its tables."""
    with closing(sqlite3.connect(told.server.home / "crumby.db")) as database, database:
        for table in ("shares", "sessions", "tokens", "users"):
            database.execute(f"drop table {table}")
    client.get("/api/private/sources")
    guest.get(f"/share/{told.canaries['share token']}")
    guest.get("/api/private/sources", headers={"Authorization": f"Bearer {told.canaries['read']}"})
    guest.post("/login", data={"username": "ann", "password": PASSWORD})
    guest.post("/query", json={"sql": "select 1"})


def test_no_answer_says_what_opens_a_door(told: Told) -> None:
    """Seen to fail on a login page that fills the password in again, and on settings that are shown as they are."""
    assert len(told.answers) > 50
    assert [(told.found_in(answer), answer) for answer in told.answers if told.found_in(answer)] == []


def test_no_line_of_the_log_does(told: Told) -> None:
    """Of the setup link one does, the start's. Seen to fail on statements that are logged with their values."""
    log = told.server.log
    assert "insert into" in log.lower()
    assert '"path":"/share/' in log
    assert told.found_in(log, "setup token") == []
    assert log.count(told.canaries["setup token"]) == 1


def test_no_list_of_processes_does(told: Told) -> None:
    """A command's words are for all to see; its environment is its owner's."""
    listed = subprocess.run(["ps", "-e", "-ww", "-o", "args="], check=True, capture_output=True, text=True).stdout
    assert "crumby run" in listed
    assert told.found_in(listed) == []
    for pid in told.server.tree():
        assert Path(f"/proc/{pid}/environ").stat().st_mode & 0o077 == 0


def test_no_file_is_for_others_to_read(told: Told) -> None:
    """Seen to fail on files that are as the umask has them."""
    kept = [path for path in told.server.home.rglob("*") if path.is_file()]
    assert {"crumby.db", "crumby-rollups.db"} <= {path.name for path in kept}
    assert [path.name for path in kept if path.stat().st_mode & 0o077 and path.suffix != ".lock"] == []


@pytest.mark.parametrize("words", [["env"], ["env", "--json"], ["doctor"], ["users"], ["token", "list"], ["shares"]])
def test_no_table_in_the_terminal_does(words: list[str], verb: Ask) -> None:
    password = "canary-of-the-database"
    url = f"mysql+pymysql://me:{password}@127.0.0.1:{free_port()}/crumby"
    keys = {"SECRET_KEY": OTHERS["secret key"], "METRICS_TOKEN": OTHERS["metrics token"]}
    keys |= {"MAXMIND_ACCOUNT_ID": "42", "MAXMIND_LICENSE_KEY": "canary-of-the-account"}
    keys |= {"GEOIP2_SOURCE": "https://me:canary@mirror.example/City.mmdb?license_key=canary"}
    answer = verb(*words, CRUMBY_SQLALCHEMY_DATABASE_URI=url, **{f"CRUMBY_{key}": value for key, value in keys.items()})
    assert "canary" not in answer.out + answer.err


def test_a_database_that_is_away_is_named_without_its_password() -> None:
    """In answers and in the log of a server that cannot reach it."""
    url = f"postgresql://me:canary-of-the-database@127.0.0.1:{free_port()}/crumby"
    with Crumby(url, debug="1", sqlalchemy_echo="1", access_log="all") as server, server.client() as client:
        hit = {"v": 2, "id": secrets.token_hex(16), "t": "visit", "cid": "6", "dl": "https://bakery.example/"}
        answers = [client.post("/hit", content=json.dumps(hit))]
        answers += [client.get(path) for path in ("/api/public/pages", "/api/private/sources", "/readyz", "/login")]
        said = [f"{answer.headers} {answer.text}" for answer in answers]
    assert "canary" not in "".join(said)
    assert "canary" not in server.log


async def test_a_traceback_has_no_values_of_a_statement(tmp_path: Path) -> None:
    """Seen to fail on SQLAlchemy's own words."""
    async with open_database(Settings(sqlalchemy_database_uri=f"sqlite:///{tmp_path}/crumby.db")) as database:
        for engine in {database.engine, database.hits, database.reports}:
            async with engine.connect() as connection:
                with pytest.raises(SQLAlchemyError) as raised:
                    await connection.execute(insert(users).values(username="ann", password=PASSWORD))
                with pytest.raises(SQLAlchemyError) as other:
                    await connection.execute(text("select * from nothing where a = :a"), {"a": PASSWORD})
            for each in (raised, other):
                assert PASSWORD not in "".join(traceback.format_exception(each.value))
    for url in ("mysql://a:b@127.0.0.1:1/c", "postgresql://a:b@127.0.0.1:1/c"):
        async with open_database(Settings(sqlalchemy_database_uri=url)) as database:
            for engine in (database.engine, database.hits, database.reports):
                assert engine.sync_engine.hide_parameters
