"""A hit becomes a row, with what its address, referrer and browser tell."""

from datetime import datetime

import msgspec

from crumby import tables
from crumby.ingest.client import Client
from crumby.ingest.enrich import Engagement, Event, Visit, completed, completed_event, engagement, event, visit
from crumby.ingest.geo import NOWHERE
from crumby.ingest.hit import Hit

PHONE = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36"
CLIENT = Client(ip="81.2.69.160", user_agent=PHONE, referrer="https://example.com/", lang="en")
AT = datetime(2026, 11, 22, 12)  # noqa: DTZ001
TAGGED = "https://www.example.com/tea?utm_source=fb&utm_medium=cpc&utm_campaign=c&utm_term=t&utm_content=x"


def a_hit(uri: str | None, referrer: str | None = None) -> Hit:
    return Hit("visit", bytes(16), "42", AT, uri, "Tea", referrer, screen_res="412x915")


def test_a_row_has_the_columns_of_its_table_in_their_order() -> None:
    """They are inserted by their place. Seen to fail with two of them the wrong way round."""
    assert list(Visit.__struct_fields__) == [column.name for column in tables.visits.columns if column.name != "id"]
    assert list(Event.__struct_fields__) == [column.name for column in tables.events.columns if column.name != "id"]


def test_a_visit_tells_its_page_its_source_and_its_device() -> None:
    """The header's referrer is the page itself, of a script's hit. Seen to fail on that one."""
    row = visit(a_hit("https://www.example.com/tea?q=1", "https://www.google.se/"), CLIENT, NOWHERE)
    assert (row.site, row.page, row.device) == ("example.com", "/tea", "mobile")
    assert (row.source, row.channel, row.utm_source) == ("Google", "Organic Search", None)
    assert (row.session, row.seq, row.gap, row.entry, row.engaged, row.scroll) == (None,) * 6


def test_a_tagged_visit_tells_its_tags() -> None:
    row = visit(a_hit(TAGGED, "https://www.google.se/"), CLIENT, NOWHERE)
    assert (row.source, row.channel) == ("Facebook", "Paid Social")
    assert (row.utm_source, row.utm_medium, row.utm_campaign, row.utm_term, row.utm_content) == (
        "fb",
        "cpc",
        "c",
        "t",
        "x",
    )


def test_an_event_tells_its_page() -> None:
    row = event(Hit("event", bytes(16), "42", AT, TAGGED, None, name="buy"), CLIENT)
    assert (row.site, row.page) == ("example.com", "/tea")


def test_an_engagement_tells_of_a_visit() -> None:
    row = engagement(Hit("engagement", bytes(16), "42", AT, None, None, engaged=7, scroll=80))
    assert row == Engagement(bytes(16), 7, 80)


def test_a_row_of_an_older_version_is_completed() -> None:
    """The spool may hold them. Seen to fail where they stay as they are."""
    whole = visit(a_hit(TAGGED), CLIENT, NOWHERE)
    new = ("site", "page", "source", "channel", "device", *(name for name in Visit.__struct_fields__ if "utm_" in name))
    old = msgspec.structs.replace(whole, **dict.fromkeys(new))
    assert completed(old) == whole
    assert completed(whole) is whole
    happened = event(Hit("event", bytes(16), "42", AT, TAGGED, None, name="buy"), CLIENT)
    assert completed_event(msgspec.structs.replace(happened, site=None, page=None)) == happened
    assert completed_event(happened) is happened
