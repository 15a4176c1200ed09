"""The pages that sign somebody in, as they are seen: in the dark and the light, narrow and wide, and by keys alone."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pyotp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from crumby.accounts import Accounts
from crumby.accounts.setup import Setup
from crumby.database import open_database
from crumby.settings import Settings
from tests.servers import Crumby
from tests.web.test_reach import violations
from tests.web.watching import Watched

PASSWORD: Final = "gingerbread and tea"
MODES: Final = ((390, "dark"), (1280, "light"))


@pytest.fixture(scope="module")
def empty() -> Iterator[Crumby]:
    """A server that nobody can sign in to."""
    with Crumby() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session", params=MODES, ids=[f"{width}-{scheme}" for width, scheme in MODES])
async def fresh(request: pytest.FixtureRequest, chromium: Browser, empty: Crumby) -> AsyncIterator[Watched]:
    width, scheme = request.param
    context = await chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    watched = Watched(await context.new_page(), empty.url)
    yield watched
    await context.close()
    assert [fault for fault in watched.faults if not re.search("status of 4(01|04|22|29)", fault)] == []


async def forget(server: Crumby) -> None:
    async with open_database(settings_of(server)) as database:
        accounts = Accounts(database.engine)
        for name in await accounts.names():
            await accounts.delete(name)


def settings_of(server: Crumby) -> Settings:
    return Settings(sqlalchemy_database_uri=f"sqlite:///{server.home}/crumby.db")


async def setup_link(server: Crumby) -> str:
    await forget(server)
    async with open_database(settings_of(server)) as database:
        return f"{server.url}/setup/{await Setup(database.engine, Accounts(database.engine)).token()}"


async def test_the_first_user_is_made_by_keys_alone_and_signs_in_by_a_code(
    fresh: Watched, empty: Crumby, axe: str
) -> None:
    """Seen to fail where a field has no label, and where a form can't be sent by Enter."""
    page, press = fresh.page, fresh.page.keyboard
    name = f"{page.viewport_size['width'] if page.viewport_size else 0}"
    link = await setup_link(empty)
    await page.goto(link)
    await expect(page.get_by_label("Name")).to_be_focused()
    assert await violations(fresh, axe) == []
    await fresh.picture(f"setup-{name}")
    await press.type("ada")
    for word in ("password1", "password1"):
        await press.press("Tab")
        await press.type(word)
    await press.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("10,000 most common")
    await expect(page.get_by_label("Name")).to_have_value("ada")
    await expect(page.get_by_label("Password", exact=True)).to_be_focused()
    assert await violations(fresh, axe) == []
    await fresh.picture(f"setup-refused-{name}")
    await press.type(PASSWORD)
    await press.press("Tab")
    await press.type(PASSWORD)
    await press.press("Enter")
    await expect(page).to_have_url(f"{empty.url}/")
    await expect(page.get_by_role("region", name="Welcome")).to_be_visible()
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    await page.goto(link)
    await expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")

    secret = pyotp.random_base32()
    async with open_database(settings_of(empty)) as database:
        await Accounts(database.engine).set_totp("ada", secret)
    await page.context.clear_cookies()
    await page.goto(f"{empty.url}/login?next=/api")
    await expect(page.get_by_label("Name")).to_be_focused()
    await press.type("ada")
    await press.press("Tab")
    await press.type(PASSWORD)
    await press.press("Enter")
    await expect(page.get_by_label("Code", exact=True)).to_be_focused()
    assert await violations(fresh, axe) == []
    await fresh.picture(f"code-{name}")
    await press.type("000000")
    await press.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("not the code of now")
    await expect(page.get_by_label("Code", exact=True)).to_be_focused()
    assert await violations(fresh, axe) == []
    await press.type(pyotp.TOTP(secret).now())
    await press.press("Enter")
    await expect(page).to_have_url(f"{empty.url}/api")
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


async def test_who_guesses_too_often_is_told_when_to_come_back(fresh: Watched, empty: Crumby, axe: str) -> None:
    await forget(empty)
    who = f"nobody{fresh.page.viewport_size}"
    with empty.client() as client:
        for _ in range(10):
            client.post("/login", data={"username": who, "password": "a guess"})
    await fresh.page.goto(f"{empty.url}/login")
    await fresh.page.get_by_label("Name").fill(who)
    await fresh.page.get_by_label("Password").fill(PASSWORD)
    await fresh.page.get_by_role("button", name="Sign in").click()
    await expect(fresh.page.get_by_role("alert")).to_contain_text(re.compile("try again in 1[45] minutes"))
    assert await violations(fresh, axe) == []
    await fresh.picture(f"too-often-{fresh.page.viewport_size['width'] if fresh.page.viewport_size else 0}")
