"""Some visits and events of March 2026, few enough to count by hand.

Ada, Bob, Cleo and Dora visit; Eve is the author, on her own machine; the last visit of the month has no cookie.
Times are UTC. In Berlin the clocks go from 2:00 to 3:00 on the 29th, at 01:00 UTC; Kathmandu is 5:45 ahead.
"""

from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from crumby.dimensions.session import place
from crumby.ingest.enrich import Event, Visit
from crumby.tables import events, visitors, visits

HOME, WORK, BOBS, CLEOS, LOCAL = "81.2.69.160", "81.2.69.7", "89.160.20.112", "2001:218::1", "127.0.0.1"

#         country, state, city
LONDON = ("GB", "England", "London")
LINKOPING = ("SE", "Östergötland County", "Linköping")
JAPAN = ("JP", None, None)
NOWHERE = (None, None, None)

SITE = "https://example.com"
SEARCH = "search.example/?q=crumbs"

# fmt: off
VISITS: Final = [
    # The last moment before the 27th; in Berlin it is the 27th already.
    ("2026-03-26 23:59:59.999999", "ada", HOME, f"{SITE}/", "Home", "", "windows", LONDON),
    # The same page by http and https; the same title in small letters; three ways to write one referrer.
    ("2026-03-27 00:00:00", "ada", HOME, f"{SITE}/", "Home", f"https://{SEARCH}", "windows", LONDON),
    ("2026-03-27 10:00:00", "ada", HOME, "http://example.com/", "Home", f"http://{SEARCH}", "windows", LONDON),
    ("2026-03-27 11:00:00", "bob", BOBS, f"{SITE}/", "home", f"HTTPS://{SEARCH}", "macos", LINKOPING),
    # In Kathmandu the 28th has no visit: it is 00:05 of the 29th.
    ("2026-03-28 18:20:00", "cleo", CLEOS, f"{SITE}/🥐", "Crumbs 🥐", "", "iphone", JAPAN),
    # 23:30 of the 28th in Berlin's winter time; by its summer time it would be the 29th.
    ("2026-03-28 22:30:00", "ada", WORK, f"{SITE}/a", "A", f"{SITE}/", "windows", LONDON),
    # Before and after Berlin's clocks are changed; Bob has travelled.
    ("2026-03-29 00:59:59.999999", "bob", BOBS, f"{SITE}/a", "A", "", "macos", LINKOPING),
    ("2026-03-29 01:00:00", "bob", BOBS, f"{SITE}/A", "A", "android-app://com.example/", "macos", LONDON),
    # 00:30 of the 30th in Berlin's summer time; by its winter time it would still be the 29th.
    ("2026-03-29 22:30:00", "cleo", CLEOS, f"{SITE}/🥐", "Crumbs 🥐", "", "iphone", JAPAN),
    ("2026-03-30 10:00:00", "cleo", CLEOS, f"{SITE}/🥐", "Crumbs 🥐", "", "iphone", JAPAN),
    # Before and after midnight in Kathmandu; an empty title, and none.
    ("2026-03-30 18:14:59.999999", "dora", HOME, f"{SITE}/b", "", f"{SITE}/", "windows", LONDON),
    ("2026-03-30 18:15:00", "dora", HOME, f"{SITE}/b", None, "", "windows", LONDON),
    # The author at work.
    ("2026-03-31 12:00:00", "eve", LOCAL, "http://localhost:8000/", "Draft", "http://localhost/", "linux", NOWHERE),
    ("2026-03-31 12:30:00", "eve", LOCAL, "http://127.0.0.1:80/", "Draft", "http://127.0.0.1/", "linux", NOWHERE),
    ("2026-03-31 12:45:00", "eve", LOCAL, "HTTP://LOCALHOST/", "Draft", "HTTP://LOCALHOST/", "linux", NOWHERE),
    # The last moment of the month, in UTC.
    ("2026-03-31 23:59:59.999999", None, None, f"{SITE}/", None, None, None, NOWHERE),
    ("2026-04-01 00:00:00", "ada", HOME, f"{SITE}/", "Home", "", "windows", LONDON),
]

EVENTS: Final = [
    ("2026-03-26 12:00:00", "fay", "Home", "theme", "dark"),
    # Ada changes her mind; her last word on that page counts.
    ("2026-03-27 09:00:00", "ada", "Home", "theme", "dark"),
    ("2026-03-27 09:05:00", "ada", "Home", "theme", "light"),
    ("2026-03-28 10:00:00", "bob", "Home", "theme", "light"),
    ("2026-03-28 10:05:00", "cleo", "Home", "theme", "dark"),
    ("2026-03-29 10:00:00", "ada", "A", "theme", "dark"),
    ("2026-03-29 10:01:00", "ada", "Home", "Theme", "dark"),
    ("2026-03-30 10:00:00", "dora", "Shop", "buy", "🥐"),
    ("2026-03-30 10:01:00", "dora", "Shop", "note", ""),
    ("2026-03-30 10:02:00", "dora", "Shop", "wish", None),
    ("2026-03-30 10:03:00", "eve", None, "theme", "dark"),
    ("2026-03-30 10:04:00", "eve", "", "theme", "dark"),
    # Bob's last word on sizes comes after the period.
    ("2026-03-30 11:00:00", "bob", "Shop", "size", "s"),
    ("2026-04-02 11:00:00", "bob", "Shop", "size", "m"),
]
# fmt: on


def visit(when: str, cid: str | None, ip: str | None, uri: str, title: str | None, *rest: Any) -> dict[str, Any]:
    referrer, platform, (country, state, city) = rest
    return {
        "datetime": datetime.fromisoformat(when),
        "cid": cid,
        "ip": ip,
        "doc_uri": uri,
        "doc_title": title,
        "referrer": referrer,
        "platform": platform,
        "country": country,
        "subdivision_1": state,
        "city": city,
    }


def event(when: str, cid: str, title: str | None, name: str, value: str | None) -> dict[str, Any]:
    return {"datetime": datetime.fromisoformat(when), "cid": cid, "doc_title": title, "name": name, "value": value}


async def scatter(engine: AsyncEngine) -> None:
    """Store them all, in their order, each in its session."""
    views, acts = [visit(*viewed) for viewed in VISITS], [event(*happened) for happened in EVENTS]
    placed = place({}, _known(Visit, views), _known(Event, acts))
    nobodys = [row for row in views if row["cid"] is None]
    async with engine.begin() as connection:
        for table, rows in ((visits, placed.visits), (events, placed.events), (visitors, placed.new)):
            await connection.execute(insert(table), [msgspec.structs.asdict(row) for row in rows])
        await connection.execute(insert(visits), nobodys)


def _known(kind: Any, rows: list[dict[str, Any]]) -> list[Any]:
    """Rows of visitors who are somebody."""
    required = kind.__struct_fields__[: len(kind.__struct_fields__) - len(kind.__struct_defaults__)]
    return [kind(**dict.fromkeys(required) | row) for row in rows if row["cid"] is not None]
