"""Simple Analytics' export of data points, as CSV or JSON: page views, events, or both.

    https://docs.simpleanalytics.com/api/export-data-points      its fields; of version 1, which had a `url`, as well
    https://docs.simpleanalytics.com/metrics                     what they mean, `is_unique` and `session_id` among them

A data point becomes a page view, with its address and tags, referrer, country, device, browser and system, language,
size of the screen, seconds on the page and percent that was scrolled. If its `datapoint` is not "pageview", it becomes
an event of that name, whose metadata are its properties.

There are no visitors in it. Whoever has the same `session_id` is one, so that a person who comes again tomorrow is
another one: visitors are sessions. Without such ids, each view that `is_unique` is a visitor of its own, which gives
Simple Analytics' number of visitors; the others are nobody's, and count as views and in no session, so that sessions
have one view each. Choose session_id among the fields, therefore; uuid too, which tells one data point from another.

Lost: the size of the window, versions of systems, the time zone; the host before it was overwritten. Points of robots
are left out, but for --bots.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import msgspec

from crumby.dimensions.address import parse_address
from crumby.dimensions.session import EPOCH
from crumby.importing import names
from crumby.importing.csvfile import header, rows, size
from crumby.importing.daily import amount
from crumby.importing.input import Input
from crumby.importing.item import Found, Item, Skipped
from crumby.importing.jsonfile import records
from crumby.importing.records import address, is_elsewhere, moment, told
from crumby.importing.source import ImportRefused, Wanted
from crumby.ingest.hit import MAX_ENGAGED, WHOLE, Hit
from crumby.ingest.text import clean

NAME: Final = "simple-analytics"

TIMES: Final = ("added_iso", "added_unix")
PAGES: Final = ("path", "path_and_query", "url")
OWN: Final = ("is_unique", "datapoint", "session_id", "uuid", "document_referrer", "referrer_raw", "hostname")
PAGEVIEW: Final = frozenset({"", "pageview"})
UTM: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
METADATA: Final = "metadata"
KINDS: Final = ("_text", "_int", "_bool", "_date")  # behind the name of a column of metadata

Point = Mapping[str, Any]


def recognises(given: Input) -> bool:
    return any(_files(given))


def opened(given: Input, wanted: Wanted) -> "SimpleAnalytics":
    return SimpleAnalytics(given, wanted)


def _files(given: Input) -> Iterator[str]:
    for member in given.members():
        head = given.head(member)
        if _is_json(head):
            fields = [name for name in (*TIMES, *PAGES, *OWN) if f'"{name}"'.encode() in head]
        else:
            fields = [name.strip() for name in header(given, member)]
        if _are_ours(fields) and "__MACOSX" not in member:
            yield member


def _is_json(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}


def _are_ours(fields: list[str]) -> bool:
    return not set(TIMES).isdisjoint(fields) and not set(PAGES + OWN).isdisjoint(fields)


class SimpleAnalytics:
    NAME: ClassVar[str] = NAME

    def __init__(self, given: Input, wanted: Wanted) -> None:
        self.ordered = False  # they come by day, or newest first
        self.size = size(given, _files(given))
        self.mark = 0
        self.origin = NAME
        self._given = given
        self._wanted = wanted
        self._names = wanted.names(NAME)

    def items(self, mark: int) -> Iterator[Item]:  # noqa: ARG002 - it is read from the beginning
        self.mark = 0
        files = list(_files(self._given))
        if not files:
            raise ImportRefused(
                f"{self._given.name} has no column added_iso, or no other of Simple Analytics' fields: export data "
                "points with added_iso, hostname, path, session_id and uuid at least"
            )
        for member in files:
            read = self._of_json if _is_json(self._given.head(member)) else self._of_csv
            yield from read(member)

    def _count(self, read: int) -> None:
        self.mark += read

    def _of_csv(self, member: str) -> Iterator[Item]:
        lines = rows(self._given, member, self._count)
        names_of = [name.strip() for row in islice(lines, 1) for name in row.fields]
        for row in lines:
            point = row.by(names_of)
            yield self._item(point, str(row)) if point else Skipped("not as many fields as columns", str(row))

    def _of_json(self, member: str) -> Iterator[Item]:
        for record in records(self._given, member, self._count, wrapped=True):
            try:
                point = msgspec.json.decode(record.json, type=dict[str, Any])
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                yield Skipped("no JSON object", f"{record.place}: {error}")
            else:
                yield self._item(point, f"{record.place}: {record.json.decode(errors='replace')}")

    def _item(self, point: Point, shown: str) -> Item:
        at = _moment(point)
        if at is None:
            return Skipped("no time", shown)
        if _is(point, "is_robot") and not self._wanted.bots:
            return Skipped("a crawler", shown)
        uri = _uri(point, self._wanted.site)
        place = parse_address(uri)
        if is_elsewhere(place.site, self._wanted.site):
            return Skipped("of another site", shown)
        name = _text(point, "datapoint") or ""
        if name in PAGEVIEW and not place.page:
            return Skipped("a page view without a path", shown)
        hit = Hit(
            kind="visit" if name in PAGEVIEW else "event",
            id=self._names.hit(at, _known_by(point)),
            cid=self._cid(point),
            datetime=at,
            uri=uri,
            title=None,
        )
        if hit.kind == "event":
            return Found(msgspec.structs.replace(hit, name=clean(name), properties=_properties(point)))
        return Found(msgspec.structs.replace(hit, referrer=_referrer(point)), known=_known(point))

    def _cid(self, point: Point) -> str:
        session = _text(point, "session_id")
        if session:
            return self._names.visitor(b"session " + session.encode())
        return self._names.visitor(b"view " + _known_by(point)) if _is(point, "is_unique") else ""


def _is_empty(value: object) -> bool:
    return value is None or value == ""


def _text(point: Point, name: str) -> str | None:
    value = point.get(name)
    return None if _is_empty(value) else str(value).strip() or None


def _is(point: Point, name: str) -> bool:
    return str(point.get(name)).strip().lower() in {"true", "1", "t", "yes"}


def _moment(point: Point) -> datetime | None:
    if said := _text(point, "added_iso"):
        return moment(said)
    try:
        return EPOCH + timedelta(seconds=int(float(_text(point, "added_unix") or "")))
    except (ValueError, OverflowError):
        return None


def _known_by(point: Point) -> bytes:
    """Its uuid; without one all that is told of it."""
    if uuid := _text(point, "uuid"):
        return uuid.encode()
    return msgspec.json.encode(sorted((name, str(value)) for name, value in point.items() if not _is_empty(value)))


def _uri(point: Point, site: str | None) -> str | None:
    """With its tags: Simple Analytics keeps them beside the address, and often there only."""
    uri = _text(point, "url")
    if not uri:
        path = _text(point, "path_and_query") or _text(point, "path") or ""
        query = (_text(point, "query") or "").lstrip("?")
        if query and "?" not in path:
            path = f"{path}?{query}"
        host = _text(point, "hostname") or site
        uri = f"https://{host}{path}" if host and path.startswith("/") else path
    if "utm_" not in uri and (tags := {name: text for name in UTM if (text := _text(point, name))}):
        uri = f"{uri}{'&' if '?' in uri else '?'}{urlencode(tags)}"
    return address(uri)


def _referrer(point: Point) -> str | None:
    said = _text(point, "document_referrer") or _text(point, "referrer_raw") or _text(point, "referrer")
    if not said and (host := _text(point, "referrer_hostname")):
        said = f"https://{host}{_text(point, 'referrer_path') or '/'}"
    if said and "://" not in said and "." in said:
        said = f"https://{said}"
    return address(said)


def _known(point: Point) -> dict[str, Any]:
    kind = names.device(_text(point, "device_type"))
    width, height = _number(point, "screen_width", 99_999), _number(point, "screen_height", 99_999)
    known: dict[str, Any] = {
        "country": names.country(_text(point, "country_code")),
        "platform": names.platform(_text(point, "os_name"), kind),
        "browser": names.browser(_text(point, "browser_name")),
        "version": names.version(_text(point, "browser_version")),
        "device": kind,
        "lang": names.language("-".join(filter(None, (_text(point, "lang_language"), _text(point, "lang_region"))))),
        "screen_res": f"{width}x{height}" if width and height else None,
        "engaged": _number(point, "duration_seconds", MAX_ENGAGED),
        "scroll": _number(point, "scrolled_percentage", WHOLE),
    }
    return known


def _number(point: Point, name: str, most: int) -> int | None:
    try:
        return min(most, amount(said)) if (said := _text(point, name)) else None
    except ValueError:
        return None


def _properties(point: Point) -> str | None:
    """Of `metadata`, an object, or of columns such as `metadata.plan_text`."""
    said = point.get(METADATA)
    if isinstance(said, str):
        try:
            said = msgspec.json.decode(said)
        except msgspec.DecodeError:
            said = None
    found = dict(said) if isinstance(said, dict) else {}
    for name, value in point.items():
        if name.startswith(f"{METADATA}.") and not _is_empty(value):
            short = name.removeprefix(f"{METADATA}.")
            found[next((short.removesuffix(kind) for kind in KINDS if short.endswith(kind)), short)] = value
    return told(found.items())
