"""The page behind the link that `crumby run` prints."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from crumby.accounts import Accounts
from crumby.accounts.setup import Setup
from crumby.app import create_app
from crumby.database import Database, open_database
from tests.conftest import MakeSettings
from tests.servers import alive

FORM = {"username": "ann", "password": "a good password", "again": "a good password"}
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
async def database(settings: MakeSettings) -> AsyncIterator[Database]:
    async with open_database(settings()) as opened:
        yield opened


@pytest.fixture
async def clients(settings: MakeSettings, database: Database) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Give two browsers, each of a worker of its own."""
    async with contextlib.AsyncExitStack() as stack:
        opened = []
        for _ in range(2):
            manager = await stack.enter_async_context(alive(create_app(settings())))
            transport = httpx.ASGITransport(manager.app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://crumby.test", headers=BROWSER)
            opened.append(await stack.enter_async_context(client))
        yield opened


async def test_the_link_makes_the_first_user_and_signs_in(clients: list[httpx.AsyncClient], database: Database) -> None:
    """On any worker; what is wrong is told in the form. Planted: a page that is there without its token."""
    accounts = Accounts(database.engine)
    link = f"/setup/{await Setup(database.engine, accounts).token()}"
    here, there = clients
    form = await there.get(link)
    assert (form.status_code, form.headers["cache-control"]) == (200, "no-store")
    assert 'autocomplete="new-password"' in form.text
    for wrong, told in (
        ({"again": "another"}, "The two passwords differ."),
        ({"password": "short", "again": "short"}, "A password has 8 to 1024 characters."),
        ({"password": "password1", "again": "password1"}, "one of the 10,000 most common"),
        ({"username": "<b>\n"}, "A name has 1 to 75 printable characters."),
    ):
        answer = await here.post(link, data=FORM | wrong)
        assert (answer.status_code, told in answer.text) == (422, True), answer.text
        assert "<b>" not in answer.text
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert (await here.post(link, data=FORM, headers=headers)).status_code == 403
    for other in (f"/setup/{'a' * 43}", "/setup/", "/setup/%00", link + "a", link.swapcase()):
        assert (await here.get(other)).status_code == (await here.post(other, data=FORM)).status_code == 404
    assert await accounts.names() == []

    made = await here.post(link, data=FORM)
    assert (made.status_code, made.headers["location"]) == (303, "/")
    assert (await here.get("/api/private/events")).status_code == 200
    assert await accounts.names() == ["ann"]
    for client in clients:
        over = await client.get(link)
        assert (over.status_code, "this link makes the first user" in over.text) == (404, True)
        assert (await client.post(link, data=FORM | {"username": "eve"})).status_code == 404


async def test_two_at_once_make_one_user(clients: list[httpx.AsyncClient], database: Database) -> None:
    accounts = Accounts(database.engine)
    link = f"/setup/{await Setup(database.engine, accounts).token()}"
    posted = [client.post(link, data=FORM | {"username": f"user {n}"}) for n, client in enumerate(clients * 2)]
    answers = await asyncio.gather(*posted)
    assert sorted(answer.status_code for answer in answers) == [303, 404, 404, 404]
    assert len(await accounts.names()) == 1
