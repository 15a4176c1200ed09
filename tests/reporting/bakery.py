"""A week at a bakery's site, 23 to 29 March 2026, and what lies around it: few enough to count by hand.

    Ada    London, windows, firefox 140.0, desktop; her first visit is in the week
    Bob    an iPhone, safari 18.3; known since 2 March; in Linköping, and by Saturday night in London
    Cleo   Japan, ipad, safari 18.1, tablet; her first visit is in the week
    Dora   Berlin, macos, chrome, desktop; her first visit is on the 22nd, which in Berlin is the 23rd
    Eve    the author, on her own machine; and on Thursday somebody without a cookie, of whom nothing is known
    Fay and Gil come in the October night when Berlin's clocks go back, Hal came a year before

Times are UTC. What the ingest derives (sessions, places in them, seconds between, sources) is given here by hand. In
Berlin the clocks go from 2:00 to 3:00 on 29 March, at 01:00 UTC, and from 3:00 to 2:00 on 25 October, at 01:00 UTC.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from crumby.dimensions.memory import do, meet
from crumby.dimensions.session import EPOCH
from crumby.tables import events, refusals, visitors, visits

WEEK: Final = {"from": "2026-03-23", "to": "2026-03-29", "tz": "Etc/UTC"}
BERLIN: Final = WEEK | {"tz": "Europe/Berlin"}
KATHMANDU: Final = WEEK | {"tz": "Asia/Kathmandu"}

SHOP, BLOG = "bakery.example", "blog.bakery.example"
MENU, PRICES = "https://bakery.example/menu.pdf", "https://bakery.example/prices.csv"
MILL, FLOUR = "https://Flour.example/mill?x=1", "https://flour.example/"
CAKE = "50% off 'cake' 🥐"


def machine(device: str, platform: str, browser: str, version: str, screen: str, lang: str) -> dict[str, Any]:
    of_browser = {"browser": browser, "version": version, "lang": lang}
    return {"device": device, "platform": platform, "screen_res": screen, **of_browser}


def place(country: str | None, region: str | None = None, city: str | None = None) -> dict[str, Any]:
    return {"country": country, "subdivision_1": region, "city": city}


def origin(source: str | None, channel: str, **utm: str) -> dict[str, Any]:
    return {"source": source, "channel": channel, **utm}


LONDON, LINKOPING = place("GB", "England", "London"), place("SE", "Östergötland County", "Linköping")
ADA = {"cid": "ada", **machine("desktop", "windows", "firefox", "140.0", "1920x1080", "en-GB"), **LONDON}
BOB = {"cid": "bob", **machine("mobile", "iphone", "safari", "18.3", "390x844", "sv"), **LINKOPING}
CLEO = {"cid": "cleo", **machine("tablet", "ipad", "safari", "18.1", "820x1180", "ja"), **place("JP")}
DORA = {"cid": "dora", **machine("desktop", "macos", "chrome", "138.0.1", "1440x900", "de-DE")}
DORA |= place("DE", "Land Berlin", "Berlin")
EVE = {"cid": "eve", **machine("desktop", "linux", "firefox", "141.0", "1920x1080", "en-GB"), **place(None)}
FAY, GIL, HAL = ({"cid": cid} for cid in ("fay", "gil", "hal"))
# An empty text is as unknown as none at all.
NOBODY = {"cid": None, **machine("", "", "", "", "", ""), **place("", "", "")}

DIRECT, NO_SOURCE = origin(None, "Direct"), origin("", "Direct")
SEARCH, NEWS = origin("Google", "Organic Search"), origin("news.example.com", "Referral")
LETTER = origin(
    "newsletter", "Email", utm_source="newsletter", utm_medium="email", utm_campaign="spring 🥐", tag="letter"
)
ADVERT = origin("Google", "Paid Search", utm_source="google", utm_medium="cpc", utm_campaign="50% off")
ADVERT |= {"utm_term": "bread", "utm_content": "a"}
NEXT_DOOR = origin(SHOP, "Referral")
FAIR, HUNT = origin(None, "Campaigns", utm_campaign="fair"), origin(None, "Campaigns", utm_campaign="a hunt")

# Each view: page, seconds since the one before, seconds engaged, percent scrolled into view.
# fmt: off
SESSIONS: Final[list[tuple[str, dict[str, Any], dict[str, Any], str, list[Any]]]] = [
    # Before the week.
    ("2025-03-25 12:00:00", HAL, DIRECT, SHOP, [("/", 0, None, None)]),
    ("2026-03-02 08:00:00", BOB, SEARCH, SHOP, [("/", 0, None, None)]),
    ("2026-03-12 08:00:00", BOB, DIRECT, SHOP, [("/", 0, None, None)]),
    ("2026-03-22 23:10:00", DORA, NEWS, SHOP, [("/", 0, None, None)]),  # in Berlin it is Monday, 00:10
    # Monday to Wednesday. In Kathmandu Ada's second session falls on Thursday, 00:05.
    ("2026-03-23 09:00:00", ADA, SEARCH, SHOP, [("/", 0, 20, 50), ("/bread", 40, 60, 100), ("/cart", 80, None, None)]),
    ("2026-03-23 09:30:00", BOB, LETTER, SHOP, [("/", 0, 10, 25), ("/bread", 100, 50, 75)]),
    ("2026-03-24 12:00:00", CLEO, ADVERT, SHOP, [("/bread", 0, 5, None)]),
    ("2026-03-25 18:20:00", ADA, DIRECT, SHOP, [("/bread", 0, 30, 80)]),
    # Thursday and Friday.
    ("2026-03-26 10:00:00", NOBODY, DIRECT, SHOP, [("/", 0, None, None)]),
    ("2026-03-27 10:00:00", ADA, NEXT_DOOR, BLOG, [("/sourdough", 0, 200, 90)]),
    ("2026-03-27 11:00:00", EVE, NO_SOURCE, "localhost", [("/", 0, None, None)]),
    # Over midnight, from Saturday to Sunday; in Berlin both are Sunday's. Bob has travelled.
    ("2026-03-28 23:50:00", BOB | LONDON, DIRECT, SHOP, [("/cart", 0, 15, 100), ("/checkout", 900, 45, 100)]),
    # At 01:40 and 03:05 in Berlin, with nothing but the change of its clocks between.
    ("2026-03-29 00:40:00", CLEO, NEWS, SHOP, [("/", 0, 900, 10), ("/cart", 1500, None, None)]),
    # In Berlin the second page is Monday's.
    ("2026-03-29 21:59:30", DORA, DIRECT, SHOP, [("/", 0, 30, 39), ("/käse", 60, None, None)]),
    # After the week. Ada comes seven days after her first visit, to the second.
    ("2026-03-30 09:00:00", ADA, DIRECT, SHOP, [("/", 0, None, None)]),
    ("2026-03-30 12:00:00", DORA, DIRECT, SHOP, [("/", 0, None, None)]),
    ("2026-05-01 12:00:00", CLEO, DIRECT, SHOP, [("/", 0, None, None)]),
    # 25 October in Berlin: the moment before, its first one, 02:20, the last one before the clocks go back, the first
    # one after, which is 02:00 again, the day's last, and the one after.
    ("2026-10-24 21:59:59.999999", HAL, HUNT, SHOP, [("/", 0, None, None)]),
    ("2026-10-24 22:00:00", GIL, FAIR, SHOP, [("/", 0, None, None)]),
    ("2026-10-25 00:20:00", GIL, FAIR, SHOP, [("/", 0, None, None)]),
    ("2026-10-25 00:59:59.999999", FAY, FAIR, SHOP, [("/", 0, None, None)]),
    ("2026-10-25 01:00:00", GIL, FAIR, SHOP, [("/", 0, None, None)]),
    ("2026-10-25 22:59:59.999999", GIL, FAIR, SHOP, [("/", 0, None, None)]),
    ("2026-10-25 23:00:00", HAL, HUNT, SHOP, [("/", 0, None, None)]),
]
FIRST: Final = {  # page view of each
    "hal": "2025-03-25 12:00:00", "bob": "2026-03-02 08:00:00", "dora": "2026-03-22 23:10:00",
    "ada": "2026-03-23 09:00:00", "cleo": "2026-03-24 12:00:00", "eve": "2026-03-27 11:00:00",
    "gil": "2026-10-24 22:00:00", "fay": "2026-10-25 00:59:59.999999",
}
EVENTS: Final = [
    ("2026-03-23 09:02:30", "ada", SHOP, "/cart", "buy", "bread"),
    ("2026-03-23 09:31:00", "bob", SHOP, "/", "download", MENU),
    ("2026-03-24 12:00:04", "cleo", SHOP, "/bread", "download", PRICES),
    ("2026-03-24 12:00:05", "cleo", SHOP, "/brot", "404", ""),
    ("2026-03-24 12:00:09", "cleo", SHOP, "/brot", "404", None),
    ("2026-03-25 18:20:10", "ada", SHOP, "/bread", "download", MENU),
    ("2026-03-25 18:20:20", "ada", SHOP, "/bread", "download", MENU),
    ("2026-03-26 10:00:01", None, SHOP, "/brot", "404", None),
    ("2026-03-27 10:01:00", "ada", BLOG, "/sourdough", "outbound", MILL),
    ("2026-03-29 00:06:00", "bob", SHOP, "/checkout", "buy", "bread"),
    ("2026-03-29 01:06:00", "cleo", SHOP, "/cart", "outbound", FLOUR),
    ("2026-03-29 01:07:00", "cleo", SHOP, "/cart", "buy", CAKE),
    ("2026-03-29 01:08:00", "cleo", SHOP, "/cart", "outbound", FLOUR),
    ("2026-03-29 22:00:31", "dora", SHOP, "/100%", "404", None),
    ("2026-03-29 22:00:40", "dora", SHOP, "/käse", "note", None),
    ("2026-03-30 12:01:00", "dora", SHOP, "/", "buy", "bread"),
    # Four measurements of one page, and one of another.
    ("2026-05-01 12:01:00", "cleo", SHOP, "/", "Web Vitals", None),
    ("2026-05-01 12:02:00", "cleo", SHOP, "/", "Web Vitals", None),
    ("2026-05-01 12:03:00", None, SHOP, "/", "Web Vitals", None),
    ("2026-05-01 12:04:00", None, SHOP, "/", "Web Vitals", None),
    ("2026-05-01 12:05:00", "cleo", SHOP, "/cart", "Web Vitals", None),
]
TOLD: Final = {  # with the events of these instants: as ingest/properties.py writes them
    "2026-03-23 09:02:30": '{"paid":true,"price":3.5,"size":"large"}',
    "2026-03-23 09:31:00": '{"size":"\'n\' \\"🥐\\""}',
    "2026-03-29 00:06:00": '{"a.b[0]":"$","paid":true,"price":12,"size":""}',
    "2026-03-29 01:07:00": '{"paid":false,"price":"free"}',
    "2026-05-01 12:01:00": '{"cls":0.25,"fcp":900,"inp":150,"lcp":2400.5,"ttfb":700}',
    "2026-05-01 12:02:00": '{"cls":0,"fcp":1000,"lcp":4001,"ttfb":80}',
    "2026-05-01 12:03:00": '{"cls":0.1,"fcp":1900,"inp":16,"lcp":1200,"ttfb":20}',
    "2026-05-01 12:04:00": '{"cls":0.05,"fcp":5000,"lcp":1000,"ttfb":"slow"}',
    "2026-05-01 12:05:00": '{"lcp":4001}',
}
REFUSALS: Final = [
    ("2026-03-22 23:45:00", "bot", 5),  # in Berlin it is Monday, 00:45
    ("2026-03-23 00:00:00", "bot", 7),
    ("2026-03-23 09:15:00", "bot", 3),
    ("2026-03-25 09:15:00", "opted-out", 2),
    ("2026-03-29 21:45:00", "rate-limited", 1),
    ("2026-03-29 22:00:00", "rate-limited", 4),  # in Berlin it is Monday, 00:00
]
TITLES: Final = {"/": "Home", "/bread": "Bread, 50% \"rye\", 'n' 🥐", "/cart": ""}
# fmt: on


def seen() -> list[dict[str, Any]]:
    """The rows of visits, in their order."""
    rows = [row for number, session in enumerate(SESSIONS) for row in _of_session(number + 1, *session)]
    return sorted(rows, key=lambda row: row["datetime"])


def _of_session(
    number: int, begun: str, who: dict[str, Any], came: dict[str, Any], site: str, pages: list[Any]
) -> Iterator[dict[str, Any]]:
    at = datetime.fromisoformat(begun)
    for seq, (page, gap, engaged, scroll) in enumerate(pages, 1):
        at += timedelta(seconds=gap)
        of_session = {"session": number, "seq": seq, "gap": gap, "entry": pages[0][0]} if who["cid"] else {}
        address = {"site": site, "page": page, "doc_uri": f"https://{site}{page}", "doc_title": TITLES.get(page)}
        told = {"datetime": at, "engaged": engaged, "scroll": scroll}
        yield {**dict.fromkeys(COLUMNS), **who, **came, **address, **of_session, **told}


def remembering(rows: list[dict[str, Any]], first: Mapping[str, datetime]) -> list[dict[str, Any]]:
    """The rows of visits or of events, and when their visitors were met before; `first` of all is said of each."""
    seen: dict[str, bytes] = {}
    pages: dict[int, str] = {}
    for row in rows:
        if not (cid := row["cid"]):
            row.update({} if "entry" in row else dict.fromkeys(("prev", "value_prev", "page_prev")))
        else:
            at = int((row["datetime"] - EPOCH).total_seconds())
            if "entry" in row:
                met = meet(seen.get(cid), SimpleNamespace(**row), SimpleNamespace(**row), row["entry"], at)
                row.update({"prev": met.prev, "page_prev": met.page_prev, "prevs": met.prevs})
                row.update({"first": int((first[cid] - EPOCH).total_seconds())})
                row["prev_page"] = pages.get(row["session"])
                pages[row["session"]] = row["page"]
                seen[cid] = met.seen
            else:
                done = do(seen.get(cid), SimpleNamespace(**row), at)
                row.update({"prev": done.prev, "value_prev": done.value_prev, "page_prev": done.page_prev})
                seen[cid] = done.seen
    return rows


COLUMNS: Final = tuple(column.name for column in visits.columns if column.name not in {"id", "hit_id"})


def happened() -> list[dict[str, Any]]:
    """The rows of events, each in the session that is live."""
    return [
        {"datetime": datetime.fromisoformat(when), "cid": cid, "session": _session(when, cid)}
        | {"site": site, "page": page, "name": name, "value": value, "properties": TOLD.get(when)}
        | {"tag": "letter" if when == "2026-03-23 09:31:00" else None}
        for when, cid, site, page, name, value in EVENTS
    ]


def _session(when: str, cid: str | None) -> int | None:
    begun = [number + 1 for number, (at, who, *_) in enumerate(SESSIONS) if who["cid"] == cid and at <= when]
    return max(begun) if cid else None


async def bake(engine: AsyncEngine) -> None:
    """Store them all, in the place of whatever is there."""
    first = {cid: datetime.fromisoformat(at) for cid, at in FIRST.items()}
    met = [{"cid": cid, "first": at} for cid, at in first.items()]
    refused = [
        {"datetime": datetime.fromisoformat(at), "reason": reason, "hits": hits} for at, reason, hits in REFUSALS
    ]
    async with engine.begin() as connection:
        stored = remembering(seen(), first), remembering(happened(), first), met, refused
        for table, rows in zip((visits, events, visitors, refusals), stored, strict=True):
            await connection.execute(delete(table))
            await connection.execute(insert(table), rows)
