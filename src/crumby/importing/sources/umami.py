"""Umami 2 and 3: the CSV export of its cloud, or a dump of its database, MySQL's or PostgreSQL's.

    https://umami.is/docs/cloud/export-data
    https://github.com/umami-software/umami/blob/master/prisma/schema.prisma
    https://github.com/umami-software/umami/blob/v2.19.0/db/mysql/schema.prisma
    https://github.com/umami-software/umami/issues/3928     what is in the export, and that it is in no order

The export is a zip of website_event.csv, with the session's columns in each row, event_data.csv and session_data.csv.
A dump has the tables website, session, website_event and event_data; those that Umami 1 had are another thing.

Kept of a page view: its time, address with query and tags, title, referrer, tag, and of its session the browser,
system, device, screen, language, country and city. Of an event, its name and properties (event_data). A record's site
is its hostname, or else its website's domain.

Lost: the visitor beyond a month, since Umami's session is made anew each month, so that they come again as another;
versions of browsers, which it has not; what is known of sessions (session_data, distinct ids), revenue, links, pixels,
replays, reports, and users.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from re import compile as pattern
from typing import Any, ClassVar, Final
from urllib.parse import quote_plus

from msgspec.structs import replace

from crumby.importing import names
from crumby.importing.aside import Aside
from crumby.importing.csvfile import header, rows
from crumby.importing.dumps import Dump, is_dump
from crumby.importing.input import Input
from crumby.importing.item import Found, Item, Skipped
from crumby.importing.records import address, columns_there, host_of, is_elsewhere, moment, placed, told
from crumby.importing.source import ImportRefused, Wanted
from crumby.ingest.hit import MAX_TAG, Hit
from crumby.ingest.text import clean

NAME: Final = "umami"
EVENTS: Final = "website_event.csv"
DATA: Final = "event_data.csv"
NEEDED: Final = frozenset({"website_id", "session_id", "url_path", "event_type", "created_at"})
SUMMARIES: Final = frozenset({"pages.csv", "referrers.csv", "browsers.csv", "os.csv"})  # of the button on a report
SIGN: Final = pattern(rb"\b(?:website_event|event_data|session_data|_prisma_migrations|pageview)\b")
OLD: Final = "pageview"  # a table of Umami 1
TABLES: Final = frozenset({"website", "session", "website_event", "event_data", OLD})

OF_SESSION: Final = ("hostname", "browser", "os", "device", "screen", "language", "country", "region", "city")
TAGS: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
CLICKS: Final = ("gclid", "fbclid", "msclkid", "ttclid", "li_fat_id", "twclid")
PAGE_VIEW: Final = "1"
EVENT: Final = "2"
NUMBER: Final = "2"  # of data_type
BOOLEAN: Final = "3"

Record = Mapping[str, str | None]


def recognises(given: Input) -> bool:
    if given.is_folder:
        files = {PurePosixPath(member).name for member in given.members()}
        return EVENTS in files or files >= SUMMARIES
    head = given.head()
    return set(header(given)) >= NEEDED or (is_dump(head) and SIGN.search(head) is not None)


def opened(given: Input, wanted: Wanted) -> "Umami":
    """Raises ImportRefused for the summaries of a report, and for what is no file of Umami's."""
    if given.is_folder and not _member(given, EVENTS):
        raise ImportRefused(
            f"{given.name}: there is no {EVENTS} in it. A report's own download has sums of a period, and of no day; "
            "ask Umami's cloud for its data under Settings, or dump the database: mysqldump or pg_dump"
        )
    missing = NEEDED - set(header(given, _member(given, EVENTS)))
    if missing and not is_dump(given.head()):
        raise ImportRefused(
            f"{given.name}: it has no column {', '.join(sorted(missing))}: it is neither Umami's {EVENTS} nor a dump"
        )
    return Umami(given, wanted)


class Umami:
    NAME: ClassVar[str] = NAME

    def __init__(self, given: Input, wanted: Wanted) -> None:
        self._given, self._site = given, wanted.site
        self._ids = wanted.names(NAME)
        self.ordered = False
        self._is_dump = is_dump(given.head())
        self.size = given.size() * (2 if self._is_dump else 1)
        self.mark = 0
        self.origin = NAME

    def items(self, mark: int) -> Iterator[Item]:  # noqa: ARG002 - nothing tells which rows came before
        """The mark counts bytes that were read."""
        self.mark = 0
        with columns_there(self._given.name), Aside() as aside:
            for record in self._of_dump(aside) if self._is_dump else self._of_csv(aside):
                yield record if isinstance(record, Skipped) else self._item(record, aside)

    # Where records come from: each with the columns of the export

    def _of_csv(self, aside: Aside) -> Iterator[Record | Skipped]:
        if data := _member(self._given, DATA):
            for record in self._records(data):
                if not isinstance(record, Skipped):
                    _put_aside(aside, record)
        aside.ready()
        yield from self._records(_member(self._given, EVENTS))

    def _records(self, member: str | None) -> Iterator[Record | Skipped]:
        columns: Sequence[str] = ()
        for row in rows(self._given, member, self._count):
            if not columns:
                columns = row.fields
            elif record := row.by(columns):
                yield record
            else:
                yield Skipped("not as many fields as columns", str(row))

    def _of_dump(self, aside: Aside) -> Iterator[Record]:
        """Twice: what events refer to is put aside first."""
        before = self.mark
        for table, record in self._tables(lambda name: name in TABLES - {"website_event"}):
            if table == "event_data":
                _put_aside(aside, record)
            elif table == "session":
                region = record.get("region") or record.get("subdivision1")  # as it was called once
                aside.put(
                    table, record["session_id"] or "", [{**record, "region": region}.get(name) for name in OF_SESSION]
                )
            elif table == "website":
                aside.put(table, record["website_id"] or "", host_of(record["domain"]))
            else:
                raise ImportRefused(
                    f"{self._given.name}: this is a dump of Umami 1; have it migrated to 2, and dump that"
                )
        aside.ready()
        self.mark, seen = before + self._given.size(), False
        for _, record in self._tables(lambda name: name == "website_event"):
            seen = True
            yield _joined(record, aside)
        self.mark = self.size or self.mark  # behind the rows there may be others
        if not seen:
            raise ImportRefused(
                f"{self._given.name}: there are no rows of a table website_event in it; is all of it there?"
            )

    def _tables(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Record]]:
        before = self.mark
        with self._given.open() as file:
            dump = Dump(file, self._given.name, wanted)
            for row in dump.rows():
                self.mark = before + dump.position
                yield row.table, {name: dump.text(cell) for name, cell in row.cells().items()}

    def _count(self, read: int) -> None:
        self.mark += read

    # What becomes of a record

    def _item(self, record: Record, aside: Aside) -> Item:
        at, kind, host = moment(record["created_at"]), record["event_type"], host_of(record.get("hostname"))
        if at is None:
            return Skipped("no time", f"event {record.get('event_id')}: {record['created_at']}")
        if kind not in {PAGE_VIEW, EVENT}:
            return Skipped("neither a page view nor an event", f"event_type {kind}, {record['url_path']}")
        if is_elsewhere(host, self._site):
            return Skipped("of another site", str(host))
        is_event = kind == EVENT
        if not record["event_name" if is_event else "url_path"]:
            return Skipped("an event without a name" if is_event else "no address", f"event {record.get('event_id')}")
        hit = Hit(
            kind="event" if is_event else "visit",
            id=self._ids.hit(at, _named(record).encode()),
            cid=self._ids.visitor(record["session_id"].encode()) if record["session_id"] else "",
            datetime=at,
            uri=_uri(record, host or host_of(self._site)),
            title=clean(record.get("page_title")),
            tag=clean(record.get("tag"), MAX_TAG) or None,
        )
        return self._event(hit, record, aside) if is_event else self._visit(hit, record)

    def _event(self, hit: Hit, record: Record, aside: Aside) -> Found:
        data = aside.all("event_data", record.get("event_id") or "")
        return Found(
            replace(hit, name=clean(record["event_name"]), value="", properties=told(_typed(*each) for each in data))
        )

    def _visit(self, hit: Hit, record: Record) -> Found:
        on = names.device(record.get("device"))
        known = {
            "browser": names.browser(record.get("browser")),
            "platform": names.platform(record.get("os"), on),
            "device": on,
            **placed(record.get("country"), record.get("region"), clean(record.get("city"))),
        }
        screen, lang = clean(record.get("screen"), 25), names.language(record.get("language"))
        return Found(replace(hit, referrer=_referrer(record), screen_res=screen or None, lang=lang), known=known)


def _member(given: Input, name: str) -> str | None:
    """None for a single file: it is that one."""
    return (
        next((each for each in given.members() if PurePosixPath(each).name == name), None) if given.is_folder else None
    )


def _joined(record: Record, aside: Aside) -> Record:
    session: list[str | None] = aside.get("session", record["session_id"] or "") or [None] * len(OF_SESSION)
    whole: dict[str, str | None] = {**dict(zip(OF_SESSION, session, strict=True)), **record}
    whole["hostname"] = record.get("hostname") or session[0] or aside.get("website", record["website_id"] or "")
    return whole


def _put_aside(aside: Aside, data: Record) -> None:
    of = data.get("website_event_id") or data.get("event_id") or ""
    value = data.get("string_value") or data.get("number_value") or data.get("date_value")
    aside.put("event_data", of, (data.get("data_key"), value, data.get("data_type")))


def _typed(name: str | None, value: str | None, kind: str | None) -> tuple[str | None, Any]:
    if kind == BOOLEAN and value is not None:
        return name, value.lower() == "true"
    if kind == NUMBER and value is not None:
        try:
            return name, float(value)
        except ValueError:
            return name, value
    return name, value


def _named(record: Record) -> str:
    """By its id; where a file has none, by all that it says."""
    return record.get("event_id") or repr(sorted((name, value) for name, value in record.items() if value))


def _uri(record: Record, host: str | None) -> str | None:
    """With tags and advertisers' marks, which Umami may have in columns alone."""
    query = record.get("url_query") or ""
    more = [
        f"{name}={quote_plus(record[name] or '')}"
        for name in TAGS + CLICKS
        if record.get(name) and f"{name}=" not in query
    ]
    query = "&".join(filter(None, (query, *more)))
    path = record["url_path"] or "/"
    return address(f"{f'https://{host}' if host else ''}{path}{'?' if query else ''}{query}")


def _referrer(record: Record) -> str | None:
    domain, query = record.get("referrer_domain"), record.get("referrer_query")
    if not domain:
        return None
    return address(f"https://{domain}{record.get('referrer_path') or '/'}{'?' if query else ''}{query or ''}")
