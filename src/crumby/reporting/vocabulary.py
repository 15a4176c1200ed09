"""What the author of a query can name: the tables, their columns and the macros, each with its meaning in a line."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, DateTime, Double, Integer, LargeBinary, Table
from sqlalchemy.types import TypeEngine

from crumby.tables import calendar, engagements, events, imports, pruned, refusals, strays, totals, visitors, visits


@dataclass(frozen=True, slots=True)
class ColumnOf:
    name: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class TableOf:
    name: str
    meaning: str
    columns: tuple[ColumnOf, ...]


@dataclass(frozen=True, slots=True)
class Macro:
    name: str
    use: str  # as it is written
    meaning: str


SESSIONS: Final = {
    "session": "number of the session: page views less than half an hour apart",
    "entry": "page where the session began",
    "source": "where the session came from: Google, news.example; null for nowhere",
    "channel": "Direct, Organic Search, Referral, Email, …",
    "utm_source": "utm_source of the session's first page",
    "utm_medium": "utm_medium of the same",
    "utm_campaign": "utm_campaign of the same",
    "utm_term": "utm_term of the same",
    "utm_content": "utm_content of the same",
}
HITS: Final = {
    "id": "number of the row",
    "ip": "address it came from",
    "cid": "the visitor, by cookie; null without",
    "datetime": "when, in UTC",
    "doc_title": "title of the page",
    "doc_uri": "address of the page",
    "hit_id": "names the hit; null in rows of 0.7.1",
    "site": "host of the page: example.com",
    "page": "path of the page: /blog/a",
}
MEANINGS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "visits": (
        "a row a page view",
        {
            **HITS,
            **SESSIONS,
            "doc_enc": "character set of the page",
            "referrer": "where the page was linked from, as its script saw it",
            "_referrer": "the same, as the request's header had it",
            "platform": "operating system: windows, iphone",
            "browser": "firefox, chrome, safari",
            "version": "of the browser",
            "screen_res": "screen, as 1920x1080",
            "screen_depth": "bits a pixel: 24-bit",
            "continent": "code: EU",
            "country": "ISO 3166-1 code: SE",
            "subdivision_1": "region, by name: England",
            "subdivision_2": "district within it",
            "city": "city, by name",
            "latitude": "degrees north",
            "longitude": "degrees east",
            "accuracy_radius": "kilometres around that place",
            "time_zone": "of that place: Europe/London",
            "lang": "language of the browser: en-GB",
            "_lang": "the same, as the request's header had it",
            "seq": "place in its session, from 1",
            "gap": "seconds since the session's page view before, 0 at the first",
            "device": "desktop, mobile or tablet",
            "tag": "that the page's script said",
            "engaged": "seconds that the page was seen and in focus; null where nobody told",
            "scroll": "percent of the page scrolled into view; null where nobody told",
            "prev": "seconds since 1970 of the visitor's page view before; 0 where it is the first",
            "page_prev": "the same, of this page",
            "prevs": "the same, ten digits each, of this country, browser …; null where all are prev",
            "prev_page": "page of the session's view before",
            "first": "seconds since 1970 of the visitor's first page view",
        },
    ),
    "events": (
        "a row a call of cmb.event(name, value, properties)",
        {
            **HITS,
            "session": SESSIONS["session"],
            "name": "of the event",
            "value": "that it was sent with",
            "properties": 'that it was sent with, as JSON: {{ property("plan") }} reads one; null for none',
            "tag": "that the page's script said",
            "prev": "seconds since 1970 of the visitor's event of this name before; 0 where it is the first",
            "value_prev": "the same, of this name and value",
            "page_prev": "the same, of this name and page",
        },
    ),
    "visitors": (
        "a row a visitor, with the last session",
        {
            **SESSIONS,
            "cid": "the visitor, by cookie",
            "first": "first page view ever, in UTC",
            "begun": "when the last session began, in UTC",
            "last": "last page view or event, in UTC",
            "viewed": "last page view, in UTC",
            "seq": "page views of the last session",
            "page": "of the last page view",
            "seen": "what is remembered: when each country, browser, page … was there last",
        },
    ),
    "calendar": ("a row a day, visited or not", {"datetime": "the day, at midnight"}),
    "engagements": (
        "what was told of a visit after it was stored, until the rollups have it",
        {
            "id": "number of the row",
            "visit_id": "of the visit",
            "engaged": "seconds more than it had",
            "told": "1 where it had none",
            "scroll": "percent more than it had",
            "scrolled": "1 where it had none",
            "finished": "1 where it came to nine tenths",
        },
    ),
    "strays": ("visitors with a row that came too late for its place", {"cid": "the visitor, by cookie"}),
    "pruned": (
        "one row, once visits were deleted for their age",
        {
            "mark": "by which rollups know their database",
            "horizon": "seconds since 1970: what was before it goes",
            "done": "seconds since 1970: what was before it has gone",
            "since": "seconds since 1970 of the first visit of all",
            "worker": "whose turn it is to delete",
            "turn": "until when, in seconds since 1970",
        },
    ),
    "totals": (
        "days that another program had counted, beside those of the visits",
        {
            "id": "number of the row",
            "origin": "whose they are: plausible example.com",
            "rollup": "which they add to: pages",
            "day": "20260131",
            "prev_day": "when their visitors were there last: 0 for never, 1 if nobody knows",
            "keys": 'of what, as the rollup has it: ["/blog/a"]',
            "sums": 'how much of it: {"views": 12}',
        },
    ),
    "imports": (
        "how far files were imported",
        {
            "id": "number of the row",
            "input": "checksum of the file's beginning",
            "name": "of the file",
            "source": "the program that it is of: umami",
            "mark": "how far it was read",
            "done": "1 once all of it was",
            "begun": "when that was, in UTC",
            "changed": "when it was read last, in UTC",
            "first": "earliest of its visits and events, in UTC",
            "last": "latest of them, in UTC",
            "visits": "that came of it",
            "events": "that came of it",
            "totals": "rows of totals that came of it",
            "skipped": "what was left out, and why, as JSON",
        },
    ),
    "refusals": (
        "hits that were not stored",
        {
            "datetime": "beginning of a quarter of an hour, in UTC",
            "reason": "why: bad_json, no_such_type",
            "hits": "how many",
        },
    ),
}


def _described(table: Table) -> TableOf:
    meaning, columns = MEANINGS[table.name]
    return TableOf(
        table.name,
        meaning,
        tuple(ColumnOf(each.name, _kind(each.type), columns.get(each.name, "")) for each in table.columns),
    )


def _kind(kind: TypeEngine[object]) -> str:
    if isinstance(kind, (BigInteger, Integer)):
        return "integer"
    if isinstance(kind, Double):
        return "number"
    if isinstance(kind, DateTime):
        return "datetime"
    return "bytes" if isinstance(kind, LargeBinary) else "text"


ASKED: Final = (visits, events, visitors, calendar, refusals, engagements, strays, pruned, totals, imports)
TABLES: Final = tuple(map(_described, ASKED))

MACROS: Final = (
    Macro("period", '{{ period("datetime") }}', "the period's rows: to stand behind `where`"),
    Macro("recent", '{{ recent("datetime", 30) }}', "the last 30 minutes' rows, whatever the period"),
    Macro("filters", "{{ filters() }}", "those visits that the page's filters leave; so for events: event_filters()"),
    Macro("event_filters", "{{ event_filters() }}", "those events that the page's filters leave"),
    Macro("bucket", '{{ bucket("datetime") }}', "hour, day, week or month, as fits the period"),
    Macro("day", '{{ day("datetime") }}', "day of an instant, in the report's time zone: 2026-01-31"),
    Macro("week", '{{ week("datetime") }}', "its week's Monday: 2026-01-26"),
    Macro("month", '{{ month("datetime") }}', "its month: 2026-01"),
    Macro("minute", '{{ minute("datetime") }}', "its minute: 2026-01-31T12:05"),
    Macro("hour", '{{ hour("datetime") }}', "its hour, 0 to 23"),
    Macro("weekday", '{{ weekday("datetime") }}', "its day of the week: 1, Monday, to 7"),
    Macro("seconds", '{{ seconds("datetime") }}', "an instant in seconds since 1970"),
    Macro("instant", '{{ instant("first") }}', "seconds since 1970 as an instant"),
    Macro("visits", "{{ visits() }}", "the visits, or the rollup that the header names: to stand behind `from`"),
    Macro("events", "{{ events() }}", "the events, or the rollup that the header names"),
    Macro("views", "{{ views() }}", "how many page views, or events"),
    Macro("foremost", 'from {{ foremost("page", "sum(views)") }}', "visits, where the first pages alone are wanted"),
    Macro("some", "having {{ some() }}", "where there are any rows"),
    Macro("visitors", "{{ visitors() }}", "how many visitors, each once"),
    Macro("sessions", "{{ sessions() }}", "how many sessions"),
    Macro("bounces", "{{ bounces() }}", "how many sessions of one page view"),
    Macro("duration", "{{ duration() }}", "seconds of all sessions together"),
    Macro("session_views", "{{ session_views() }}", "how many page views belong to a session"),
    Macro("exits", "{{ exits() }}", "how many page views were the last of their session"),
    Macro("host", '{{ host("referrer") }}', "host of an address: example.com"),
    Macro("strip_scheme", '{{ strip_scheme("doc_uri") }}', "https://example.com/a as example.com/a"),
    Macro("concat", '{{ concat("browser", "\' \'", "version") }}', "text, one piece after the other"),
    Macro(
        "property", '{{ property("plan") }}', 'an event\'s property, as text; property("seats", "number") as a number'
    ),
    Macro("order_by", '{{ order_by("views desc, page") }}', "order by …, or as `sort` asks; nulls alike everywhere"),
    Macro("limit", "{{ limit() }}", "as many rows as `limit` and `offset` ask for"),
    Macro("t0", "{{ t0 }}", "first day of the period; bound: :t0"),
    Macro("t1", "{{ t1 }}", "last day of the period; bound: :t1"),
    Macro("rolled", "{% if rolled %}", "whether a rollup is read"),
    Macro("dialect", '{% if dialect == "sqlite" %}', "sqlite, mysql, postgresql or clickhouse"),
)
