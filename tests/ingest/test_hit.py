"""Both wires, parsed and bounded."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumby.errors import HitTooLarge, InvalidHit, InvalidToken
from crumby.ingest.hit import (
    BEARER,
    MAX_BODY,
    MAX_HITS,
    MAX_QUERY,
    MAX_TAG,
    parse_documents,
    parse_pixel,
    parse_query,
)
from crumby.ingest.text import MAX_TEXT, clean

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC).replace(tzinfo=None)
ID = "019ab0000000c0ffee00000000000001"
VISIT: dict[str, Any] = {"v": 2, "id": ID, "t": "visit", "cid": "42", "dl": "https://example.com/"}


def body(**keys: object) -> bytes:
    return json.dumps({**VISIT, **keys}).encode()


def query(**keys: str) -> bytes:
    given_keys = {"v": "1", "t": "visit", "cid": "42", "dl": "https://example.com/"} | keys
    return "&".join(f"{key}={quote(value, safe='')}" for key, value in given_keys.items()).encode()


def test_a_document_says_what_its_page_said() -> None:
    (hit,) = parse_documents(body(dt="Café", dr="", ul="en-GB", sr="1920x1080", sd="24-bit", de="UTF-8"), NOW)
    assert (hit.kind, hit.id.hex(), hit.cid, hit.datetime) == ("visit", ID, "42", NOW)
    assert (hit.uri, hit.title, hit.referrer) == ("https://example.com/", "Café", "")
    assert (hit.lang, hit.screen_res, hit.screen_depth, hit.encoding) == ("en-GB", "1920x1080", "24-bit", "UTF-8")
    assert (hit.name, hit.value) == (None, None)


def test_an_array_gives_its_hits_in_order() -> None:
    documents = [{**VISIT, "id": f"{number:032x}"} for number in range(3)]
    hits = parse_documents(json.dumps(documents).encode(), NOW)
    assert [hit.id[-1] for hit in hits] == [0, 1, 2]


def test_a_hit_from_a_queue_happened_before_it_came() -> None:
    (hit,) = parse_documents(body(ago=90_000), NOW)
    assert hit.datetime == NOW - timedelta(seconds=90)


def test_what_a_newer_script_says_besides_is_passed_over() -> None:
    assert parse_documents(body(scroll=80), NOW)[0].cid == "42"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"\xff\xfe", "invalid"),
        (b"[]", "1 to 100 hits, not 0"),
        (b"null", "Expected"),
        (b"[" * 10_000, "Expected|truncated|depth|recursion"),
        (body(id="nope"), "32 lower-case hexadecimal digits"),
        (body(id=ID.upper()), "32 lower-case hexadecimal digits"),
        (body(t="pageview"), "Invalid enum value 'pageview'"),
        (json.dumps({**VISIT, "id": None}).encode(), r"\$.id"),
        (json.dumps({key: VISIT[key] for key in VISIT if key != "id"}).encode(), "32 lower-case hexadecimal digits"),
        (body(cid="a b"), "cid is not"),
        (body(cid="x" * 33), "cid is not"),
        (body(cid=42), r"\$.cid"),
        (body(dl=None), "dl, the page's address, is missing"),
        (body(dl=""), "dl, the page's address, is missing"),
        (body(t="event"), "en, the event's name, is missing"),
        (body(ago=-1), "ago is not 0 to 86400000"),
        (body(ago=86_400_001), "ago is not 0 to 86400000"),
        (body(ago=1e309), "'ago' is Infinity"),
        (body(dt="a", sp=-1e309), "'sp' is -Infinity"),
        (body(dt=["a"]), r"\$.dt"),
        (body(dt="\ud800"), "'dt' holds a half of a character"),
        (json.dumps([{**VISIT, "dl": "https://a/"}] * (MAX_HITS + 1)).encode(), "not 101"),
        (json.dumps([VISIT, {**VISIT, "id": "0"}]).encode(), "32 lower-case"),
    ],
)
def test_a_document_that_does_not_fit_is_refused_with_the_reason(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidHit, match=reason):
        parse_documents(text, NOW)


def test_a_body_beyond_the_bound_is_refused() -> None:
    with pytest.raises(HitTooLarge):
        parse_documents(b" " * (MAX_BODY + 1), NOW)


@given(st.binary(max_size=300))
def test_no_body_breaks_the_parser(text: bytes) -> None:
    try:
        parse_documents(text, NOW)
    except InvalidHit:
        return


@given(st.binary(max_size=300))
def test_no_query_breaks_the_parser(text: bytes) -> None:
    try:
        parse_query("1", text, NOW)
    except InvalidHit:
        return


def test_the_pixel_of_0_7_1_says_the_same() -> None:
    said = query(dt="50% off+more", dr="https://a.example/?q=a b", ul="de", sr="1x1", sd="24-bit")
    hit = parse_query("77", said, NOW)
    assert (hit.title, hit.referrer, hit.lang) == ("50% off+more", "https://a.example/?q=a b", "de")
    assert (hit.uri, hit.screen_res, hit.screen_depth, hit.datetime) == ("https://example.com/", "1x1", "24-bit", NOW)


def test_a_visits_addresses_are_decoded_twice_and_an_events_once() -> None:
    escaped = "https://example.com/a%20b/caf%C3%A9?q=%26"
    old_visit = parse_query("1", query(dl=escaped, dr=escaped), NOW)
    assert old_visit.uri == old_visit.referrer == "https://example.com/a b/café?q=&"
    assert parse_query("1", query(dl=escaped, t="event", en="e"), NOW).uri == escaped


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("/a%20b/caf%C3%A9", "/a b/café"),
        ("/a%2Fb?q=%26%3d%25", "/a%2Fb?q=%26%3D%25"),
        ("/%E9", "/%E9"),
        ("/%f0%9f%8d%aa%20%2F", "/🍪 %2F"),
        ("/100%", "/100%"),
        ("/%zz", "/%zz"),
        ("/%00x", "/ x"),
    ],
)
def test_an_address_of_the_new_script_is_readable_and_still_the_same_address(sent: str, stored: str) -> None:
    (visit,) = parse_documents(body(dl=sent, dr=sent), NOW)
    assert visit.uri == visit.referrer == stored
    assert parse_query("1", query(dl=sent, v="2", id=ID), NOW).uri == stored


def test_a_cookie_that_another_script_filled_still_names_a_visitor() -> None:
    assert (
        parse_query("1", query(cid="6ba7b810-9dad-11d1-80b4-00c04fd430c8"), NOW).cid
        == "7b810-9dad-11d1-80b4-00c04fd430c8"[-32:]
    )
    assert parse_query("1", query(cid="a|b;c"), NOW).cid == "abc"


def test_the_same_pixel_on_the_same_day_is_the_same_hit() -> None:
    first = parse_query("77", query(), NOW)
    assert first.id == parse_query("77", query(), NOW + timedelta(hours=11)).id
    assert first.id != parse_query("78", query(), NOW).id
    assert first.id != parse_query("77", query(cid="43"), NOW).id
    assert first.id != parse_query("77", query(), NOW + timedelta(days=1)).id


def test_a_pixel_may_name_its_hit_as_the_new_script_does() -> None:
    assert parse_query("77", query(id=ID, v="2"), NOW).id.hex() == ID


def test_of_a_key_that_is_given_twice_the_first_counts() -> None:
    assert parse_query("1", query(ul="en") + b"&ul=fr", NOW).lang == "en"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "t is 'visit' or 'event', not None"),
        (query(t="page"), "not 'page'"),
        (query(cid=""), "cid is missing"),
        (query(dl=""), "dl, the page's address, is missing"),
        (query(t="event"), "en, the event's name, is missing"),
        (query(id="short"), "32 lower-case hexadecimal digits"),
        (b"&".join(b"a%d=1" % number for number in range(51)), "fields"),
    ],
)
def test_a_pixel_that_does_not_fit_is_refused_with_the_reason(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidHit, match=reason):
        parse_query("1", text, NOW)


def test_a_query_beyond_the_bound_is_refused() -> None:
    with pytest.raises(HitTooLarge):
        parse_query("1", query(dt="x" * MAX_QUERY), NOW)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (None, None),
        ("", ""),
        ("  a\tb\nc\0 ", "a b c"),
        ("a\u0085b", "a b"),
        ("non\u00a0breaking", "non\u00a0breaking"),
        ("x" * (MAX_TEXT + 5), "x" * MAX_TEXT),
        ("ab cd", "ab cd"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
    ],
)
def test_text_is_clean_and_bounded(text: str | None, cleaned: str | None) -> None:
    assert clean(text) == cleaned


def test_a_cut_leaves_no_blank_at_the_end() -> None:
    assert clean("abc def", 4) == "abc"  # MariaDB takes 'abc' and 'abc ' for one, SQLite for two


@given(st.text())
def test_clean_text_is_taken_by_every_database(text: str) -> None:
    cleaned = clean(text)
    assert cleaned is not None
    assert "\0" not in cleaned
    assert cleaned == cleaned.strip() == clean(cleaned)
    cleaned.encode()


ENGAGEMENT: dict[str, Any] = {"v": 2, "t": "engagement", "id": ID, "cid": "42", "es": 7, "sp": 80}


def test_an_engagement_tells_of_the_visit_whose_id_it_has() -> None:
    for hit in (
        parse_documents(json.dumps(ENGAGEMENT).encode(), NOW)[0],
        parse_query("1", "&".join(f"{key}={value}" for key, value in ENGAGEMENT.items()).encode(), NOW),
    ):
        assert (hit.kind, hit.id.hex(), hit.cid) == ("engagement", ID, "42")
        assert (hit.engaged, hit.scroll, hit.uri) == (7, 80, None)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"es": None}, "es is not 0 to 86400 seconds"),
        ({"es": -1}, "es is not 0 to 86400 seconds"),
        ({"es": 86_401}, "es is not 0 to 86400 seconds"),
        ({"es": "7"}, r"\$.es"),
        ({"es": 7.5}, r"\$.es"),
        ({"sp": None}, "sp is not 0 to 100 percent"),
        ({"sp": 101}, "sp is not 0 to 100 percent"),
        ({"sp": -1}, "sp is not 0 to 100 percent"),
        ({"id": ""}, "32 lower-case"),
        ({"cid": "a b"}, "cid is not"),
    ],
)
def test_an_engagement_that_does_not_fit_is_refused_with_the_reason(keys: dict[str, object], reason: str) -> None:
    """Seen to fail without each of the bounds."""
    with pytest.raises(InvalidHit, match=reason):
        parse_documents(json.dumps(ENGAGEMENT | keys).encode(), NOW)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"v=1&t=engagement&cid=42&id=%b&es=7&sp=80", "t is 'visit' or 'event', not 'engagement'"),
        (b"v=2&t=engagement&cid=42&es=7&sp=80", "32 lower-case"),  # it names its visit, or none
        (b"v=2&t=engagement&cid=42&id=%b&es=-7&sp=80", "es is not"),
        (b"v=2&t=engagement&cid=42&id=%b&es=7&sp=", "sp is not"),
        (b"v=2&t=engagement&cid=42&id=%b&es=%D9%A7&sp=80", "es is not"),
    ],
)
def test_an_engagement_by_pixel_that_does_not_fit_is_refused_with_the_reason(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidHit, match=reason):
        parse_query("1", text.replace(b"%b", ID.encode()), NOW)


def test_what_an_engagement_tells_is_passed_over_in_a_visit() -> None:
    assert parse_documents(body(es=-1, sp=1000), NOW)[0].kind == "visit"


def test_whoever_brings_no_name_has_none_yet() -> None:
    """Seen to fail where the wire insists on a cookie."""
    without = {key: value for key, value in VISIT.items() if key != "cid"}
    (absent,) = parse_documents(json.dumps(without).encode(), NOW)
    (empty,) = parse_documents(body(cid=""), NOW)
    pixel = parse_query("1", query(v="2", id=ID, cid=""), NOW)
    assert absent.cid == empty.cid == pixel.cid == ""


def test_a_pixel_of_0_7_1_still_brings_one() -> None:
    with pytest.raises(InvalidHit, match="cid is missing"):
        parse_query("1", query(cid=""), NOW)


def test_pixels_of_nobody_are_not_one_hit() -> None:
    """With the same number on the same day. Seen to fail where their ids are made of the visitor."""
    first, second = (parse_query("1", query(v="2", cid=""), NOW).id for _ in range(2))
    assert first != second


def test_a_hit_says_its_tag() -> None:
    assert parse_documents(body(tg=" spring\n"), NOW)[0].tag == "spring"
    assert parse_documents(body(tg="x" * 99), NOW)[0].tag == "x" * MAX_TAG
    assert parse_documents(body(tg=None), NOW)[0].tag is None
    assert parse_query("1", query(v="2", id=ID, tg="spring"), NOW).tag == "spring"


def test_an_image_on_a_page_is_a_visit_of_that_page() -> None:
    """Seen to fail where the address of the page is not made readable."""
    hit = parse_pixel(b"", NOW, "https://example.com/caf%C3%A9")
    assert (hit.kind, hit.cid, hit.uri, hit.referrer, hit.datetime) == (
        "visit",
        "",
        "https://example.com/café",
        None,
        NOW,
    )
    assert parse_pixel(b"dl=https%3A%2F%2Fa.example%2F", NOW, "https://example.com/").uri == "https://a.example/"


def test_each_request_for_the_image_is_another_hit() -> None:
    """Seen to fail on an id that is made of the day."""
    first, second = (parse_pixel(b"", NOW, "https://example.com/").id for _ in range(2))
    assert first != second
    assert first[:6] == second[:6] == round((NOW - datetime(1970, 1, 1)).total_seconds() * 1000).to_bytes(6)  # noqa: DTZ001
    assert parse_pixel(b"id=" + ID.encode(), NOW, "https://example.com/").id.hex() == ID


def test_the_image_takes_all_that_a_document_does() -> None:
    said = b"t=event&en=signup&ev=top&ep=%7B%22plan%22%3A%22pro%22%7D&tg=spring&ago=1000&cid=42&id=" + ID.encode()
    hit = parse_pixel(said, NOW, "https://example.com/")
    assert (hit.kind, hit.name, hit.value, hit.properties, hit.tag) == (
        "event",
        "signup",
        "top",
        '{"plan":"pro"}',
        "spring",
    )
    assert (hit.datetime, hit.cid, hit.id.hex()) == (NOW - timedelta(seconds=1), "42", ID)
    engagement = parse_pixel(b"t=engagement&es=7&sp=80&id=" + ID.encode(), NOW, None)
    assert (engagement.kind, engagement.engaged) == ("engagement", 7)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "dl, the page's address, is missing"),
        (b"t=page", "t is 'visit', 'event' or 'engagement', not 'page'"),
        (b"t=event", "en, the event's name, is missing"),
        (b"t=engagement&es=7&sp=80", "32 lower-case"),
        (b"id=short", "32 lower-case"),
        (b"cid=a%20b", "cid is not"),
        (b"ago=-1", "ago is not"),
        (b"ago=x", "ago is not"),
        (b"ep=x", "ep is no JSON object"),
        (b"ep=%7B%22a%22%3ANaN%7D", "ep: 'a' is a number too large"),
    ],
)
def test_an_image_that_does_not_fit_is_refused_with_the_reason(said: bytes, reason: str) -> None:
    with pytest.raises(InvalidHit, match=reason):
        parse_pixel(said, NOW, "https://example.com/" if said else None)


@given(st.binary(max_size=300))
def test_no_image_breaks_the_parser(text: bytes) -> None:
    try:
        parse_pixel(text, NOW, "https://example.com/")
    except (InvalidHit, InvalidToken):
        return


@pytest.mark.parametrize("key", ["ip", "ua", "at"])
def test_whose_a_hit_is_only_who_has_a_token_may_say(key: str) -> None:
    """Not passed over: a server that forgot its token shall notice. Seen to fail where it is."""
    with pytest.raises(InvalidToken, match=f"^{key} is for who sends a token of scope ingest"):
        parse_documents(body(**{key: 1 if key == "at" else "203.0.113.7"}), NOW)
    with pytest.raises(InvalidToken, match=f"^{key} is for"):
        parse_pixel(f"{key}=x".encode(), NOW, "https://example.com/")


def test_an_old_pixel_passes_them_over() -> None:
    assert parse_query("1", query(ip="203.0.113.7", at="x"), NOW).ip is None


def test_a_trusted_document_says_whose_it_is() -> None:
    (hit,) = parse_documents(body(ip="::FFFF:203.0.113.7", ua="Firefox\n"), NOW, BEARER)
    assert (hit.ip, hit.user_agent, hit.datetime) == ("203.0.113.7", "Firefox", NOW)
    assert parse_pixel(b"ip=2001%3ADB8%3A%3A1&ua=x", NOW, "https://a.example/", BEARER).ip == "2001:db8::1"


def test_a_trusted_document_needs_no_id() -> None:
    without = json.dumps([{"t": "visit", "dl": "https://a.example/"}] * 2).encode()
    first, second = parse_documents(without, NOW, BEARER)
    assert first.id != second.id


def at(*numbers: int) -> datetime:
    return datetime(*numbers)  # type: ignore[arg-type]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        ("2026-10-01T12:00:00Z", at(2026, 10, 1, 12)),
        ("2026-10-01T13:00:00.5+01:00", at(2026, 10, 1, 12, 0, 0, 500_000)),
        (1_790_000_000_123, at(2026, 9, 21, 14, 13, 20, 123_000)),
        (946_684_800_000, at(2000, 1, 1)),
        ("2026-11-22T12:35:00Z", at(2026, 11, 22, 12, 35)),
    ],
)
def test_a_trusted_document_says_when_it_happened(told: object, moment: datetime) -> None:
    assert parse_documents(body(at=told), NOW, BEARER)[0].datetime == moment
    text = quote(str(told), safe="").encode()
    assert parse_pixel(b"at=" + text, NOW, "https://a.example/", BEARER).datetime == moment


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"at": "2026-11-22T12:35:00.001Z"}, "at is before the year 2000, or more than five minutes ahead"),
        ({"at": "1999-12-31T23:59:59Z"}, "at is before"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at is before"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "at is before"),
        ({"at": -1}, "at is before"),
        ({"at": 10**18}, "at is before"),
        ({"at": "2026-10-01T12:00:00"}, "at has no offset"),
        ({"at": "yesterday"}, r"\$.at"),
        ({"at": 1.5}, r"\$.at"),
        ({"ip": "unknown"}, "ip is no address: 'unknown'"),
        ({"ip": ""}, "ip is no address"),
        ({"ua": 5}, r"\$.ua"),
        ({"id": "short"}, "32 lower-case"),
    ],
)
def test_what_a_trusted_document_gets_wrong_is_refused_with_the_reason(keys: dict[str, object], reason: str) -> None:
    """Seen to fail without each of the bounds of `at`."""
    with pytest.raises(InvalidHit, match=reason):
        parse_documents(body(**keys), NOW, BEARER)


def test_who_has_a_token_may_send_more_at_once() -> None:
    many = json.dumps([{"t": "visit", "dl": "https://a.example/", "dt": "x" * 900}] * 1000).encode()
    assert len(parse_documents(many, NOW, BEARER)) == 1000
    with pytest.raises(HitTooLarge):
        parse_documents(many, NOW)
    with pytest.raises(InvalidHit, match="1 to 1000 hits, not 1001"):
        parse_documents(json.dumps([VISIT] * 1001).encode(), NOW, BEARER)
    with pytest.raises(HitTooLarge):
        parse_documents(b" " * (BEARER.body + 1), NOW, BEARER)
