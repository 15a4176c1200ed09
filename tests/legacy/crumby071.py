"""A database file as Crumby 0.7.1 left it, for the tests of moving over.

How it was obtained: Crumby 0.7.1 from PyPI was run under Python 2.7.18 with the releases of its day (Flask
0.12.2, Werkzeug 0.12.2, SQLAlchemy 1.1.13, Flask-SQLAlchemy 2.2, Flask-Bcrypt 0.7.1, Flask-Login 0.4.0,
geoip2 2.5.0) on SQLite. `schema.sql` is what `sqlite_master` then said; the hashes of the users are those its
`crumby adduser` wrote; the visits and events are of the kind and form its pixel stored (`requests.json`),
spread over days so that each of its seven reports has something to count. The answers in `answers.json` are
its own, over this very file, and those under `mariadb` over the same rows in MariaDB 10.11 (PyMySQL 0.7.11).

Days are counted back from `last_day`, so the same rows serve for fixed dates and for "the last 30 days".
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

SCHEMA = Path(__file__).with_name("schema.sql")
LAST_DAY = date(2017, 8, 20)

COLUMNS = {
    "visits": (
        *("id", "ip", "cid", "datetime", "doc_title", "doc_uri", "doc_enc", "referrer", "_referrer", "platform"),
        *("browser", "version", "screen_res", "screen_depth", "continent", "country", "subdivision_1"),
        *("subdivision_2", "city", "latitude", "longitude", "accuracy_radius", "time_zone", "lang", "_lang"),
    ),
    "events": ("id", "ip", "cid", "datetime", "doc_title", "doc_uri", "name", "value"),
    "users": ("id", "username", "password"),
    "calendar": ("datetime",),
}

PASSWORDS = {
    "ada": "lovelace 1815",
    "grace": "Grüße aus Zürich ☕",
    # 80 characters: 0.7.1 took them and bcrypt looked at the first 72 bytes alone.
    "long": "correct horse battery staple correct horse battery staple correct horse battery ",
}

USERS = (
    (1, "ada", "$2b$12$sAPJLtNu2dbz8O7J/G3b8ePyYNPSEHkDdX7OtNoB8EKZHcWTbeaAq"),
    (2, "grace", "$2b$12$gJqaietp7vZ3ymGNiJUXDebAumnfzE84Jp.7VPbnE1a06/RedYqJ6"),
    (3, "long", "$2b$12$y5XL15Ux3/pv9nLXwo1GL.zs.ujyCyRJkohHquoSwoSN53hecset6"),
)


class Place(NamedTuple):
    continent: str | None = None
    country: str | None = None
    subdivision_1: str | None = None
    subdivision_2: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_radius: int | None = None
    time_zone: str | None = None


NOWHERE = Place()
LONDON = Place("EU", "GB", "England", None, "London", 51.5142, -0.0931, 10, "Europe/London")
BOXFORD = Place("EU", "GB", "England", "West Berkshire", "Boxford", 51.75, -1.25, 100, "Europe/London")
MILTON = Place("NA", "US", "Washington", None, "Milton", 47.2513, -122.3149, 22, "America/Los_Angeles")
LINKOPING = Place("EU", "SE", "Östergötland County", None, "Linköping", 58.4167, 15.6167, 76, "Europe/Stockholm")


class Visitor(NamedTuple):
    ip: str
    cid: str
    platform: str | None
    browser: str | None
    version: str | None
    place: Place
    lang: str | None


FIREFOX = Visitor("81.2.69.142", "1100000001", "windows", "firefox", "55.0", LONDON, "en-GB")
SAFARI = Visitor("216.160.83.56", "1200000002", "macos", "safari", "10.1.2", MILTON, "en-US")
CHROME = Visitor("89.160.20.112", "1300000003", "linux", "chrome", "60.0.3112.101", LINKOPING, "sv-SE")
IPHONE = Visitor("2.125.160.217", "140000004", "iphone", "safari", "10.0", BOXFORD, "en-GB")
AUTHOR = Visitor("127.0.0.1", "5", "macos", "chrome", "60.0.3112.101", NOWHERE, "en-GB")
ROBOT = Visitor("198.51.100.7", "1600000006", None, "google", "2.1", NOWHERE, None)
NOBODY = Visitor("198.51.100.8", "null", None, None, None, NOWHERE, None)


class Visit(NamedTuple):
    days_ago: int
    at: str  # UTC
    visitor: Visitor
    title: str
    uri: str
    referrer: str = ""


class Event(NamedTuple):
    days_ago: int
    at: str  # UTC
    visitor: Visitor
    title: str | None
    uri: str | None
    name: str | None
    value: str | None


SITE = "https://example.com/"
DRAFT = "http://localhost:4000/draft"
BREW = "Crème brûlée – “façon” ☕ 日本語 😀"  # noqa: RUF001 - as a page might well call itself
# 0.7.1 unescaped a visit's address a second time, in Latin-1: this is how it kept /café.
CAFE = SITE + "cafÃ©"
SEARCH = "https://www.google.co.uk/"

VISITS = (
    Visit(400, "09:15:00.000001", FIREFOX, "Home", SITE),
    Visit(31, "23:59:59.999999", FIREFOX, "Home", SITE),
    Visit(30, "00:00:00.000000", FIREFOX, "Home", SITE),
    Visit(30, "00:01:02.000300", FIREFOX, BREW, SITE + "menu", SITE),
    Visit(19, "12:00:00.500000", SAFARI, "Home", SITE, SEARCH),
    Visit(19, "12:00:40.000000", SAFARI, "Café", CAFE, SITE),
    Visit(18, "06:30:00.000000", SAFARI, "Home", SITE),
    Visit(7, "17:45:10.120000", CHROME, "100% sure", SITE + "a page.html", SEARCH),
    Visit(7, "17:46:00.000000", CHROME, "Home", SITE, SITE + "a page.html"),
    Visit(3, "08:00:00.000000", IPHONE, "Home", SITE, "https://t.co/x"),
    Visit(3, "08:00:01.000000", IPHONE, "C++ + Python", SITE + "c++?q=a+b", SITE),
    Visit(3, "10:00:00.000000", AUTHOR, "Draft", DRAFT, "http://localhost:4000/"),
    Visit(2, "10:00:00.000000", AUTHOR, "Draft", "http://127.0.0.1:4000/draft", "http://127.0.0.1:4000/"),
    Visit(1, "11:11:11.111111", ROBOT, "", SITE),
    Visit(1, "11:11:12.000000", NOBODY, "Home", SITE),
    Visit(0, "00:00:00.000000", FIREFOX, "Home", SITE),
)

EVENTS = (
    Event(400, "09:16:00.000000", FIREFOX, "Home", SITE, "signup", "no"),
    Event(30, "00:02:00.000000", FIREFOX, "Home", SITE, "signup", "yes"),
    Event(19, "12:01:00.000000", SAFARI, "Home", SITE, "signup", "yes"),
    Event(19, "12:01:30.000000", SAFARI, "Café", SITE + "caf%C3%A9", "Größe", "日本 😀"),
    Event(18, "06:31:00.000000", SAFARI, "Home", SITE, "signup", "later"),
    Event(7, "17:46:30.000000", CHROME, "Home", SITE, "scroll", "75"),
    Event(3, "08:02:00.000000", IPHONE, None, None, "click", ""),
    Event(1, "11:12:00.000000", NOBODY, "Home", SITE, None, None),
)


def build(path: Path, last_day: date = LAST_DAY) -> None:
    """Write an SQLite file at `path`, its newest visit on `last_day`."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCHEMA.read_text("utf-8"))
        for table, rows in contents(last_day).items():
            database.executemany(f"insert into {table} values ({', '.join('?' * len(rows[0]))})", rows)


def script(dialect: str, last_day: date = LAST_DAY) -> str:
    """SQL that fills an empty database of MySQL (of its old default, latin1) or PostgreSQL in the same way."""
    statements = [SCHEMA.with_suffix(f".{dialect}.sql").read_text("utf-8")]
    if dialect == "mysql":
        statements.insert(0, "set names utf8mb4;")
    for table, rows in contents(last_day).items():
        numbered = table != "calendar"
        columns = COLUMNS[table][1:] if numbered else COLUMNS[table]
        for row in rows:
            values = ", ".join(map(_literal, row[1:] if numbered else row))
            statements.append(f"insert into {table} ({', '.join(columns)}) values ({values});")
    return "\n".join(statements)


def contents(last_day: date) -> dict[str, Sequence[tuple[object, ...]]]:
    """The rows of each table, in the order of COLUMNS."""
    visits = [
        (
            *(number, who.ip, who.cid, _stamp(last_day, days_ago, at), title, uri, "UTF-8", referrer, uri),
            *(who.platform, who.browser, who.version, "1920x1080", "24-bit", *who.place, who.lang, None),
        )
        for number, (days_ago, at, who, title, uri, referrer) in enumerate(VISITS, 1)
    ]
    events = [
        (number, who.ip, who.cid, _stamp(last_day, days_ago, at), title, uri, name, value)
        for number, (days_ago, at, who, title, uri, name, value) in enumerate(EVENTS, 1)
    ]
    # 0.7.1 kept the calendar from the first visit to three times 365 days ahead.
    first = max(visit.days_ago for visit in VISITS)
    calendar = [(_stamp(last_day, days_ago),) for days_ago in range(first, -3 * 365 - 1, -1)]
    return {"visits": visits, "events": events, "users": USERS, "calendar": calendar}


def as_latin1(text: str) -> str:
    """What was left of a text in MySQL's latin1, which is Windows' 1252 (0.7.1 itself failed with 500 instead)."""
    return text.encode("cp1252", "replace").decode("cp1252")


def _stamp(last_day: date, days_ago: int, at: str = "00:00:00.000000") -> str:
    """A datetime as SQLAlchemy wrote it into SQLite: a space between, six digits of a second, no zone."""
    moment = datetime.combine(last_day - timedelta(days_ago), time.fromisoformat(at))
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return "'" + as_latin1(value).replace("'", "''") + "'"
    return repr(value)
