"""What a first visit to the page costs: everything that Chromium fetched, as a server that packs would send it."""

import gzip
import json
from pathlib import Path

from playwright.async_api import Response, expect

from tests.web.watching import PICTURES, Watched

WHOLE, SCRIPT = 150_000, 60_000  # bytes, packed


async def test_a_cold_page_is_light(seen: Watched) -> None:
    """Seen to fail with the map in the page."""
    answers: list[Response] = []
    seen.page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - Playwright marks what it calls
    await seen.open("/")
    await expect(seen.page.locator("#now")).to_be_visible()  # the last to be asked for
    bodies = {answer.url.removeprefix(seen.url): answer for answer in answers if "/live/stream" not in answer.url}
    weights = {path: len(gzip.compress(await answer.body(), 6)) for path, answer in bodies.items()}
    scripts = {path: size for path, size in weights.items() if path.partition("?")[0].endswith(".js")}
    assert len(scripts) > 10
    told = json.dumps({"all": sum(weights.values()), "script": sum(scripts.values()), **weights}, indent=2)
    PICTURES.mkdir(parents=True, exist_ok=True)
    Path(PICTURES / "weight.json").write_text(told)
    assert sum(weights.values()) <= WHOLE, told
    assert sum(scripts.values()) <= SCRIPT, told
