"""Row 23 of the card: whatever `next` and an address say, nobody is led away from Crumby. A browser judges."""

import itertools
import re
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote, urlencode

import pytest
import pytest_asyncio
from playwright.async_api import Page, Request, Route

from crumby.web.login import safe_next
from tests.servers import Crumby
from tests.web.watching import PASSWORD, USER
from tests.wire import asked, get

EVIL: Final = "evil.example"
VECTORS: Final = (
    *(
        f"//{EVIL}",
        f"///{EVIL}",
        f"////{EVIL}",
        f"/\\{EVIL}",
        f"\\\\{EVIL}",
        f"\\/{EVIL}",
        f"/\\/{EVIL}",
        f"//\\{EVIL}",
    ),
    *(f"https://{EVIL}", f"http:{EVIL}", f"https:{EVIL}", f"https:/{EVIL}", f"https:///{EVIL}", f"HTTPS://{EVIL}"),
    *(
        f"https:\\\\{EVIL}",
        f"ftp://{EVIL}",
        f"data:text/html,<a href=//{EVIL}>",
        "javascript:location='//evil.example'",
    ),
    *(f"/\t/{EVIL}", f"/\n/{EVIL}", f"/\r/{EVIL}", f"\t//{EVIL}", f" //{EVIL}", f"\x00//{EVIL}", f"/\x00/{EVIL}"),
    *(
        f"\x0b//{EVIL}",
        f"\u00a0//{EVIL}",
        f"\u2028//{EVIL}",
        f"\ufeff//{EVIL}",
        f"/\u2215{EVIL}",
        f"\uff0f\uff0f{EVIL}",
    ),
    *(f"//user@{EVIL}", f"//127.0.0.1@{EVIL}", f"//127.0.0.1:80@{EVIL}/", f"//{EVIL}%2f%2e%2e", f"//{EVIL}#127.0.0.1"),
    *(
        f"/%09/{EVIL}",
        f"/%5c{EVIL}",
        f"%2f%2f{EVIL}",
        f"/%2f{EVIL}",
        f"/..//{EVIL}",
        f"/.//{EVIL}",
        f"/login/..//{EVIL}",
    ),
    *(f"@{EVIL}", f".{EVIL}", f":80@{EVIL}", f"?//{EVIL}", f"/\r\nLocation: //{EVIL}", f"/\r\nRefresh: 0;url=//{EVIL}"),
    *(
        f"/;//{EVIL}",
        f"//[::1]@{EVIL}",
        f"//{EVIL}:80",
        "//evil\u3002example",
        f"/\\\t\\{EVIL}",
        f"x:{EVIL}",
        f"//{EVIL}?",
    ),
)
LOCATION: Final = re.compile(rb"\r\nlocation: ([^\r]*)")
LEAVING: Final = """targets => targets.filter((target) => {
    try { return new URL(target, location.href).origin !== location.origin; } catch { return false; }
})"""
POSTED: Final = """([action, fields]) => {
    const form = document.createElement('form');
    Object.assign(form, { method: 'post', action });
    for (const [name, value] of fields) {
        const field = document.createElement('textarea');
        Object.assign(field, { name, value });
        form.append(field);
    }
    document.documentElement.append(form);
    HTMLFormElement.prototype.submit.call(form);
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def led(page: Page, town: Crumby) -> AsyncIterator[list[str]]:
    """Give the addresses elsewhere that the page went for. Of Crumby it gets bare pages, without what they load."""
    elsewhere: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith(f"{town.url}/"):
            elsewhere.append(request.url)

    async def route(route: Route) -> None:
        await (route.continue_() if route.request.is_navigation_request() else route.abort())

    page.on("request", note)
    await page.route("**/*", route)
    yield elsewhere


def test_there_are_more_than_forty() -> None:
    assert len(set(VECTORS)) > 40


async def test_no_path_of_ours_is_another_origin_to_a_browser(page: Page, led: list[str], town: Crumby) -> None:
    """All of them, and some thousand that are made of their parts, as Chromium resolves them.

    Seen to fail where a path is whatever begins with a slash.
    """
    parts = ("", "/", "//", "\\", "\t", "\n", "\x00", " ", ".", "..", "%2f", "@", "https:", ":", EVIL, f"/{EVIL}")
    made = {"".join(some) for some in itertools.product(parts, repeat=3)}
    await page.goto(f"{town.url}/login")
    assert len(await page.evaluate(LEAVING, [*VECTORS, *made])) > 100, "none of them would have led away"
    taken = [target for vector in (*VECTORS, *made) if (target := safe_next(vector))]
    assert len(taken) > 100
    assert await page.evaluate(LEAVING, taken) == []


@pytest.mark.parametrize("each", [8, pytest.param(1, marks=pytest.mark.long)])
async def test_no_login_leads_elsewhere(page: Page, town: Crumby, led: list[str], each: int) -> None:
    """By the form's field, and each other one by the address that it is posted to. Seen to fail as above."""
    await page.goto(f"{town.url}/login")
    for number, vector in enumerate(VECTORS[::each]):
        fields = [("username", USER), ("password", PASSWORD)]
        action = f"{town.url}/login"
        if number % 2:
            action += f"?{urlencode({'next': vector})}"
        else:
            fields.append(("next", vector))
        async with page.expect_navigation(wait_until="domcontentloaded"):
            await page.evaluate(POSTED, [action, fields])
        assert led == [], repr(vector)
        assert page.url.startswith(f"{town.url}/"), repr(vector)
        assert "/login" not in page.url or "/login/" in vector, f"{vector!r} signed nobody in"


async def test_no_address_leads_elsewhere(town: Crumby) -> None:
    """Of pages that are not there, or ask for a login."""
    browser = ("Accept: text/html", "Connection: close")
    for vector in map(quote, filter(str.isascii, VECTORS)):
        for path in (
            f"/{vector}",
            f"/api{vector}",
            f"/api/private{vector}/",
            f"{vector}/api/private",
            f"/static/{vector}/",
        ):
            for raw in {path, path.replace("%5C", "\\"), f"/{path.lstrip('/')}"}:
                answer = await asked(town.port, get(raw, *browser)) if raw.startswith("/") else None
                location = LOCATION.search(answer.head) if answer else None
                assert not location or location[1].startswith(b"/login?next="), (raw, location)
