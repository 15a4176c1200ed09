"""A day as another program had counted it becomes rows of `totals`.

Of a rollup and a key of it, such as the pages and "/blog", the day had

    visitors   it is not told who they were, nor whether they were new: UNKNOWN_DAY
    views      page views
    sessions   and their bounces and seconds, how long they lasted in all; of a page or an entry, those that began there
    engaged    seconds in which a page was seen, by the `told` views of which somebody told
    exits      sessions that ended there
    events     in place of views

A visitor counts once a day: whoever came on two days is two. Where bounces or seconds are not told (None) and the
rollup has them, its sessions are left out, for a rate would be made of them: 100 % bounces, 0 seconds.
"""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from crumby.importing.importer import AFTER, BEFORE
from crumby.importing.item import UNKNOWN_DAY, Total
from crumby.importing.source import Wanted

BOUNCES: Final = ("views", "sessions", "second_views", "seconds")
SUMS: Final[Mapping[str, tuple[str, ...]]] = {  # of the rollups' files, those that another program can tell
    **dict.fromkeys(("browsers", "cities", "countries", "devices", "hours", "languages"), ("views", "sessions")),
    **dict.fromkeys(("platforms", "regions", "screens", "sites", "versions"), ("views", "sessions")),
    **dict.fromkeys(("campaigns", "channels", "entries", "sources"), BOUNCES),
    **dict.fromkeys(("event_pages", "event_values", "events"), ("events",)),
    "exits": ("exits", "in_session"),
    "pages": ("views", "entries", "second_views", "engaged", "told"),
    "totals": (*BOUNCES, "in_session"),
}
UNCOUNTED: Final = frozenset({"exits", "hours"})  # visitors are not to be had from them
AMOUNTS: Final = ("visitors", "views", "sessions", "bounces", "seconds", "engaged", "told", "exits", "events")

FORMATS: Final = ("%Y-%m-%d", "%Y%m%d", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%Y/%m/%d")
DAY_LENGTH: Final = 10  # characters of 2026-01-31, behind which a time may stand
NOTHING: Final = frozenset({"", "\\N", "-", "null"})  # ClickHouse's null among them
MOST: Final = 1 << 50  # of an amount
SIXTY: Final = 60
PERCENT: Final = 100
AT_ONCE: Final = 1000
REMEMBERED: Final = 1024  # days as they are written
INSTANT: Final = timedelta(microseconds=1)
LAST: Final = 99991231

Keys = tuple[str | int, ...]

_decode: Final = msgspec.json.Decoder(list[str | int]).decode


def totals_of(
    rollup: str,
    day: int,
    keys: Keys,
    *,
    visitors: int = 0,
    views: int = 0,
    sessions: int = 0,
    bounces: int | None = 0,
    seconds: int | None = 0,
    engaged: int = 0,
    told: int = 0,
    exits: int = 0,
    events: int = 0,
) -> Iterator[Total]:
    """Two of them at the most: visitors, with a view each, and the rest. Amounts below 0 are 0."""
    names = SUMS[rollup]
    if ("second_views" in names and bounces is None) or ("seconds" in names and seconds is None):
        sessions = bounces = seconds = 0
    found = {
        "views": views,
        "sessions": sessions,
        "entries": sessions,
        "second_views": sessions - (bounces or 0),
        "seconds": seconds or 0,
        "in_session": views if sessions or rollup == "exits" else 0,
        "engaged": engaged,
        "told": told,
        "exits": exits,
        "events": events,
    }
    sums = {name: max(0, found[name]) for name in names}
    if rollup not in UNCOUNTED:
        counted = names[0]
        people = max(0, min(visitors, sums[counted]))
        if people:
            yield Total(rollup, day, UNKNOWN_DAY, keys, {counted: people})
        sums[counted] -= people
    rest = {name: amount for name, amount in sums.items() if amount}
    if rest:
        yield Total(rollup, day, day, keys, rest)


class Days:
    """Adds up what several records say of the same day and key, on the disk, whatever their order and number."""

    def __init__(self, wanted: Wanted) -> None:
        self._first = _number(wanted.since, wanted.zone) if wanted.since else 0
        self._last = _number(wanted.until - INSTANT, wanted.zone) if wanted.until else LAST
        self._file = tempfile.NamedTemporaryFile(prefix="crumby-days-")  # noqa: SIM115 - gone when we are
        self._sums = sqlite3.connect(self._file.name, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = off", "synchronous = off", "temp_store = file"):
            self._sums.execute(f"pragma {pragma}").close()
        columns = ", ".join(f"{name} integer" for name in AMOUNTS)
        key = "rollup text, day integer, keys text"
        self._sums.execute(f"create table days ({key}, {columns}, primary key (rollup, day, keys)) without rowid")
        adding = ", ".join(f"{name} = {name} + excluded.{name}" for name in AMOUNTS)  # null, once one is
        values = ", ".join("?" * (3 + len(AMOUNTS)))
        self._add = f"insert into days values ({values}) on conflict do update set {adding}"  # noqa: S608 - our own names
        self._waiting: list[tuple[str | int | None, ...]] = []
        self._whose: dict[tuple[str, int], str] = {}

    def outside(self, day: int) -> str | None:
        """Why it is not wanted; None of a day that is."""
        return BEFORE if day < self._first else AFTER if day > self._last else None

    def is_of(self, rollup: str, day: int, who: str) -> bool:
        """Whoever says so first: of two reports of the same thing, the days of one count."""
        return self._whose.setdefault((rollup, day), who) == who

    def add(self, rollup: str, day: int, keys: Keys, **amounts: int | None) -> None:
        """Amounts by the names of AMOUNTS."""
        written = msgspec.json.encode(keys).decode()
        self._waiting.append((rollup, day, written, *(amounts.get(name, 0) for name in AMOUNTS)))
        if len(self._waiting) >= AT_ONCE:
            self._write()

    def amounts(self, rollup: str) -> Iterator[tuple[int, Keys, dict[str, int | None]]]:
        """What was added so far, by day and key."""
        self._write()
        columns = ", ".join(AMOUNTS)
        rows = self._sums.execute(f"select day, keys, {columns} from days where rollup = ? order by day", (rollup,))  # noqa: S608 - our own names
        while some := list(islice(rows, AT_ONCE)):
            for day, keys, *amounts in some:
                yield day, tuple(_decode(keys)), dict(zip(AMOUNTS, amounts, strict=True))

    def totals(self, but: Iterable[str] = ()) -> Iterator[Total]:
        for rollup in SUMS.keys() - set(but):
            for day, keys, amounts in self.amounts(rollup):
                yield from totals_of(rollup, day, keys, **amounts)  # type: ignore[arg-type]

    def close(self) -> None:
        self._sums.close()
        self._file.close()

    def _write(self) -> None:
        self._sums.execute("begin")
        self._sums.executemany(self._add, self._waiting)
        self._sums.execute("commit")
        self._waiting.clear()


def _number(at: datetime, zone: ZoneInfo) -> int:
    """Of the day on which it is in the zone; `at` in UTC."""
    day = at.replace(tzinfo=UTC).astimezone(zone)
    return day.year * 10_000 + day.month * 100 + day.day


@lru_cache(maxsize=REMEMBERED)
def day_of(text: str) -> int | None:
    """`2026-01-31`, with a time behind it or none, `20260131`, `Jan 31, 2026` → 20260131."""
    text = text.strip()
    if text[4:5] == "-" and text[DAY_LENGTH : DAY_LENGTH + 1] in {" ", "T"}:
        text = text[:DAY_LENGTH]
    for form in FORMATS:
        try:
            found = datetime.strptime(text, form)  # noqa: DTZ007 - a day
        except ValueError:
            continue
        return found.year * 10_000 + found.month * 100 + found.day
    return None


def amount(text: str | None) -> int:
    """`1,234`, `12.0`; 0 for nothing. Raises ValueError for what is no number, or none of things."""
    if text is None or text.strip() in NOTHING:
        return 0
    found = float(text.replace(",", "").replace(" ", ""))
    if not 0 <= found <= MOST:
        raise ValueError(text)
    return round(found)


def seconds_of(text: str | None) -> float:
    """`63.5`, `1:03`, `00:01:03`, `1m 03s`. Raises ValueError."""
    if text is None or text.strip() in NOTHING:
        return 0.0
    low = text.strip().lower()
    if low.endswith(("s", "m", "h")):
        found = sum(float(part[:-1]) * {"s": 1, "m": 60, "h": 3600}[part[-1]] for part in low.split())
    else:
        found = 0.0
        for part in low.split(":"):
            found = found * SIXTY + float(part.replace(",", ""))
    if not 0 <= found <= MOST:
        raise ValueError(text)
    return found


def share_of(text: str | None) -> float:
    """`0.42`, `42%`, `42.0` → 0.42. Raises ValueError."""
    if text is None or text.strip() in NOTHING:
        return 0.0
    digits = text.strip().removesuffix("%").strip()
    found = float(digits)
    if digits != text.strip() or found > 1:
        found /= PERCENT
    if not 0 <= found <= 1:
        raise ValueError(text)
    return found
