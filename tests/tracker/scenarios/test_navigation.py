"""Each page that a visitor comes to is a visit, once, however it was come to.

The first line of a docstring is the scenario's name in the table. 0.7.1's script sends a visit where it is run, so
once for each load, and knows nothing of what happens to a page afterwards.
"""

import json
from pathlib import Path

import anyio
import pytest
from playwright.async_api import Page

from tests.tracker.scenarios.alone import chromium_alone
from tests.tracker.scenarios.stage import NOW, OLD, Stage

ONE_LOAD = "it is run once for each load"
APP = """
<main id=app></main>
<script src=/vue.js></script><script src=/vue-router.js></script>
<script>
  const { h, nextTick } = Vue, { RouterLink, RouterView } = VueRouter;
  const page = text => ({ render: () => h('h1', text) });
  const history = VueRouter[%(history)s](%(base)s);
  const router = VueRouter.createRouter({ history, routes: [
    { path: '/', component: page('Bakery'), meta: { title: 'Bakery' } },
    { path: '/buns', component: page('Buns'), meta: { title: 'Buns' } },
    { path: '/buns/:id', component: page('A bun'), meta: { title: 'A bun' } },
    { path: '/rolls', redirect: '/buns' },
    { path: '/:rest(.*)', component: page('Not found'), meta: { title: 'Not found' } },
  ] });
  router.afterEach(to => nextTick(() => { document.title = to.meta.title; }));
  const link = (to, more) => h(RouterLink, { to, id: to.replace(/\\W/g, ''), ...more }, () => to);
  Vue.createApp({ render: () => h('div', [
    link('/'), link('/buns'), link('/buns/7'), link('/buns?sort=size'), link('/rolls'),
    link('/buns/8', { replace: true }), h(RouterView),
  ]) }).use(router).mount('#app');
  window.router = router;
</script>
"""
HISTORY = {"history": json.dumps("createWebHistory")}
HASHES = {"history": json.dumps("createWebHashHistory"), "base": ""}
TELL_PERSISTED = "<script>addEventListener('pageshow', e => %s)</script>"
AHEAD = """
    <script type="speculationrules">{"prerender": [{"urls": %s, "eagerness": "immediate"}]}</script>
"""
GO = "<script>setTimeout(() => { location = %s; }, %d)</script>"


async def test_each_page_of_a_site_is_a_visit(stage: Stage) -> None:
    """Site of several pages."""
    stage.put("buns", "<a href='bun?id=7#price'>a bun</a>")
    stage.put("bun")
    page = await stage.visit("", more="<a href='buns'>buns</a>")
    await page.click("a")
    await page.click("a")
    await page.wait_for_url("**/bun?id=7#price")
    await stage.counted("", "buns", "bun?id=7#price")


async def test_each_step_of_a_router_is_a_visit(stage: Stage) -> None:
    """Single-page application, vue-router with paths.

    The router writes its state into the entry it leaves, and once more into the one it comes to: that is no visit. A
    route that sends on to another is one, of the other; one that takes the place of another is one.
    """
    base = json.dumps(f"/{stage.slug}/")
    page = await stage.tab()
    await page.goto(stage.put("*", APP % {**HISTORY, "base": base}, title="Loading"))
    for link in ("buns", "buns7", "buns8", "bunssortsize", "rolls"):
        await page.click(f"#{link}")
    await page.go_back()
    await page.go_back()
    await page.go_forward()
    steps = ["buns", "buns/7", "buns/8", "buns?sort=size", "buns", "buns?sort=size", "buns/8", "buns?sort=size"]
    await stage.counted("", *steps, old=[""], why=ONE_LOAD)


async def test_each_step_of_a_router_of_fragments_is_a_visit(stage: Stage) -> None:
    """Single-page application, vue-router with fragments."""
    page = await stage.tab()
    await page.goto(stage.put("", APP % HASHES, title="Loading", attributes="data-hash") + "#/")
    for link in ("buns", "buns7", "buns8", "rolls"):
        await page.click(f"#{link}")
    await page.go_back()
    steps = ["#/buns", "#/buns/7", "#/buns/8", "#/buns", "#/buns/8"]
    await stage.counted("#/", *steps, old=["#/"], why=ONE_LOAD)


@pytest.mark.parametrize("stage", [NOW], indirect=True)
async def test_a_step_knows_its_title_and_where_it_came_from(stage: Stage) -> None:
    """Titles and origins of a router's steps."""
    page = await stage.tab()
    base = json.dumps(f"/{stage.slug}/")
    address = stage.put("*", APP % {**HISTORY, "base": base}, title="Loading")
    await page.goto(address)
    for link, title in (("buns", "Buns"), ("buns7", "A bun")):
        await page.click(f"#{link}")
        await page.wait_for_function("title => document.title == title", arg=title)
    await stage.counted("", "buns", "buns/7")
    found = stage.columns("doc_uri", "doc_title", "referrer")
    assert found[1:] == [(f"{address}buns", "Buns", address), (f"{address}buns/7", "A bun", f"{address}buns")]


async def test_what_changes_no_address_is_no_visit(stage: Stage) -> None:
    """History entries without a new page.

    Seen to fail where each change of the history is one: state alone, the same address again, a fragment.
    """
    page = await stage.visit("", more="<a href='#price'>price</a>")
    await page.evaluate("history.replaceState({ scroll: 7 }, '')")
    await page.evaluate("history.pushState({ open: true }, '', location.href)")
    await page.evaluate("history.pushState({ open: true }, '')")
    await page.click("a")
    await page.go_back()
    await page.evaluate("history.pushState(0, '', 'next')")
    await stage.counted("", "next", old=[""], why=ONE_LOAD)


async def test_a_step_that_is_left_at_once_is_a_visit(stage: Stage) -> None:
    """Application left in the instant of a step."""
    stage.put("else", tracked=False)
    page = await stage.visit("")
    await page.evaluate("history.pushState(0, '', 'step'); location = 'else'")
    await page.wait_for_url("**/else")
    await stage.counted("", "step", old=[""], why=ONE_LOAD)


async def test_a_page_loaded_anew_is_a_visit(stage: Stage) -> None:
    """Reload."""
    page = await stage.visit("")
    await page.reload()
    await stage.counted("", "")


async def test_back_and_forward_are_visits(stage: Stage) -> None:
    """Back and forward, pages loaded anew.

    A page that another one opened, and can reach, is not kept.
    """
    stage.put("b", TELL_PERSISTED % stage.tell("'b-' + e.persisted"))
    stage.put("a", TELL_PERSISTED % stage.tell("'a-' + e.persisted"))
    opener = await stage.visit("opener", tracked=False)
    async with opener.expect_popup() as opened:
        await opener.evaluate("open('a')")
    await there_and_back(stage, await opened.value, "false")
    await stage.counted("a", "b", "a", "b")


async def test_a_page_that_was_kept_for_back_is_a_visit(stage: Stage) -> None:
    """Back and forward, pages kept in the bfcache."""
    stage.put("b", TELL_PERSISTED % stage.tell("'b-' + e.persisted"))
    page = await stage.visit("a", more=TELL_PERSISTED % stage.tell("'a-' + e.persisted"))
    await there_and_back(stage, page, "true")
    await stage.counted("a", "b", "a", "b", old=["a", "b"], why="it is not run again")


async def there_and_back(stage: Stage, page: Page, persisted: str) -> None:
    """Go from a to b, back and forward; Playwright would wait for pages to load that do not."""
    await stage.seen("a-false")
    await page.evaluate("setTimeout(() => { location = 'b'; }, 50)")
    await stage.seen("b-false")
    await page.evaluate("setTimeout(() => history.back(), 50)")
    await stage.seen(f"a-{persisted}", times=1 + (persisted == "false"))
    await page.evaluate("setTimeout(() => history.forward(), 50)")
    await stage.seen(f"b-{persisted}", times=1 + (persisted == "false"))


async def test_two_tabs_are_two_visits(stage: Stage) -> None:
    """Two tabs at once."""
    stage.put("a")
    stage.put("b")
    tabs = [await stage.tab(), await stage.tab()]
    async with anyio.create_task_group() as group:
        for tab, path in zip(tabs, "ab", strict=True):
            group.start_soon(tab.goto, stage.folder + path)
    await stage.counted("a", "b")


async def test_a_page_rendered_ahead_is_a_visit_once_it_is_shown(stage: Stage, tmp_path: Path) -> None:
    """Prerendered by speculation rules, then shown."""
    there = stage.put("ahead", f"<script>{stage.tell('document.prerendering')}</script>")
    first = stage.put("first", AHEAD % json.dumps([there]) + GO % (json.dumps(there), 1500))
    with chromium_alone(first, tmp_path / "profile"):
        await stage.seen("true")
        assert (stage.script == OLD) == ("ahead" in await within(stage, 0.5)), "sent before it was shown"
        await stage.counted("first", "ahead")


async def test_a_page_rendered_ahead_and_never_shown_is_none(stage: Stage, tmp_path: Path) -> None:
    """Prerendered by speculation rules, never shown."""
    there = stage.put("ahead", f"<script>{stage.tell('document.prerendering')}</script>")
    first = stage.put("first", AHEAD % json.dumps([there]))
    with chromium_alone(first, tmp_path / "profile"):
        await stage.seen("true")
        await anyio.sleep(1)
        await stage.counted("first", old=["first", "ahead"], why="it is run before the page is shown")


async def within(stage: Stage, seconds: float) -> list[str]:
    await anyio.sleep(seconds)
    return [hit.page for hit in stage.hits()]
