"""What clients sent and were told, held against what the database has: the judge of every fault.

the client saw                   must hold in the end
ok       (2xx, read whole)       exactly one row, its fields as sent
refused  (4xx)                   no row
busy     (503 + Retry-After)     sent again under the same id until it is ok
unknown  (reset, cut, time-out)  sent again under the same id until it is ok
closed   (no connection)         sent again under the same id until it is ok
error    (any other 5xx)         a fault; sent again all the same
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Table, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from crumby.database import async_url
from crumby.tables import events, visits

NEXT_OK_S = 30.0

Document = dict[str, str | int]
PAGE = ("cid", "doc_uri", "doc_title")
PAGE_KEYS = ("cid", "dl", "dt")
KEYS = {  # in the order of the columns that are read, behind the hit's id
    "visit": (*PAGE_KEYS, "ul", "sr", "sd", "de", "dr"),
    "event": (*PAGE_KEYS, "en", "ev"),
}
COLUMNS: dict[str, tuple[Table, tuple[str, ...]]] = {
    "visit": (visits, ("hit_id", *PAGE, "lang", "screen_res", "screen_depth", "doc_enc", "referrer")),
    "event": (events, ("hit_id", *PAGE, "name", "value")),
}
Rows = dict[str, list[tuple[object, ...]]]  # by kind


def new_hit(kind: str = "") -> Document:
    """One of three is an event, unless you say which kind."""
    number = secrets.randbelow(10_000)
    kind = kind or ("event" if number % 3 == 0 else "visit")
    document: Document = {
        "v": 2,
        "id": f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}",
        "t": kind,
        "cid": secrets.token_hex(8),
        "dl": f"https://example.com/{number}",
        "dt": f"Page {number}: „Ünïcode“ 🍪",
    }
    if kind == "event":
        return document | {"en": "bite", "ev": str(number)}
    return document | {
        "ul": "en-GB",
        "sr": "1920x1080",
        "sd": "24-bit",
        "de": "UTF-8",
        "dr": "https://example.org/",
    }


def expected_row(kind: str, document: Document) -> tuple[object, ...]:
    return (bytes.fromhex(str(document["id"])), *(document[key] for key in KEYS[kind]))


@dataclass(slots=True)
class Ledger:
    sent: dict[bytes, Document] = field(default_factory=dict)
    ok: set[bytes] = field(default_factory=set)
    refused: dict[bytes, int] = field(default_factory=dict)  # with what status
    outcomes: Counter[str] = field(default_factory=Counter)  # of attempts
    raced: int = 0  # of the unknown: an idle connection was closed while its next request was on the way
    seconds: list[float] = field(default_factory=list)  # that each answer took
    under_way: set[object] = field(default_factory=set)  # one an attempt

    def lost(self, stored: Iterable[bytes]) -> set[bytes]:
        return self.ok.difference(stored)

    def phantoms(self, stored: Iterable[bytes]) -> set[bytes]:
        """Rows of hits that nobody sent, or that were refused."""
        return set(stored).difference(self.sent) | self.refused.keys() & set(stored)

    def errors(self) -> dict[str, int]:
        return {outcome: count for outcome, count in self.outcomes.items() if outcome.startswith("error")}

    def percentile(self, share: float) -> float:
        return sorted(self.seconds)[int(share * (len(self.seconds) - 1))]

    async def next_ok(self, timeout_s: float = NEXT_OK_S, *, hits: int = 1) -> float:
        """Return when so many more hits have been acknowledged → the seconds that it took."""
        enough = self.outcomes["ok"] + hits
        started = time.monotonic()
        async with asyncio.timeout(timeout_s):
            while self.outcomes["ok"] < enough:  # noqa: ASYNC110 - an event a hit would cost more
                await asyncio.sleep(0.01)
        return time.monotonic() - started

    async def answered(self, timeout_s: float = NEXT_OK_S) -> None:
        """Return when every attempt that is under way has come to an end."""
        begun = frozenset(self.under_way)
        async with asyncio.timeout(timeout_s):
            while begun & self.under_way:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)


def duplicates(stored: Iterable[bytes]) -> set[bytes]:
    return {hit_id for hit_id, count in Counter(stored).items() if count > 1}


async def judge(url: str, ledger: Ledger) -> None:
    """Hold the ledger against the database at `url`, of any kind."""
    rows = await stored_rows(url)
    stored = [hit_id for kept in rows.values() for hit_id in _ids(kept)]
    faults = {
        "lost": len(ledger.lost(stored)),
        "duplicated": len(duplicates(stored)),
        "phantoms": len(ledger.phantoms(stored)),
        "refused": len(ledger.refused),
    }
    assert faults == dict.fromkeys(faults, 0), dict(ledger.outcomes)
    assert not ledger.errors(), dict(ledger.outcomes)
    for kind, kept in rows.items():
        wrong = [row for row, hit_id in zip(kept, _ids(kept), strict=True) if row != expected(kind, ledger, hit_id)]
        assert not wrong


def expected(kind: str, ledger: Ledger, hit_id: bytes) -> tuple[object, ...]:
    return expected_row(kind, ledger.sent[hit_id])


async def count(url: str) -> int:
    return sum(map(len, (await stored_rows(url)).values()))


async def stored_rows(url: str) -> Rows:
    engine = create_async_engine(async_url(url))
    try:
        async with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                assert (await connection.scalars(text("pragma integrity_check"))).all() == ["ok"]
            return {kind: await _rows(connection, table, columns) for kind, (table, columns) in COLUMNS.items()}
    finally:
        await engine.dispose()


async def _rows(connection: AsyncConnection, table: Table, columns: Iterable[str]) -> list[tuple[object, ...]]:
    found = await connection.execute(select(*(table.c[name] for name in columns)))
    return [tuple(row) for row in found]


def _ids(rows: Iterable[tuple[object, ...]]) -> list[bytes]:
    return [row[0] for row in rows if isinstance(row[0], bytes)]
