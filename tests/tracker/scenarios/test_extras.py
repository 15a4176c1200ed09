"""The extras on real pages, each in the moment in which it is easily lost: when the page is left."""

import json

import anyio
import pytest

from tests.tracker.scenarios.stage import NOW, Stage

ORDER = """
    <h1>Order</h1>
    <button type=button data-cmb-event=taste data-cmb-value=rye data-cmb-shop='Old Town'>A taste</button>
    <a id=file href=menu.pdf>Menu</a>
    <form name=order action=thanks><input name=name value=Ann><button id=send>Send</button></form>
"""
ALL = "data-engagement data-outbound data-downloads data-forms data-404 data-vitals data-elements"
alone_now = pytest.mark.parametrize("stage", [NOW], indirect=True)


@alone_now
@pytest.mark.parametrize("at_once", [True, False], ids=["one script", "fetched later"])
async def test_each_extra_is_told_of_a_page_that_is_left(stage: Stage, *, at_once: bool) -> None:
    """All extras on one page."""
    stage.scenario += ", as one script" if at_once else ", fetched later"
    stage.put("thanks", tracked=False)
    stage.put("menu.pdf", headers={"Content-Disposition": "attachment"}, tracked=False)
    words = "?" + ALL.replace("data-", "").replace(" ", "&") if at_once else ""
    page = await stage.visit("order", more=ORDER, attributes=ALL, words=words, status=404)
    await page.click("[data-cmb-event]")
    async with page.expect_download():
        await page.click("#file")
    await anyio.sleep(1.2)  # a second is the least that is told
    await page.click("#send")
    await page.wait_for_url("**/thanks*")
    told = [
        f"404=/{stage.slug}/order",
        "taste=rye",
        f"Download={stage.folder}menu.pdf",
        "Form=order",
        "Web Vitals=",
    ]
    await stage.counted("order", *(f"order {event}" for event in told))
    [(engaged,)] = stage.columns("engaged")
    assert isinstance(engaged, int)
    assert engaged >= 1
    kept = dict(stage.columns("name", "properties", table="events"))
    assert json.loads(str(kept["taste"])) == {"shop": "Old Town"}
    assert {"fcp", "ttfb"} <= json.loads(str(kept["Web Vitals"])).keys()


@alone_now
async def test_a_link_that_leads_away_is_told_of(stage: Stage) -> None:
    """Link to another site, page left by it."""
    there = stage.put("mill", tracked=False).replace("bakery.example", "mill.example")
    page = await stage.visit("a", more=f"<a href='{there}'>the mill</a>", attributes="data-outbound")
    await page.click("a")
    await page.wait_for_url(there)
    await stage.counted("a", f"a Outbound link={there}")
