"""Links that show chosen panels: what a guest gets, and all that a guest may try to get more."""

import json
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import update

from crumby.accounts import COOKIE as SESSION
from crumby.errors import Forbidden, InvalidParameter
from crumby.reporting.query import QueryFolders
from crumby.reporting.questions import understand
from crumby.settings import Settings
from crumby.sharing.drafts import Draft, check
from crumby.sharing.opening import COOKIE, COOKIE_AGE, GONE, Keys
from crumby.sharing.shares import Share
from crumby.tables import shares
from tests.reporting.site import Site, client, open_site

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
SUMMARY = "public/summary"
MARCH = {"from": "2026-03-26", "to": "2026-03-31"}
LONDON = {"title": "London", "panels": [SUMMARY, "public/pages", "private/sources"], "filters": "country=GB"}
SECRET = "a cup of tea"
UNKNOWN = "A" * 22
PAIR = """\
-- parameter country: text
select count(*) as n, max(coalesce(:country, '-')) as said from visits
where {{ period("datetime") }} and {{ filters() }}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("shares")
    url = f"sqlite:///{folder / 'crumby.db'}"
    async with open_site(url, folder, query_row_limit="20000") as opened:
        yield opened


@pytest.fixture
def site(running: Site) -> Site:
    """Give one that all the tests share."""
    return running


async def shared(site: Site, **said: Any) -> dict[str, Any]:
    """Make a share: what `/shares` tells of it, and of London's unless it is said otherwise."""
    response = await site.member.post("/shares", json=LONDON | said)
    assert response.status_code == 201, response.text
    told: dict[str, Any] = response.json()
    return told


async def panel(site: Site, path: str, name: str = SUMMARY, **asked: str) -> httpx.Response:
    return await site.guest.get(f"{path}/api/{name}", params=MARCH | asked)


async def data(site: Site, path: str, name: str = SUMMARY, **asked: str) -> Any:
    response = await panel(site, path, name, **asked)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def truth(site: Site, name: str = SUMMARY, **asked: str) -> Any:
    """What somebody gets who is signed in."""
    response = await site.member.get(f"/api/{name}", params=MARCH | asked)
    assert response.status_code == 200, response.text
    return response.json()["data"]


def given(response: httpx.Response) -> Any:
    """Tell what the page gives its script."""
    found = re.search(r'<script type="application/json" id="crumby">(.*?)</script>', response.text, re.DOTALL)
    assert found, response.text[:500]
    return json.loads(found[1])


# What a link shows


async def test_a_share_goes_its_way_on_each_database(database_url: str, tmp_path: Path) -> None:
    """Planted: an insert whose id is not read back, and a token that is compared without regard to case."""
    async with open_site(database_url, tmp_path) as site:
        soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        first = await shared(site, password=SECRET, expires=soon, view="period=last_90_days&compare=year")
        second = await shared(site, title="Größe 🥐", filters="country=SE&platform=~mac")
        listed = (await site.member.get("/shares")).json()["shares"]
        assert listed == [second, first]
        assert (first["has_password"], first["creator"], first["view"]) == (True, "ann", LONDON_VIEW)
        assert second["title"] == "Größe 🥐"
        path = second["url"]
        assert await data(site, path) == await truth(site, country="SE", platform="~mac") != await truth(site)
        assert (await panel(site, f"/share/{second['token'].swapcase()}")).status_code == 404
        assert (await panel(site, first["url"])).status_code == 401
        assert (await site.guest.post(first["url"], data={"password": SECRET})).status_code == 303
        assert await data(site, first["url"]) == await truth(site, country="GB")
        assert (await site.member.delete(f"/shares/{second['id']}")).status_code == 204
        assert (await panel(site, path)).status_code == 404
        async with site.database.engine.begin() as connection:
            await connection.execute(update(shares).values(expires=datetime.now(UTC).replace(tzinfo=None)))
        assert (await panel(site, first["url"])).status_code == 404
        assert (await site.member.get("/shares")).json()["shares"][0]["id"] == first["id"]


LONDON_VIEW = "period=last_90_days&compare=year"


async def test_a_link_lists_its_panels_in_the_order_of_the_page_and_no_other(site: Site) -> None:
    """Planted: a list of all public panels."""
    made = await shared(site, panels=["private/sources", "public/pages", SUMMARY, SUMMARY])
    listed = (await site.guest.get(f"{made['url']}/api")).json()
    assert [each["url"] for each in listed["queries"]] == [
        f"{made['url']}/api/{name}" for name in (SUMMARY, "private/sources", "public/pages")
    ]
    for each in listed["queries"]:
        assert (await site.guest.get(each["url"], params=MARCH)).status_code == 200


async def test_it_offers_no_dimension_that_is_private_or_fixed(site: Site) -> None:
    made = await shared(site, filters="country=GB&source=Google")
    names = {each["name"] for each in (await site.guest.get(f"{made['url']}/api")).json()["dimensions"]}
    assert {"site", "page", "browser"} <= names
    assert names.isdisjoint({"country", "source", "city", "event"})


async def test_the_page_is_told_what_it_shows(site: Site) -> None:
    title = "</script><script>alert(1)</script>"
    made = await shared(site, title=title, filters="country=GB&page=!~/a", view="?days=7&metric=views")
    response = await site.guest.get(made["url"], headers=BROWSER)
    assert response.status_code == 200
    assert title not in response.text
    path = made["url"]
    share: dict[str, Any] = {
        "title": title,
        "filters": [["country", "GB"], ["page", "!~/a"]],
        "view": "days=7&metric=views",
    }
    share |= {"path": path, "has_password": False}
    assert given(response) == {"root": "", "user": None, "api": f"{path}/api", "share": share}
    paths = {"script": "/cmb.js", "hits": "/hit"}
    assert given(await site.guest.get("/")) == {"root": "", "user": None, "api": "/api", "share": None, **paths}


@pytest.mark.parametrize("name", [SUMMARY, "public/pages", "private/sources", "public/new_returning"])
async def test_its_answers_are_those_of_its_filters(site: Site, name: str) -> None:
    """Planted: filters that are put in after the rollups were chosen, and filters that are forgotten."""
    await site.rollups.catch_up()
    assert site.rollups.ready
    made = await shared(site, panels=[name])
    assert await data(site, made["url"], name) == await truth(site, name, country="GB")
    assert await data(site, made["url"], name) != await truth(site, name)


@pytest.mark.parametrize("form", ["json", "records", "ndjson", "csv"])
async def test_so_they_are_in_every_form_and_of_the_compared_days(site: Site, form: str) -> None:
    made = await shared(site)
    asked = {"format": form, "compare": "previous", "from": "2026-03-29", "to": "2026-03-31"}
    guests = await panel(site, made["url"], **asked)
    members = await site.member.get(f"/api/{SUMMARY}", params=asked | {"country": "GB"})
    everybodys = await site.member.get(f"/api/{SUMMARY}", params=asked)
    assert guests.text == members.text != everybodys.text


async def test_the_days_beside_are_those_that_the_filters_leave(site: Site) -> None:
    """Planted: another period without the filters of the first."""
    made = await shared(site)
    later, earlier = {"from": "2026-03-29", "to": "2026-03-31"}, {"from": "2026-03-26", "to": "2026-03-28"}
    beside = (await panel(site, made["url"], compare="previous", **later)).json()["compared"]["data"]
    assert beside == await data(site, made["url"], **earlier) == await truth(site, country="GB", **earlier)
    assert beside != await truth(site, **earlier)


async def test_an_answer_that_is_kept_is_given_to_nobody_with_other_filters(site: Site) -> None:
    """Planted: a key of kept answers without the filters."""
    sql = '-- cache: 60\nselect count(*) as n from visits where {{ period("datetime") }} and {{ filters() }}'
    with site.query(sql):
        made = {place: await shared(site, panels=["public/own"], filters=f"country={place}") for place in ("GB", "SE")}
        for _ in range(2):
            counts = [await data(site, made[place]["url"], "public/own") for place in made]
            assert [*counts, await truth(site, "public/own")] == [[[7]], [[2]], [[16]]]
            assert await truth(site, "public/own", country="SE") == [[2]]


# What a guest may try


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("api/public/summary", "country=SE", 403),
        ("api/public/summary", "country=GB", 403),
        ("api/public/summary", "country=!GB", 403),
        ("api/public/summary", "country=", 403),
        ("api/public/summary", "countr%79=SE", 403),
        ("api/public/summary", "page=/&country=~", 403),
        ("api/public/summary", "Country=SE", 422),
        ("api/public/summary", "country%20=SE", 422),
        ("api/public/summary", "country[]=SE", 422),
        ("api/public/summary", "city=London", 403),
        ("api/public/summary", "source=!", 403),
        ("api/public/summary", "event=~theme", 403),
        ("api/public/summary", "utm_campaign=x", 403),
        ("api/private/sources", "source=Google", 403),
        ("api/public/summary", "format=html", 404),
        ("api/public/summary", "format=xml", 422),
        ("api/public/summary", "filters=", 422),
        ("api/public/summary", "country=SE;browser=x", 403),
        ("api/public/summary", "&".join(["page=~a"] * 20), 422),
        ("api/public/summary/source", "", 404),
        ("api/public/summary/", "", 404),
        ("api/public", "", 404),
        ("api/private", "", 404),
        ("api/public/browsers", "", 404),
        ("api/private/locations", "", 404),
        ("api/private/summary", "", 404),
        ("api/public/sources", "", 404),
        ("api/PUBLIC/summary", "", 404),
        ("api/public/../private/locations", "", 404),
        ("api/public%2f..%2fprivate/locations", "", 404),
        ("api/public/summary%00", "", 404),
        ("embed/private/locations", "", 404),
        ("embed/public/browsers", "", 404),
        ("query", "", 404),
        ("live/stream", "query=public/live", 404),
        ("shares", "", 404),
    ],
)
@pytest.mark.parametrize("who", ["guest", "member"])
async def test_a_guest_sees_no_more_than_the_link_shows(
    site: Site, path: str, asked: str, status: int, who: str
) -> None:
    """Signed in or not. Planted: a fixed dimension that may be named again, and a private one that may."""
    made = await shared(site)
    asker = site.member if who == "member" else site.guest
    for method in ("GET", "HEAD"):
        response = await asker.request(method, f"{made['url']}/{path}?{asked}")
        assert response.status_code == status, response.text
        assert "columns" not in response.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_answers_are_only_asked_for(site: Site, method: str) -> None:
    made = await shared(site)
    for path in ("/api", f"/api/{SUMMARY}", f"/embed/{SUMMARY}"):
        response = await site.guest.request(method, made["url"] + path, content=b'{"sql": "select 1"}')
        assert response.status_code == 405
        assert "columns" not in response.text


async def test_a_guest_may_narrow_what_the_link_shows(site: Site) -> None:
    made = await shared(site)
    narrowed = await data(site, made["url"], platform="macos", browser="!x")
    assert narrowed == await truth(site, country="GB", platform="macos")
    assert narrowed not in (await truth(site, platform="macos"), await truth(site, country="GB"))


async def test_a_panels_own_parameter_is_no_way_around_a_filter_of_its_name(site: Site) -> None:
    """Planted: filters that are said along with what the guest says, of which the file takes its own first."""
    with site.query(PAIR):
        made = await shared(site, panels=["public/own"])
        assert await data(site, made["url"], "public/own") == [[7, "-"]]
        assert (await panel(site, made["url"], "public/own", country="SE")).status_code == 403
        free = await shared(site, panels=["public/own"], filters="")
        assert await data(site, free["url"], "public/own", country="SE") == [[16, "SE"]]


async def test_a_panel_that_takes_filters_no_more_is_not_shown(site: Site) -> None:
    """Planted: what was looked at when the link was made, and never again."""
    with site.query(PAIR):
        made = await shared(site, panels=["public/own", SUMMARY])
    for broken in ("select count(*) as n from visits", "select {{ filters( }} as n"):
        with site.query(broken):
            listed = (await site.guest.get(f"{made['url']}/api")).json()["queries"]
            assert [each["name"] for each in listed] == ["summary"]
            for place in ("api", "embed"):
                response = await site.guest.get(f"{made['url']}/{place}/public/own", headers={"Accept": "*/*"})
                assert response.status_code == 403
                assert "no filters any more" in response.json()["detail"]


def test_nothing_is_understood_of_a_file_that_would_not_keep_to_fixed_filters() -> None:
    """A second lock, for whoever asks on behalf of another. Planted: a first one alone."""
    query = QueryFolders.laid_over(None).get("public", "last_hit")
    assert query
    now = datetime(2026, 11, 23)  # noqa: DTZ001
    with pytest.raises(Forbidden, match="takes no filters"):
        understand(query, [], Settings(), now, fixed=[("country", "SE")])


async def test_a_panel_that_became_private_or_went_away_is_not_there(site: Site) -> None:
    """It has another name then. Planted: panels that are known by their file's name alone."""
    with site.query(PAIR):
        made = await shared(site, panels=["public/own", SUMMARY], filters="")
    with site.query(PAIR, "private"):
        assert (await panel(site, made["url"], "public/own")).status_code == 404
        assert (await panel(site, made["url"], "private/own")).status_code == 404
        listed = (await site.guest.get(f"{made['url']}/api")).json()["queries"]
        assert [each["name"] for each in listed] == ["summary"]


async def test_a_link_that_does_not_work_does_not_say_why(site: Site) -> None:
    """Planted: other words for a link that is over."""
    gone, over = await shared(site), await shared(site)
    await site.member.delete(f"/shares/{gone['token']}")
    async with site.database.engine.begin() as connection:
        which = shares.c.id == over["id"]
        await connection.execute(update(shares).where(which).values(expires=datetime(2026, 1, 1)))  # noqa: DTZ001
    said = set()
    for token in (UNKNOWN, gone["token"], over["token"], "x", "A" * 23, f"{over['token'][:-1]}é", "%00", "%20" * 22):
        for path in ("", "/api", f"/api/{SUMMARY}", f"/embed/{SUMMARY}"):
            response = await site.guest.get(f"/share/{token}{path}", headers={"If-None-Match": "*"})
            said.add((response.status_code, response.text))
        response = await site.guest.post(f"/share/{token}", data={"password": SECRET})
        said.add((response.status_code, response.text))
    assert said == {(404, json.dumps({"error": "NotFound", "detail": GONE}, separators=(",", ":")))}


# Who keeps what


@pytest.mark.parametrize("filters", ["country=GB", ""])
async def test_no_answer_of_a_link_is_kept_without_asking_again(site: Site, filters: str) -> None:
    """A link can be withdrawn. Planted: what the file says of everybody's answer."""
    with site.query(f"-- cache: 60\n{PAIR}"):
        made = await shared(site, panels=["public/own", "private/sources"], filters=filters)
        answered = await panel(site, made["url"], "public/own")
        assert answered.headers["cache-control"] == "private, no-cache"
        assert (await panel(site, made["url"], "private/sources")).headers["cache-control"] == "private, no-store"
        same = {"If-None-Match": answered.headers["etag"]}
        address = f"{made['url']}/api/public/own"
        again = await site.guest.get(address, params=MARCH, headers=same)
        assert (again.status_code, again.headers["cache-control"]) == (304, "private, no-cache")
        await site.member.delete(f"/shares/{made['id']}")
        assert (await site.guest.get(address, params=MARCH, headers=same)).status_code == 404


async def test_a_long_answer_flows_with_the_links_filters_and_is_packed(site: Site) -> None:
    """Planted: paths of shares that are not packed, and an answer that says itself who may keep it."""
    sql = """\
with recursive n (i) as (select 1 union all select i + 1 from n where i < 2000)
select i, v.id from n, visits v where {{ period("v.datetime") }} and {{ filters("v") }} order by 1, 2"""
    with site.query(sql):
        made = await shared(site, panels=["public/own"])
        response = await panel(site, made["url"], "public/own", format="csv")
        assert "etag" not in response.headers  # it came as the database had it
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["vary"] == "Accept-Encoding"
        assert response.headers["cache-control"] == "private, no-cache"
        assert len(response.text.splitlines()) == 1 + 7 * 2000


# A link with a password


async def test_a_link_with_a_password_tells_nothing_before_it_is_given(site: Site) -> None:
    """Planted: a page that opens without it, and an answer that does."""
    made = await shared(site, title="Quiet figures", password=SECRET)
    for asker in (site.guest, site.member):
        page = await asker.get(made["url"], headers=BROWSER)
        assert page.status_code == 401
        assert '<input id="password" name="password" type="password"' in page.text
        assert "Quiet figures" not in page.text
        for path in ("/api", f"/api/{SUMMARY}"):
            refused = await asker.get(made["url"] + path, headers={"If-None-Match": "*"})
            assert (refused.status_code, refused.json()["error"]) == (401, "PasswordRequired")
            assert (await asker.get(made["url"] + path, headers=BROWSER)).status_code == 401


async def test_the_password_opens_it_for_who_gave_it(site: Site) -> None:
    made = await shared(site, password=SECRET)
    async with client(site.app) as guest:
        wrong = await guest.post(made["url"], data={"password": "coffee"})
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
        assert "That is not the password." in wrong.text
        for said in ({}, {"password": ""}, {"password": SECRET + " "}, {"password": "x" * 2000}, {"Password": SECRET}):
            assert (await guest.post(made["url"], data=said)).status_code == 401
        right = await guest.post(made["url"], data={"password": SECRET})
        assert (right.status_code, right.headers["location"]) == (303, made["url"])
        cookie = right.headers["set-cookie"].lower().split("; ")
        assert {f"path={made['url'].lower()}", "httponly", "samesite=lax", f"max-age={COOKIE_AGE}"} <= set(cookie)
        assert (await guest.get(made["url"])).status_code == 200
        assert (await guest.get(f"{made['url']}/api")).status_code == 200
        assert (await guest.get(f"{made['url']}/api/{SUMMARY}")).status_code == 200
    assert (await panel(site, made["url"])).status_code == 401


async def test_a_plain_http_form_without_an_origin_is_taken(site: Site) -> None:
    """So a browser posts it from a page with `Referrer-Policy: no-referrer`. Planted: the check of signed-in forms."""
    made = await shared(site, password=SECRET)
    async with client(site.app) as guest:
        posted = await guest.post(made["url"], data={"password": SECRET}, headers={"Origin": "null"})
        assert posted.status_code == 303


async def test_a_guest_who_leaves_stops_the_panel(site: Site) -> None:
    """Seen to fail where every answer is taken to say who may keep it."""
    with site.query("with recursive n (i) as (select 1 union all select i + 1 from n) select max(i) from n"):
        made = await shared(site, panels=["public/own"], filters="")
        path = f"{made['url']}/api/public/own"
        assert await site.status(path, {}, leaves_after_s=0.2) == 499


async def status_with(site: Site, path: str, name: str, value: str) -> int:
    async with client(site.app) as guest:
        return (await guest.get(f"{path}/api/{SUMMARY}", headers={"Cookie": f"{name}={value}"})).status_code


async def test_a_cookie_is_of_one_link_and_its_password(site: Site) -> None:
    """Planted: a cookie of the password alone, of the token alone, and one that never ends."""
    one, other = await shared(site, password=SECRET), await shared(site, password=SECRET)
    async with client(site.app) as guest:
        cookie = (await guest.post(one["url"], data={"password": SECRET})).cookies[COOKIE]
        others = (await guest.post(other["url"], data={"password": SECRET})).cookies[COOKIE]
        private = await guest.get("/api/private/sources", headers={"Cookie": f"{SESSION}={cookie}"})
    assert private.status_code == 401
    assert await status_with(site, one["url"], COOKIE, cookie) == 200
    assert await status_with(site, other["url"], COOKIE, cookie) == 401
    for forged in (cookie[:-1], f"{cookie}x", cookie.partition(".")[0], "", "a.b.c", '"', site.member.cookies[SESSION]):
        assert await status_with(site, one["url"], COOKIE, forged) == 401
    assert await status_with(site, one["url"], SESSION, cookie) == 401
    async with site.database.engine.begin() as connection:
        other_hash = (await connection.execute(shares.select().where(shares.c.id == other["id"]))).one().password
        await connection.execute(update(shares).where(shares.c.id == one["id"]).values(password=other_hash))
    assert await status_with(site, one["url"], COOKIE, cookie) == 401
    assert await status_with(site, one["url"], COOKIE, others) == 401


def test_a_cookie_ends_after_thirty_days_and_with_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 23)  # noqa: DTZ001
    share = Share(1, UNKNOWN, "A", [SUMMARY], "", "", "a hash", None, now, "ann")
    keys, began = Keys("one secret"), time.time()
    cookie = keys.cut(share)
    assert keys.fits(cookie, share)
    assert not Keys("another").fits(cookie, share)
    assert not keys.fits(None, share)
    monkeypatch.setattr(time, "time", lambda: began + COOKIE_AGE - 10)
    assert keys.fits(cookie, share)
    monkeypatch.setattr(time, "time", lambda: began + COOKIE_AGE + 10)
    assert not keys.fits(cookie, share)
    monkeypatch.setattr(time, "time", lambda: began - 3600)
    assert not keys.fits(cookie, share)


# Frames


async def test_a_public_panel_can_be_shown_anywhere_and_a_private_one_by_a_link_alone(site: Site) -> None:
    """Planted: any panel, without a link."""
    response = await site.guest.get("/embed/public/pages")
    told = given(response)
    assert (told["root"], told["api"], told["home"], told["fixed"]) == ("", "/api", "/", [])
    assert told["panel"] in (await site.guest.get("/api")).json()["queries"]
    for name in ("private/sources", "public/nothing", "public/sources", "private/nothing"):
        for asker in (site.guest, site.member):
            assert (await asker.get(f"/embed/{name}")).status_code == 404
    made = await shared(site)
    told = given(await site.guest.get(f"{made['url']}/embed/private/sources"))
    assert (told["api"], told["home"], told["fixed"]) == (f"{made['url']}/api", made["url"], [["country", "GB"]])
    assert told["panel"] in (await site.guest.get(f"{made['url']}/api")).json()["queries"]


async def test_a_link_with_a_password_shows_nothing_in_a_frame(site: Site) -> None:
    made = await shared(site, password=SECRET)
    async with client(site.app) as guest:
        await guest.post(made["url"], data={"password": SECRET})
        response = await guest.get(f"{made['url']}/embed/{SUMMARY}")
        assert (response.status_code, response.json()["error"]) == (403, "Forbidden")
        assert "password" in response.json()["detail"]


# Making and withdrawing them


@pytest.mark.parametrize(("method", "path"), [("GET", "/shares"), ("POST", "/shares"), ("DELETE", "/shares/1")])
async def test_only_the_signed_in_see_make_and_withdraw_links(site: Site, method: str, path: str) -> None:
    """Planted: a list for everybody."""
    made = await shared(site)
    response = await site.guest.request(method, path, json=LONDON)
    assert response.status_code == 401
    assert made["token"] not in response.text


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
)
async def test_no_other_site_makes_or_withdraws_a_link(site: Site, headers: dict[str, str]) -> None:
    made = await shared(site)
    plain = headers | {"Content-Type": "text/plain"}
    assert (await site.member.post("/shares", content=json.dumps(LONDON), headers=plain)).status_code == 403
    assert (await site.member.delete(f"/shares/{made['id']}", headers=headers)).status_code == 403
    assert (await panel(site, made["url"])).status_code == 200


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"title": ""}, "title: give it 1 to 75"),
        ({"title": " \t "}, "title: give it 1 to 75"),
        ({"title": "x" * 76}, "title: give it 1 to 75"),
        ({"title": "a\nb"}, "title: give it 1 to 75"),
        ({"title": None}, "at `$.title`"),
        ({"panels": []}, "panels: choose one"),
        ({"panels": "public/pages"}, "at `$.panels`"),
        ({"panels": ["public/page"]}, "did you mean public/pages?"),
        ({"panels": ["pages", "../x"]}, "panels: there is no 'pages'"),
        ({"panels": ["public/last_hit"]}, "panels: public/last_hit takes no filters, and would show more than country"),
        ({"filters": "contry=GB"}, "filters: there is no 'contry': did you mean 'country'?"),
        ({"filters": "country"}, None),
        ({"filters": "&"}, "filters: write them as an address"),
        ({"filters": "page=" + "x" * 501}, "page: "),
        ({"filters": "page=%00"}, "page: "),
        ({"filters": "&".join(["page=a"] * 21)}, "more than 20 filters"),
        ({"filters": [["country", "GB"]]}, "at `$.filters`"),
        ({"view": "perod=today"}, "view: there is no 'perod': did you mean 'period'?"),
        ({"view": "period=tomorrow"}, "view: period: 'tomorrow'"),
        ({"view": "compare=nothing"}, "view: compare: 'nothing'"),
        ({"view": "interval=minute"}, "view: interval: 'minute'"),
        ({"view": "tz=Mars"}, "view: tz: there is no time zone 'Mars'"),
        ({"view": "country=SE"}, "view: a guest can't filter by country"),
        ({"view": "city=London"}, "view: a guest can't filter by city"),
        ({"view": "x" * 1001}, "view: write it as the page's address has it"),
        ({"view": "page=/a&public-goals.goal_1=/b&tabs=public-regions&metric=views"}, None),
        ({"password": ""}, "password: a password has 1 to 1024"),
        ({"password": "x" * 1025}, "password: a password has 1 to 1024"),
        ({"expires": "tomorrow"}, "expires: 'tomorrow' is no date"),
        ({"expires": ""}, "expires: '' is no date"),
        ({"expires": None, "password": None}, None),
        ({"expire": "2027-01-31"}, "unknown field `expire`"),
        ({"expires": "2020-01-01"}, "expires: 2020-01-01 is over"),
        ({"expires": "0001-01-01T00:00:00+14:00"}, "expires: '0001-01-01"),
        ({"expires": 7}, "at `$.expires`"),
        ({"expires": "9999-12-31"}, None),
    ],
)
async def test_what_does_not_fit_is_named(site: Site, said: dict[str, Any], words: str | None) -> None:
    """Planted: a panel without filters that is shared with some."""
    response = await site.member.post("/shares", json=LONDON | said)
    if words is None:
        assert response.status_code == 201, response.text
        return
    assert response.status_code == 422
    assert words in response.json()["detail"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", b"null", b'{"title": "\\ud800"}', b"[" * 9000, b'{"title":"A"}']
)
async def test_a_body_that_is_no_share_is_refused(site: Site, body: bytes) -> None:
    response = await site.member.post("/shares", content=body)
    assert response.status_code == 422
    assert "body" in response.json()["detail"]


async def test_a_body_is_read_no_further_than_a_share_can_go(site: Site) -> None:
    """Planted: one that is read to its end."""
    body = json.dumps(LONDON)
    assert (await site.member.post("/shares", content=body + " " * 60_000)).status_code == 201
    assert (await site.member.post("/shares", content=body + " " * 66_000)).status_code == 422


@pytest.mark.parametrize("name", ["0", "-1", "1e3", "999999999999999999", "9" * 40, UNKNOWN, "x", "%00"])
async def test_a_link_that_is_not_there_cannot_be_withdrawn(site: Site, name: str) -> None:
    response = await site.member.delete(f"/shares/{name}")
    assert (response.status_code, response.json()["error"]) == (404, "NotFound")


async def test_a_link_is_withdrawn_once_by_its_number(site: Site) -> None:
    """Planted: all of them at once."""
    made, other = await shared(site), await shared(site)
    assert (await site.member.delete(f"/shares/{made['id']}")).status_code == 204
    assert (await site.member.delete(f"/shares/{made['id']}")).status_code == 404
    assert (await panel(site, other["url"])).status_code == 200
    response = await site.member.get("/shares")
    assert response.headers["cache-control"] == "no-store"
    listed = {each["id"] for each in response.json()["shares"]}
    assert (other["id"] in listed, made["id"] in listed) == (True, False)


@pytest.mark.parametrize(
    ("said", "ends"),
    [
        ("2027-01-31", datetime(2027, 1, 31, 23, 59, 59)),  # noqa: DTZ001 - UTC
        ("2027-01-31T12:00", datetime(2027, 1, 31, 12)),  # noqa: DTZ001
        ("2027-01-31T12:00:00Z", datetime(2027, 1, 31, 12)),  # noqa: DTZ001
        ("2027-01-31T12:00:00+02:00", datetime(2027, 1, 31, 10)),  # noqa: DTZ001
        (None, None),
    ],
)
def test_a_day_is_over_at_its_end_and_a_time_is_utc(said: str | None, ends: datetime | None) -> None:
    """Planted: a day that is over when it begins."""
    now = datetime(2026, 11, 23)  # noqa: DTZ001
    queries = QueryFolders.laid_over(None).all()
    assert check(Draft("A", [SUMMARY], expires=said), queries, Settings(), now).expires == ends
    with pytest.raises(InvalidParameter, match="is over"):
        check(Draft("A", [SUMMARY], expires="2026-11-23T00:00"), queries, Settings(), now)


async def test_a_link_has_the_domain_before_it_and_never_the_requests_host(tmp_path: Path) -> None:
    """Planted: the host that the request names."""
    domain = {"domain": "stats.example.com/counted", "session_cookie_secure": "1"}
    async with open_site(f"sqlite:///{tmp_path / 'crumby.db'}", tmp_path, **domain) as site:
        site.member.base_url = httpx.URL("https://crumby.test")
        headers = {"Host": "evil.example", "Sec-Fetch-Site": "same-origin"}
        response = await site.member.post("/shares", json=LONDON | {"password": SECRET}, headers=headers)
        made = response.json()
        assert made["url"] == f"https://stats.example.com/counted/share/{made['token']}"
        opened = await site.guest.post(f"/share/{made['token']}", data={"password": SECRET})
        assert "; Secure" in opened.headers["set-cookie"]
