"""A report of Google Analytics 4 by day, as CSV: of its Data API, or downloaded from its pages.

    https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema     names of dimensions and metrics
    https://support.google.com/analytics/answer/9317657                                downloads of a report

Columns are known by their names in the API or in English on the page: "pagePath" and "Page path", "screenPageViews" and
"Views". Days are in a column Date, or "Nth day" behind a comment `# Start date: 20260101`; of a table that has no day
nothing can be told, unless its comments say that it is of one day. Rows of totals have none, and are passed over.

A report without another dimension adds to the totals, another one to the rollup of each dimension that it has:

    Page path → pages                    Country, Region, City → countries, regions, cities
    Landing page → entries, pages        Device category → devices       Browser → browsers
    Hostname → sites                     Operating system → platforms    Screen resolution → screens
    Session source, medium → sources     Language → languages            Event name → events
    Session channel group → channels     Session campaign, source, medium, term, content → campaigns

So several of them are taken for the same days, one for each dimension: all in a folder, or one after the other. What
was imported before counts once, as long as --site is the same; it tells one property's reports from another's.

Sessions of totals, sources, channels, campaigns and landing pages are taken where the report tells their rates: Bounce
rate, or Engaged sessions, and Average session duration. A bounce is what GA4 takes for one, a session that was not
engaged. Users are total users, else active ones; they count anew on each day, and in a report of several dimensions
once for each row. Lost: GA4's own events, custom dimensions, revenue, key events.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import PurePath
from typing import ClassVar, Final

from crumby.dimensions.address import Address, parse_address
from crumby.dimensions.source import Channel, origin
from crumby.importing import names
from crumby.importing.csvfile import Row, rows, size
from crumby.importing.daily import Days, Keys, amount, day_of, seconds_of, share_of
from crumby.importing.input import Input
from crumby.importing.item import Item, Skipped
from crumby.importing.records import address
from crumby.importing.source import ImportRefused, Wanted
from crumby.ingest.text import clean

NAME: Final = "ga4"

COLUMNS: Final[Mapping[str, str]] = {  # without blanks and in lower case, as the API or the page has it → ours
    "date": "date",
    "datehour": "datehour",
    "date+hour(yyyymmddhh)": "datehour",
    "nthday": "nth",
    # dimensions
    **dict.fromkeys(("pagepath", "pagepathandscreenclass", "pagepathplusquerystring"), "page"),
    **dict.fromkeys(("pagelocation", "fullpageurl", "unifiedpagepathscreen"), "page"),
    "pagepath+querystring": "page",
    "pagepath+querystringandscreenclass": "page",
    **dict.fromkeys(("landingpage", "landingpage+querystring", "landingpageplusquerystring"), "entry"),
    "hostname": "site",
    **dict.fromkeys(("country", "countryid"), "country"),
    "region": "region",
    "city": "city",
    "browser": "browser",
    **dict.fromkeys(("operatingsystem", "platform/operatingsystem"), "platform"),
    **dict.fromkeys(("devicecategory", "device"), "device"),
    "screenresolution": "screen",
    **dict.fromkeys(("language", "languagecode"), "language"),
    "sessionsource": "utm_source",
    "sessionmedium": "utm_medium",
    **dict.fromkeys(("sessionsource/medium", "sessionsourcemedium"), "sourcemedium"),
    **dict.fromkeys(("sessioncampaign", "sessioncampaignname"), "utm_campaign"),
    **dict.fromkeys(("sessionmanualterm", "sessionmanualadterm"), "utm_term"),
    **dict.fromkeys(("sessionmanualadcontent", "sessionmanualcontent"), "utm_content"),
    **dict.fromkeys(("sessiondefaultchannelgroup", "sessiondefaultchannelgrouping"), "channel"),
    **dict.fromkeys(("sessionprimarychannelgroup(defaultchannelgroup)", "sessionprimarychannelgroup"), "channel"),
    "eventname": "event",
    # metrics
    "totalusers": "users",
    **dict.fromkeys(("activeusers", "users"), "active"),
    **dict.fromkeys(("screenpageviews", "views"), "views"),
    "sessions": "sessions",
    "engagedsessions": "engagedsessions",
    "bouncerate": "bouncerate",
    "engagementrate": "engagementrate",
    "averagesessionduration": "duration",
    **dict.fromkeys(("userengagementduration", "userengagement"), "engaged"),
    "eventcount": "events",
}
DIMENSIONS: Final = frozenset(
    {"page", "entry", "site", "country", "region", "city", "browser", "platform", "device", "screen", "language"}
    | {"utm_source", "utm_medium", "sourcemedium", "utm_campaign", "utm_term", "utm_content", "channel", "event"}
)
METRICS: Final = frozenset({"users", "active", "views", "sessions", "events"})
OF_OTHERS: Final = frozenset({"pageviews", "visits", "uniques", "pathname", "timestamp"})  # columns, as Fathom's
DAYS: Final = ("date", "datehour", "nth")
CHANNELS: Final[Mapping[str, Channel]] = {  # GA4's → Crumby's, where that is another
    "Organic Video": "Video",
    "Paid Video": "Video",
    "Organic Shopping": "Referral",
    "Paid Shopping": "Campaigns",
    "Paid Other": "Campaigns",
    "Cross-network": "Campaigns",
    "Audio": "Campaigns",
    "SMS": "Campaigns",
    "Mobile Push Notifications": "Campaigns",
    "AI Assistant": "AI Assistants",
    "Unassigned": "Referral",
}
OWN_EVENTS: Final = frozenset(
    {"page_view", "session_start", "first_visit", "user_engagement", "scroll", "screen_view", "first_open"}
)
EVENTS: Final = {"file_download": "Download"}
OF_COMMENT: Final = re.compile(r"#\s*(start|end) date:\s*([0-9]{8})", re.IGNORECASE)
PROPERTY: Final = re.compile(r"#\s*property:\s*(.+)", re.IGNORECASE)
HOST: Final = re.compile(r"\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b", re.IGNORECASE)  # in a property's name
HOUR: Final = re.compile("[0-9]{10}")
NTH: Final = re.compile("[0-9]{1,5}")
TOTALS: Final = frozenset({"reserved_total", "grand total", "totals", "total"})

Record = Mapping[str, str]


def recognises(given: Input) -> bool:
    """By a table with days."""
    return any(_is_dated(given, member) for member in _files(given))


def _is_dated(given: Input, member: str) -> bool:
    head = given.head(member)
    return b"# Start date:" in head or any(set(_columns(line)) & set(DAYS) for line in _first_lines(given, member))


def _files(given: Input) -> Iterator[str]:
    for member in given.members():
        is_csv = PurePath(member).suffix.lower() in {".csv", ".tsv", ".gz"} or given.is_stdin
        if is_csv and "__MACOSX" not in member and any(_is_header(line) for line in _first_lines(given, member)):
            yield member


def _first_lines(given: Input, member: str) -> list[list[str]]:
    text = given.head(member).decode(errors="replace").removeprefix("\ufeff")
    return [re.split("[,;\t]", line.replace('"', "")) for line in text.splitlines()[:40] if not line.startswith("#")]


def _columns(fields: list[str]) -> list[str]:
    return [COLUMNS.get("".join(name.split()).lower(), "") for name in fields]


def _is_header(fields: list[str]) -> bool:
    found = set(_columns(fields))
    if not OF_OTHERS.isdisjoint(name.strip().lower() for name in fields):
        return False
    return bool(found & METRICS) and bool(found & (DIMENSIONS | set(DAYS)))


class Table:
    """What stands under one header: a download may have several."""

    def __init__(self) -> None:
        self.columns: list[str] | None = None
        self.span: dict[str, date] = {}  # "start" and "end", of the comments

    def comment(self, text: str) -> None:
        self.columns = None
        found = OF_COMMENT.match(text)
        if found:
            self.span[found[1].lower()] = date.fromisoformat(found[2])

    def begin(self, fields: list[str]) -> None:
        self.columns = _columns(fields)

    @property
    def has_days(self) -> bool:
        columns, start = self.columns or [], self.span.get("start")
        if "date" in columns or "datehour" in columns:
            return True
        return start is not None and ("nth" in columns or start == self.span.get("end"))

    @property
    def dimensions(self) -> frozenset[str]:
        return DIMENSIONS.intersection(self.columns or ())

    def day(self, record: Record) -> int | None:
        start = self.span.get("start")
        if "datehour" in record:
            return day_of(record["datehour"][:8])
        if "date" in record:
            return day_of(record["date"])
        if "nth" in record and start and NTH.fullmatch(record["nth"]):
            return _written(start + timedelta(days=int(record["nth"])))
        return _written(start) if start and "nth" not in record and start == self.span.get("end") else None


def _written(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


class Report:
    NAME: ClassVar[str] = NAME

    def __init__(self, given: Input, wanted: Wanted) -> None:
        self.ordered = False
        self.size = size(given, _files(given))
        self.mark = 0
        self.origin = f"{NAME} {wanted.site or ''}".strip()
        self._given = given
        self._wanted = wanted
        self._counted = False

    def items(self, mark: int) -> Iterator[Item]:  # noqa: ARG002 - it is read from the beginning
        """From the beginning, wherever it was left: what a day had is known at the end."""
        self.mark = 0
        days = Days(self._wanted)
        try:
            for member in [*_files(self._given)] or self._given.members():
                yield from self._read(days, member)
            if not self._counted:
                raise ImportRefused(
                    f"{self._given.name}: no table in it has a column of days, with users, views, sessions or events: "
                    "add the dimension Date to the report, and download it again"
                )
            yield from days.totals()
        finally:
            days.close()

    def _read(self, days: Days, member: str) -> Iterator[Skipped]:
        table = Table()
        for row in rows(self._given, member, self._count):
            if row.fields[0].startswith("#"):
                self._comment(table, ",".join(row.fields))
            elif _is_header(row.fields):
                table.begin(row.fields)
            elif skipped := self._add(days, table, row, member):
                yield skipped

    def _count(self, read: int) -> None:
        self.mark += read

    def _comment(self, table: Table, text: str) -> None:
        table.comment(text)
        found = PROPERTY.match(text)
        if found and not self._wanted.site:
            host = HOST.search(found[1])
            self.origin = f"{NAME} {host[0].lower() if host else found[1].replace('.', ' ').strip(', ')}"

    def _add(self, days: Days, table: Table, row: Row, member: str) -> Skipped | None:
        record = row.by(table.columns) if table.columns else None
        day = table.day(record) if record and table.has_days else None
        if record is None or day is None or record.get("event", "") in OWN_EVENTS:
            return Skipped(_why(table, row, record), str(row))
        self._counted = True
        if outside := days.outside(day):
            return Skipped(outside, str(row))
        try:
            found = list(_counted(record, table.dimensions, _amounts(record)))
        except ValueError:
            return Skipped("no number where there should be one", str(row))
        is_new = False
        for rollup, keys, amounts in found:
            if days.is_of(f"{rollup}: {', '.join(amounts)}", day, member):
                days.add(rollup, day, keys, **amounts)
                is_new = True
        return None if is_new else Skipped("another report has it, or none of Crumby's does", str(row))


def _why(table: Table, row: Row, record: Record | None) -> str:
    if any(field.strip().lower() in TOTALS for field in row.fields):
        return "a row of totals"
    if not table.has_days:
        return "of a table without days"
    if record is None:
        return "not as many fields as columns"
    return "an event of GA4's own" if table.day(record) else "no date"


def _amounts(record: Record) -> dict[str, int | None]:
    """Where nobody counted views, each user and session has one."""
    users = amount(record.get("users") or record.get("active"))
    sessions = amount(record.get("sessions"))
    rate = duration = None
    if record.get("engagedsessions"):
        rate = 1 - min(1, amount(record["engagedsessions"]) / max(1, sessions))
    elif record.get("bouncerate"):
        rate = share_of(record["bouncerate"])
    elif record.get("engagementrate"):
        rate = 1 - share_of(record["engagementrate"])
    if record.get("duration"):
        duration = seconds_of(record["duration"])
    return {
        "visitors": users,
        "views": amount(record["views"]) if "views" in record else max(users, sessions),
        "sessions": sessions,
        "bounces": None if rate is None else round(rate * sessions),
        "seconds": None if duration is None else round(duration * sessions),
    }


Counted = tuple[str, Keys, dict[str, int | None]]


def _counted(record: Record, dimensions: frozenset[str], amounts: dict[str, int | None]) -> Iterator[Counted]:
    """What a row adds to which rollup."""
    if not dimensions:
        yield "totals", (), amounts
        if HOUR.fullmatch(record.get("datehour", "")):
            at = date.fromisoformat(record["datehour"][:8])
            yield "hours", (at.isoweekday(), int(record["datehour"][8:])), amounts
    for rollup, (column, named) in SIMPLE.items():
        if column in dimensions:
            yield rollup, (named(record[column]),), amounts
    if "page" in dimensions:
        seen = amount(record.get("engaged")) if "engaged" in record else 0
        page = {"views": amounts["views"], "visitors": amounts["visitors"]}
        yield "pages", (_page(record["page"]),), page | {"engaged": seen, "told": page["views"] if seen else 0}
    if "entry" in dimensions:
        yield "entries", (_page(record["entry"]),), amounts
        yield "pages", (_page(record["entry"]),), {name: amounts[name] for name in ("sessions", "bounces")}
    if "event" in dimensions:
        name = clean(record["event"]) or ""
        found: dict[str, int | None] = {"events": amount(record.get("events")), "visitors": amounts["visitors"]}
        yield "events", (EVENTS.get(name, name),), found
        yield "event_values", (EVENTS.get(name, name), ""), found
    yield from _places(record, dimensions, amounts)
    yield from _came(record, dimensions, amounts)


def _places(record: Record, dimensions: frozenset[str], amounts: dict[str, int | None]) -> Iterator[Counted]:
    """A region beside its country, a city beside both."""
    if {"country", "region"} <= dimensions:
        region = (names.country(record["country"]) or "", _name(record["region"]))
        yield "regions", region, amounts
        if "city" in dimensions:
            yield "cities", (*region, _name(record["city"])), amounts


def _came(record: Record, dimensions: frozenset[str], amounts: dict[str, int | None]) -> Iterator[Counted]:
    source, medium = record.get("utm_source"), record.get("utm_medium")
    if "sourcemedium" in dimensions:
        source, _, medium = (part.strip() for part in record["sourcemedium"].partition("/"))
    campaign = _campaign(record.get("utm_campaign"))
    if source is not None:
        come = origin(None, Address(utm_source=source, utm_medium=medium, utm_campaign=campaign or None, tag=source))
        yield "sources", ((come.source or ""),), amounts
        if "channel" not in dimensions and medium is not None:
            yield "channels", (come.channel,), amounts
    marks = {"utm_term": record.get("utm_term"), "utm_content": record.get("utm_content")}
    if campaign:
        marks |= {"utm_campaign": campaign, "utm_source": source, "utm_medium": medium}
    for mark, value in marks.items():
        if value and _campaign(value):
            yield "campaigns", (mark, _campaign(value)), amounts


def _campaign(text: str | None) -> str:
    """Of what Google says in brackets, as (organic) and (not set), nobody tagged a link."""
    return "" if not text or text.startswith("(") else clean(text) or ""


def _name(text: str) -> str:
    return "" if names.is_nothing(text) else clean(text) or ""


def _page(text: str) -> str:
    return "" if names.is_nothing(text) else parse_address(address(text)).page or ""


def _channel(text: str) -> str:
    return CHANNELS.get(text.strip(), text.strip()) if _name(text) else ""


def _site(text: str) -> str:
    return _name(text).lower().removeprefix("www.")


SIMPLE: Final[Mapping[str, tuple[str, Callable[[str], str]]]] = {
    "sites": ("site", _site),
    "countries": ("country", lambda text: names.country(text) or ""),
    "browsers": ("browser", lambda text: names.browser(text) or ""),
    "platforms": ("platform", lambda text: names.platform(text) or ""),
    "devices": ("device", lambda text: names.device(text) or ""),
    "languages": ("language", lambda text: names.language(text) or ""),
    "screens": ("screen", _name),
    "channels": ("channel", _channel),
}
