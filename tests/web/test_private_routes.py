"""Row 12 of the card: what is private is shown to who is signed in, however else it is asked for, and whoever was."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import update

from crumby.accounts import COOKIE, Accounts, Sessions
from crumby.accounts.sessions import REMEMBERED_S
from crumby.tables import sessions
from crumby.tokens import Tokens
from tests.reporting.site import Site, client, open_site

CANARY: Final = "a canary in the title"
VISIT: Final = {"t": "event", "id": "0" * 31 + "7", "cid": "a", "dl": "https://a.example/", "dt": CANARY, "en": CANARY}
METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "TRACE")
SPELT: Final = (
    *("{}", "{}/", "/{}", "{}%20", "{}.", "{};a=b", "{}?", "{}#a", "{}%00", "{}//", "{}/.", "{}?token=1&user=ann"),
    *("/api/public/..{}", "/.{}", "/static/..{}", "/api/public/%2e%2e{}"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("private")
    async with open_site(f"sqlite:///{folder / 'crumby.db'}", folder, sql_editor="true") as site:
        assert (await site.guest.post("/hit", json=VISIT)).status_code == 204
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strangers(running: Site) -> dict[str, dict[str, str]]:
    """Give the headers of those who are not signed in, or are so no more."""
    database = running.database
    accounts, began = Accounts(database.engine), Sessions(database.engine)
    cookies = {}
    for name in ("signed out", "idle", "deleted", "of another password"):
        word = name.replace(" ", "-")
        await accounts.add(word, "a good password")
        cookies[name] = await began.begin(await accounts.named(word))
    await began.end(cookies["signed out"])
    await accounts.delete("deleted")
    await accounts.set_password("of-another-password", "another good password")
    async with database.engine.begin() as connection:
        idle = (await accounts.named("idle")).id
        long_ago = datetime(2026, 1, 1)  # noqa: DTZ001 - UTC, as the table has it
        await connection.execute(
            update(sessions).where(sessions.c.user_id == idle).values(begun=long_ago, seen=long_ago)
        )
    good = running.member.cookies[COOKIE]
    ingest = await Tokens(database.engine).add("shop", "ingest", None, "ann")
    await asyncio.sleep(REMEMBERED_S)
    of_cookies = {
        **cookies,
        "tampered": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "cut": good[:-1],
        "in other letters": good.swapcase(),
        "empty": "",
        "of the kind before": "WzEsImEiXQ.Z0000A.aaaaaaaaaaaaaaaaaaaaaaaaaaa",
    }
    return {
        "nobody": {},
        **{name: {"Cookie": f"{COOKIE}={value}"} for name, value in of_cookies.items()},
        "a token for hits": {"Authorization": f"Bearer {ingest}"},
        "a word": {"Authorization": "Basic YW5uOmE="},
        "a proxy that says so": {"X-Remote-User": "ann", "Remote-User": "ann", "X-Original-URL": "/api/private/events"},
    }


def private_paths() -> list[str]:
    """The lists and pages of members, and two of their reports in each form."""
    ends = ("", "/", "?format=csv", "?format=html", "?format=ndjson", "?format=records", "/sql")
    reports = [f"/api/private/{name}{end}" for name in ("events", "sources", "nothing") for end in ends]
    return ["/api/private", "/shares", "/query", "/metrics", "/live/stream?query=private/events", *reports]


async def test_a_member_is_shown_it(running: Site) -> None:
    """Or what strangers are not shown would prove nothing."""
    assert CANARY in (await running.member.get("/api/private/events?period=today")).text
    assert (await running.member.get("/shares")).status_code == 200


async def test_nobody_else_is(running: Site, strangers: dict[str, dict[str, str]]) -> None:
    """By each address, as each stranger. Seen to fail where a token for hits opens reports."""
    for who, headers in strangers.items():
        async with client(running.app) as stranger:
            for path in private_paths():
                answer = await stranger.get(path, headers=headers)
                assert_shut(answer, (who, path))
                if path.startswith("/api/private"):
                    assert "no-store" in answer.headers["cache-control"], (who, path)


async def test_nor_by_another_method_or_spelling(running: Site) -> None:
    async with client(running.app) as stranger:
        for path in ("/api/private", "/api/private/events", "/shares", "/metrics"):
            for method in METHODS:
                assert_shut(await stranger.request(method, path), (method, path))
            for spelt in (
                path,
                path.upper(),
                path.title(),
                path.replace("private", "%70rivate"),
                path.replace("/", "//"),
            ):
                for form in SPELT:
                    assert_shut(await stranger.get(form.format(spelt)), form.format(spelt))


def assert_shut(answer: httpx.Response, told: object) -> None:
    assert CANARY not in answer.text, told
    assert answer.status_code in {303, 401, 403, 404, 405, 422} or is_public(answer), told
    assert '"columns"' not in answer.text or is_public(answer), told
    if answer.status_code == 303:
        assert answer.headers["location"].startswith("/login"), told


def is_public(answer: httpx.Response) -> bool:
    """A path that is normalised away to another one's."""
    return not re.search(r"private|shares|metrics|query|checks", answer.request.url.path, re.IGNORECASE)
