"""Guesses of passwords and codes over HTTP: counted, told, and without end for nobody but the guesser."""

import itertools
import statistics
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pyotp
import pytest
import pytest_asyncio
from starlette.types import ASGIApp

from crumby.accounts import COOKIE, Accounts, hashing
from crumby.accounts.throttle import OF_ACCOUNT
from crumby.accounts.totp import new_secret
from crumby.app import create_app
from crumby.database import open_database
from tests.conftest import settings_in
from tests.servers import alive

PASSWORD = "a good password"
BROWSER = {"Accept": "text/html,application/xhtml+xml"}
SECRET = new_secret()
PROXY = "10.0.0.1"

Call = Callable[..., httpx.AsyncClient]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ASGIApp]:
    """Behind a proxy, with somebody who has a second factor. Each test guesses from addresses of its own."""
    settings = settings_in(tmp_path_factory.mktemp("guessing"), proxy_count="1")
    async with alive(create_app(settings)) as manager:
        async with open_database(settings) as database:
            accounts = Accounts(database.engine)
            for name in ("ann", "zoe"):
                await accounts.add(name, PASSWORD)
            await accounts.set_totp("zoe", SECRET)
        yield manager.app


@pytest_asyncio.fixture(loop_scope="module")
async def call(running: ASGIApp) -> AsyncIterator[Call]:
    """Give a client whom the proxy sees at that address."""
    opened: list[httpx.AsyncClient] = []

    def client(address: str, headers: dict[str, str] = BROWSER) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(running, client=(PROXY, 50_000))
        seen = {"X-Forwarded-For": address, **headers}
        opened.append(httpx.AsyncClient(transport=transport, base_url="http://crumby.test", headers=seen))
        return opened[-1]

    yield client
    for each in opened:
        await each.aclose()


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of which passwords one was computed; none of those that are guessed here fits."""
    computed: list[str] = []
    verify = hashing.verify

    def counting(password: str, kept: str) -> tuple[bool, str | None]:
        computed.append(password)
        return verify(password, kept) if password == PASSWORD else (False, None)

    monkeypatch.setattr(hashing, "verify", counting)
    return computed


def guess(number: int, name: str = "ann") -> dict[str, str]:
    return {"username": name, "password": f"guess {number}"}


async def signs_in(client: httpx.AsyncClient, name: str = "ann") -> bool:
    answer = await client.post("/login", data={"username": name, "password": PASSWORD})
    return answer.status_code == 303


async def test_200_guesses_with_rotated_headers_compute_ten_hashes(call: Call, hashes: list[str]) -> None:
    """The owner gets in from elsewhere. Planted: the address that anybody can write; a hash before it is counted."""
    told = []
    for number in range(200):
        spoofed = f"198.51.100.{number}"
        headers = {"X-Forwarded-For": f"{spoofed}, 203.0.113.1", "X-Real-IP": spoofed, "Forwarded": f"for={spoofed}"}
        answer = await call("", headers | {"User-Agent": f"guesser {number}"}).post("/login", data=guess(number))
        told.append(answer.status_code)
    assert len(hashes) == OF_ACCOUNT
    assert told == [401] * OF_ACCOUNT + [429] * (200 - OF_ACCOUNT)
    assert not await signs_in(call("203.0.113.1"))
    assert await signs_in(call("203.0.113.2"))
    assert len(hashes) == OF_ACCOUNT + 1


async def test_a_name_that_nobody_has_is_told_and_counted_as_any(call: Call, hashes: list[str]) -> None:
    """Byte by byte. Planted: guesses that count for those alone who are there."""
    told = {}
    for name, address in (("ann", "203.0.113.11"), ("nobody", "203.0.113.12")):
        client = call(address)
        answers = [await client.post("/login", data=guess(0, name)) for _ in range(OF_ACCOUNT + 2)]
        told[name] = [(answer.status_code, sorted(answer.headers), answer.content) for answer in answers]
    assert told["ann"] == told["nobody"]
    assert len(hashes) == 2 * OF_ACCOUNT


async def test_a_browser_and_a_program_are_told_when_to_come_back(call: Call, hashes: list[str]) -> None:
    browser, program = call("203.0.113.21"), call("203.0.113.21", {})
    for number in range(OF_ACCOUNT):
        await browser.post("/login", data=guess(number))
    page = await browser.post("/login", data={**guess(0), "next": "/docs"})
    assert page.status_code == 429
    assert 890 <= int(page.headers["retry-after"]) <= 900
    assert "Too many guesses from here: try again in 15 minutes." in page.text
    assert 'value="/docs"' in page.text
    said = await program.post("/login", data=guess(0))
    assert (said.status_code, said.json()["error"]) == (429, "TooManyGuesses")
    assert 890 <= int(said.headers["retry-after"]) <= 900
    assert "set-cookie" not in {**page.headers, **said.headers}


async def test_who_gets_in_may_mistype_again(call: Call) -> None:
    client = call("203.0.113.31")
    for _ in range(2):
        for number in range(6):
            assert (await client.post("/login", data=guess(number))).status_code == 401
        assert await signs_in(client)


async def test_a_customer_of_many_ipv6_addresses_is_one(call: Call, hashes: list[str]) -> None:
    told = [
        (await call(f"2001:db8:0:7::{number:x}").post("/login", data=guess(number))).status_code for number in range(12)
    ]
    assert told == [401] * OF_ACCOUNT + [429] * 2
    assert await signs_in(call("2001:db8:0:8::1"))


async def test_guesses_at_a_links_password_are_counted_for_the_link(call: Call, hashes: list[str]) -> None:
    """Planted: a link whose password may be guessed without end."""
    member = call("203.0.113.41")
    assert await signs_in(member)
    links = []
    for title in ("One", "Two"):
        draft = {"title": title, "panels": ["public/pages"], "password": PASSWORD}
        links.append((await member.post("/shares", json=draft)).json()["url"])
    guest = call("203.0.113.42")
    told = [(await guest.post(links[0], data={"password": f"guess {number}"})).status_code for number in range(12)]
    assert told == [401] * OF_ACCOUNT + [429] * 2
    waiting = await guest.post(links[0], data={"password": PASSWORD})
    assert waiting.status_code == 429
    assert "from here: try again in 15 minutes." in waiting.text
    assert int(waiting.headers["retry-after"]) > 800
    assert (await call("203.0.113.42", {}).post(links[0], data={})).json()["error"] == "TooManyGuesses"
    assert (await guest.post(links[1], data={"password": PASSWORD})).status_code == 303
    assert (await call("203.0.113.43").post(links[0], data={"password": PASSWORD})).status_code == 303


async def asked_for_code(client: httpx.AsyncClient, target: str = "") -> dict[str, str]:
    """The hidden fields of the form that asks for it."""
    form = await client.post("/login", data={"username": "zoe", "password": PASSWORD, "next": target})
    assert form.status_code == 200
    assert "set-cookie" not in form.headers
    assert "no-store" in form.headers["cache-control"]
    return {name: form.text.partition(f'name="{name}" value="')[2].partition('"')[0] for name in ("next", "note")}


codes = itertools.count(-1)  # each is taken once, and so each test has one of its own


def next_code() -> str:
    return pyotp.TOTP(SECRET).at(int(time.time()) + 30 * next(codes))


async def test_who_has_a_second_factor_is_let_in_by_the_code_after_the_password(call: Call) -> None:
    """By two forms, without a script. Planted: a session that begins with the password."""
    client = call("203.0.113.51")
    fields = await asked_for_code(client, "/docs")
    assert (await client.get("/api/private/events", headers={"Accept": "*/*"})).status_code == 401
    wrong = await client.post("/login/code", data={**fields, "code": "000 000"})
    assert (wrong.status_code, "That is not the code of now" in wrong.text) == (401, True)
    assert f'value="{fields["note"]}"' in wrong.text
    code = next_code()
    right = await client.post("/login/code", data={**fields, "code": f"{code[:3]} {code[3:]} "})
    assert (right.status_code, right.headers["location"]) == (303, "/docs")
    assert (await client.get("/api/private/events")).status_code == 200
    again = await call("203.0.113.52").post("/login/code", data={**fields, "code": code})
    assert again.status_code == 401
    for path in ("/login/code", "/login"):
        answer = await call("203.0.113.52").post(path, data={"code": next_code(), "note": "forged"})
        assert answer.status_code == 401
    assert (await client.get("/login/code")).headers["location"] == "/login"


async def test_codes_are_guessed_ten_times_wherever_from(call: Call) -> None:
    """Planted: codes that count from each address anew."""
    fields = await asked_for_code(call("203.0.113.61"))
    told = [
        (await call(f"198.51.100.{number}").post("/login/code", data={**fields, "code": "000000"})).status_code
        for number in range(OF_ACCOUNT + 2)
    ]
    assert told[-1] == 429
    assert set(told) == {401, 429}
    assert told.count(401) <= OF_ACCOUNT
    late = await call("203.0.113.62").post("/login/code", data={**fields, "code": next_code()})
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) > 800


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
async def test_no_other_site_posts_a_code(call: Call, headers: dict[str, str]) -> None:
    client = call("203.0.113.71")
    fields = await asked_for_code(client)
    answer = await client.post("/login/code", data={**fields, "code": next_code()}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_session_that_is_signed_out_is_over_for_whoever_has_its_cookie(call: Call) -> None:
    """Planted: a logout that takes away the cookie alone; a login that goes on by the id that was there."""
    client = call("203.0.113.81")
    assert await signs_in(client)
    first = client.cookies[COOKIE]
    assert await signs_in(client)
    second = client.cookies[COOKIE]

    async def opens(cookie: str) -> bool:
        answer = await call("203.0.113.82", {"Cookie": f"{COOKIE}={cookie}"}).get("/api/private/events")
        return answer.status_code == 200

    assert (await opens(first), await opens(second)) == (False, True)
    await client.post("/logout")
    assert not await opens(second)


@pytest.mark.long
async def test_a_name_that_nobody_has_takes_as_long_as_any(call: Call) -> None:
    """500 of each, in turn, from addresses of their own. Planted: no hash for a name that nobody has."""
    took: dict[str, list[float]] = {"ann": [], "nobody": []}
    for number in range(500):
        for place, (name, times) in enumerate(took.items()):
            client = call(f"198.{18 + place}.{number // 250}.{number % 250}")
            begin = time.perf_counter()
            assert (await client.post("/login", data=guess(number, name))).status_code == 401
            times.append(time.perf_counter() - begin)
    known, unknown = (statistics.median(times) for times in took.values())
    assert abs(known - unknown) / known <= 0.05
