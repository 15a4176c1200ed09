"""GoatCounter: its CSV export, a row a page view, and its newer JSON export, sums of hours and days.

    https://www.goatcounter.com/help/export
    https://www.goatcounter.com/help/export-json
    https://www.goatcounter.com/help/sessions
    https://github.com/arp242/goatcounter/blob/main/tpl/help/export.md

Neither says which site it is of: without --site, pages have a path alone.

The CSV, `goatcounter-export-….csv.gz`, of version 1 or 2, is there for sites that keep individual page views. Kept of
each: time, path, title, referrer or what GoatCounter made of it ("Hacker News", a campaign), browser and its version,
system, screen, country and region; of an event its name, which is its path there, and its title. Crawlers are left out
unless they are asked for. Visitors are those of a session, which GoatCounter ends eight hours after it began, and names
by chance: whoever came again the next day is another.

Lost: language, city, and queries of addresses.

The JSON export, a zip of .jsonl files, has counts and nobody: of pages by the hour, with referrers; of browsers,
systems, languages and places by the day. GoatCounter counts a page once a session. So views and visitors of a page are
the same number, and those of the site are its pages' added up, as GoatCounter's own. Screens are widths, and lost.

    hit_stats       → totals, pages, sources, channels, events      location_stats  → countries, regions
    browser_stats   → browsers, versions                            language_stats  → languages
    system_stats    → platforms
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, ClassVar, Final
from urllib.parse import quote

import msgspec

from crumby.importing import names
from crumby.importing.aside import Aside
from crumby.importing.csvfile import Row, header, rows
from crumby.importing.daily import Days, day_of
from crumby.importing.input import Input
from crumby.importing.item import Found, Item, Skipped
from crumby.importing.jsonfile import records
from crumby.importing.records import address, columns_there, come, host_of, moment, placed
from crumby.importing.source import ImportRefused, Source, Wanted
from crumby.ingest.client import HEADER_LENGTH, Client
from crumby.ingest.hit import Hit
from crumby.ingest.text import clean

NAME: Final = "goatcounter"
FIRST: Final = re.compile(r"(\d+),?Path")
VERSIONS: Final = frozenset({"1", "2"})
NOBODY: Final = "00000000-0000-0000-0000-000000000000"
NUMBER: Final = re.compile(r"\s(\d[\w.]*)$")
SIZE: Final = re.compile(r"(\d+)(?:\.\d+)?,(\d+)(?:\.\d+)?(?:,.*)?")
ALIKE: Final = 4096  # rows of the same second that are told apart
URL, GENERATED, CAMPAIGN = "h", "g", "c"  # what a referrer is

INFO: Final = "info"
HITS: Final = "hit_stats.jsonl"
PATHS: Final = "paths.jsonl"
LISTS: Final = {
    "paths": "id",
    "refs": "id",
    "browsers": "id",
    "systems": "id",
    "languages": "iso_639_3",
}  # and their keys

Record = Mapping[str, Any]
Add = Callable[[Record], None]


def recognises(given: Input) -> bool:
    if given.is_folder:
        return {HITS, PATHS} <= {PurePosixPath(member).name for member in given.members()}
    return bool(FIRST.fullmatch(next(iter(header(given)), "")))


def opened(given: Input, wanted: Wanted) -> Source:
    """Raises ImportRefused for a version that nobody here has seen."""
    if given.is_folder:
        return Counts(given, wanted)
    first = FIRST.match(next(iter(header(given)), ""))
    if not first or first[1] not in VERSIONS:
        said = f"of version {first[1]}" if first else "no CSV export of GoatCounter"
        raise ImportRefused(f"{given.name}: it is {said}; versions 1 and 2 can be read, and the JSON export")
    return Views(given, wanted)


class Views:
    """The CSV."""

    NAME: ClassVar[str] = NAME
    ordered: bool = True  # by the ids that GoatCounter gave as they came

    def __init__(self, given: Input, wanted: Wanted) -> None:
        self._given, self._bots, self._site = given, wanted.bots, host_of(wanted.site)
        self._ids = wanted.names(NAME)
        self._alike: dict[str, int] = {}
        self.size = self.mark = 0
        self.origin = NAME

    def items(self, mark: int) -> Iterator[Item]:
        """The mark counts rows."""
        columns: Sequence[str] = ()
        for number, row in enumerate(rows(self._given)):
            self.mark = number
            if not columns:
                columns = ["Path", *row.fields[1:]]
                continue
            record = row.by(columns)
            which = self._which(row)
            if number <= mark:
                continue
            with columns_there(self._given.name):
                yield self._item(record, which, row) if record else Skipped("not as many fields as columns", str(row))

    def _which(self, row: Row) -> int:
        """Of rows that are the same, down to the second: a page that is loaded again at once is viewed twice."""
        written = "\t".join(row.fields)
        if len(self._alike) >= ALIKE:
            self._alike.clear()
        self._alike[written] = which = self._alike.get(written, -1) + 1
        return which

    def _item(self, record: Record, which: int, row: Row) -> Item:
        at = moment(record["Date"])
        if at is None:
            return Skipped("no time", str(row))
        if record["Bot"] not in {"", "0"} and not self._bots:
            return Skipped("a crawler", str(row))
        if not record["Path"]:
            return Skipped("no address", str(row))
        is_event = record["Event"] == "true"
        path, session = record["Path"], record["Session"]
        hit = Hit(
            kind="event" if is_event else "visit",
            id=self._ids.hit(at, f"{which} {msgspec.json.encode(record).decode()}".encode()),
            cid=self._ids.visitor(session.encode()) if session not in {"", NOBODY} else "",
            datetime=at,
            uri=None if is_event else address(f"https://{self._site}{_rooted(path)}" if self._site else path),
            title=clean(record["Title"]),
            referrer=_referrer(record),
            screen_res=_screen(record["Screen size"]),
            name=clean(path) if is_event else None,
            value="" if is_event else None,  # as the tracker sends none
        )
        if is_event:
            return Found(hit, known={"site": self._site})
        return Found(hit, _client(record), _known(record))


def _client(record: Record) -> Client:
    """Version 1 had the User-Agent for a browser, and some of version 2 have it beside."""
    agent = record["UserAgent"] if "UserAgent" in record else record["Browser"]
    return Client(None, clean(agent, HEADER_LENGTH) or None, None, None)


def _known(record: Record) -> dict[str, Any]:
    known: dict[str, Any] = dict(placed(record["Location"], _region(record["Location"])))
    browser, system = (
        (names.browser(record["Browser"]), names.platform(record["System"])) if "System" in record else ("", "")
    )
    if browser:
        known |= {"browser": browser, "version": _version(record["Browser"])}
    if system:
        known["platform"] = system
    if record["Referrer"] and record["Referrer scheme"] != URL:
        known |= _source(record["Referrer"], record["Referrer scheme"])
    return known


def _referrer(record: Record) -> str | None:
    """Without its scheme, as GoatCounter has it."""
    said = record["Referrer"]
    if not said or record["Referrer scheme"] != URL:
        return address(said) if "://" in said else None
    return address(said if "://" in said else f"https://{said}")


def _source(said: str, scheme: str) -> dict[str, str | None]:
    if scheme == URL:
        return come(said if "://" in said else f"https://{said}")
    if "://" in said:  # an app
        return come(said)
    return come(source=said, campaign=said if scheme == CAMPAIGN else None)


def _screen(size: str) -> str | None:
    found = SIZE.fullmatch(size)
    return f"{found[1]}x{found[2]}" if found and int(found[1]) and int(found[2]) else None


def _version(name: str) -> str | None:
    found = NUMBER.search(name)
    return names.version(found[1]) if found else None


def _region(location: str) -> str | None:
    return location if "-" in location else None


def _rooted(path: str) -> str:
    return path if path.startswith("/") else f"/{quote(path)}"


class Counts:
    """The JSON export."""

    NAME: ClassVar[str] = NAME
    ordered: bool = True

    def __init__(self, given: Input, wanted: Wanted) -> None:
        self._given, self._wanted, self._site = given, wanted, host_of(wanted.site)
        self._members = {PurePosixPath(member).stem: member for member in given.members()}
        self.size, self.mark = given.size(), 0
        self.origin = f"{NAME} {self._site or self._made_for()}".strip()

    def items(self, mark: int) -> Iterator[Item]:  # noqa: ARG002 - it is added up anew
        """The mark counts bytes that were read."""
        self.mark = 0
        days = Days(self._wanted)
        try:
            with Aside() as aside:
                self._put_aside(aside)
                for kind, add in self._kinds(aside, days).items():
                    yield from self._read(kind, add)
            yield from days.totals()
        finally:
            days.close()

    def _made_for(self) -> str:
        try:
            return str(msgspec.json.decode(self._given.head(self._members[INFO])).get("created_for", ""))
        except (KeyError, AttributeError, msgspec.DecodeError):
            return ""

    def _put_aside(self, aside: Aside) -> None:
        for kind, known_by in LISTS.items():
            for record in self._lines(kind):
                if not isinstance(record, Skipped) and isinstance(record.get(known_by), int | str):
                    aside.put(kind, record[known_by], record)
        aside.ready()

    def _kinds(self, aside: Aside, days: Days) -> Mapping[str, Add]:
        counting = Counting(aside, days, self._day, self._site)
        return {
            "hit_stats": counting.hits,
            "browser_stats": counting.browsers,
            "system_stats": counting.systems,
            "location_stats": counting.locations,
            "language_stats": counting.languages,
        }

    def _read(self, kind: str, add: Add) -> Iterator[Skipped]:
        for record in self._lines(kind):
            if isinstance(record, Skipped):
                yield record
            elif why := _added(add, record):
                yield Skipped(why, f"{kind}: {record}")

    def _lines(self, kind: str) -> Iterator[Record | Skipped]:
        if kind not in self._members:
            return
        for line in records(self._given, self._members[kind], self._count):
            try:
                yield msgspec.json.decode(line.json, type=dict[str, Any])
            except msgspec.DecodeError as error:
                yield Skipped("no JSON object", f"{kind}, {line.place}: {error}")

    def _day(self, record: Record) -> int | None:
        """Hours are UTC's, and of the day that is the reports'; days are as GoatCounter had them."""
        if "day" in record:
            return day_of(str(record["day"]))
        at = moment(record["hour"])
        local = at.replace(tzinfo=UTC).astimezone(self._wanted.zone) if at else None
        return _number(local) if local else None

    def _count(self, read: int) -> None:
        self.mark += read


class LeftOut(Exception):
    """In a few words, why."""


class Counting:
    """Each raises LeftOut, or what `_added` takes."""

    def __init__(self, aside: Aside, days: Days, day: Callable[[Record], int | None], site: str | None) -> None:
        self._aside, self._days, self._day, self._site = aside, days, day, site

    def hits(self, record: Record) -> None:
        day, count, path = self._of(record)
        views = {"views": count, "visitors": count}
        if path.get("event"):
            name = clean(path["path"]) or ""
            self._days.add("events", day, (name,), events=count, visitors=count)
            self._days.add("event_values", day, (name, ""), events=count, visitors=count)
            return
        self._days.add("totals", day, (), **views)
        self._days.add("pages", day, (clean(path["path"]) or "",), **views)
        if self._site:
            self._days.add("sites", day, (self._site,), **views)
        referrer = self._aside.get("refs", record["ref_id"]) or {}
        found = _source(referrer["ref"], referrer.get("ref_scheme") or "") if referrer.get("ref") else come()
        self._days.add("sources", day, (found["source"] or "",), **views)
        self._days.add("channels", day, (found["channel"] or "",), **views)

    def browsers(self, record: Record) -> None:
        def add(day: int, views: dict[str, int]) -> None:
            said = self._aside.get("browsers", record["browser_id"]) or {}
            browser = names.browser(said.get("name")) or ""
            self._days.add("browsers", day, (browser,), **views)
            self._days.add("versions", day, (browser, names.version(said.get("version")) or ""), **views)

        self._of_pages(record, add)

    def systems(self, record: Record) -> None:
        def add(day: int, views: dict[str, int]) -> None:
            said = self._aside.get("systems", record["system_id"]) or {}
            self._days.add("platforms", day, (names.platform(said.get("name")) or "",), **views)

        self._of_pages(record, add)

    def locations(self, record: Record) -> None:
        def add(day: int, views: dict[str, int]) -> None:
            found = placed(record["location"], _region(record["location"]))
            country = found.get("country") or ""
            self._days.add("countries", day, (country,), **views)
            self._days.add("regions", day, (country, found.get("subdivision_1") or ""), **views)

        self._of_pages(record, add)

    def languages(self, record: Record) -> None:
        def add(day: int, views: dict[str, int]) -> None:
            said = self._aside.get("languages", record["language"]) or {}
            language = names.language(said.get("name")) or names.language(record["language"])
            self._days.add("languages", day, (language or "",), **views)

        self._of_pages(record, add)

    def _of_pages(self, record: Record, add: Callable[[int, dict[str, int]], None]) -> None:
        day, count, path = self._of(record)
        if not path.get("event"):
            add(day, {"views": count, "visitors": count})

    def _of(self, record: Record) -> tuple[int, int, Record]:
        day, count, path = self._day(record), record["count"], self._aside.get("paths", record["path_id"])
        if day is None or not isinstance(count, int) or count < 0:
            raise ValueError
        if path is None:
            raise LeftOut("a path that is not there")
        if outside := self._days.outside(day):
            raise LeftOut(outside)
        return day, count, path


def _added(add: Add, record: Record) -> str | None:
    """Why nothing came of it."""
    try:
        add(record)
    except LeftOut as left_out:
        return str(left_out)
    except KeyError as error:
        return f"no {error.args[0]}"
    except (ValueError, TypeError, AttributeError):
        return "no day, or no count"
    return None


def _number(at: datetime) -> int:
    return at.year * 10_000 + at.month * 100 + at.day
