"""How long and how far a page was looked at, from Chromium to the row of its visit."""

import json
from typing import Any

import anyio
import anyio.to_thread
import pytest
from playwright.async_api import Request

from tests.servers import wait_until
from tests.tracker.scene import Row, Scene

TALL = "<p style='height: 4000px; margin: 0'>crumbs</p><style>body { margin: 0 }</style><a href='/next'>on</a>"
SWITCH = """
    Object.defineProperty(document, 'hidden', { get: () => %s, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
"""
HIDE, SHOW = SWITCH % "true", SWITCH % "false"
BLUR = "document.hasFocus = () => false"
VIEW = "() => 100 * (scrollY + innerHeight) / document.documentElement.scrollHeight"


async def looked_at(scene: Scene, *, more_than_s: int = 0) -> Row:
    """Give the visit, once it has been told of more seconds than that."""

    def told() -> bool:
        return any((row["engaged"] or 0) > more_than_s for row in scene._stored("visits"))

    await anyio.to_thread.run_sync(wait_until, told, "an engagement", 5.0)
    return scene._stored("visits")[0]


def engagements(sent: list[Request]) -> list[dict[str, Any]]:
    documents = [json.loads(request.post_data or "{}") for request in sent]
    return [document for document in documents if document.get("t") == "engagement"]


async def test_a_page_that_is_scrolled_and_left_tells_its_visit(scene: Scene) -> None:
    """Seen to fail without the last look at the position, and with a share of the screen instead of the page."""
    scene.site.page("/next", "<!doctype html><title>Next</title>")
    await scene.visit(scene.html(TALL))
    await scene.page.evaluate("scrollTo(0, 1500)")
    share = await scene.page.evaluate(VIEW)
    await anyio.sleep(1.2)
    await scene.page.evaluate("scrollTo(0, 0)")
    await scene.page.evaluate("location = '/next'")
    visit = await looked_at(scene)
    assert 1 <= visit["engaged"] < 10
    assert visit["scroll"] == round(share) < 90


async def test_it_is_one_message_that_names_the_visit(scene: Scene) -> None:
    """A page that is left is hidden as well. Seen to fail where what was told is forgotten."""
    sent = scene.watch()
    await scene.visit(scene.html())
    await anyio.sleep(1.2)
    await scene.page.evaluate(HIDE)
    await scene.page.evaluate("dispatchEvent(new Event('pagehide'))")
    visit = await looked_at(scene)
    await scene.settle()
    [told] = engagements(sent)
    assert (told["id"], told["cid"], told["sp"]) == (visit["hit_id"].hex(), visit["cid"], 100)


async def test_a_page_that_is_hidden_twice_keeps_the_larger(scene: Scene) -> None:
    await scene.visit(scene.html(TALL))
    await scene.page.evaluate("scrollTo(0, 3000)")
    await anyio.sleep(1.2)
    await scene.page.evaluate(HIDE)
    first = await looked_at(scene)
    await scene.page.evaluate(SHOW)
    await scene.page.evaluate("scrollTo(0, 0)")
    await anyio.sleep(1.2)
    await scene.page.evaluate(HIDE)
    second = await looked_at(scene, more_than_s=first["engaged"])
    assert second["engaged"] > first["engaged"]
    assert second["scroll"] == first["scroll"] > 80


@pytest.mark.parametrize("before", [HIDE, BLUR], ids=["hidden", "without focus"])
async def test_a_page_that_is_not_looked_at_tells_nothing(scene: Scene, before: str) -> None:
    """Seen to fail where the seconds are counted in any case."""
    sent = scene.watch()
    await scene.visit(scene.html())
    await scene.page.evaluate(before)
    await anyio.sleep(1.2)
    await scene.page.evaluate(HIDE)
    await scene.settle()
    assert len(sent) == 1
    assert (await scene.row("visits"))["engaged"] is None


async def test_a_page_that_is_hidden_at_once_tells_nothing(scene: Scene) -> None:
    """Seen to fail where a message of no second is sent."""
    sent = scene.watch()
    await scene.visit(scene.html())
    await scene.page.evaluate(HIDE)
    await scene.settle()
    assert len(sent) == 1


async def test_where_fetch_is_forbidden_an_image_carries_it_unchanged(scene: Scene) -> None:
    policy = f"default-src 'none'; script-src {scene.stats}; img-src {scene.stats}"
    await scene.visit(scene.html(), headers={"Content-Security-Policy": policy})
    await scene.row("visits")
    await anyio.sleep(1.2)
    await scene.page.evaluate(HIDE)
    visit = await looked_at(scene)
    assert (visit["engaged"] >= 1, visit["scroll"]) == (True, 100)
