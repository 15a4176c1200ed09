"""Plausible's CSV export, as it prepares it under "Imports & exports": a zip, or the folder that it was unpacked to.

    https://plausible.io/docs/export-stats
    https://plausible.io/docs/csv-import#csv-format-guidelines
    https://github.com/plausible/analytics/blob/master/lib/plausible/exports.ex

It tells days, and of each how much there was of what, in a file a kind; a file that is not there is not missed:

    imported_visitors             → totals              imported_locations           → countries, regions
    imported_sources              → sources, channels,  imported_devices             → devices
                                    campaigns           imported_browsers            → browsers, versions
    imported_pages                → pages, sites        imported_operating_systems   → platforms
    imported_entry_pages          → entries, pages      imported_custom_events       → events, their values and pages
    imported_exit_pages           → exits

Sources and channels are what Crumby makes of the referrer and the tags, or else of Plausible's name for the source.
Outbound links, downloads and their addresses are those of Crumby's own reports; a 404 keeps its page.

Lost: who the visitors were, so that somebody counts anew on each day, and in each file once for each of its lines;
what belongs together across files, so that no report can be filtered by another dimension; hours; cities, which are
numbers of GeoNames; versions of systems; how far pages were scrolled, since nobody told who came to their ends;
properties of events but for an address; revenue. A region is called as in Unicode's CLDR, which is not always as a City
database calls it. Time on a page is that of visits, not of views. Of several hosts, visitors and sessions of all but
the first are those of their most viewed page, and the first has the rest.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from crumby.dimensions.address import Address, parse_address
from crumby.dimensions.source import origin
from crumby.importing import names
from crumby.importing.csvfile import Row, rows, size
from crumby.importing.daily import Days, amount, day_of
from crumby.importing.input import Input
from crumby.importing.item import Item, Skipped
from crumby.importing.records import address
from crumby.importing.source import ImportRefused, Wanted
from crumby.ingest.text import clean

NAME: Final = "plausible"

FILE: Final = re.compile(r"(?:.*/)?imported_([a-z_]+?)(?:_[0-9]{8}_[0-9]{8})?\.csv(?:\.gz)?")
EVENTS: Final = {"Outbound Link: Click": "Outbound link", "File Download": "Download"}  # as Crumby's tracker names them
OWN_EVENTS: Final = frozenset({"engagement", "pageview"})
UTM: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")

Record = Mapping[str, str]


def recognises(given: Input) -> bool:
    return any(_files(given))


def opened(given: Input, wanted: Wanted) -> "Plausible":
    return Plausible(given, wanted)


def _files(given: Input) -> Iterator[tuple[str, str]]:
    """Members, and what they are of."""
    for member in given.members():
        found = FILE.fullmatch(member)
        if found and found[1] in TAKEN and "__MACOSX" not in member:
            yield member, found[1]


class Plausible:
    NAME: ClassVar[str] = NAME

    def __init__(self, given: Input, wanted: Wanted) -> None:
        self.ordered = False
        self.size = size(given, (member for member, _ in _files(given)))
        self.mark = 0
        self.origin = NAME
        self._given = given
        self._wanted = wanted

    def items(self, mark: int) -> Iterator[Item]:  # noqa: ARG002 - it is read from the beginning
        """From the beginning, wherever it was left: what a day had is known when all files are read."""
        self.mark = 0
        files = list(_files(self._given))
        if not files:
            raise ImportRefused(
                f"{self._given.name} has no imported_visitors_….csv, nor another file of Plausible's export: "
                "give the zip, or the folder with its files"
            )
        book = Book(Days(self._wanted))
        try:
            for member, kind in files:
                yield from self._read(book, member, kind)
            site = self._wanted.site or book.main()
            self.origin = f"{NAME} {site}".strip()
            book.add_sites(self._wanted.site)
            yield from book.days.totals()
        finally:
            book.days.close()

    def _read(self, book: "Book", member: str, kind: str) -> Iterator[Skipped]:
        header: list[str] = []
        for row in rows(self._given, member, self._count):
            if not header:
                header = [name.strip().lower() for name in row.fields]
                if "date" not in header:
                    raise ImportRefused(f"{self._given.name}, {member}: its first line names no column `date`")
            elif skipped := _add(book, kind, row, header):
                yield skipped

    def _count(self, read: int) -> None:
        self.mark += read


@dataclass(slots=True)
class Host:
    """Of a day."""

    views: int = 0
    visitors: int = 0  # of its most viewed page; so are its sessions
    sessions: int = 0


class Book:
    """What the files say, added up."""

    def __init__(self, days: Days) -> None:
        self.days = days
        self.hosts: dict[int, dict[str, Host]] = {}

    def see(self, day: int, host: str, views: int, visitors: int, sessions: int) -> None:
        seen = self.hosts.setdefault(day, {}).setdefault(host, Host())
        seen.views += views
        seen.visitors = max(seen.visitors, visitors)
        seen.sessions = max(seen.sessions, sessions)

    def main(self) -> str:
        views = Counter[str]()
        for hosts in self.hosts.values():
            views.update({host: seen.views for host, seen in hosts.items()})
        return min(views, key=lambda host: (-views[host], host), default="")

    def add_sites(self, only: str | None) -> None:
        """All there was is of the `only` one, where it is known. Otherwise what others have, the first has not."""
        whole = {day: amounts for day, _, amounts in self.days.amounts("totals")}
        if only:
            for day, amounts in whole.items():
                self.days.add("sites", day, (only,), **amounts)
            return
        for day, hosts in self.hosts.items():
            first = min(hosts, key=lambda host: (-hosts[host].views, host))
            for host, seen in hosts.items():
                found = {"visitors": seen.visitors, "sessions": seen.sessions}
                if host == first and day in whole:
                    others = [each for name, each in hosts.items() if name != first]
                    rest = {
                        name: (whole[day][name] or 0) - sum(getattr(each, name) for each in others) for name in found
                    }
                    found = {name: max(amount, rest[name]) for name, amount in found.items()}
                self.days.add("sites", day, (host,), views=seen.views, **found)


def _add(book: Book, kind: str, row: Row, header: list[str]) -> Skipped | None:
    record = row.by(header)
    if record is None:
        return Skipped("not as many fields as columns", str(row))
    day = day_of(record["date"])
    if day is None:
        return Skipped("no date", str(row))
    if outside := book.days.outside(day):
        return Skipped(outside, str(row))
    if kind == "custom_events" and record.get("name") in OWN_EVENTS:
        return Skipped("an event of Plausible's own", str(row))
    try:
        TAKEN[kind](book, day, record)
    except ValueError:
        return Skipped("no number where there should be one", str(row))
    return None


def _amounts(record: Record) -> dict[str, int]:
    """Of older exports, which had no page views there, a view for each visitor and visit."""
    visitors, visits = amount(record.get("visitors")), amount(record.get("visits") or record.get("entrances"))
    return {
        "visitors": visitors,
        "views": amount(record["pageviews"]) if "pageviews" in record else max(visitors, visits),
        "sessions": visits,
        "bounces": amount(record.get("bounces")),
        "seconds": amount(record.get("visit_duration")),
    }


def _visitors(book: Book, day: int, record: Record) -> None:
    book.days.add("totals", day, (), **_amounts(record))


def _sources(book: Book, day: int, record: Record) -> None:
    amounts = _amounts(record)
    tags = {name: clean(record.get(name)) or None for name in UTM}
    referrer = record.get("referrer") or ""
    if referrer and "://" not in referrer:
        referrer = f"https://{referrer}"
    address = Address(tag=tags["utm_source"], **tags)
    if not address.tag and not origin(referrer, address).source:
        address = address._replace(tag=record.get("source") or None)
    come = origin(referrer, address)
    book.days.add("sources", day, (come.source or "",), **amounts)
    book.days.add("channels", day, (come.channel,), **amounts)
    for mark, value in tags.items():
        if value:
            book.days.add("campaigns", day, (mark, value), **amounts)


def _pages(book: Book, day: int, record: Record) -> None:
    page, host = _page(record.get("page")), (record.get("hostname") or "").lower().removeprefix("www.")
    views, visitors = amount(record.get("pageviews")), amount(record.get("visitors"))
    seen = {
        "engaged": amount(record.get("total_time_on_page")),
        "told": amount(record.get("total_time_on_page_visits")),
    }
    book.days.add("pages", day, (page,), views=views, visitors=visitors, **seen)
    book.days.add("exits", day, (page,), views=views)
    book.see(day, host, views, visitors, amount(record.get("visits")))


def _entry_pages(book: Book, day: int, record: Record) -> None:
    page, amounts = _page(record.get("entry_page")), _amounts(record)
    book.days.add("entries", day, (page,), **amounts)
    book.days.add("pages", day, (page,), sessions=amounts["sessions"], bounces=amounts["bounces"])


def _exit_pages(book: Book, day: int, record: Record) -> None:
    book.days.add("exits", day, (_page(record.get("exit_page")),), exits=amount(record.get("exits")))


def _locations(book: Book, day: int, record: Record) -> None:
    country, amounts = names.country(record.get("country")) or "", _amounts(record)
    book.days.add("countries", day, (country,), **amounts)
    book.days.add("regions", day, (country, names.region(record.get("region")) or ""), **amounts)


def _devices(book: Book, day: int, record: Record) -> None:
    book.days.add("devices", day, (names.device(record.get("device")) or "",), **_amounts(record))


def _browsers(book: Book, day: int, record: Record) -> None:
    browser, amounts = names.browser(record.get("browser")) or "", _amounts(record)
    book.days.add("browsers", day, (browser,), **amounts)
    book.days.add("versions", day, (browser, names.version(record.get("browser_version")) or ""), **amounts)


def _systems(book: Book, day: int, record: Record) -> None:
    book.days.add("platforms", day, (names.platform(record.get("operating_system")) or "",), **_amounts(record))


def _events(book: Book, day: int, record: Record) -> None:
    name = EVENTS.get(record.get("name") or "") or clean(record.get("name")) or ""
    amounts = {"events": amount(record.get("events")), "visitors": amount(record.get("visitors"))}
    book.days.add("events", day, (name,), **amounts)
    book.days.add("event_values", day, (name, clean(record.get("link_url")) or ""), **amounts)
    book.days.add("event_pages", day, (name, _page(record.get("path"))), **amounts)


TAKEN: Final[Mapping[str, Callable[[Book, int, Record], None]]] = {
    "visitors": _visitors,
    "sources": _sources,
    "pages": _pages,
    "entry_pages": _entry_pages,
    "exit_pages": _exit_pages,
    "locations": _locations,
    "devices": _devices,
    "browsers": _browsers,
    "operating_systems": _systems,
    "custom_events": _events,
}


def _page(path: str | None) -> str:
    return parse_address(address(path)).page or ""
