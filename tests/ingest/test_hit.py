"""Both wires, parsed and bounded."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumby.errors import HitTooLarge, InvalidHit
from crumby.ingest.hit import MAX_BODY, MAX_HITS, MAX_QUERY, MAX_TEXT, clean, parse_documents, parse_query

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
        (body(cid=""), "cid is not"),
        (body(cid="a b"), "cid is not"),
        (body(cid="x" * 33), "cid is not"),
        (body(cid=42), r"\$.cid"),
        (body(dl=None), "dl, the page's address, is missing"),
        (body(dl=""), "dl, the page's address, is missing"),
        (body(t="event"), "en, the event's name, is missing"),
        (body(ago=-1), "ago is not 0 to 86400000"),
        (body(ago=86_400_001), "ago is not 0 to 86400000"),
        (body(ago=1e309), "out of range|Expected|malformed"),
        (body(dt=["a"]), r"\$.dt"),
        (body(dt="\ud800"), "truncated"),  # a surrogate without its other half
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
        ({"cid": ""}, "cid is not"),
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
