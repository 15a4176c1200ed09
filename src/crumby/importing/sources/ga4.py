"""Google Analytics 4: rows of its BigQuery export as JSON lines, or a report as CSV, of which `ga4report.py` tells.

    https://support.google.com/analytics/answer/7029846            the schema of events_YYYYMMDD
    https://support.google.com/analytics/answer/9234069            the events that are collected automatically
    https://cloud.google.com/bigquery/docs/exporting-data          NEWLINE_DELIMITED_JSON; compressed or not

A page_view becomes a page view, with its address, title and referrer, and what the row says of place, device, browser,
system and language. Whoever has the same `user_pseudo_id` is one visitor; of whom none was kept, by consent mode, the
views count and the visitor does not. Sessions are Crumby's own, half an hour apart. Where the address has no tags, the
row's `collected_traffic_source` stands for them.

Other events become events. Clicks that lead elsewhere and downloads have the names of Crumby's own reports, and their
link as value; of the others it is `value`, and parameters of their own are their properties.

Lost: the events that GA4 makes of itself (session_start, first_visit, user_engagement, scroll, …); with them, how long
a page was looked at, which is told later, and by session, not by page; views of screens of apps; the user's id and
properties, audiences, items of a purchase, and the session and traffic source that Google modelled; the continent, size
of the screen, and latitude and longitude, which it does not have.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final

import msgspec

from crumby.dimensions.address import Address, parse_address
from crumby.dimensions.session import EPOCH
from crumby.dimensions.source import NO_TAGS, origin
from crumby.importing import names
from crumby.importing.csvfile import size
from crumby.importing.input import Input
from crumby.importing.item import Found, Item, Skipped
from crumby.importing.jsonfile import Record, records
from crumby.importing.records import address, is_elsewhere, told
from crumby.importing.source import ImportRefused, Source, Wanted
from crumby.importing.sources import ga4report
from crumby.ingest.hit import Hit
from crumby.ingest.text import clean

NAME: Final = "ga4"

OF_ROWS: Final = (b'"event_timestamp"', b'"event_name"')
AUTOMATIC: Final = frozenset(
    {"session_start", "first_visit", "user_engagement", "scroll", "first_open", "screen_view", "app_remove"}
    | {"app_update", "app_clear_data", "app_exception", "os_update", "firebase_campaign"}
)
OF_EVERY_EVENT: Final = frozenset(  # parameters
    {"page_location", "page_title", "page_referrer", "ga_session_id", "ga_session_number", "engagement_time_msec"}
    | {"session_engaged", "engaged_session_event", "entrances", "debug_mode", "ignore_referrer", "source", "medium"}
    | {"campaign", "campaign_id", "term", "content", "gclid", "dclid", "srsltid", "batch_ordering_id", "batch_page_id"}
    | {"synthetic_bundle", "firebase_event_origin", "firebase_conversion", "value"}
)
OUTBOUND: Final = "Outbound link"  # as Crumby's tracker names them
DOWNLOAD: Final = "Download"
NO_ROW: Final = "no row of GA4's export"
VALUES: Final = {"file_download": "link_url", "view_search_results": "search_term", "search": "search_term"}


class Said(msgspec.Struct, gc=False):
    string_value: str | None = None
    int_value: int | None = None
    float_value: float | None = None
    double_value: float | None = None

    @property
    def value(self) -> str | float | None:
        found = (self.string_value, self.int_value, self.double_value, self.float_value)
        return next((each for each in found if each is not None), None)


class Parameter(msgspec.Struct, gc=False):
    key: str
    value: Said | None = None


class Browser(msgspec.Struct, gc=False):
    browser: str | None = None
    browser_version: str | None = None


class Device(msgspec.Struct, gc=False):
    category: str | None = None
    operating_system: str | None = None
    language: str | None = None
    browser: str | None = None
    browser_version: str | None = None
    web_info: Browser | None = None


class Geo(msgspec.Struct, gc=False):
    country: str | None = None
    region: str | None = None
    city: str | None = None


class Campaign(msgspec.Struct, gc=False):
    manual_source: str | None = None
    manual_medium: str | None = None
    manual_campaign_name: str | None = None
    manual_term: str | None = None
    manual_content: str | None = None
    gclid: str | None = None
    dclid: str | None = None


class Event(msgspec.Struct, gc=False):
    """As much of a row as is looked at. 64-bit integers may be texts, as BigQuery writes them."""

    event_timestamp: int  # microseconds since 1970, UTC
    event_name: str
    event_params: list[Parameter] | None = None
    user_pseudo_id: str | None = None
    stream_id: str | None = None
    event_bundle_sequence_id: int | None = None
    batch_event_index: int | None = None
    batch_ordering_id: int | None = None
    batch_page_id: int | None = None
    device: Device | None = None
    geo: Geo | None = None
    collected_traffic_source: Campaign | None = None


_event: Final = msgspec.json.Decoder(Event, strict=False)
_encode: Final = msgspec.json.Encoder().encode


def recognises(given: Input) -> bool:
    return any(_rows(given)) or ga4report.recognises(given)


def opened(given: Input, wanted: Wanted) -> Source:
    if any(_rows(given)):
        return Rows(given, wanted)
    return ga4report.Report(given, wanted)


def _rows(given: Input) -> Iterator[str]:
    """Members that are of rows."""
    for member in given.members():
        head = given.head(member)
        if head.lstrip(b"\xef\xbb\xbf[ \t\r\n").startswith(b"{") and all(name in head for name in OF_ROWS):
            yield member


class Rows:
    """In the order of the export, which is none."""

    NAME: ClassVar[str] = NAME

    def __init__(self, given: Input, wanted: Wanted) -> None:
        self.ordered = False
        self.size = size(given, _rows(given))
        self.mark = 0
        self.origin = NAME
        self._given = given
        self._site = wanted.site
        self._names = wanted.names(NAME)

    def items(self, mark: int) -> Iterator[Item]:  # noqa: ARG002 - it is read from the beginning
        self.mark = 0
        for member in _rows(self._given):
            any_of_them = False
            for record in records(self._given, member, self._count):
                item = self._item(record)
                any_of_them = any_of_them or not isinstance(item, Skipped) or item.why != NO_ROW
                yield item
            if not any_of_them:
                raise ImportRefused(f"{self._given.name}, {member}: none of its records is a row of GA4's export")

    def _count(self, read: int) -> None:
        self.mark += read

    def _item(self, record: Record) -> Item:
        try:
            event = _event.decode(record.json)
            at = EPOCH + timedelta(microseconds=event.event_timestamp)
        except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, RecursionError) as error:
            return Skipped(NO_ROW, f"{record.place}: {error}")
        said = {each.key: each.value.value for each in event.event_params or () if each.value}
        uri = address(_text(said.get("page_location")))
        if event.event_name in AUTOMATIC:
            return Skipped("an event of GA4's own", event.event_name)
        place = parse_address(uri)
        if is_elsewhere(place.site, self._site):
            return Skipped("of another site", uri or event.event_name)
        if event.event_name == "page_view" and not place.page:
            return Skipped("a page view without an address", f"{record.place}: {uri}")
        hit = Hit(
            kind="visit",
            id=self._names.hit(at, _known_by(event, said)),
            cid=self._names.visitor(event.user_pseudo_id.encode()) if event.user_pseudo_id else "",
            datetime=at,
            uri=uri,
            title=clean(_text(said.get("page_title"))),
            referrer=address(_text(said.get("page_referrer"))),
        )
        if event.event_name == "page_view":
            return Found(hit, known=_known(event, hit, place))
        name, value = _named(event.event_name, said)
        return Found(
            msgspec.structs.replace(
                hit, kind="event", referrer=None, name=clean(name), value=clean(value), properties=_own(said)
            )
        )


def _text(value: str | float | None) -> str | None:
    return None if value is None or value == "" else str(value)


def _known_by(event: Event, said: Mapping[str, Any]) -> bytes:
    """What no other row has. All events that are sent together may have the same time."""
    batch = (event.event_bundle_sequence_id, event.batch_page_id, event.batch_ordering_id, event.batch_event_index)
    return _encode((event.stream_id, event.user_pseudo_id, event.event_timestamp, event.event_name, batch, said))


def _known(event: Event, hit: Hit, place: Address) -> dict[str, Any]:
    device, geo = event.device or Device(), event.geo or Geo()
    web = device.web_info or Browser(device.browser, device.browser_version)
    kind = names.device(device.category)
    known = {
        "country": names.country(geo.country),
        "subdivision_1": _name(geo.region),
        "city": _name(geo.city),
        "platform": names.platform(device.operating_system, kind),
        "browser": names.browser(web.browser),
        "version": names.version(web.browser_version),
        "device": kind,
        "lang": names.language(device.language),
    }
    if event.collected_traffic_source and place[2:] == NO_TAGS:
        known |= _campaign(event.collected_traffic_source, hit, place)
    return known


def _campaign(said: Campaign, hit: Hit, place: Address) -> dict[str, str | None]:
    tags = {
        "utm_source": _name(said.manual_source),
        "utm_medium": _name(said.manual_medium),
        "utm_campaign": _name(said.manual_campaign_name),
        "utm_term": _name(said.manual_term),
        "utm_content": _name(said.manual_content),
    }
    click = "gclid" if said.gclid else "dclid" if said.dclid else None
    source, channel = origin(hit.referrer, Address(place.site, place.page, **tags, tag=tags["utm_source"], click=click))
    return {**tags, "source": source, "channel": channel}


def _name(text: str | None) -> str | None:
    return None if text is None or names.is_nothing(text) or text.lower() == "(direct)" else text


def _named(name: str, said: dict[str, Any]) -> tuple[str, str | None]:
    """The event's name and value, the latter no longer among what is `said`."""
    if name == "click" and str(said.pop("outbound", None)).lower() == "true":
        return OUTBOUND, _text(said.pop("link_url", None))
    value = _text(said.pop(VALUES.get(name, "value"), None))
    return DOWNLOAD if name == "file_download" else name, value


def _own(said: Mapping[str, Any]) -> str | None:
    return told((name, value) for name, value in said.items() if name not in OF_EVERY_EVENT and value != "")
