"""What a token opens, and what it does not: as a program asks. Of the databases, see tests/test_tokens.py."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from crumby.accounts import COOKIE
from crumby.app import create_app
from crumby.errors import DatabaseUnavailable
from crumby.reporting import live
from crumby.tokens import Scope, Tokens
from tests.conftest import MakeSettings
from tests.reporting.site import Site, client
from tests.reporting.test_events_stream import SOON_S, listening
from tests.servers import alive

SITES = ["sqlite"]
PRIVATE = "/api/private/sources"
WRONG = 'Bearer error="invalid_token"'
GUESS = "crumby_" + "a" * 43


async def made(site: Site, scope: Scope) -> str:
    secret = await Tokens(site.database.engine).add(secrets.token_hex(4), scope, None, "")
    await asyncio.sleep(1)  # since the application looked, which may have been for the token before
    return secret


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def read(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with client(site.app) as program:
        program.headers["Authorization"] = f"Bearer {await made(site, 'read')}"
        yield program


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ingest(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with client(site.app) as program:
        program.headers["Authorization"] = f"Bearer {await made(site, 'ingest')}"
        yield program


@pytest.mark.parametrize("form", ["json", "csv", "ndjson", "records", "html"])
async def test_a_reader_is_told_what_a_member_is(form: str, site: Site, read: httpx.AsyncClient) -> None:
    """But for a page, which names nobody."""
    address = f"{PRIVATE}?days=7&format={form}"
    answer, theirs = await read.get(address), await site.member.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, theirs.headers["content-type"])
    assert answer.headers["cache-control"] == "private, no-store"
    assert (answer.content == theirs.content) == (form != "html")
    assert "Sign out" not in answer.text
    assert "ann" not in answer.text


async def test_a_reader_sees_the_lists_and_the_files(site: Site, read: httpx.AsyncClient) -> None:
    for address in ("/api", "/api/private", f"{PRIVATE}/source"):
        answer, theirs = await read.get(address), await site.member.get(address)
        assert (answer.status_code, answer.content) == (200, theirs.content)
        assert "private" in answer.headers["cache-control"]
    assert len((await site.guest.get("/api")).content) < len((await read.get("/api")).content)


async def test_a_reader_filters_by_what_guests_may_not(site: Site, read: httpx.AsyncClient) -> None:
    address = "/api/public/pages?city=Stockholm"
    assert (await site.guest.get(address)).status_code == 401
    answer = await read.get(address)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-store")


async def test_a_guest_is_told_that_a_token_would_do(site: Site) -> None:
    answer = await site.guest.get(PRIVATE)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert (answer.json()["error"], answer.headers["cache-control"]) == ("SignInRequired", "no-store")
    assert "a token of scope read" in answer.json()["detail"]


@pytest.mark.parametrize("address", ["/api", "/api/private", "/api/public/pages", PRIVATE, f"{PRIVATE}/source"])
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_a_wrong_token_makes_nobody_a_guest(accept: str, address: str, site: Site) -> None:
    """Nor does it lead to a form for people. Planted: a token that is passed over where guests may ask."""
    for said in (f"Bearer {GUESS}", "Bearer", "bearer x", "Bearer é"):
        headers = {b"Authorization": said.encode(), b"Accept": accept.encode()}
        answer = await site.guest.get(address, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, WRONG), said
        assert answer.headers["cache-control"] == "no-store"
        assert accept == "text/html" or answer.json()["error"] == "InvalidToken"


async def test_no_mutation_of_a_readers_token_opens_anything(site: Site, read: httpx.AsyncClient) -> None:
    header = read.headers["Authorization"]
    chance = random.Random(7)  # noqa: S311 - the same at each run
    for _ in range(60):
        place = chance.randrange(len("Bearer "), len(header))
        other = chance.choice([each for each in "aZ09-_" if each != header[place]])
        wrong = {"Authorization": header[:place] + other + header[place + 1 :]}
        assert (await site.guest.get("/api/private", headers=wrong)).status_code == 401


async def test_a_token_for_hits_opens_no_report(ingest: httpx.AsyncClient) -> None:
    for address in (PRIVATE, "/api", "/api/private", "/live/stream?query=public/live", "/metrics"):
        assert (await ingest.get(address)).status_code == 401, address


async def test_another_kind_of_authorization_is_not_ours_to_judge(site: Site) -> None:
    """A proxy with a password of its own may pass it on."""
    basic = {"Authorization": "Basic YTpi"}
    assert (await site.guest.get("/api/public/pages", headers=basic)).status_code == 200
    assert (await site.guest.get(PRIVATE, headers=basic)).headers["www-authenticate"] == "Bearer"


async def test_who_is_signed_in_needs_no_token(site: Site) -> None:
    assert (await site.member.get(PRIVATE, headers={"Authorization": f"Bearer {GUESS}"})).status_code == 200


async def test_a_token_changes_nothing_and_is_nobody_on_the_pages(site: Site, read: httpx.AsyncClient) -> None:
    """Planted: one place for people and programs."""
    draft = {"title": "All", "panels": ["public/pages"]}
    for answer in (
        await read.get("/shares"),
        await read.post("/shares", json=draft),
        await read.delete("/shares/1"),
        await read.post("/checks", json={"address": "https://bakery.example/"}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (401, "SignInRequired")
    assert (await site.member.get("/shares")).json() == {"shares": []}
    for page in ("/", "/live", "/docs", "/redoc"):
        assert "Sign out" in (await site.member.get(page)).text
        assert "Sign out" not in (await read.get(page)).text
    assert COOKIE not in read.cookies


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_sql_is_asked_by_people_alone(database_url: str, settings: MakeSettings) -> None:
    app = create_app(settings(sqlalchemy_database_uri=database_url, sql_editor="1"))
    async with alive(app) as running, client(running.app) as program:
        secret = await running._state["tokens"].add("reports", "read", None, "")
        program.headers["Authorization"] = f"Bearer {secret}"
        assert (await program.get("/api/private")).status_code == 200
        for answer in (await program.post("/query", json={"sql": "select 1"}), await program.get("/query")):
            assert answer.status_code == 401


async def test_a_stream_takes_a_token_and_ends_with_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a stream that asks for a session again."""
    monkeypatch.setattr(live, "EVERY_S", 0.05)
    monkeypatch.setattr(live, "BEAT_S", 0.1)
    tokens = Tokens(site.database.engine)
    secret = await tokens.add("wall screen", "read", None, "")
    await asyncio.sleep(1)
    asked = {"query": "private/live_sources"}
    bears = [(b"authorization", f"Bearer {secret}".encode())]
    async with listening(site, asked, headers=bears) as screen:
        assert (await screen.next())["event"] == "answer"
        async with asyncio.timeout(SOON_S):
            while screen.comments < 3:  # noqa: ASYNC110 - they tell nobody
                await asyncio.sleep(0.05)
        await tokens.withdraw("wall screen")
        await screen.end()
    again = await site.guest.get(live.STREAM_PATH, params=asked, headers=dict(bears))
    assert (again.status_code, again.headers["www-authenticate"]) == (401, WRONG)


async def test_a_reader_may_look_at_the_metrics(site: Site, read: httpx.AsyncClient) -> None:
    answer = await read.get("/metrics")
    assert (answer.status_code, "crumby_ready" in answer.text) == (200, True)
    assert "queue" in (await read.get("/readyz")).json()
    wrong = {"Authorization": f"Bearer {GUESS}"}
    assert (await site.guest.get("/readyz", headers=wrong)).json() == {"status": "ready"}
    assert "METRICS_TOKEN" in (await site.guest.get("/metrics", headers=wrong)).json()["detail"]


async def test_a_machine_is_ready_whoever_asks_while_nobody_can_be_known(
    site: Site, read: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a balancer would turn away from what keeps hits in its spool. Planted: a look that fails the answer."""

    async def away(*_: object) -> bool:
        raise DatabaseUnavailable("the database can't be reached")

    monkeypatch.setattr(Tokens, "allows", away)
    assert (await read.get("/readyz")).json() == {"status": "ready"}
    for address in ("/metrics", PRIVATE, "/api/public/pages"):
        answer = await read.get(address)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2"), address
