"""What goes wrong between a page and Crumby costs no hit: nobody there, no answer, the wrong answer, no time left.

0.7.1's script says each thing once, by an image, and does not look at what came of it: what is not stored at once is
lost. Where that leaves to chance whether its image comes through, it is not asked.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import anyio
import anyio.to_thread
import pytest
from playwright.async_api import Page

from tests.servers import Nginx, wait_until
from tests.tracker.scenarios.stage import NOW, STATS, Stage, is_hit

OFFLINE_S = 10.0
ONCE = "it says a thing once"
EVENT = "cmb.event('bite', '%s')"
alone_now = pytest.mark.parametrize("stage", [NOW], indirect=True)


async def known(stage: Stage) -> Page:
    """Open a first page, "a": from now on the script comes from the browser's cache."""
    page = await stage.visit("a")
    await stage.stored(1)
    return page


@alone_now
async def test_a_page_that_is_closed_while_it_sends_is_a_visit(stage: Stage) -> None:
    """Page closed during the send.

    Seen to fail where the request is not kept alive.
    """
    await known(stage)
    stage.door.freeze()
    leaving = await stage.tab()
    async with leaving.expect_request(is_hit):
        await leaving.goto(stage.put("b"))
    await leaving.close()
    await anyio.sleep(0.5)
    stage.door.resume()
    await stage.counted("a", "b")


async def test_what_is_done_offline_is_told_afterwards(stage: Stage) -> None:
    """Offline for ten seconds, then online.

    Each hit is stored with the time at which it was, not that at which it came.
    """
    page = await known(stage)
    await stage.profile.set_offline(offline=True)
    await page.evaluate("history.pushState(0, '', 'step')")
    await page.evaluate(EVENT % "offline")
    done = datetime.now(UTC)
    await anyio.sleep(OFFLINE_S if stage.script == NOW else 1)
    assert len(stage.hits()) == 1
    await stage.profile.set_offline(offline=False)
    found = await stage.counted("a", "step", "step bite=offline", old=["a"], why=ONCE)
    for hit in found[1:]:
        assert abs((datetime.fromisoformat(hit.at).replace(tzinfo=UTC) - done).total_seconds()) < OFFLINE_S / 2


@pytest.mark.parametrize("sudden", [True, False], ids=["kill -9", "graceful"])
async def test_a_visit_while_the_server_restarts_is_stored(stage: Stage, *, sudden: bool) -> None:
    """Server restarted during the load."""
    stage.scenario += ", kill -9" if sudden else ", graceful"
    page = await known(stage)
    await anyio.to_thread.run_sync(stage.crumby.kill if sudden else stage.crumby.stop)
    await page.goto(stage.put("b"))
    await page.evaluate(EVENT % "meanwhile")
    await anyio.to_thread.run_sync(stage.crumby.start)
    await page.goto(stage.put("c"))
    await stage.counted("a", "b", "b bite=meanwhile", "c", old=["a", "c"], why=ONCE)


@alone_now
async def test_a_hit_whose_answer_is_lost_is_stored_once(stage: Stage) -> None:
    """Answer lost on its way back.

    Seen to fail where a hit that is sent again gets an id of its own.
    """
    page = await known(stage)
    stage.door.cut_replies_to(rb"(POST /hit|GET /[^ ]*[?]).*bite", 2)
    await page.evaluate(EVENT % "once")
    await stage.stored(2)
    await page.goto(stage.put("b"))
    await stage.counted("a", "a bite=once", "b")
    assert stage.door.cuts >= 1


@contextmanager
def nginx_before(stage: Stage, location: str = "") -> Iterator[tuple[Nginx, str]]:
    """nginx before Crumby, and what it is known by."""
    with Nginx(passing(stage, location)) as nginx:
        yield nginx, f"http://{STATS}:{nginx.port}"


def passing(stage: Stage, location: str = "") -> Callable[[int], str]:
    def config(port: int) -> str:
        return f"""
            server {{
                listen 127.0.0.1:{port};
                {location}
                location / {{ proxy_pass http://127.0.0.1:{stage.crumby.port}; }}
            }}"""

    return config


BUSY = """
    location ~ (^/hit|[.]gif)$ {
        add_header Access-Control-Allow-Origin * always;
        add_header Retry-After 1 always;
        return 503;
    }"""


async def test_a_visit_that_a_busy_server_puts_off_is_stored(stage: Stage) -> None:
    """Server answers 503, then 204."""
    with nginx_before(stage, BUSY) as (nginx, stats):
        await said_no(nginx, await stage.tab(), stage.put("a", stats=stats), 503)
        nginx.configure(passing(stage))
        nginx.reload()
        await stage.counted("a", old=[], why=ONCE)


async def test_a_visit_before_a_dead_upstream_is_stored(stage: Stage) -> None:
    """Crumby away behind nginx (502), then back."""
    with nginx_before(stage) as (nginx, stats):
        page = await stage.visit("a", stats=stats)
        await stage.stored(1)
        await anyio.to_thread.run_sync(stage.crumby.kill)
        await said_no(nginx, page, stage.put("b", stats=stats), 502)
        await anyio.to_thread.run_sync(stage.crumby.start)
        await stage.counted("a", "b", old=["a"], why=ONCE)


async def said_no(nginx: Nginx, page: Page, address: str, status: int) -> None:
    """Open the page, and return when its hit has been answered so."""
    answered = re.compile(rf'"(?:POST /hit|GET /[0-9]+[.]gif)\S* HTTP/1.1" {status} ')
    await page.goto(address)
    log = nginx.folder / "access.log"
    await anyio.to_thread.run_sync(wait_until, lambda: bool(answered.search(log.read_text())), f"{status} for a hit")


@alone_now
async def test_what_two_tabs_kept_is_stored_once(stage: Stage) -> None:
    """Two tabs with one queue, server away, then back."""
    page = await known(stage)
    stage.door.refuse()
    await page.goto(stage.put("b"))
    other = await stage.tab()
    await other.goto(stage.put("c"))
    for tab in (page, other):
        await tab.evaluate(EVENT % "unheard")
    stage.door.resume()
    await stage.counted("a", "b", "b bite=unheard", "c", "c bite=unheard")


@alone_now
async def test_the_next_page_sends_what_the_last_could_not(stage: Stage) -> None:
    """Server away, page left; sent by the next page.

    Seen to fail without the queue.
    """
    page = await known(stage)
    stage.door.refuse()
    await page.goto(stage.put("b"))
    await page.evaluate(EVENT % "unheard")
    await page.close()
    stage.door.resume()
    await anyio.sleep(1)
    assert len(stage.hits()) == 1
    await (await stage.tab()).goto(stage.put("c"))
    await stage.counted("a", "b", "b bite=unheard", "c")


@alone_now
async def test_what_was_settled_is_kept_no_longer(stage: Stage) -> None:
    """Nothing is left behind."""
    page = await known(stage)
    await page.evaluate(EVENT % "1")
    await stage.counted("a", "a bite=1")
    deadline = time.monotonic() + 5
    while left := json.loads(await page.evaluate("JSON.stringify(Object.keys(localStorage))")):
        assert time.monotonic() < deadline, left
        await anyio.sleep(0.1)
