"""The schema, one page: what a visit, an event, a visitor, a user, a session, a share, a token and so on are made of.

The names, lengths and meanings are those of Crumby 0.7.1, down to `hit_id`; what follows it came later. Text sorts and
compares by code point on every database (SQLite's habit), so that a report gives one answer on all of them.
"""

from typing import Any

from sqlalchemy import (
    BINARY,
    DATETIME,
    BigInteger,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeEngine

metadata = MetaData()


@compiles(CreateTable, "mysql", "mariadb")
def _create_in_mysql(create: CreateTable, compiler: Any, **words: Any) -> str:
    """Tables with `mysql_engine=…` would bring MySQL's dialect and all of its drivers to a server of SQLite: 2 MiB."""
    return f"{compiler.visit_create_table(create, **words).rstrip()} CHARSET=utf8mb4 ENGINE=InnoDB COLLATE utf8mb4_bin"


def text(length: int | None = None) -> TypeEngine[str]:
    kind = String if length else Text
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def row_id() -> TypeEngine[int]:
    return BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only in an INTEGER key


class MySQLInstant(DATETIME):
    """`mysql.DATETIME(fsp=6)`, without its import."""

    fsp = 6


def instant() -> TypeEngine[Any]:
    """UTC, without a zone, to the microsecond."""
    return DateTime().with_variant(MySQLInstant(), "mysql", "mariadb")


def hit_id() -> TypeEngine[bytes]:
    """16 bytes that name one hit for good; the first 6 are its time, so that the index grows at its end."""
    return LargeBinary(16).with_variant(BINARY(16), "mysql", "mariadb")


visits = Table(
    "visits",
    metadata,
    Column("id", row_id(), primary_key=True),
    Column("ip", text(39)),
    Column("cid", text(32)),  # the visitor, by cookie
    Column("datetime", instant()),
    Column("doc_title", text()),
    Column("doc_uri", text()),
    Column("doc_enc", text(25)),
    Column("referrer", text()),  # as the page's script saw it
    Column("_referrer", text()),  # as the request's header had it
    Column("platform", text(25)),
    Column("browser", text(25)),
    Column("version", text(25)),
    Column("screen_res", text(25)),  # "1920x1080"
    Column("screen_depth", text(10)),  # "24-bit"
    Column("continent", text(3)),  # "EU"
    Column("country", text(3)),  # ISO 3166-1, "GB"
    Column("subdivision_1", text(75)),  # by name: "England"
    Column("subdivision_2", text(75)),
    Column("city", text(75)),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("accuracy_radius", Integer),  # kilometres
    Column("time_zone", text(50)),
    Column("lang", text(10)),  # as the page's script saw it
    Column("_lang", text(10)),  # as the request's header had it
    Column("hit_id", hit_id()),  # null in rows older than it
    Column("site", text(255)),  # host of doc_uri: "example.com"
    Column("page", text(512)),  # path of doc_uri: "/blog/a"
    Column("session", BigInteger),  # names a visitor's page views that are less than half an hour apart
    Column("seq", Integer),  # place in its session, from 1
    Column("gap", Integer),  # seconds since the session's previous page view, 0 at the first
    Column("entry", text(512)),  # page where its session began; so are the next seven of its session
    Column("source", text(100)),  # "Google", "news.example"; null for none
    Column("channel", text(20)),  # "Organic Search"
    Column("utm_source", text(150)),
    Column("utm_medium", text(150)),
    Column("utm_campaign", text(150)),
    Column("utm_term", text(150)),
    Column("utm_content", text(150)),
    Column("device", text(10)),  # "desktop", "mobile", "tablet"
    Column("tag", text(64)),  # what the page's script was told to say with each hit
    Column("engaged", Integer),  # seconds in which the page was seen and in focus; null where nobody told
    Column("scroll", Integer),  # percent of the page that was scrolled into view; null where nobody told
    Column("prev", BigInteger),  # seconds since 1970 of the visitor's last page view before; 0 where it is the first
    Column("page_prev", BigInteger),  # the same, of this page
    Column("prevs", text(200)),  # the same, of its country, browser …: dimensions/memory.py; null for all like `prev`
    Column("prev_page", text(512)),  # page of the session's view before
    Column("first", BigInteger),  # seconds since 1970 of the visitor's first page view
    Index("visits_hit_id", "hit_id", unique=True),
    Index("visits_datetime", "datetime"),
)

events = Table(
    "events",
    metadata,
    Column("id", row_id(), primary_key=True),
    Column("ip", text(39)),
    Column("cid", text(32)),
    Column("datetime", instant()),
    Column("doc_title", text()),
    Column("doc_uri", text()),
    Column("name", text()),
    Column("value", text()),
    Column("hit_id", hit_id()),
    Column("site", text(255)),
    Column("page", text(512)),
    Column("properties", text()),  # '{"plan":"pro"}', as ingest/properties.py writes them; null for none
    Column("tag", text(64)),
    Column("session", BigInteger),
    Column("prev", BigInteger),  # seconds since 1970 of the visitor's last event of this name; 0 where it is the first
    Column("value_prev", BigInteger),  # the same, of this name and value
    Column("page_prev", BigInteger),  # the same, of this name and page
    Index("events_hit_id", "hit_id", unique=True),
    Index("events_datetime", "datetime"),
)

visitors = Table(
    "visitors",
    metadata,
    Column("cid", text(32), primary_key=True),
    Column("first", instant()),  # page view ever
    Column("begun", instant()),  # of the last session; so is what follows
    Column("last", instant()),  # page view or event
    Column("viewed", instant()),  # last page view
    Column("session", BigInteger),
    Column("seq", Integer),
    Column("entry", text(512)),
    Column("source", text(100)),
    Column("channel", text(20)),
    Column("utm_source", text(150)),
    Column("utm_medium", text(150)),
    Column("utm_campaign", text(150)),
    Column("utm_term", text(150)),
    Column("utm_content", text(150)),
    Column("page", text(512)),  # of the last page view
    Column("seen", LargeBinary),  # what is remembered: dimensions/memory.py
)

engagements = Table(  # what was told of a visit after it was stored, until the rollups have it
    "engagements",
    metadata,
    Column("id", row_id(), primary_key=True),
    Column("visit_id", BigInteger, nullable=False),
    Column("engaged", Integer, nullable=False),  # seconds more than it had
    Column("told", Integer, nullable=False),  # 1 where it had none
    Column("scroll", Integer, nullable=False),  # percent more than it had
    Column("scrolled", Integer, nullable=False),  # 1 where it had none
    Column("finished", Integer, nullable=False),  # 1 where it had less than nine tenths, and now has as much
)

strays = Table(  # visitors with a row so late that others counted without it
    "strays",
    metadata,
    Column("cid", text(32), primary_key=True),
)

refusals = Table(
    "refusals",
    metadata,
    Column("datetime", DateTime, primary_key=True),  # UTC, the beginning of a quarter of an hour
    Column("reason", text(40), primary_key=True),
    Column("hits", Integer, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", row_id(), primary_key=True),
    Column("username", text(75), unique=True),
    Column("password", text(255)),  # a hash, argon2id or (0.7.1) bcrypt
    Column("totp", text(64)),  # the secret of a second factor, in base32; null for none
    Column("totp_used", BigInteger),  # of the last code that was taken, which half minute since 1970
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", text(64), primary_key=True),  # SHA-256 of what the cookie holds
    Column("user_id", BigInteger, nullable=False),
    Column("mark", text(32), nullable=False),  # of the password that it began with
    Column("begun", instant(), nullable=False),
    Column("seen", instant(), nullable=False),  # last, or up to an hour before
)

guesses = Table(  # of passwords and codes, lately: accounts/throttle.py
    "guesses",
    metadata,
    Column("what", text(32), primary_key=True),  # a keyed hash of whom it was for, and from where
    Column("last", BigInteger, nullable=False),  # seconds since 1970
    Column("tries", Integer, nullable=False),
)

setups = Table(  # links that make the first user: accounts/setup.py
    "setups",
    metadata,
    Column("hash", text(64), primary_key=True),  # SHA-256 of the link's token
    Column("made", instant(), nullable=False),
)

shares = Table(
    "shares",
    metadata,
    Column("id", row_id(), primary_key=True),
    Column("token", text(22), nullable=False, unique=True),  # in clear: who reads this has the visits as well
    Column("title", text(75), nullable=False),
    Column("panels", text(), nullable=False),  # '["public/pages", …]'
    Column("filters", text(), nullable=False),  # "country=SE&page=~/blog/", in force whatever is asked; "" for none
    Column("view", text(), nullable=False),  # "period=last_90_days", what the page begins with
    Column("password", text(255)),  # a hash; null for none
    Column("expires", instant()),  # null for never
    Column("created", instant(), nullable=False),
    Column("creator", text(75), nullable=False),  # username, of somebody who may be gone
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", row_id(), primary_key=True),
    Column("name", text(75), nullable=False, unique=True),
    Column("hash", text(64), nullable=False, unique=True),  # SHA-256 of the token: tokens.py says why
    Column("scope", text(10), nullable=False),  # "read", "ingest"
    Column("expires", instant()),  # null for never
    Column("created", instant(), nullable=False),
    Column("used", instant()),  # last, a minute or so ago; null for never
    Column("creator", text(75), nullable=False),
)

salts = Table(  # of the names that visitors have where they bring none: ingest/visitor.py; gone after two days
    "salts",
    metadata,
    Column("day", text(10), primary_key=True),  # "2026-01-31", in UTC
    Column("salt", LargeBinary(32).with_variant(BINARY(32), "mysql", "mariadb"), nullable=False),
)

pruned = Table(  # a row at the most: rollups/pruning.py
    "pruned",
    metadata,
    Column("mark", text(32), primary_key=True),  # by which rollups know that it is their visits that are gone
    Column("horizon", BigInteger, nullable=False),  # seconds since 1970: what was before it goes
    Column("done", BigInteger, nullable=False),  # the same: what was before it has gone
    Column("since", BigInteger, nullable=False),  # the same: when the first of all came; 0 where none had
    Column("worker", text(32), nullable=False),  # whose turn it is to delete,
    Column("turn", BigInteger, nullable=False),  # until then, in seconds since 1970
)

totals = (
    Table(  # of days of which no visits are stored, as another program had counted them; rollups add them to theirs
        "totals",
        metadata,
        Column("id", row_id(), primary_key=True),
        Column("origin", text(100), nullable=False),  # whose they are: "plausible example.com"
        Column("rollup", text(64), nullable=False),  # which they are of: "pages"
        Column("day", Integer, nullable=False),  # 20260131
        Column(
            "prev_day", Integer, nullable=False
        ),  # when their visitors were there last: 0 for never, 1 if nobody knows
        Column("keys", text(), nullable=False),  # '["/blog/a"]', in the order in which the rollup's file names them
        Column("sums", text(), nullable=False),  # '{"views": 12}', by the names that the file has
        Index("totals_day", "day"),
        Index("totals_rollup", "rollup", "day"),
    )
)

imports = Table(  # how far each was read, so that it goes on there: importing/ledger.py
    "imports",
    metadata,
    Column("id", row_id(), primary_key=True),
    Column("input", text(64), nullable=False, unique=True),  # a checksum of how it begins, and of what was asked
    Column("name", text(255), nullable=False),  # "access.log.1"
    Column("source", text(40), nullable=False),  # "access-log"
    Column("mark", BigInteger, nullable=False),  # how far: what of, the source knows
    Column("done", Integer, nullable=False),  # 1 once all of it was read
    Column("begun", instant(), nullable=False),
    Column("changed", instant(), nullable=False),
    Column("first", instant()),  # of what came of it, the earliest; UTC
    Column("last", instant()),
    Column("visits", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("totals", BigInteger, nullable=False),
    Column("skipped", text(), nullable=False),  # '{"a crawler": 12}'
)

calendar = Table(
    "calendar",
    metadata,
    Column("datetime", DateTime, primary_key=True),  # a day, at midnight
)
