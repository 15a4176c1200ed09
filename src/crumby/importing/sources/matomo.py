"""Matomo: what its API says of visits, Live.getLastVisitsDetails as JSON, or a dump of its database.

    https://developer.matomo.org/api-reference/reporting-api#Live
    https://developer.matomo.org/guides/database-schema
    https://github.com/matomo-org/matomo/blob/5.x-dev/core/Db/Schema/Mysql.php
    https://github.com/matomo-org/matomo/blob/5.x-dev/core/Tracker/Action.php

JSON is an array of visits, several such one behind another, as pages of an API come, or a visit a line. A dump has the
tables log_visit, log_link_visit_action and log_action, whatever their prefix; it is read twice.

    action               → page view: address, title, where it was linked
    download, outlink    → events "Download" and "Outbound link" with the address, as Crumby's own tracker sends them
    event                → event "Category: Action" with its name for a value; its number is a property
    search               → event "Search" with the keyword; its category and count are properties
    goal (JSON)          → event "Goal" with the goal's name

Kept of a visit: visitor, address as far as Matomo kept it, country, region, city, coordinates, browser and version,
system, device, screen, language; of its first page view, referrer or campaign. Both forms name their records alike: who
imports the one after the other has nothing twice.

Lost: user ids, custom variables and dimensions, e-commerce, contents and forms, how long pages took to load, and how
long they were looked at, for Matomo measures until the next action, and not whether anybody was there.
"""

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, ClassVar, Final

from crumby.dimensions.session import EPOCH
from crumby.importing import names
from crumby.importing.aside import Aside
from crumby.importing.dumps import Dump, Row, dialect_of, is_dump
from crumby.importing.input import HEAD, Input
from crumby.importing.item import Item, Skipped
from crumby.importing.records import columns_there, come, moment, placed
from crumby.importing.source import ImportRefused, Wanted
from crumby.importing.sources.matomoactions import LINKS, Act, Done, Making, Visitor, event, numeric, search
from crumby.importing.sources.matomocodes import BROWSERS, CONTINENTS, DEVICES, SYSTEMS
from crumby.ingest.client import normalised
from crumby.ingest.text import clean

NAME: Final = "matomo"
SIGN: Final = re.compile(
    rb"CREATE TABLE (?:IF NOT EXISTS )?`\w*(?:log_visit|log_link_visit_action|log_action|brute_force_log|"
    rb"archive_(?:blob|numeric)_\d{4}_\d\d)`"
)
JSON_SIGN: Final = re.compile(r'\s*\[?\s*\{(?=.*"(?:idVisit|actionDetails)")', re.DOTALL)
ERROR_SIGN: Final = re.compile(r'\s*\{\s*"result"\s*:\s*"error"')
BETWEEN: Final = re.compile(r"[\s,\[\]\ufeff]*")
NEXT_LINE: Final = re.compile(r"\n(?=\s*[{\[])")
LONGEST: Final = 16 * 1024 * 1024  # characters of a visit
NO_IP: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - an address that was taken out, not one to listen at

VISIT, LINK, ACTION = "log_visit", "log_link_visit_action", "log_action"
TABLES: Final = (LINK, VISIT, ACTION)
PREFIXES: Final = {"0": "http://", "1": "http://www.", "2": "https://", "3": "https://www."}
LINK_KINDS: Final = {2: "outlink", 3: "download"}  # by the type of an action
SEARCH: Final = 8
CAMPAIGN: Final = frozenset({"6", "campaign"})  # a kind of referrer

Record = Mapping[str, Any]


def recognises(given: Input) -> bool:
    if given.is_folder:
        return False
    head = given.head()
    if dialect_of(head) == "mysql":
        return SIGN.search(head) is not None
    text = head.decode(errors="replace").lstrip("\ufeff")
    return bool(JSON_SIGN.match(text) or ERROR_SIGN.match(text))


def opened(given: Input, wanted: Wanted) -> "Matomo":
    return Matomo(given, wanted)


class Matomo:
    NAME: ClassVar[str] = NAME

    def __init__(self, given: Input, wanted: Wanted) -> None:
        self._given = given
        self._is_dump = is_dump(given.head())
        self._making = Making(wanted.names(NAME), wanted.site)
        self.ordered = False  # the API has the latest visits first; a dump those that began first
        self.size = given.size() * (2 if self._is_dump else 1)
        self.mark = 0
        self.origin = NAME

    def items(self, mark: int) -> Iterator[Item]:  # noqa: ARG002 - nothing tells which visits came before
        """The mark counts bytes that were read."""
        self.mark = 0
        with columns_there(self._given.name):
            yield from self._of_dump() if self._is_dump else self._of_json()

    # The API's JSON

    def _of_json(self) -> Iterator[Item]:
        for place, visit in self._visits():
            if isinstance(visit, Skipped):
                yield visit
            elif visit.get("result") == "error":
                raise ImportRefused(f"{self._given.name}: Matomo's answer is an error: {visit.get('message')}")
            elif isinstance(visit.get("actionDetails"), list):
                yield from self._actions(visit, place)
            else:
                yield Skipped("a visit without actions", place)

    def _visits(self) -> Iterator[tuple[str, Any]]:
        """What is between them, of arrays and lines, says nothing. A line that is no JSON is passed by."""
        decoder, text, number = codecs.getincrementaldecoder("utf-8")("replace"), "", 0
        with self._given.open() as file:
            while more := file.read(max(HEAD, len(text))):
                self.mark += len(more)
                text += decoder.decode(more)
                visits, text = _whole(text)
                for visit in visits:
                    number += 1
                    yield f"visit {number}", visit
                if len(text) > LONGEST:
                    break
        if text:
            raise ImportRefused(
                f"{self._given.name}: behind {number} visits comes what is no JSON, or not all of it: {text[:60]!r}"
            )

    def _actions(self, visit: Record, place: str) -> Iterator[Item]:
        """In their order: a download is on the page before it."""
        who, page = _told_of(visit), None
        actions = [each for each in visit["actionDetails"] if isinstance(each, dict)]
        for action in sorted(actions, key=lambda each: _second(each.get("timestamp")) or EPOCH):
            at, kind, url = _second(action.get("timestamp")), str(action.get("type")), action.get("url")
            what = f"{place}: {kind} {url or ''}"
            if at is None:
                yield Skipped("no time", what)
                continue
            known_by = action.get("pageId") or f"{visit.get('idVisit')} {kind} {action.get('goalId')}"
            done = Done(at, str(known_by), what)
            if kind == "action":
                yield self._making.view(who, done, url, action.get("pageTitle"), page)
                page = url or page
            elif act := _act(kind, action):
                yield self._making.event(who, done, (url if kind == "event" else None) or page, act)
            else:
                yield Skipped("of a kind that Crumby has not", what)

    # A dump

    def _of_dump(self) -> Iterator[Item]:
        with Aside() as aside:
            for table, record in self._rows(VISIT, ACTION):
                if table == VISIT:
                    aside.put(VISIT, _key(record["idvisit"]), _kept(record))
                else:
                    url = PREFIXES.get(_text(record.get("url_prefix")) or "", "") + (_text(record["name"]) or "")
                    aside.put(ACTION, _key(record["idaction"]), (_key(record["type"]), url))
            aside.ready()
            self.mark, seen = self._given.size(), False
            for _, record in self._rows(LINK):
                seen = True
                yield self._linked(record, aside)
            self.mark = self.size or self.mark  # behind the rows there may be others
            if not seen:
                raise ImportRefused(
                    f"{self._given.name}: there are no rows of a table {LINK} in it; is all of it there?"
                )

    def _rows(self, *tables: str) -> Iterator[tuple[str, Record]]:
        before = self.mark
        with self._given.open() as file:
            dump = Dump(file, self._given.name, lambda name: _table(name) in tables)
            for row in dump.rows():
                self.mark = before + dump.position
                yield _table(row.table) or "", _decoded(dump, row)

    def _linked(self, record: Record, aside: Aside) -> Item:  # noqa: PLR0911 - a kind of action after the other
        link = f"action {record['idlink_va']}"
        at, visit = moment(_text(record["server_time"])), aside.get(VISIT, _key(record["idvisit"]))
        if at is None:
            return Skipped("no time", link)
        if visit is None:
            return Skipped("a visit that is not there", link)
        who, done = Visitor(*visit), Done(at, str(record["idlink_va"]), link)
        (kind, url), (name_kind, name), (_, before), (_, category), (_, action) = (
            _looked_up(aside, record.get(f"idaction_{column}"))
            for column in ("url", "name", "url_ref", "event_category", "event_action")
        )
        if category or action:
            act = event(category, action, name, _text(record.get("custom_float")))
            return self._making.event(who, done, url or before, act)
        if name_kind == SEARCH:
            act = search(name, _text(record.get("search_cat")), _text(record.get("search_count")))
            return self._making.event(who, done, before, act)
        if kind in LINK_KINDS:
            return self._making.event(who, done, before, Act(LINKS[LINK_KINDS[kind]], url))
        if _key(record.get("idaction_content_name")):
            return Skipped("of a kind that Crumby has not", f"{link}: content")
        return self._making.view(who, done, url, name, before)


def _looked_up(aside: Aside, key: str | None) -> tuple[int, str | None]:
    """An action's type, and its name or address."""
    kind, name = (aside.get(ACTION, _key(key)) if _key(key) else None) or (0, None)
    return kind, name


def _act(kind: str, action: Record) -> Act | None:
    if kind in LINKS:
        return Act(LINKS[kind], action.get("url"))
    if kind == "event":
        told = (action.get(f"event{name}") for name in ("Category", "Action", "Name", "Value"))
        return event(*told)
    if kind == "search":
        return search(*(action.get(f"siteSearch{name}") for name in ("Keyword", "Category", "Count")))
    return Act("Goal", action.get("goalName")) if kind == "goal" else None


def _whole(text: str) -> tuple[list[Any], str]:
    """The values that are whole, and what has to wait for more."""
    found: list[Any] = []
    while text := BETWEEN.sub("", text, count=1):
        try:
            value, end = json.JSONDecoder().raw_decode(text)
        except ValueError as error:
            line = NEXT_LINE.search(text)
            if not line:
                break
            value, end = Skipped("no JSON", f"{text[:60]}: {error}"), line.end()
        found.append(value if isinstance(value, dict | Skipped) else Skipped("no JSON object", str(value)))
        text = text[end:]
    return found, text


def _told_of(visit: Record) -> Visitor:
    on = names.device(visit.get("deviceType"))
    known: dict[str, Any] = {
        "browser": names.browser(visit.get("browserName")),
        "version": names.version(visit.get("browserVersion")),
        "platform": names.platform(visit.get("operatingSystemName") or visit.get("operatingSystem"), on),
        "device": on,
        "continent": CONTINENTS.get(str(visit.get("continentCode"))),
        **placed(visit.get("countryCode"), None, visit.get("city")),
    }
    if visit.get("region") and "country" in known:
        known["subdivision_1"] = None if names.is_nothing(visit["region"]) else visit["region"]
    known |= _coordinates(visit.get("latitude"), visit.get("longitude"))
    return Visitor(
        str(visit.get("visitorId") or ""),
        _ip(visit.get("visitIp")),
        names.language(visit.get("languageCode")),
        _screen(visit.get("resolution")),
        known,
        *_come(visit.get("referrerType"), visit.get("referrerUrl"), visit.get("referrerName")),
    )


def _kept(visit: Record) -> Visitor:
    on = DEVICES.get(_text(visit.get("config_device_type")) or "")
    browser, system = _text(visit.get("config_browser_name")), _text(visit.get("config_os"))
    known: dict[str, Any] = {
        "browser": names.browser(BROWSERS.get(browser or "", browser)),
        "version": names.version(_text(visit.get("config_browser_version"))),
        "platform": names.platform(SYSTEMS.get(system or "", system), on),
        "device": on,
        **placed(
            _text(visit.get("location_country")),
            _text(visit.get("location_region")),
            _text(visit.get("location_city")),
        ),
        **_coordinates(_text(visit.get("location_latitude")), _text(visit.get("location_longitude"))),
    }
    return Visitor(
        (visit.get("idvisitor") or b"").hex(),
        _unpacked(visit.get("location_ip")),
        names.language(_text(visit.get("location_browser_lang"))),
        _screen(_text(visit.get("config_resolution"))),
        known,
        *_come(_text(visit.get("referer_type")), _text(visit.get("referer_url")), _text(visit.get("referer_name"))),
    )


def _come(kind: str | None, url: str | None, name: str | None) -> tuple[str | None, dict[str, Any]]:
    """A campaign's tags Matomo takes out of the address."""
    if kind not in CAMPAIGN or not name:
        return url or None, {}
    return url or None, {**come(url, campaign=name), "utm_campaign": name}


def _coordinates(latitude: Any, longitude: Any) -> dict[str, float]:
    found = {"latitude": numeric(latitude), "longitude": numeric(longitude)}
    return {name: value for name, value in found.items() if value is not None} if all(found.values()) else {}


def _screen(said: Any) -> str | None:
    text = clean(said, 25) if isinstance(said, str) else None
    return None if names.is_nothing(text) else text


def _ip(said: Any) -> str | None:
    found = normalised(said) if isinstance(said, str) else None
    return None if found in NO_IP else found


def _unpacked(packed: bytes | None) -> str | None:
    return _ip(str(ip_address(packed))) if packed is not None and len(packed) in {4, 16} else None


def _second(timestamp: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(timestamp), UTC).replace(tzinfo=None)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _table(name: str) -> str | None:
    """Without its prefix: `piwik_log_visit` → `log_visit`."""
    return next((table for table in TABLES if name == table or name.endswith(f"_{table}")), None)


BINARY: Final = frozenset({"idvisitor", "location_ip", "config_id"})


def _decoded(dump: Dump, row: Row) -> dict[str, Any]:
    return {
        name: cell if name in BINARY else dump.text(cell) for name, cell in zip(row.columns, row.values, strict=True)
    }


def _text(cell: Any) -> str | None:
    return cell if isinstance(cell, str) else None


def _key(cell: Any) -> int:
    return int(cell) if isinstance(cell, str) and cell.isdigit() else 0
