"""Rows that are hard to hand on: all that a column may hold, and what a year of the demo has not."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from crumby.demo.filling import fill
from crumby.ingest.enrich import Engagement, Event, Visit
from crumby.ingest.store import SqliteStore
from crumby.rollups import Horizon, Prune
from crumby.tables import totals
from tests.exporting.homes import ZONE, Home

VISITS = 3000
UNTIL = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(hours=3)  # so nothing is live any more
TEXTS = (
    "", " ", "\\", "\\N", '\\"', '"', "'", ",", ";", "\n", "\r", "\r\n", "\t", 'a\nb,"c"', "=1+1", "null", "NULL",
    "🥐", "e\u0301", "é", "\u202edlrow", "\ufeff", "\u2028", "x" * 700, "0", "1e5", "None", "true", "ö/100%:x",
)  # fmt: skip
TOTALS = (  # of days of which there are no visits; one place in two rows; a text that is hard, too
    ("plausible old.example", "pages", 20200131, 1, '["/a"]', '{"views":12}'),
    ("plausible old.example", "pages", 20200131, 1, '["/a"]', '{"entries":4,"views":3}'),
    ("plausible old.example", "pages", 20200131, 20200131, '["/🥐\\\\N,\\"b\\""]', '{"views":5}'),
    ("plausible old.example", "totals", 20200131, 1, "[]", '{"views":15,"sessions":9,"second_views":4,"seconds":700}'),
    ("fathom old.example", "countries", 20200201, 1, '["SE"]', '{"views":7,"sessions":7}'),
)


SEEN = [text for text in TEXTS if text.strip() == text]  # which reports show, and MariaDB knows from others


def row(number: int, **known: Any) -> Visit:
    """Make a visit of nothing but a time and a hit id."""
    at = UNTIL - timedelta(days=20, minutes=number)
    facts: dict[str, Any] = dict.fromkeys(Visit.__struct_fields__)
    facts |= {"datetime": at, "hit_id": b"awkward" + number.to_bytes(9), "site": "awkward.example", "page": "/"}
    return Visit(**(facts | known))


def act(number: int, **known: Any) -> Event:
    at = UNTIL - timedelta(days=20, minutes=number, microseconds=1)
    facts: dict[str, Any] = dict.fromkeys(Event.__struct_fields__)
    facts |= {"datetime": at, "hit_id": b"awkward" + number.to_bytes(9), "site": "awkward.example"}
    return Event(**(facts | known))


def visits() -> list[Visit]:
    nothing = [row(0), row(1, site=None, page=None), row(2, cid="null"), row(3, cid="", latitude=-0.0)]
    texts = [
        row(
            10 + number,
            cid=f"odd{number % 5}",
            doc_title=text,
            doc_uri=f"/{text}",
            page=text[:512],
            utm_term=text[:150],
        )
        for number, text in enumerate(SEEN)
    ]
    unseen = [row(60 + number, _referrer=text, doc_enc=text[:25]) for number, text in enumerate(TEXTS)]
    numbers = [
        row(100, latitude=0.1 + 0.2, longitude=-179.99999999999997, accuracy_radius=2**31 - 1),
        row(101, cid="far", latitude=5e-324, longitude=1.7976931348623157e308, engaged=0, scroll=100),
        row(102, cid="far", datetime=UNTIL.replace(microsecond=1) - timedelta(days=21)),
    ]
    return [*nothing, *texts, *unseen, *numbers]


def events() -> list[Event]:
    texts = [act(200 + number, cid="odd1", name=text, value=text[::-1]) for number, text in enumerate(SEEN)]
    told = ['{"plan":"pro","n":7}', '{"🥐":"\\\\N","b":"a\\"b"}']  # as `ingest/properties.py` lets them through
    return [*texts, *(act(300 + number, name="buy", properties=text) for number, text in enumerate(told)), act(310)]


async def filled(home: Home) -> None:
    """Fill an embedded database with a year; half of it is pruned, and some came late for it."""
    assert home.database.sqlite_path
    await fill(home.database, VISITS, UNTIL, 1)
    store = SqliteStore(home.database.sqlite_path)
    try:
        given = visits()
        await store.insert(given, events())
        await store.insert([row(400, cid="far", datetime=UNTIL - timedelta(days=40))], [])  # before they ever came
        await store.insert([], [], [Engagement(given[-1].hit_id, 30, 55)])
        horizon = Horizon.of(150, ZONE)
        day = int((horizon.day - timedelta(days=3)).strftime("%Y%m%d"))
        of_a_pruned_day = ("fathom bakery.example", "pages", day, 1, '["/"]', '{"views":40,"entries":30}')
        names = [column.name for column in totals.columns if column.name != "id"]
        async with home.database.engine.begin() as connection:
            rows = [dict(zip(names, each, strict=True)) for each in (*TOTALS, of_a_pruned_day)]
            await connection.execute(insert(totals), rows)
        await home.rollups.finish()
        run = Prune(horizon)
        while await home.rollups.prune(run):
            pass
        assert run.visits > VISITS / 4
        await store.insert([row(500, cid="late", datetime=horizon.instant - timedelta(days=5))], [])
        await home.rollups.finish()
    finally:
        await store.close()
