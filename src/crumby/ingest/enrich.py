"""A hit, its client and its place become a row: the columns of `tables.visits` and `tables.events`, in their order.

Pure: the same arguments give the same row.
"""

from datetime import datetime

import msgspec

from crumby.ingest.agent import parse_agent
from crumby.ingest.client import Client
from crumby.ingest.geo import Place
from crumby.ingest.hit import Hit


class Visit(msgspec.Struct, frozen=True):
    ip: str | None
    cid: str
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


class Event(msgspec.Struct, frozen=True):
    ip: str | None
    cid: str
    datetime: datetime
    doc_title: str | None
    doc_uri: str | None
    name: str | None
    value: str | None
    hit_id: bytes


def visit(hit: Hit, client: Client, place: Place) -> Visit:
    agent = parse_agent(client.user_agent)
    return Visit(
        ip=client.ip,
        cid=hit.cid,
        datetime=hit.datetime,
        doc_title=hit.title,
        doc_uri=hit.uri,
        doc_enc=hit.encoding,
        referrer=hit.referrer,
        _referrer=client.referrer,
        platform=agent.platform,
        browser=agent.browser,
        version=agent.version,
        screen_res=hit.screen_res,
        screen_depth=hit.screen_depth,
        continent=place.continent,
        country=place.country,
        subdivision_1=place.subdivision_1,
        subdivision_2=place.subdivision_2,
        city=place.city,
        latitude=place.latitude,
        longitude=place.longitude,
        accuracy_radius=place.accuracy_radius,
        time_zone=place.time_zone,
        lang=hit.lang,
        _lang=client.lang,
        hit_id=hit.id,
    )


def event(hit: Hit, client: Client) -> Event:
    return Event(
        ip=client.ip,
        cid=hit.cid,
        datetime=hit.datetime,
        doc_title=hit.title,
        doc_uri=hit.uri,
        name=hit.name,
        value=hit.value,
        hit_id=hit.id,
    )
