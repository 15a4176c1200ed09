"""Made-up visitors, stored as Crumby stores them: by `place()`, in a batch's transaction."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from crumby.database import Database
from crumby.ingest.enrich import Engagement, Event, Visit
from crumby.ingest.store import ServerStore, SqliteStore

BEGIN = datetime(2026, 2, 20, 22, 0, 0)  # noqa: DTZ001 - UTC; a month and more before Europe's clocks change
PLACES = (("SE", "Skåne", "Malmö"), ("SE", "Skåne", "Lund"), ("GB", "England", "London"), ("JP", None, None))
BROWSERS = (("firefox", "140.0"), ("firefox", "141.0"), ("chrome", "140.0"), (None, None))
CAME = (
    ("Google", "Organic Search", None, None),
    (None, "Direct", None, None),
    ("newsletter", "Email", "newsletter", "Issue 7: %s"),
)
PAGES = ("/", "/a", "/b", "/ö/100%:x", None)


class People:
    """Some dozens, who come again and again, and seldom change."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.now = BEGIN
        self.hits: list[bytes] = []
        self._number = 0
        self._looks: dict[str, dict[str, Any]] = {}

    def batch(self, size: int) -> tuple[list[Visit], list[Event]]:
        """The next days' rows, in the order of their time."""
        visits: list[Visit] = []
        events: list[Event] = []
        while len(visits) < size:
            self.now += timedelta(minutes=self.random.choice((1, 20, 200, 700)), seconds=7.25)
            if self.random.random() < 0.1:  # just before midnight in Berlin, in winter
                self.now = max(self.now, self.now.replace(hour=22, minute=50))
            for act in self._session():
                (visits if isinstance(act, Visit) else events).append(act)  # type: ignore[arg-type]
        return visits, events

    def engagements(self, count: int) -> list[Engagement]:
        """Of pages that were viewed at any time; some say it twice, or less than before."""
        picked = self.random.sample(self.hits, min(count, len(self.hits)))
        told = [(hit, self.random.randrange(60), self.random.choice((5, 50, 90, 100))) for hit in picked]
        return [Engagement(hit, seconds, percent) for hit, seconds, percent in told]

    def _session(self) -> Iterator[Visit | Event]:
        cid = self.random.choice([f"visitor{number}" for number in range(24)] + ["", "null"])
        look = self._looks.setdefault(cid, self._look())
        if self.random.random() < 0.3:
            look |= self._look(self.random.choice(list(look)))
        came = self.random.choice(CAME)
        for _ in range(self.random.choice((1, 1, 2, 4))):
            yield self._visit(cid, look, came)
            if self.random.random() < 0.4:
                yield self._event(cid)
            self.now += timedelta(minutes=self.random.choice((0, 1, 25)), seconds=self.random.random())

    def _look(self, changing: str = "") -> dict[str, Any]:
        country, region, city = self.random.choice(PLACES)
        browser, version = self.random.choice(BROWSERS)
        look = {
            "country": country,
            "subdivision_1": region,
            "city": city,
            "browser": browser,
            "version": version,
            "lang": self.random.choice(("sv-SE", "en-GB")),
            "platform": self.random.choice(("linux", "iphone")),
            "device": self.random.choice(("desktop", "mobile")),
            "screen_res": self.random.choice(("1920x1080", "390x844", None)),
        }
        return {changing: look[changing]} if changing else look

    def _visit(self, cid: str, look: dict[str, Any], came: tuple[str | None, ...]) -> Visit:
        source, channel, utm_source, utm_campaign = came
        self.hits.append(self._hit_id())
        columns: dict[str, Any] = (
            dict.fromkeys(Visit.__struct_fields__[:25])
            | look
            | {
                "cid": cid,
                "datetime": self.now,
                "hit_id": self.hits[-1],
                "site": self.random.choice(("crumby.example", "crumby.example", "shop.example")),
                "page": self.random.choice(PAGES),
                "source": source,
                "channel": channel,
                "utm_source": utm_source,
                "utm_campaign": utm_campaign,
                "engaged": self.random.choice((None, 3, 40)),
                "scroll": self.random.choice((None, 20, 95)),
            }
        )
        return Visit(**columns)

    def _event(self, cid: str) -> Event:
        return Event(
            None,
            cid,
            self.now,
            None,
            None,
            self.random.choice(("download", "outbound", "n" * 250, None)),
            self.random.choice(("x", "y", "v" * 600, None)),
            self._hit_id(),
            "crumby.example",
            self.random.choice(PAGES),
        )

    def _hit_id(self) -> bytes:
        self._number += 1
        return self._number.to_bytes(16)


class Stored:
    """A database with people in it."""

    def __init__(self, database: Database, people: People) -> None:
        self.people = people
        path = database.sqlite_path
        self._store = SqliteStore(path) if path else ServerStore(database.hits)

    async def come(self, views: int) -> None:
        await self.store(*self.people.batch(views))

    async def store(self, visits: list[Visit], events: list[Event]) -> None:
        await self._store.insert(visits, events)

    async def tell(self, count: int) -> None:
        """What they say of pages that they have left. In a batch with nothing else."""
        for engagement in self.people.engagements(count):
            await self._store.insert([], [], [engagement])

    async def close(self) -> None:
        if isinstance(self._store, SqliteStore):
            await self._store.close()
