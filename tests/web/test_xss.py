"""What strangers send is text wherever it is shown: no script of theirs runs, no link leads but to the web.

Sixty ways to begin a script, in each field that a hit has. A browser opens everything that shows them. What has run is
told by `bitten`, what the policy had to stop by an event: that one is a fault too, for the policy is the second wall.
"""

import csv
import io
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.servers import Crumby
from tests.web.watching import PASSWORD, USER, Watched, add_user, hit

BITE: Final = "window.bitten=1"
TAGS: Final = (
    f"<script>{BITE}</script>",
    f"<ScRiPt>{BITE}</sCrIpT>",
    f"<script src=data:text/javascript,{BITE}></script>",
    f"<script/x>{BITE}</script>",
    f"<scr<script>ipt>{BITE}</scr</script>ipt>",
    f"<script>{BITE}//",
    f"<<script>{BITE}//<</script>",
    f"</script><script>{BITE}</script>",
    f"</title><script>{BITE}</script>",
    f"</textarea><script>{BITE}</script>",
    f"</style><script>{BITE}</script>",
    f"--><script>{BITE}</script>",
    f"]]><script>{BITE}</script>",
    f"<img src=x onerror={BITE}>",
    f"<img src=x onerror='{BITE}'//",
    f"<IMG SRC=x OnErRoR={BITE}>",
    f"<img/src=x/onerror={BITE}>",
    "<img src=x:x onerror=&#119;indow.bitten=1>",
    f"<svg onload={BITE}>",
    f"<svg/onload={BITE}//",
    f"<svg><script>{BITE}</script></svg>",
    f"<svg><script href=data:text/javascript,{BITE} />",
    f"<svg><animate onbegin={BITE} attributeName=x dur=1s>",
    f"<svg><a xlink:href=javascript:{BITE}><text y=9>x</text></a></svg>",
    f"<math><mtext></form><form><mglyph><style></math><img src onerror={BITE}>",
    f"<math href=javascript:{BITE}>x</math>",
    f"<body onload={BITE}>",
    f"<iframe src=javascript:parent.{BITE}></iframe>",
    f"<iframe srcdoc='<script>parent.{BITE}</script>'></iframe>",
    f"<object data=javascript:{BITE}>",
    f"<embed src=javascript:{BITE}>",
    f"<details open ontoggle={BITE}>",
    f"<video><source onerror={BITE}></video>",
    f"<audio src=x onerror={BITE}>",
    f"<input autofocus onfocus={BITE}>",
    f"<select autofocus onfocus={BITE}>",
    f"<marquee onstart={BITE}>",
    f"<style onload={BITE}></style>",
    f"<link rel=stylesheet href=data:,x onload={BITE}>",
    f"<meta http-equiv=refresh content=0;url=javascript:{BITE}>",
    f"<base href=javascript:{BITE}//>",
    f"<form action=javascript:{BITE}><button>x</button></form>",
    f"<button formaction=javascript:{BITE}>x</button>",
    f"<a href=javascript:{BITE}>x</a>",
    f"<template><script>{BITE}</script></template>",
    f"<noscript><p title='</noscript><img src=x onerror={BITE}>'>",
)
BREAKS: Final = (
    f'"><script>{BITE}</script>',
    f"'><img src=x onerror={BITE}>",
    f'" autofocus onfocus="{BITE}',
    f"' onmouseover='{BITE}",
    f"`-{BITE}-`",
    f"'-({BITE})-'",
    f'\\";{BITE}//',
    "{{constructor.constructor('" + BITE + "')()}}",
    "${" + BITE + "}",
    "{% raw %}{{ 7 * 7 }}{% endraw %}",
    f"\u2028{BITE}//",
    "&lt;script&gt;" + BITE + "&lt;/script&gt;",
)
ADDRESSES: Final = (
    f"javascript:{BITE}",
    f"JaVaScRiPt:{BITE}",
    f" javascript:{BITE}",
    f"java\tscript:{BITE}",
    f"javascript://bakery.example/%0a{BITE}",
    f"data:text/html,<script>{BITE}</script>",
    f"vbscript:{BITE}",
    f"//evil.example/'><svg onload={BITE}>",
    f"https://bakery.example/<script>{BITE}</script>",
)
PAYLOADS: Final = tuple(dict.fromkeys((*TAGS, *BREAKS, *ADDRESSES)))
FIELDS: Final = ("dl", "dt", "dr", "ul", "sr", "en", "ev", "agent")
AT_ONCE: Final = 20  # names of pages, and the like, that a table shows at a time
REPORTED: Final = """
globalThis.reports = [];
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
    reports.push(`${violatedDirective} ${blockedURI}`);
});
"""
MARKED: Final = """() => [...document.querySelectorAll(
    "img:not([src*='/static/logo.svg']), iframe, object, embed, base, video, audio, math, svg a, marquee, [srcdoc],"
    + "[onerror], [onload], [onfocus], [ontoggle], [onbegin], [onstart], [onmouseover], body script"
)].filter((one) => one.id !== "crumby").map((one) => one.outerHTML.slice(0, 200))"""
LINKS: Final = "() => [...document.querySelectorAll('a[href], area[href]')].map((one) => one.href)"


def hits(payload: str) -> Iterator[dict[str, Any]]:
    """The payload in each field, a hit each; then in all of them."""
    fields = {"dt": payload, "dr": payload, "ul": payload, "sr": payload, "sd": payload, "tg": payload}
    tagged = "https://bakery.example/?" + urlencode(
        dict.fromkeys(("utm_source", "utm_medium", "utm_campaign"), payload)
    )
    for shown in (
        {"dl": payload},
        {"dl": f"https://bakery.example/{payload}"},
        {"dl": tagged},
        {"dr": f"https://news.example/{payload}"},
        *({name: value} for name, value in fields.items()),
        {"dl": payload, **fields},
    ):
        yield hit("visit", **{"dl": "https://bakery.example/", "dt": "Bakery", **shown})
    yield hit("event", dl="https://bakery.example/", dt=payload, en=payload, ev=payload)
    yield hit("event", dl=payload, dt="Bakery", en="basket", ev=payload)
    yield hit("event", dl="https://bakery.example/", en="order", ep={as_name(payload): payload, "bread": payload})


def as_name(payload: str) -> str:
    """As much of it as the name of a property may be."""
    return "".join(letter for letter in payload if letter.isprintable() and letter not in '"\\')[:64].strip()


def headers(payload: str) -> dict[str, str]:
    """It in each that is kept, as far as a header may hold it."""
    text = " ".join(payload.encode("ascii", "ignore").decode().split())
    return {"User-Agent": text, "Referer": text, "Accept-Language": text, "Content-Type": "text/plain"}


@pytest.fixture(scope="module")
def bitten() -> Iterator[Crumby]:
    """Give a server that has stored all of it."""
    with Crumby(sql_editor="true", domain="bakery.example") as server:
        add_user(server)
        with server.client() as client:
            for payload in PAYLOADS:
                answer = client.post("/hit", json=list(hits(payload)), headers=headers(payload))
                assert answer.status_code == httpx.codes.NO_CONTENT, (payload, answer.text)
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def eater(page: Page, bitten: Crumby) -> AsyncIterator[Watched]:
    """Give a page, signed in, that tells whatever the policy stopped."""
    await page.add_init_script(REPORTED)
    form: dict[str, str | float | bool] = {"username": USER, "password": PASSWORD}
    await page.request.post(f"{bitten.url}/login", form=form, max_redirects=0)
    watched = Watched(page, bitten.url)
    yield watched
    assert watched.faults == []


async def harmless(eater: Watched) -> list[str]:
    """Say that nothing ran here, and give the links."""
    page = eater.page
    assert await page.evaluate("window.bitten") is None, page.url
    assert await page.evaluate("reports") == [], page.url
    assert await page.evaluate(MARKED) == [], page.url
    links: list[str] = await page.evaluate(LINKS)
    assert [link for link in links if urlsplit(link).scheme not in {"http", "https"}] == [], page.url
    return links


COLUMNS: Final = {
    "visits": (
        "doc_uri",
        "doc_title",
        "referrer",
        "_referrer",
        "utm_source",
        "utm_campaign",
        "page",
        "lang",
        "screen_res",
        "tag",
    ),
    "events": ("doc_uri", "doc_title", "name", "value", "properties"),
}
SHORT: Final = {"lang": "<script>", "screen_res": BITE}  # as much of a payload as these hold
REPORTS: Final = (
    "public/pages",
    "public/entry_pages",
    "private/sources",
    "private/campaigns",
    "private/events",
    "private/event_values",
    "private/event_properties",
    "private/tags",
)


def test_there_are_sixty_and_every_field_holds_them(bitten: Crumby) -> None:
    """Or the rest would prove little. An address that is none is kept as it came."""
    assert len(PAYLOADS) >= 60
    with bitten.client() as client:
        client.post("/login", data={"username": USER, "password": PASSWORD})
        for table, columns in COLUMNS.items():
            for column in columns:
                answer = client.post("/query", json={"sql": f"select distinct {column} as held from {table}"})
                held = [str(row[0]) for row in answer.json()["data"]]
                assert sum(SHORT.get(column, "bitten") in each for each in held) >= (1 if column in SHORT else 50), (
                    column
                )


async def test_on_the_page(eater: Watched) -> None:
    """All tabs, the map, and the table of all rows of each panel.

    Seen to fail where `make` parses HTML, and where any scheme is a web address.
    """
    page = eater.page
    await eater.open("/?period=today")
    seen, done = [], set()
    sets = await page.get_by_role("tablist").all()
    for place in range(max([await tabs.get_by_role("tab").count() for tabs in sets])):
        for tabs in sets:
            tab = tabs.get_by_role("tab").nth(place)
            if await tab.count():
                await tab.click()
        await eater.settle()
        await eater.look_through()
        seen += await harmless(eater)
        for panel in await page.locator(".panel:visible:has(button.more)").all():
            name = await panel.get_attribute("id")
            if name not in done:
                done.add(name)
                seen += await all_rows(eater, panel)
    assert len(done) > 5
    assert any("bakery.example/%3Cscript%3E" in link for link in seen)


async def all_rows(eater: Watched, panel: Locator) -> list[str]:
    """Of the dialog that "more" opens, page after page: the links in it."""
    await panel.locator("button.more").click()
    sheet = eater.page.get_by_role("dialog")
    await expect(sheet.locator("tbody tr, .found .words").first).to_be_visible()
    links = await harmless(eater)
    while await sheet.get_by_role("button", name="The next rows").is_enabled():
        told = await sheet.get_by_role("status").inner_text()
        await sheet.get_by_role("button", name="The next rows").click()
        await expect(sheet.get_by_role("status")).not_to_have_text(told)
        links += await harmless(eater)
    await eater.page.keyboard.press("Escape")
    await expect(sheet).to_have_count(0)
    return links


async def test_as_filters(eater: Watched) -> None:
    """The value of a chip, of a popup's field, of what the status says. What they match is shown as well."""
    await eater.open("/?period=today")
    for name, begin in (("page", 0), ("utm_campaign", 20), ("source", 40), ("event", 50)):
        some = PAYLOADS[begin : begin + AT_ONCE]
        search = urlencode([("period", "today"), *((name, f"!{payload}") for payload in some)])
        await eater.page.evaluate(
            "search => { history.pushState(null, '', search); dispatchEvent(new PopStateEvent('popstate')); }",
            f"?{search}",
        )
        await expect(eater.page.locator("#chips .chip")).to_have_count(len(some))
        await eater.settle()
        await harmless(eater)
    for payload in (TAGS[0], BREAKS[0], ADDRESSES[0]):
        await eater.open(f"/?{urlencode({'period': 'today', 'page': payload})}")
        await harmless(eater)
    eater.faults = [fault for fault in eater.faults if "status of 422" not in fault]


@pytest.mark.parametrize(
    "path", ["/live", *(f"/api/{report}?format=html&period=today&limit=1000" for report in REPORTS)]
)
async def test_on_a_page_of_its_own(eater: Watched, path: str) -> None:
    """Seen to fail where the templates do not escape."""
    await eater.page.goto(eater.url + path)
    await expect(eater.page.locator("#main")).to_contain_text("<script>")
    await harmless(eater)


async def test_in_the_editor(eater: Watched) -> None:
    page = eater.page
    await page.goto(f"{eater.url}/query")
    for table, columns in COLUMNS.items():
        await page.locator("#sql").fill(f"select distinct {', '.join(columns)} from {table}")
        await page.get_by_role("button", name="Run").click()
        await expect(page.locator("#told")).to_have_text(re.compile(r"^[\d,]+ rows? in \d+ ms\.$"))
        more = page.locator("#body button.more")
        if await more.count():
            await more.click()
        await expect(page.locator("#body")).to_contain_text("<script>")
        await harmless(eater)


@pytest.mark.parametrize("report", ["public/pages", "private/events"])
def test_a_file_is_no_page(bitten: Crumby, report: str) -> None:
    """A browser takes CSV and JSON for what they are; and the CSV's rows hold the strings as they were sent."""
    with bitten.client() as client:
        client.post("/login", data={"username": USER, "password": PASSWORD})
        for form, kind in (("csv", "text/csv"), ("json", "application/json"), ("ndjson", "application/x-ndjson")):
            answer = client.get(f"/api/{report}", params={"format": form, "period": "today", "limit": "1000"})
            assert answer.headers["Content-Type"].partition(";")[0] == kind
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        rows = client.get(f"/api/{report}?format=csv&period=today&limit=1000").text
    cells = {cell for row in csv.reader(io.StringIO(rows)) for cell in row}
    assert sum("bitten" in cell for cell in cells) >= 50


@pytest.mark.parametrize("payload", [TAGS[0], BREAKS[0], BREAKS[1]])
async def test_in_an_address(eater: Watched, payload: str) -> None:
    """Of a page that is not there, of a refusal, of a login that leads on."""
    for path in (
        f"/{payload}",
        f"/api/public/{payload}",
        f"/api/public/pages?format=html&days={payload}",
        f"/login?next={payload}",
    ):
        await eater.page.set_extra_http_headers({"Accept": "text/html"})
        await eater.page.goto(eater.url + path)
        await harmless(eater)
    eater.faults = [fault for fault in eater.faults if not re.search(r"status of 4\d\d", fault)]
