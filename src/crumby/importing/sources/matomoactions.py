"""What a visitor of Matomo's did becomes page views and events: the same of its API and of its tables."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from crumby.dimensions.address import parse_address
from crumby.importing.ids import Names
from crumby.importing.item import Found, Item, Skipped
from crumby.importing.records import address, is_elsewhere, told
from crumby.ingest.client import Client
from crumby.ingest.hit import Hit
from crumby.ingest.text import clean

LINKS: Final = {"outlink": "Outbound link", "download": "Download"}  # as static/tracker/ sends them


class Visitor(NamedTuple):
    """Of a visit, who it was. Where they came from counts for the page view that is its first."""

    name: str
    ip: str | None
    lang: str | None
    screen: str | None
    known: Mapping[str, Any]
    referrer: str | None
    come: Mapping[str, Any]


class Act(NamedTuple):
    name: str
    value: str | None = None
    properties: str | None = None


class Done(NamedTuple):
    """An action; `known_by` is its id there, `what` it is for messages."""

    at: datetime
    known_by: str
    what: str


class Making:
    def __init__(self, ids: Names, site: str | None) -> None:
        self._ids, self._site = ids, site

    def view(self, who: Visitor, done: Done, url: str | None, title: str | None, before: str | None) -> Item:
        """Of the page that was seen `before` the visitor came from there."""
        uri = address(url)
        if not uri:
            return Skipped("no address", done.what)
        if self._is_elsewhere(uri):
            return Skipped("of another site", done.what)
        referrer = address(before or who.referrer)
        hit = replace(
            self._hit("visit", who, done, uri, title), referrer=referrer, screen_res=who.screen, lang=who.lang
        )
        return Found(hit, Client(who.ip, None, None, None), who.known if before else {**who.known, **who.come})

    def event(self, who: Visitor, done: Done, page: str | None, act: Act) -> Item:
        uri, name = address(page), clean(act.name)
        if not name:
            return Skipped("an event without a name", done.what)
        if self._is_elsewhere(uri):
            return Skipped("of another site", done.what)
        hit = self._hit("event", who, done, uri, None)
        found = replace(hit, name=name, value=clean(act.value) or "", properties=act.properties)
        return Found(found, Client(who.ip, None, None, None))

    def _is_elsewhere(self, uri: str | None) -> bool:
        return is_elsewhere(parse_address(uri).site, self._site)

    def _hit(self, kind: Any, who: Visitor, done: Done, uri: str | None, title: str | None) -> Hit:
        cid = self._ids.visitor(who.name.encode()) if who.name else ""
        hit_id = self._ids.hit(done.at, done.known_by.encode())
        return Hit(kind=kind, id=hit_id, cid=cid, datetime=done.at, uri=uri, title=clean(title))


def event(category: Any, action: Any, name: Any, number: Any) -> Act:
    said = ": ".join(str(each) for each in (category, action) if each)
    value = None if name in {None, ""} else str(name)
    return Act(said, value, told([("category", category), ("action", action), ("value", numeric(number))]))


def search(keyword: Any, category: Any, count: Any) -> Act:
    return Act("Search", str(keyword or ""), told([("category", category or None), ("results", numeric(count))]))


def numeric(said: Any) -> float | None:
    try:
        return None if said in {None, ""} else float(said)
    except (TypeError, ValueError):
        return None
