"""What goes out with an answer: who may keep it, whether it is known already, and how it is packed."""

import asyncio
import gzip
import re

import httpx
import pytest
from starlette.types import Message

from crumby.reporting.packing import takes_gzip
from crumby.reporting.sending import outlasted
from tests.reporting.site import Site

SITES = ["sqlite"]
FORMATS = ["json", "records", "ndjson", "csv", "html"]
LARGE = "select a.datetime, 'some text, to be packed' as text from calendar a order by 1 limit 500"
PLAIN = {"Accept-Encoding": "identity"}
GZIP = {"Accept-Encoding": "gzip"}


# Known already


@pytest.mark.parametrize("form", FORMATS)
async def test_who_has_the_answer_is_not_sent_it_again(site: Site, form: str) -> None:
    """Seen to fail where the tag is of something else than the body."""
    with site.query("select 1 as one") as address:
        first = await site.guest.get(address, params={"format": form})
        known = {"If-None-Match": first.headers["ETag"]}
        again = await site.guest.get(address, params={"format": form}, headers=known)
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    for name in ("ETag", "Cache-Control", "Vary"):
        assert again.headers[name] == first.headers[name]
    assert not [name for name in again.headers if name.startswith("content-") and name != "content-security-policy"]


async def test_who_has_another_one_is_sent_the_answer(site: Site) -> None:
    with site.query("select 1 as one") as address:
        tag = (await site.guest.get(address)).headers["ETag"]
    with site.query("select 2 as one") as address:
        response = await site.guest.get(address, headers={"If-None-Match": tag})
    assert (response.status_code, response.json()["data"]) == (200, [[2]])
    assert response.headers["ETag"] != tag


@pytest.mark.parametrize(
    ("known", "status"),
    [("{tag}", 304), ("{strong}", 304), ('"a", {tag}', 304), ("*", 304), ('"a"', 200), ("", 200), ("{bare}", 200)],
)
async def test_tags_are_compared_as_http_has_it(site: Site, known: str, status: int) -> None:
    with site.query("select 1 as one") as address:
        tag = (await site.guest.get(address)).headers["ETag"]
        strong = tag.removeprefix("W/")
        header = known.format(tag=tag, strong=strong, bare=strong.strip('"'))
        assert (await site.guest.get(address, headers={"If-None-Match": header})).status_code == status


async def test_the_list_is_known_already_as_well(site: Site) -> None:
    tag = (await site.guest.get("/api")).headers["ETag"]
    known = await site.guest.get("/api", headers={"If-None-Match": tag})
    assert (known.status_code, "Content-Type" in known.headers) == (304, False)
    assert (await site.member.get("/api", headers={"If-None-Match": tag})).status_code == 200


# Who may keep it


@pytest.mark.parametrize("form", FORMATS)
async def test_nobody_keeps_a_private_answer(site: Site, form: str) -> None:
    with site.query("-- cache: 60\nselect 1 as one", "private") as address:
        response = await site.member.get(address, params={"format": form})
    assert response.headers["Cache-Control"] == "private, no-store"


async def test_nobody_keeps_an_answer_that_only_members_may_ask_for(site: Site) -> None:
    """Seen to fail where a proxy may keep a member's answer, and give it to guests."""
    sql = "-- cache: 60\nselect count(*) as views from visits where {{ filters() }}"
    with site.query(sql) as address:
        response = await site.member.get(address, params={"city": "London"})
        assert (response.status_code, response.headers["Cache-Control"]) == (200, "private, no-store")
        refused = await site.guest.get(address, params={"city": "London"})
        assert refused.status_code == 401
        open_ = await site.guest.get(address, params={"country": "GB"})
        assert open_.headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize("form", FORMATS)
async def test_a_public_answer_is_asked_for_again(site: Site, form: str) -> None:
    response = await site.guest.get("/api/public/visits", params={"format": form})
    assert response.headers["Cache-Control"] == ("private, no-cache" if form == "html" else "no-cache")


# How it is packed


@pytest.mark.parametrize("form", FORMATS)
async def test_an_answer_is_packed_for_who_takes_it(site: Site, form: str) -> None:
    with site.query(LARGE) as address:
        plain = await site.guest.get(address, params={"format": form}, headers=PLAIN)
        async with site.guest.stream("GET", address, params={"format": form}, headers=GZIP) as packed:
            body = b"".join([chunk async for chunk in packed.aiter_raw()])
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) == len(body) < len(plain.content) / 4
    assert gzip.decompress(body) == plain.content
    for name in ("ETag", "Content-Type"):
        assert packed.headers[name] == plain.headers[name]
    assert packed.headers["Vary"] == plain.headers["Vary"]
    assert "Accept-Encoding" in packed.headers["Vary"]


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("GZIP", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
        ("br", False),
        ("identity", False),
        ("", False),
        ("gzip;q=", False),
        ("gzip;q=1.2.3", False),
        ("xgzip, gzipx", False),
        (";;,,==", False),
    ],
)
def test_who_takes_gzip_says_so(accepted: str, taken: bool) -> None:  # noqa: FBT001 - a case
    assert takes_gzip(accepted) == taken


@pytest.mark.parametrize("address", ["/api", "/api/public", "/openapi.json", "/static/page.js", "/static/crumby.css"])
async def test_the_lists_and_the_document_and_the_pages_files_are_packed(site: Site, address: str) -> None:
    response = await site.guest.get(address, headers=GZIP)
    assert (response.status_code, response.headers["Content-Encoding"]) == (200, "gzip")
    assert response.content == (await site.guest.get(address, headers={"Accept-Encoding": "identity"})).content


async def test_a_part_of_a_file_goes_as_it_is(site: Site) -> None:
    """Seen to fail where it is packed: its place in the file is one of what is not packed."""
    response = await site.guest.get("/static/page.js", headers=GZIP | {"Range": "bytes=100-2099"})
    assert (response.status_code, len(response.content)) == (206, 2000)
    assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize("address", ["/", "/login", "/docs", "/static/vendor/manifest.json", "/cmb.js", "/healthz"])
async def test_nothing_else_is_touched(site: Site, address: str) -> None:
    response = await site.guest.get(address, headers=GZIP)
    assert response.status_code == 200
    assert address == "/cmb.js" or "Content-Encoding" not in response.headers  # which packs itself


async def test_what_is_small_goes_as_it_is(site: Site) -> None:
    with site.query("select 1 as one") as address:
        response = await site.guest.get(address, headers=GZIP)
    assert "Content-Encoding" not in response.headers
    assert "Accept-Encoding" in response.headers["Vary"]


async def test_nothing_is_packed_of_no_body(site: Site) -> None:
    with site.query(LARGE) as address:
        tag = (await site.guest.get(address)).headers["ETag"]
        response = await site.guest.get(address, headers=GZIP | {"If-None-Match": tag})
    assert (response.status_code, response.content) == (304, b"")
    assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("form", FORMATS)
async def test_head_has_the_headers_of_get(site: Site, form: str, encoding: str) -> None:
    with site.query(LARGE) as address:
        headers = {"Accept-Encoding": encoding}
        head = await site.guest.head(address, params={"format": form}, headers=headers)
        get = await site.guest.get(address, params={"format": form}, headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(get.headers)


# The page


KINDS = """\
-- Kinds of <i>values</i>
-- A <script>alert(1)</script> description.
--
-- column address: url, an "address"
-- column n: count
-- column share: percent
-- column took: duration
-- column day: weekday
-- column yes: boolean
select 'https://example.com/a?b=c&d=<e>' as address, 1234567 as n, 12.25 as share, 3723.4 as took, 1 as day, 1 as yes
union all select '{text}', 5, 0, 59, 7, 0
union all select null, null, null, null, null, null
"""


async def page(site: Site, text: str = "text", **asked: str) -> httpx.Response:
    with site.query(KINDS.replace("{text}", text)) as address:
        return await site.guest.get(address, params={"format": "html", **asked})


async def test_a_page_shows_values_as_people_read_them(site: Site) -> None:
    cells = re.findall(r"<td[^>]*>(.*?)</td>", (await page(site)).text)
    link = "https://example.com/a?b=c&amp;d=&lt;e&gt;"
    assert cells[:6] == [
        f'<a href="{link}" rel="noopener noreferrer nofollow">{link}</a>',
        *("1,234,567", "12.3%", "1h 02m", "Monday", "yes"),
    ]
    assert cells[6:12] == ["text", "5", "0%", "59s", "Sunday", "no"]
    assert cells[12:] == [""] * 6


async def test_a_page_has_its_numbers_to_the_right(site: Site) -> None:
    body = (await page(site)).text
    assert re.findall(r'<th scope="col" class="number">(\w+)', body) == ["n", "share", "took"]
    assert len(re.findall(r'<td class="number">', body)) == 9


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "//evil.example/",
        "https:evil.example",
        "https://user@evil.example/",
        "https://evil.example\\@good.example/",
        "https://a b/",
        " https://a/",
        "http:",
        '" onmouseover="alert(1)',
        "<img src=x onerror=alert(1)>",
    ],
)
async def test_what_a_visitor_wrote_is_text_in_a_page(site: Site, text: str) -> None:
    """Seen to fail without autoescape, and where any text of a `url` column is a link."""
    body = without_theme((await page(site, text)).text)
    table = body[body.index("<table") : body.index("</table")]
    assert table.count("<a ") == 1
    assert not re.search(r"<(?:script|img|i)\b|onmouseover=\"", body.replace('<img src="/static', ""))
    assert not re.search(r"<script|<i>", body)


def without_theme(body: str) -> str:
    """A page without the file that has it dark or light before it is drawn."""
    return re.sub(r'<script src="/static/theme\.js\?v=\w+"></script>', "", body)


async def test_a_page_needs_no_script_and_keeps_the_policy(site: Site) -> None:
    response = await page(site)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert not re.search(r"<script|\sstyle=|<style|\son\w+=", without_theme(response.text))


async def test_a_page_leads_to_the_other_formats_of_the_same_question(site: Site) -> None:
    body = (await page(site, tz="Europe/Berlin", days="3")).text
    for form in ("json", "records", "csv", "ndjson"):
        assert f'href="?tz=Europe%2FBerlin&amp;days=3&amp;format={form}"' in body


async def test_a_page_tells_its_days_and_what_is_compared(site: Site) -> None:
    asked = {"from": "2026-03-26", "to": "2026-03-31", "compare": "previous", "tz": "Asia/Tokyo"}
    sql = "-- column views: count\nselect count(*) as views from visits where {{ period('datetime') }}"
    with site.query(sql) as address:
        body = (await site.guest.get(address, params={"format": "html", **asked})).text
    assert "2026-03-26 to 2026-03-31, Asia/Tokyo; in small type 2026-03-20 to 2026-03-25, Asia/Tokyo" in body
    assert re.search(r"<small>\d+</small>", body)


async def test_a_page_of_nothing_says_so(site: Site) -> None:
    with site.query("select cid from visits where id < 0") as address:
        assert "No rows in this period." in (await site.guest.get(address, params={"format": "html"})).text


async def test_a_page_of_a_cut_answer_says_so(site: Site) -> None:
    with site.query("-- rows: 3\nselect datetime from calendar") as address:
        response = await site.guest.get(address, params={"format": "html"})
    assert "There are more rows than these 3." in response.text
    assert response.headers["X-Crumby-Truncated"] == "true"


async def test_a_page_names_who_is_signed_in(site: Site) -> None:
    with site.query("select 1 as one", "private") as address:
        response = await site.member.get(address, params={"format": "html"})
    assert 'title="Signed in as ann"' in response.text


# Nobody waits for it any more


async def test_who_is_stopped_otherwise_is_no_client_that_left() -> None:
    """As at the server's end. Seen to fail where each cancellation is a client's."""

    async def receive() -> Message:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    waiting = asyncio.ensure_future(outlasted(receive, asyncio.sleep(60)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
