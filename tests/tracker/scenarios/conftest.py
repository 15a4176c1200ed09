"""A browser like a visitor's own, a website on one host and Crumby on another, and the table of what came of it."""

import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.faults.proxy import Proxy
from tests.servers import Crumby, require
from tests.tracker.scenarios.alone import WORDS
from tests.tracker.scenarios.bakery import Bakery
from tests.tracker.scenarios.stage import NOW, OLD, Stage, hits
from tests.tracker.scenarios.table import Table
from tests.tracker.scene import AGENT

TABLE: Final = pytest.StashKey[Table]()
NUMBERS: Final = itertools.count(1)


@pytest.fixture(scope="package")
def crumby() -> Iterator[Crumby]:
    with Crumby() as server:
        yield server


@pytest.fixture(scope="package")
def door(crumby: Crumby) -> Iterator[Proxy]:
    with Proxy(crumby.port) as proxy:
        yield proxy


@pytest.fixture(scope="package")
def bakery() -> Iterator[Bakery]:
    with Bakery() as site:
        yield site


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def chromium(bakery: Bakery) -> AsyncIterator[Browser]:
    """Give a Chromium that keeps pages for `back` and does not say that a program steers it."""
    executable = require("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable,
            ignore_default_args=["--disable-back-forward-cache"],
            args=[*WORDS, f"--unsafely-treat-insecure-origin-as-secure={bakery.url}"],
        )
        yield browser
        await browser.close()


@pytest.fixture(scope="package")
def table(request: pytest.FixtureRequest, crumby: Crumby, bakery: Bakery) -> Iterator[Table]:
    """Give the table; at the end it is held against the database once more, for what came late."""
    table = request.config.stash.setdefault(TABLE, Table())
    yield table
    late = []
    for row in table.rows:
        stored = len(hits(crumby.home / "crumby.db", row.slug))
        late += [f"{row.scenario}: {stored - row.stored} more"] * (stored != row.stored)
        row.stored = stored
    assert late == []


@pytest_asyncio.fixture(loop_scope="session", params=[NOW, OLD])
async def stage(
    request: pytest.FixtureRequest, chromium: Browser, crumby: Crumby, door: Proxy, bakery: Bakery, table: Table
) -> AsyncIterator[Stage]:
    """Give a visitor with a fresh profile; each scenario has a folder of the site to itself."""
    scenario = (request.function.__doc__ or request.node.name).partition("\n")[0].removesuffix(".")
    profile = await chromium.new_context(user_agent=AGENT)
    slug = f"s{next(NUMBERS)}"
    try:
        yield Stage(scenario, request.param, slug, profile, bakery, crumby, door, table)
    finally:
        await profile.close()
        door.resume()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table = config.stash.get(TABLE, None)
    if table and table.rows:
        table.write()
        terminalreporter.section("hits expected and stored")
        terminalreporter.write_line(table.markdown())
