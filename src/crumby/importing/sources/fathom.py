"""Fathom's CSV export: a file or several, as a folder or zip.

    https://usefathom.com/docs/features/exporting
    https://usefathom.com/api/v1/reports            its dimensions and metrics: what visits and uniques are
    https://docs.pirsch.io/get-started/fathom-import                                     names of the files
    https://github.com/Swetrix/swetrix/tree/main/backend/apps/cloud/src/data-import      columns, as others found them

It tells hours or days, and of each how many views there were of what. Columns are known by their names, in the writing
of the API or of the older files ("avg_duration", "Avg Duration"). A file may have

    no dimension          totals, and hours of the week where it goes by hours
    one dimension         the rollup of that: pages, countries, browsers, devices, platforms, sources and channels, …
    all of them at once   each of these; totals too, where no file tells them by themselves
    event_name            events, and with a pathname their pages

Visitors of a page are its uniques, those of all else visits; a visit is a person's day, so sessions are visits too. A
page's visits are those that began there, its entries. Where a file does not tell the bounce rate and the duration, no
sessions come of it for totals, sources and channels, whose rates they would spoil.

Lost: who the visitors were, so that somebody counts anew on each day; what belongs together, so that no report can be
filtered by another dimension; exit pages; how long pages were looked at; versions of browsers; what events were worth.
Days and hours are Fathom's, in UTC unless the export was made otherwise. Views without a referrer that began no visit
are of no source. A file of referrers alone has no direct visits.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import ClassVar, Final

from crumby.dimensions.address import Address, parse_address
from crumby.dimensions.source import origin
from crumby.importing import names
from crumby.importing.csvfile import Row, header, rows, size
from crumby.importing.daily import Days, Keys, amount, day_of, seconds_of, share_of
from crumby.importing.input import Input
from crumby.importing.item import Item, Skipped
from crumby.importing.records import address
from crumby.importing.source import ImportRefused, Wanted
from crumby.ingest.text import clean

NAME: Final = "fathom"

COLUMNS: Final[Mapping[str, str]] = {  # in lower case, joined by _ → ours
    **dict.fromkeys(("datetime", "date", "timestamp"), "time"),
    **dict.fromkeys(("hostname", "host"), "site"),
    **dict.fromkeys(("pathname", "path", "page"), "page"),
    **dict.fromkeys(("referrer_hostname", "referrer", "referrer_source"), "referrer"),
    "referrer_pathname": "referrer_path",
    "browser": "browser",
    **dict.fromkeys(("operating_system", "os"), "platform"),
    **dict.fromkeys(("country_code", "country"), "country"),
    **dict.fromkeys(("state", "region"), "region"),
    "city": "city",
    **dict.fromkeys(("device_type", "device"), "device"),
    **{name: name for name in ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")},
    **dict.fromkeys(("event_name", "event", "name"), "event"),
    **dict.fromkeys(("pageviews", "views"), "views"),
    "visits": "visits",
    **dict.fromkeys(("uniques", "unique_visitors", "visitors"), "uniques"),
    **dict.fromkeys(("avg_duration", "average_duration"), "duration"),
    "bounce_rate": "bounces",
    **dict.fromkeys(("completions", "conversions"), "events"),
    **dict.fromkeys(("unique_completions", "unique_conversions"), "people"),
}
UTM: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
DIMENSIONS: Final = frozenset(
    {"page", "referrer", "browser", "platform", "country", "region", "city", "device", "event", *UTM}
)
ALL: Final = frozenset({"page", "browser"})  # of a file that has these, each row is of one kind of visit
NAMED: Final[Mapping[str, tuple[str, Callable[[str | None], str | None]]]] = {
    "browsers": ("browser", names.browser),
    "platforms": ("platform", names.platform),
    "devices": ("device", names.device),
}
AMOUNTS: Final = ("visits", "uniques", "bounces", "duration")
HOUR: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}")

Record = Mapping[str, str]
Counted = tuple[str, Keys, dict[str, int | None]]


def recognises(given: Input) -> bool:
    return any(_files(given))


def opened(given: Input, wanted: Wanted) -> "Fathom":
    return Fathom(given, wanted)


def _files(given: Input) -> Iterator[tuple[str, frozenset[str]]]:
    """Members, and their columns."""
    for member in given.members():
        found = frozenset(_columns(header(given, member))) - {""}
        counts = "events" in found or ("views" in found and not found.isdisjoint(DIMENSIONS.union(AMOUNTS, {"site"})))
        if "time" in found and counts and "__MACOSX" not in member:
            yield member, found


def _columns(fields: list[str]) -> list[str]:
    """Of two that say the same the first counts."""
    found = [COLUMNS.get("_".join(name.replace("-", " ").lower().split()), "") for name in fields]
    return ["" if name in found[:place] else name for place, name in enumerate(found)]


class Fathom:
    NAME: ClassVar[str] = NAME

    def __init__(self, given: Input, wanted: Wanted) -> None:
        self.ordered = False
        self.size = size(given, (member for member, _ in _files(given)))
        self.mark = 0
        self.origin = NAME
        self._given = given
        self._wanted = wanted
        self._site = wanted.site
        self._hosts = Counter[str]()  # views
        self._is_hourly = False

    def items(self, mark: int) -> Iterator[Item]:  # noqa: ARG002 - it is read from the beginning
        """From the beginning, wherever it was left: what a day had is known at the end."""
        self.mark = 0
        files = dict(_files(self._given))
        if not files:
            raise ImportRefused(
                f"{self._given.name} has no columns of Fathom's export: a date or datetime, and pageviews with visits, "
                "uniques or a dimension"
            )
        days = Days(self._wanted)
        try:
            for member in sorted(files, key=lambda each: bool(files[each] & DIMENSIONS)):  # those without come first
                yield from self._read(days, member, files[member] & DIMENSIONS)
            self._name()
            yield from days.totals(but=[] if self._is_hourly else ["hours"])
        finally:
            days.close()

    def _name(self) -> None:
        first = min(self._hosts, key=lambda host: (-self._hosts[host], host), default="")
        self.origin = f"{NAME} {self._site or first}".strip()

    def _read(self, days: Days, member: str, dimensions: frozenset[str]) -> Iterator[Skipped]:
        columns: list[str] = []
        for row in rows(self._given, member, self._count):
            if not columns:
                columns = _columns(row.fields)
            elif skipped := self._add(days, row, row.by(columns), dimensions, member):
                yield skipped

    def _count(self, read: int) -> None:
        self.mark += read

    def _add(
        self, days: Days, row: Row, record: Record | None, dimensions: frozenset[str], member: str
    ) -> Skipped | None:
        if record is None:
            return Skipped("not as many fields as columns", str(row))
        day = day_of(record["time"])
        if day is None:
            return Skipped("no date", str(row))
        if outside := days.outside(day):
            return Skipped(outside, str(row))
        site = _site(record.get("site")) or self._site or ""
        if self._site and site != self._site:
            return Skipped("of another site", str(row))
        try:
            found = list(_counted(record, dimensions, site))
        except ValueError:
            return Skipped("no number where there should be one", str(row))
        is_new = False
        for rollup, keys, amounts in found:
            if days.is_of(rollup, day, member):
                days.add(rollup, day, keys, **amounts)
                is_new = True
        self._hosts[site] += amount(record.get("views"))
        self._is_hourly = self._is_hourly or (bool(HOUR.match(record["time"])) and record["time"][11:13] != "00")
        return None if is_new else Skipped("another file has it, or none of Crumby's reports does", str(row))


def _counted(record: Record, dimensions: frozenset[str], site: str) -> Iterator[Counted]:
    """What a row adds to which rollup."""
    if "event" in dimensions:
        yield from _events(record)
        return
    amounts = _amounts(record)
    if not dimensions or dimensions >= ALL:
        yield "totals", (), amounts
        if HOUR.match(record["time"]):
            at = datetime.fromisoformat(record["time"][:16])
            yield "hours", (at.isoweekday(), at.hour), amounts
    if site and (not dimensions or "page" in dimensions):
        yield "sites", (site,), amounts
    if "page" in dimensions:
        yield "pages", (_page(record["page"]),), _of_page(record, amounts)
    if "country" in dimensions:
        yield from _places(record, amounts)
    for rollup, (column, named) in NAMED.items():
        if column in dimensions:
            yield rollup, (named(record[column]) or "",), amounts
    yield from _came(record, dimensions, amounts, site)


def _of_page(record: Record, amounts: dict[str, int | None]) -> dict[str, int | None]:
    found = {name: amounts[name] for name in ("views", "visitors", "sessions", "bounces")}
    return found | {"visitors": amount(record["uniques"])} if "uniques" in record else found


def _amounts(record: Record) -> dict[str, int | None]:
    """Without visits each unique one is a visit."""
    visits = amount(record.get("visits") or record.get("uniques"))
    rated = bool(record.get("bounces"))
    lasted = bool(record.get("duration"))
    return {
        "views": amount(record.get("views")),
        "visitors": visits,
        "sessions": visits,
        "bounces": round(share_of(record["bounces"]) * visits) if rated else None if visits else 0,
        "seconds": round(seconds_of(record["duration"]) * visits) if lasted else None if visits else 0,
    }


def _events(record: Record) -> Iterator[Counted]:
    name = clean(record.get("event")) or ""
    amounts: dict[str, int | None] = {"events": amount(record.get("events")), "visitors": amount(record.get("people"))}
    yield "events", (name,), amounts
    yield "event_values", (name, ""), amounts
    if "page" in record:
        yield "event_pages", (name, _page(record["page"])), amounts


def _places(record: Record, amounts: dict[str, int | None]) -> Iterator[Counted]:
    """A region beside its country, a city beside both."""
    country = names.country(record["country"]) or ""
    yield "countries", (country,), amounts
    if "region" in record:
        yield "regions", (country, _name(record["region"])), amounts
        if "city" in record:
            yield "cities", (country, _name(record["city"]) and _name(record["region"]), _name(record["city"])), amounts


def _came(record: Record, dimensions: frozenset[str], amounts: dict[str, int | None], site: str) -> Iterator[Counted]:
    tags = {name: _name(record.get(name)) or None for name in UTM}
    host = (record.get("referrer") or "").strip()
    referrer = f"{host if '://' in host else f'https://{host}'}{record.get('referrer_path') or ''}" if host else ""
    if "referrer" in dimensions and (referrer or any(tags.values()) or amounts["sessions"]):
        come = origin(referrer, Address(site or None, None, **tags, tag=tags["utm_source"]))
        yield "sources", (come.source or "",), amounts
        yield "channels", (come.channel,), amounts
    for mark, value in tags.items():
        if value:
            yield "campaigns", (mark, value), amounts


def _name(text: str | None) -> str:
    return "" if names.is_nothing(text) else clean(text) or ""


def _page(path: str) -> str:
    return parse_address(address(path)).page or ""


def _site(host: str | None) -> str:
    """It may be written `https://example.com`."""
    text = (host or "").strip()
    return parse_address(text if "://" in text else f"//{text}").site or "" if text else ""
