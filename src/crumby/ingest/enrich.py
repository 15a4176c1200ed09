"""A hit, its client and its place become a row: the columns of `tables.visits` and `tables.events`, in their order.

An engagement becomes two columns of a row that is there.
Pure: the same arguments give the same row.
"""

from datetime import datetime
from functools import lru_cache
from typing import Final

import msgspec

from crumby.dimensions.address import parse_address
from crumby.dimensions.device import device
from crumby.dimensions.source import origin
from crumby.ingest.agent import parse_agent
from crumby.ingest.client import Client
from crumby.ingest.geo import Place
from crumby.ingest.hit import Hit


class Visit(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    ip: str | None
    cid: str | None  # null of nobody: VISITOR_ID is 'none'
    datetime: datetime
    doc_title: str | None
    doc_uri: str | None
    doc_enc: str | None
    referrer: str | None
    _referrer: str | None
    platform: str | None
    browser: str | None
    version: str | None
    screen_res: str | None
    screen_depth: str | None
    continent: str | None
    country: str | None
    subdivision_1: str | None
    subdivision_2: str | None
    city: str | None
    latitude: float | None
    longitude: float | None
    accuracy_radius: int | None
    time_zone: str | None
    lang: str | None
    _lang: str | None
    hit_id: bytes
    site: str | None = None  # this and the rest have defaults, since the spool may hold rows that are older than they
    page: str | None = None
    session: int | None = None  # with the next three, the store's to give: it knows the visitor
    seq: int | None = None
    gap: int | None = None
    entry: str | None = None
    source: str | None = None  # with the next six, the hit's own, until the store puts its session's in their place
    channel: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None
    device: str | None = None
    tag: str | None = None
    engaged: int | None = None
    scroll: int | None = None
    prev: int | None = None  # this and the rest are the store's to give
    page_prev: int | None = None
    prevs: str | None = None
    prev_page: str | None = None
    first: int | None = None


class Event(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    ip: str | None
    cid: str | None
    datetime: datetime
    doc_title: str | None
    doc_uri: str | None
    name: str | None
    value: str | None
    hit_id: bytes
    site: str | None = None
    page: str | None = None
    properties: str | None = None  # JSON
    tag: str | None = None
    session: int | None = None  # this and the rest are the store's to give
    prev: int | None = None
    value_prev: int | None = None
    page_prev: int | None = None


class Engagement(msgspec.Struct, frozen=True, gc=False):
    """How long and how far the page of a visit was looked at. The visit keeps the largest of what is told of it."""

    hit_id: bytes  # the visit's
    engaged: int
    scroll: int


TO_COME: Final = (None,) * 4  # session, seq, gap, entry
REMEMBERED: Final = 4096  # devices; 3 MiB if each User-Agent were of full length

_device: Final = lru_cache(maxsize=REMEMBERED)(device)  # a third of its time


def visit(hit: Hit, client: Client, place: Place) -> Visit:
    """The row of a page view, as if it were its session's first.

    Built in the order of the columns: a field that is named costs ten times one that is counted off.
    """
    agent = parse_agent(client.user_agent)
    address = parse_address(hit.uri)
    source, channel = origin(hit.referrer, address)
    return Visit(
        client.ip,
        hit.cid or None,
        hit.datetime,
        hit.title,
        hit.uri,
        hit.encoding,
        hit.referrer,
        client.referrer,
        agent.platform,
        agent.browser,
        agent.version,
        hit.screen_res,
        hit.screen_depth,
        place.continent,
        place.country,
        place.subdivision_1,
        place.subdivision_2,
        place.city,
        place.latitude,
        place.longitude,
        place.accuracy_radius,
        place.time_zone,
        hit.lang,
        client.lang,
        hit.id,
        address.site,
        address.page,
        *TO_COME,
        source,
        channel,
        address.utm_source,
        address.utm_medium,
        address.utm_campaign,
        address.utm_term,
        address.utm_content,
        _device(agent.platform, hit.screen_res, client.user_agent),
        hit.tag,
    )


def event(hit: Hit, client: Client) -> Event:
    address = parse_address(hit.uri)
    return Event(
        ip=client.ip,
        cid=hit.cid or None,
        datetime=hit.datetime,
        doc_title=hit.title,
        doc_uri=hit.uri,
        name=hit.name,
        value=hit.value,
        hit_id=hit.id,
        site=address.site,
        page=address.page,
        properties=hit.properties,
        tag=hit.tag,
    )


def completed(row: Visit) -> Visit:
    """A row that an older version left in the spool, with what can still be told of it. A whole one stays as it is."""
    if row.channel:
        return row
    address = parse_address(row.doc_uri)
    source, channel = origin(row.referrer, address)
    return msgspec.structs.replace(
        row,
        site=address.site,
        page=address.page,
        source=source,
        channel=channel,
        utm_source=address.utm_source,
        utm_medium=address.utm_medium,
        utm_campaign=address.utm_campaign,
        utm_term=address.utm_term,
        utm_content=address.utm_content,
        device=device(row.platform, row.screen_res),
    )


def completed_event(row: Event) -> Event:
    if row.page:
        return row
    address = parse_address(row.doc_uri)
    return msgspec.structs.replace(row, site=address.site, page=address.page)


def engagement(hit: Hit) -> Engagement:
    return Engagement(hit.id, hit.engaged or 0, hit.scroll or 0)
