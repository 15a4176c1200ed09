"""docs/tracking.md: each example is run as it stands, and does what is said of it.

An example is found by its heading and its number below it. `claims` says what comes of one; an example of which nothing
is claimed fails, and so does an attribute of the script that the document has no example of.
"""

import json
import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Dialog

from tests.servers import Crumby, find
from tests.tracker.examples import Example, example, examples, sections
from tests.tracker.scene import ADDRESS
from tests.tracker.town import Caddy, Town, Visitor, browser, town, visitor

Claim = Callable[[Visitor, str], Awaitable[None]]
CLAIMS: dict[tuple[str, int], Claim] = {}
HOME = "https://bakery.example/"
NPM = Path(__file__).parents[2] / "npm"
OWN_HOST, POLICY = "On your site's own host", "Content-Security-Policy"
pytestmark = pytest.mark.asyncio(loop_scope="module")


def claims(section: str, number: int = 1) -> Callable[[Claim], Claim]:
    """Say that the function knows what comes of this example, given its text."""

    def claimed(claim: Claim) -> Claim:
        CLAIMS[section, number] = claim
        return claim

    return claimed


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, mmdb: Path) -> Iterator[Town]:
    with_policies = "".join(
        f"location /{number} {{ {example(POLICY, number)} try_files $uri.html =404; }}\n" for number in (1, 2)
    )
    with (
        Crumby(proxy_count="1", geoip2_database_name=str(mmdb)) as crumby,
        town(tmp_path_factory.mktemp("town"), crumby, with_policies) as built,
    ):
        yield built


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium_of_town(place: Town) -> AsyncIterator[Browser]:
    async with browser(place.nginx.port) as chromium:
        yield chromium


@pytest_asyncio.fixture(loop_scope="module")
async def ann(chromium_of_town: Browser, place: Town) -> AsyncIterator[Visitor]:
    async with visitor(chromium_of_town, place) as somebody:
        yield somebody


ELSEWHERE = {("From a server", 1), ("From a server", 2), ("From a server", 3), (POLICY, 1), (POLICY, 2)}
ELSEWHERE |= {("From npm", 1), ("Types", 1), ("Types", 2), ("Types", 3)}
ELSEWHERE |= {(OWN_HOST, 1), (OWN_HOST, 2), (OWN_HOST, 3), (OWN_HOST, 4)}
HERE = [each for each in examples() if (each.section, each.number) not in ELSEWHERE]


@pytest.mark.parametrize("each", HERE, ids=lambda each: each.name)
async def test_an_example_of_html_does_what_is_said_of_it(ann: Visitor, each: Example) -> None:
    assert (each.section, each.number) in CLAIMS, f"nobody says what comes of {each.name}"
    await CLAIMS[each.section, each.number](ann, each.text)


async def test_nothing_is_claimed_of_an_example_that_is_gone() -> None:
    assert set(CLAIMS) | ELSEWHERE == {(each.section, each.number) for each in examples()}


# The tag, and events


@claims("The tag")
async def a_visit_of_the_page(ann: Visitor, tag: str) -> None:
    await ann.open(tag, "/bread?from=oven")
    visit = await ann.visit()
    assert (visit["doc_uri"], visit["doc_title"]) == (f"{HOME}bread?from=oven", "Bakery")
    assert (visit["lang"], visit["screen_res"], visit["ip"]) == ("de-DE", "1366x768", "127.0.0.1")
    [cookie] = await ann.profile.cookies()
    assert (cookie["name"], cookie["value"], cookie["domain"]) == ("cid", visit["cid"], "bakery.example")
    assert 390 < (cookie["expires"] - await ann.page.evaluate("Date.now() / 1000")) / 86_400 < 397


@claims("Events", 1)
async def an_event(ann: Visitor, text: str) -> None:
    await ann.open(text)
    await ann.page.get_by_role("button").click()
    event = await ann.event()
    assert (event["name"], event["value"], event["properties"]) == ("signup", "newsletter", None)


@claims("Events", 2)
async def an_event_with_properties(ann: Visitor, text: str) -> None:
    await ann.open(text)
    await ann.page.get_by_role("button").click()
    event = await ann.event()
    assert (event["name"], event["value"]) == ("order", "rye")
    assert json.loads(event["properties"]) == {"loaves": 2, "sliced": True, "shop": "Old Town"}


@claims("Events", 3)
async def a_call_before_the_script(ann: Visitor, text: str) -> None:
    await ann.open(text)
    event = await ann.event()
    assert (event["name"], event["value"]) == ("early", "bird")
    await ann.visit()


# Extras


@claims("Extras")
async def one_file_with_two_extras(ann: Visitor, text: str) -> None:
    await ann.open(text + "<a href='https://mill.example/none'>Mill</a>")
    await ann.visit()
    await ann.page.get_by_role("link").click(modifiers=["Control"])
    assert (await ann.event())["name"] == "Outbound link"
    assert len([each for each in ann.sent if "/cmb.js" in each]) == 1


@claims("data-engagement")
async def engagement(ann: Visitor, text: str) -> None:
    await ann.open(text)
    await ann.visit()
    await ann.page.bring_to_front()
    await ann.page.wait_for_timeout(1300)
    await ann.page.goto(ann.town.put("/next", "<p>Next"))
    visit = await until(ann, lambda visit: visit["engaged"] is not None)
    assert (1 <= visit["engaged"] < 10, visit["scroll"]) == (True, 100)


async def until(ann: Visitor, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    for _ in range(100):
        visit = await ann.visit()
        if true(visit):
            break
        await ann.page.wait_for_timeout(50)
    return visit


@claims("data-outbound")
async def outbound(ann: Visitor, text: str) -> None:
    ann.town.put("/flour", "<p>Flour")
    await ann.open(text + "<a href='/flour'>Ours</a>")
    await ann.page.get_by_role("link", name="Ours").click()
    await ann.page.go_back()
    await ann.page.get_by_role("link", name="Our mill").click()
    event = await ann.event()
    assert (event["name"], event["value"]) == ("Outbound link", "https://mill.example/flour")
    assert "https://mill.example/flour" in reported(ann.town, "outbound", "url")


@claims("data-downloads")
async def downloads(ann: Visitor, text: str) -> None:
    await ann.open(text + "<a href='/recipes/rye.txt'>No such</a>")
    for name in ("No such", "The recipe"):
        await ann.page.get_by_role("link", name=name).click(modifiers=["Control"])
    event = await ann.event()
    assert (event["name"], event["value"]) == ("Download", f"{HOME}recipes/rye.pdf")
    assert f"{HOME}recipes/rye.pdf" in reported(ann.town, "downloads", "url")


@claims("data-forms")
async def forms(ann: Visitor, text: str) -> None:
    ann.town.put("/thanks", "<p>Thanks")
    await ann.open(text)
    await ann.page.get_by_role("button").click()
    event = await ann.event()
    assert (event["name"], event["value"]) == ("Form", "order")
    assert "Mill Lane" not in str([*await ann.rows("visits", 1), event])


@claims("data-404")
async def not_found(ann: Visitor, text: str) -> None:
    await ann.open(text, "/moved")
    event = await ann.event()
    assert (event["name"], event["value"]) == ("404", "/moved")
    assert "/moved" in reported(ann.town, "not_found", "page")
    ann.town.put("/404", text.replace('="yes"', ""))  # which nginx answers with for what is not there
    await ann.page.goto(f"{HOME}lost")
    assert (await ann.rows("events", 2))[1]["value"] == "/lost"
    (ann.town.site / "404.html").unlink()


@claims("data-vitals")
async def vitals(ann: Visitor, text: str) -> None:
    await ann.open(text)
    await ann.visit()
    await ann.page.get_by_text("Fresh").click()
    await ann.page.goto(ann.town.put("/next", "<p>Next"))
    event = await ann.event()
    assert event["name"] == "Web Vitals"
    told = json.loads(event["properties"])
    assert set(told) - {"inp"} == {"ttfb", "fcp", "lcp", "cls"}
    assert told["ttfb"] <= told["fcp"] <= told["lcp"] < 60_000


@claims("data-elements")
async def elements(ann: Visitor, text: str) -> None:
    await ann.open(text)
    await ann.page.get_by_role("button").click()
    event = await ann.event()
    assert (event["name"], event["value"]) == ("basket", "rye")
    assert json.loads(event["properties"]) == {"shop": "Old Town"}


def reported(place: Town, name: str, column: str) -> list[str]:
    """Ask the report that is made for it."""
    answer = json.loads(place.shell(f"crumby query private/{name} --period today --format json"))
    return [row[answer["columns"].index(column)] for row in answer["data"]]


# Attributes


@claims("data-api")
async def api(ann: Visitor, text: str) -> None:
    script = ann.town.shell("curl https://stats.example/cmb.js")
    (ann.town.site / "bread.js").write_text(script, "utf-8")
    await ann.open(text)
    await ann.visit()
    assert "https://stats.example/hit" in ann.sent


@claims("data-cid")
async def without_a_cookie(ann: Visitor, text: str) -> None:
    await ann.open(text)
    await ann.open(text, "/again")
    first, second = await ann.rows("visits", 2)
    assert re.fullmatch("[0-9a-f]{32}", first["cid"])
    assert first["cid"] == second["cid"]
    assert await ann.profile.cookies() == []


@claims("data-auto")
async def by_hand(ann: Visitor, text: str) -> None:
    await ann.open(text)
    await ann.nothing()
    await ann.page.get_by_role("button").click()
    assert (await ann.visit())["doc_title"] == "The second step"


@claims("data-exclude-search")
async def without_the_query(ann: Visitor, text: str) -> None:
    ann.town.put("/rye", text)
    await ann.open(text + "<a href='/rye'>Rye</a>", "/bread?name=ann")
    await ann.page.get_by_role("link").click()
    first, second = await ann.rows("visits", 2)
    assert (first["doc_uri"], second["referrer"]) == (f"{HOME}bread", f"{HOME}bread")


@claims("data-exclude-hash")
async def without_the_fragment(ann: Visitor, text: str) -> None:
    await ann.open(text, "/bread?a=1#crust")
    assert (await ann.visit())["doc_uri"] == f"{HOME}bread?a=1"


@claims("data-hash")
async def by_the_fragment(ann: Visitor, text: str) -> None:
    await ann.open(text)
    await ann.visit()
    await ann.page.get_by_role("link").click()
    first, second = await ann.rows("visits", 2)
    assert (first["doc_uri"], second["doc_uri"]) == (HOME, f"{HOME}#/bread")


@claims("data-include")
async def only_some_paths(ann: Visitor, text: str) -> None:
    for path in ("/about", "/blog/2026/rye"):
        await ann.open(text, path)
        await ann.told("not counted")
        ann.said.clear()
    for path in ("/blog/rye", "/shop/bread/rye"):
        await ann.open(text, path)
    assert [visit["page"] for visit in await ann.rows("visits", 2)] == ["/blog/rye", "/shop/bread/rye"]


@claims("data-exclude")
async def but_not_others(ann: Visitor, text: str) -> None:
    await ann.open(text, "/shop/admin/till")
    await ann.told("not counted")
    await ann.open(text, "/shop/rye")
    assert (await ann.visit())["page"] == "/shop/rye"


@claims("data-canonical")
async def canonical(ann: Visitor, text: str) -> None:
    await ann.open(text, "/brot?from=oven")
    assert (await ann.visit())["doc_uri"] == f"{HOME}bread"


@claims("data-tag")
async def tagged(ann: Visitor, text: str) -> None:
    await ann.open(text)
    await ann.page.evaluate("cmb.event('order', 'rye')")
    assert {(await ann.visit())["tag"], (await ann.event())["tag"]} == {"spring-menu"}


@claims("data-before-send")
async def seen_first(ann: Visitor, text: str) -> None:
    await ann.open(text, "/customers/ann/orders")
    assert (await ann.visit())["doc_uri"] == f"{HOME}customers/…/orders"


@claims("data-domains")
async def of_these_hosts(ann: Visitor, text: str) -> None:
    await ann.open(text)
    for host in ("www.bakery.example", "try.example"):
        await ann.page.goto(f"https://{host}/")
    await ann.told("not counted")
    sites = [visit["doc_uri"] for visit in await ann.rows("visits", 2)]
    assert sites == [HOME, "https://www.bakery.example/"]


@claims("data-dnt")
async def do_not_track(ann: Visitor, text: str) -> None:
    await ann.profile.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { get: () => true })")
    await ann.open(text)
    await ann.told("not counted")
    await ann.nothing()


@claims("data-local")
async def on_this_machine(ann: Visitor, text: str) -> None:
    ann.town.put("/here", text)
    ann.town.put("/not", example("The tag"))
    for path in ("not", "here"):
        await ann.page.goto(f"https://localhost:{ann.town.nginx.port}/{path}")
    assert (await ann.visit())["page"] == "/here"
    await ann.told("not counted")


# Single-page apps, and people who are left out


@claims("Single-page apps", 1)
async def another_address(ann: Visitor, text: str) -> None:
    await ann.open(text)
    await ann.page.get_by_role("button").click()
    first, second = await ann.rows("visits", 2)
    assert (first["doc_uri"], first["doc_title"]) == (HOME, "Bakery")
    assert (second["doc_uri"], second["doc_title"], second["referrer"]) == (f"{HOME}bread/rye", "Rye", HOME)


@claims("Single-page apps", 2)
async def a_visit_by_hand(ann: Visitor, text: str) -> None:
    await ann.open(text)
    await ann.page.get_by_role("button").click()
    visit = await ann.visit()
    assert (visit["doc_uri"], visit["doc_title"]) == (f"{HOME}step/2", "Your address")


@claims("Leaving people out", 2)
async def told_what_came_of_it(ann: Visitor, text: str) -> None:
    heard: list[str] = []

    async def hear(dialog: Dialog) -> None:
        heard.append(dialog.message)
        await dialog.accept()

    ann.page.on("dialog", hear)
    ann.town.put("/privacy", text)
    await ann.open(text)
    await ann.visit()
    await ann.page.get_by_role("link", name="Do not").click()
    await ann.told("not counted: opted out")
    assert await ann.profile.cookies() == []
    await ann.page.goto(HOME)
    await ann.page.get_by_role("link", name="again").click()
    await ann.told("counted again")
    assert [visit["page"] for visit in await ann.rows("visits", 2)] == ["/", "/privacy"]
    assert heard == [
        "Your visits to bakery.example are not counted any more, in this browser.",
        "Your visits to bakery.example are counted again, in this browser.",
    ]


@claims("Leaving people out")
async def left_out(ann: Visitor, text: str) -> None:
    ann.town.put("/privacy", text)
    await ann.open(text)
    await ann.visit()
    await ann.page.get_by_role("link").click()
    await ann.told("not counted: opted out")
    await ann.page.goto(HOME)
    await ann.page.get_by_role("link").click()
    await ann.told("counted again")
    assert [visit["page"] for visit in await ann.rows("visits", 2)] == ["/", "/privacy"]


# Without JavaScript, and from a server


@claims("Without JavaScript", 1)
async def without_javascript(ann: Visitor, text: str) -> None:
    profile = await ann.profile.browser.new_context(ignore_https_errors=True, java_script_enabled=False)  # type: ignore[union-attr]
    page = await profile.new_page()
    await page.goto(ann.town.put("/plain?a=1", text))
    visit = await ann.visit()
    assert visit["doc_uri"] == f"{HOME}plain?a=1"
    await page.reload()
    assert len({visit["cid"] for visit in await ann.rows("visits", 2)}) == 1
    await profile.close()


@claims("Without JavaScript", 2)
async def of_a_newsletter(ann: Visitor, text: str) -> None:
    await ann.open(text)
    visit = await ann.visit()
    assert (visit["doc_uri"], visit["doc_title"]) == (f"{HOME}newsletter/spring", "Spring")


async def test_a_server_sends_with_a_token_what_happened_elsewhere(place: Town) -> None:
    """The three of "From a server", one after the other: the token of the first opens the door for the others."""
    make, one, many = (each.text for each in examples() if each.section == "From a server")
    token = place.shell(make).strip()
    before = place.last()
    for _ in range(2):
        place.shell(one, CRUMBY_TOKEN=token)
    orders = place.rows("events", before["events"])
    assert len(orders) == 2, "without an id it is stored as often as it is sent"
    assert {(each["name"], each["value"], each["ip"], each["datetime"][:19]) for each in orders} == {
        ("order", "4711", ADDRESS, "2026-11-20 08:15:00")
    }
    assert json.loads(orders[0]["properties"]) == {"loaves": 2, "paid": True}
    assert orders[0]["cid"] == orders[1]["cid"] != ""
    before = place.last()
    for _ in range(2):
        assert place.shell(f"python - <<'END'\n{many}\nEND", CRUMBY_TOKEN=token).strip() == "204"
    sold = place.rows("events", before["events"])
    assert [(each["name"], each["value"], each["cid"], each["datetime"][:19]) for each in sold] == [
        ("sold", "rye", "till-0", "2026-11-20 08:15:00"),
        ("sold", "spelt", "till-1", "2026-11-20 08:20:00"),
    ]
    before = place.last()
    with pytest.raises(AssertionError, match="401"):
        place.shell(one, CRUMBY_TOKEN=token[:-1])
    assert place.last() == before


# On the site's own host


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory, mmdb: Path) -> Iterator[Crumby]:
    """Crumby with the document's crumby.cfg."""
    cfg = tmp_path_factory.mktemp("renamed") / "crumby.cfg"
    cfg.write_text(example(OWN_HOST, 1))
    with Crumby(environ={"CRUMBY_SETTINGS": str(cfg)}, geoip2_database_name=str(mmdb)) as crumby:
        yield crumby


async def test_nginx_has_the_script_and_hits_on_the_sites_own_host(renamed: Crumby, tmp_path: Path) -> None:
    """Seen to fail without X-Forwarded-For, and with the port of nothing."""
    recipe = moved(example(OWN_HOST, 2), renamed.port)
    with town(tmp_path, renamed, recipe) as place:
        async with browser(place.nginx.port) as chromium, visitor(chromium, place) as ann:
            await is_first_party(ann, place.nginx.port)


async def test_caddy_has_the_script_and_hits_on_the_sites_own_host(renamed: Crumby, tmp_path: Path) -> None:
    with town(tmp_path, renamed) as place, Caddy(moved(example(OWN_HOST, 3), renamed.port), place.folder) as caddy:
        async with browser(caddy.port) as chromium, visitor(chromium, place) as ann:
            await is_first_party(ann, caddy.port)


def moved(recipe: str, port: int) -> str:
    assert "127.0.0.1:5000" in recipe
    return recipe.replace("127.0.0.1:5000", f"127.0.0.1:{port}")


async def is_first_party(ann: Visitor, port: int) -> None:
    """The script and its hits are the site's own, and the address is the visitor's: neither the proxy's nor made up."""
    await ann.page.set_extra_http_headers({"X-Forwarded-For": "6.6.6.6"})
    await ann.open(example(OWN_HOST, 4))
    assert (await ann.visit())["ip"] == "127.0.0.1"
    assert {urlsplit(each).netloc for each in ann.sent} == {"bakery.example"}
    assert {urlsplit(each).path for each in ann.sent} - {"/favicon.ico"} == {"/", "/bread.js", "/crumb"}
    ann.town.put("/more", example(OWN_HOST, 4).replace("bread.js?engagement", "bread.js"))
    await ann.page.goto(f"{HOME}more.html")
    await ann.rows("visits", 2)
    assert any("/bread.js?only" in each for each in ann.sent), "what the address does not name is fetched there as well"
    ann.town.shell(
        f"curl -q --silent --show-error -k --connect-to ::127.0.0.1:{port} --interface 127.0.0.9 --fail"
        """ https://bakery.example/crumb --data '{"id": "%032x", "t": "visit", "dl": "https://bakery.example/b"}' """
        % port
    )
    assert (await ann.rows("visits", 3))[2]["ip"] == "127.0.0.9"


# From npm


async def test_the_module_sends_what_the_document_says(ann: Visitor) -> None:
    (ann.town.site / "crumby-tracker.js").write_text((NPM / "index.js").read_text("utf-8"), "utf-8")
    imports = '<script type="importmap">{"imports": {"crumby-tracker": "/crumby-tracker.js"}}</script>'
    page = f'{imports}<script type="module">{example("From npm")}</script>'
    await ann.open(page, "/admin/app")
    await ann.told("not counted: path")
    await ann.open(page + "<a href='https://mill.example/none'>Mill</a>", "/app")
    await ann.page.get_by_role("link").click()
    await ann.visit()
    basket, link = await ann.rows("events", 2)
    assert (basket["name"], basket["value"], json.loads(basket["properties"])) == (
        "basket",
        "rye",
        {"shop": "Old Town"},
    )
    assert link["name"] == "Outbound link"


async def test_the_types_are_served_and_fit_what_the_document_does(place: Town, tmp_path: Path) -> None:
    """Where there is a TypeScript, else only that there are types. Seen to fail for a property that is an object."""
    place.shell(f"cd {tmp_path}; {example('Types', 2)}")
    assert "interface Window" in (tmp_path / "cmb.d.ts").read_text("utf-8")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "crumby-tracker").symlink_to(NPM)
    for number in (1, 3):
        (tmp_path / f"{number}.ts").write_text(example("Types", number), "utf-8")
    tsc = find("tsc")
    if not tsc:
        pytest.skip("tsc is not installed: npm install --global typescript")
    words = ["--noEmit", "--strict", "--target", "es2020", "--module", "esnext", "--moduleResolution", "bundler"]
    files = [tmp_path / name for name in ("cmb.d.ts", "1.ts", "3.ts")]
    done = subprocess.run([tsc, *words, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# What a site needs, and what is said of a visit that is missing


@pytest.mark.parametrize(("number", "sent_as"), [(1, "fetch"), (2, "image")])
async def test_a_policy_as_it_stands_lets_the_script_in_and_its_hits_out(
    ann: Visitor, number: int, sent_as: str
) -> None:
    ways: list[str] = []
    ann.profile.on("request", lambda one: ways.append(one.resource_type) if "/hit" in one.url else None)
    await ann.open(example("The tag"), f"/{number}")
    await ann.visit()
    assert ways[-1] == sent_as
    assert [each for each in ann.said if "Security" in each] == [] or number > 1


REASONS = dict(re.findall(r"^\| `([^`…]+)` \|(.*)\|$", sections()["Why is my visit missing?"], re.MULTILINE))
DRIVEN = "Object.defineProperty(Navigator.prototype, 'webdriver', { get: () => true })"
PRIVATE = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true })"


async def not_counted(ann: Visitor, reason: str) -> None:
    tag = example("The tag")
    match reason:
        case "localhost":
            ann.town.put("/why", tag)
            await ann.page.goto(f"https://localhost:{ann.town.nginx.port}/why")
        case "file:":
            ann.town.put("/why", tag)
            await ann.page.goto(f"file://{ann.town.site}/why.html")
        case "webdriver":
            await ann.profile.add_init_script(DRIVEN)
            await ann.open(tag)
        case "opted out":
            await ann.open(tag, "/why#crumby-ignore")
        case "DNT":
            await ann.profile.add_init_script(PRIVATE)
            await ann.open(example("data-dnt"))
        case "domain":
            ann.town.put("/why", example("data-domains"))
            await ann.page.goto("https://try.example/why")
        case "path":
            await ann.open(example("data-include"), "/why")
        case _:
            pytest.fail(f"nobody knows when {reason!r} is said")


@pytest.mark.parametrize("reason", REASONS)
async def test_a_page_that_is_not_counted_says_why_in_the_documents_words(ann: Visitor, reason: str) -> None:
    await not_counted(ann, reason)
    assert await ann.told("not counted") == f"Crumby: not counted: {reason}"
    assert await ann.page.evaluate("cmb.refused") == reason
    await ann.nothing()
    assert len([each for each in ann.said if "not counted" in each]) == 1
