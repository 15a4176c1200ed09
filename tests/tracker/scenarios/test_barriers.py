"""What stands between a page and Crumby by somebody's will: policies, service workers, browsers that keep nothing.

0.7.1's script sends images alone, so a policy on `connect-src` is none of its business, and one on `img-src` its end.
"""

import json
from pathlib import Path

import anyio
import pytest

from tests.tracker.scenarios.alone import chromium_alone
from tests.tracker.scenarios.stage import NOW, Stage

INLINE = "default-src 'none'; script-src 'unsafe-inline' *"
NO_CONNECTION = {"Content-Security-Policy": f"{INLINE}; img-src *; connect-src 'self'"}
BY_NONCE = {"Content-Security-Policy": "default-src 'none'; script-src 'nonce-crumb'; img-src *"}
NOTHING = {"Content-Security-Policy": f"{INLINE}; img-src 'none'; connect-src 'none'"}
REGISTER = """
    navigator.serviceWorker.register('worker.js').then(() => navigator.serviceWorker.ready).then(() => true)
"""
AT_ONCE = (
    "addEventListener('install', () => skipWaiting()); addEventListener('activate', e => e.waitUntil(clients.claim()));"
)
OFFLINE_FIRST = """
    addEventListener('fetch', event => {
      const own = new URL(event.request.url).origin == location.origin;
      event.respondWith(own && event.request.mode == 'navigate'
        ? caches.open('pages').then(cache => cache.match(event.request).then(kept => kept || fetch(event.request)
            .then(answer => { cache.put(event.request, answer.clone()); return answer; })))
        : fetch(event.request));
    });
"""
NO_STRANGERS = """
    addEventListener('fetch', event => {
      const { url, destination } = event.request;
      if (new URL(url).origin != location.origin && !(%s)) event.respondWith(Response.error());
    });
"""
PAGE_FOR_ALL = """
    addEventListener('fetch', event => {
      const { url, destination, mode } = event.request;
      if (destination != 'script' && mode != 'navigate' && !url.includes('/saw')) event.respondWith(
        new Response('<!doctype html><title>You are offline</title>', { headers: { 'Content-Type': 'text/html' } }));
    });
"""
NO_COOKIES = {"profile": {"default_content_setting_values": {"cookies": 2}}}
NOTHING_KEPT = """
    <script>
      document.cookie = 'crumb=1';
      let kept = document.cookie != '';
      try { localStorage.length; kept = true; } catch (blocked) {}
      %s
    </script>
"""
FULL = """
    for (let size = 1 << 22; size; size >>= 1)
      try { for (let n = 0;; n++) localStorage[`${size}-${n}`] = 'x'.repeat(size); } catch (full) {}
"""
alone_now = pytest.mark.parametrize("stage", [NOW], indirect=True)


async def test_a_policy_without_connections_leaves_the_image(stage: Stage) -> None:
    """CSP forbids connect-src.

    Seen to fail without the image.
    """
    page = await stage.visit("a", headers=NO_CONNECTION)
    await page.evaluate("cmb.event('bite', 'by image')")
    await stage.counted("a", "a bite=by image")


@alone_now
async def test_a_policy_of_nonces_leaves_the_image_too(stage: Stage) -> None:
    """CSP forbids connect-src and scripts without its nonce.

    Seen to fail where what the script fetches has none.
    """
    await stage.visit("a", headers=BY_NONCE, attributes="nonce=crumb")
    await stage.counted("a")


async def test_what_a_policy_keeps_in_is_sent_by_the_next_page(stage: Stage) -> None:
    """CSP forbids connect-src and img-src; the next page may send."""
    page = await stage.visit("a", headers=NOTHING)
    await page.evaluate("cmb.event('bite', 'kept')")
    await anyio.sleep(0.5)
    assert stage.hits() == []
    await page.goto(stage.put("b"))
    await stage.counted("a", "a bite=kept", "b", old=["b"], why="its image is forbidden, and it says a thing once")


async def test_a_worker_that_answers_for_its_site_hides_no_visit(stage: Stage) -> None:
    """Service worker answers all pages from its cache."""
    stage.put_script("worker.js", AT_ONCE + OFFLINE_FIRST)
    page = await stage.visit("a")
    await page.evaluate(REGISTER)
    await page.reload()
    await stage.stored(2)
    stage.put("a", status=500)
    await page.reload()
    assert await page.evaluate("!!navigator.serviceWorker.controller && document.title") == "a"
    await stage.counted("a", "a", "a")


async def test_a_worker_that_lets_no_stranger_in_hides_no_visit(stage: Stage) -> None:
    """Service worker fails what goes to other hosts, but images."""
    stage.put_script("worker.js", AT_ONCE + NO_STRANGERS % "destination == 'script' || destination == 'image'")
    page = await stage.visit("a")
    await page.evaluate(REGISTER)
    await page.goto(stage.put("b"))
    await stage.counted("a", "b")


async def test_what_a_worker_keeps_in_is_sent_when_it_is_gone(stage: Stage) -> None:
    """Service worker fails all that goes to other hosts, then is gone."""
    stage.put_script("worker.js", AT_ONCE + NO_STRANGERS % "destination == 'script'")
    page = await stage.visit("a")
    await page.evaluate(REGISTER)
    await page.goto(stage.put("b"))
    await anyio.sleep(0.5)
    assert len(stage.hits()) == 1
    await page.evaluate("navigator.serviceWorker.getRegistration().then(worker => worker.unregister())")
    await page.goto(stage.put("c"))
    await stage.counted("a", "b", "c", old=["a", "c"], why="it says a thing once")


async def test_a_page_that_a_worker_gives_for_an_answer_settles_nothing(stage: Stage) -> None:
    """Service worker answers everything with a page of its own, then is gone.

    Seen to fail where any answer with status 200 settles a hit.
    """
    stage.put_script("worker.js", AT_ONCE + PAGE_FOR_ALL)
    page = await stage.visit("a")
    await page.evaluate(REGISTER)
    await page.goto(stage.put("b"))
    await anyio.sleep(0.5)
    assert len(stage.hits()) == 1
    await page.evaluate("navigator.serviceWorker.getRegistration().then(worker => worker.unregister())")
    await page.goto(stage.put("c"))
    await stage.counted("a", "b", "c", old=["a", "c"], why="it says a thing once")


async def test_a_browser_that_keeps_nothing_is_counted(stage: Stage, tmp_path: Path) -> None:
    """Strict cookies: all cookies and storage blocked."""
    on = "<script>setTimeout(() => { location = %s; }, 500)</script>"
    last = stage.put("b", NOTHING_KEPT % stage.tell("kept"))
    first = stage.put("a", on % json.dumps(last))
    with chromium_alone(first, tmp_path / "profile", NO_COOKIES):
        await stage.seen("false")
        await stage.counted("a", "b")


async def test_a_frame_that_may_keep_nothing_is_counted(stage: Stage) -> None:
    """Sandboxed frame without an origin."""
    stage.put("framed", "<script>cmb.event('bite', 'framed')</script>")
    await stage.visit("a", more="<iframe sandbox='allow-scripts' src='framed'></iframe>", tracked=False)
    why = "without cookies it fails before it sends"
    await stage.counted("framed", "framed bite=framed", old=[], why=why)


async def test_a_full_storage_hides_no_visit(stage: Stage) -> None:
    """Storage full."""
    page = await stage.visit("a", more=f"<script>{FULL}</script>")
    await page.goto(stage.put("b"))
    await page.evaluate("cmb.event('bite', 'no room')")
    await stage.counted("a", "b", "b bite=no room")
