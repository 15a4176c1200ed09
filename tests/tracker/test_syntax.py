"""The tracker's language: ES2017, in the sources and as it is sent."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from crumby.ingest.script import OTHERS, PIECES, Script

ROOT = Path(__file__).parents[2]
ACORN = ROOT / "tests" / "vendor" / "acorn" / "acorn.js"
PARSE = """
    ([text, sourceType]) => {
        try { acorn.parse(text, { ecmaVersion: 2017, sourceType }); }
        catch (error) { return `${error.message}: ${text.slice(error.pos - 30, error.pos + 30)}`; }
    }
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def parser(chromium: Browser) -> AsyncIterator[Page]:
    context = await chromium.new_context()
    page = await context.new_page()
    await page.add_script_tag(path=ACORN)
    yield page
    await context.close()


async def complaint(parser: Page, text: str, kind: str = "script") -> Any:
    return await parser.evaluate(PARSE, [text, kind])


@pytest.mark.parametrize("name", ["core", *PIECES, *OTHERS])
@pytest.mark.parametrize("folder", ["static/tracker", "static/tracker/min"])
async def test_a_piece_is_es2017(parser: Page, folder: str, name: str) -> None:
    """Seen to fail with an object spread in elements.js, and with `catch {`."""
    assert await complaint(parser, (ROOT / folder / f"{name}.js").read_text()) is None


@pytest.mark.parametrize("query", ["", "all", "only"])
async def test_a_script_as_it_is_sent_is_es2017(parser: Page, query: str) -> None:
    assert await complaint(parser, Script("stats.example").packed(query).bodies["identity"].decode()) is None


async def test_the_module_is_es2017(parser: Page) -> None:
    assert await complaint(parser, (ROOT / "npm" / "index.js").read_text(), "module") is None


@pytest.mark.parametrize("newer", ["let a = { ...b }", "try {} catch {}", "a?.b", "a ?? b", "import('x')", "/a/s"])
async def test_what_is_newer_is_found(parser: Page, newer: str) -> None:
    assert await complaint(parser, newer)
