"""Visitors who do not exist, and what they do in eighteen months: the rows of `fill.py`, day by day.

What a visitor is (browser, device, screen, place, language) hangs together, and stays as it is but now and then: a
browser grows by a version a month, somebody travels, somebody buys a screen. Most come once, some come back for
months, and a few come hundreds of times. All of it hangs on the seed and the end alone.
"""

import math
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Final, NamedTuple

from benchmarks.town import PAGES, SITE, TABLE_BITS, UNTOLD, VALUES, Agent, Page, Place, Town
from crumby.dimensions.device import device
from crumby.ingest.enrich import Event, Visit

EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC throughout
MILLISECOND: Final = timedelta(milliseconds=1)

MONTHS: Final = 18
MONTH: Final = 30.44  # days
CAME_ONCE: Final = 2.5  # exponent of how often somebody comes: 82 % once, 1.3 times on average, a few hundreds of times
MOST_OFTEN: Final = 400
AGAIN_DAYS: Final = (1.0, 3.0, 12.0, 40.0)  # one of them is a visitor's own pace, on average, between two sessions
BOUNCE: Final = 0.5  # of the sessions have one page view; the others 4 on average, so that all have 2.5
MORE_VIEWS: Final = 1 / 2.5
NOBODY: Final = 0.004  # of the sessions are of browsers that keep no cookie, as 0.7.1's script named them
EVENTS: Final = 0.05  # of the page views have one
TOLD: Final = 0.9  # of the page views said how long they were looked at
TRAVELS: Final = 0.02  # of the sessions of who came before are in another place; so on
NEW_SCREEN: Final = 0.015
NEW_LANGUAGE: Final = 0.004
FOREIGN: Final = 0.12  # of the visitors have another language than their country's
BEHIND: Final = 0.15  # of the browsers are never updated

WEEKDAYS: Final = (1.05, 1.1, 1.1, 1.06, 0.98, 0.82, 0.89)
GROWTH: Final = 0.5  # more visits on the last day than on the first


@dataclass(slots=True)
class Person:
    cid: str
    ip: str
    agent: Agent
    screen: str
    device: str | None
    behind: int  # months that the browser's version is old; more than MONTHS: it stays what it is
    place: Place
    language: str
    left: int  # sessions to come
    pace: float  # days between them, on average


class Day(NamedTuple):
    visits: list[Visit]
    events: list[Event]
    gone: list[str]  # who does not come again


class People:
    """`count` visits until `until` (UTC), of eighteen months. Rows that `place` has still to stamp."""

    def __init__(self, count: int, until: datetime, seed: int = 1) -> None:
        self.count = count
        self.until = until
        self._dice = random.Random(seed)
        self._town = Town(self._dice)
        self._coming: defaultdict[int, list[Person]] = defaultdict(list)  # by the number of their day
        self._over: tuple[list[Visit], list[Event]] = ([], [])  # of sessions that go on after midnight

    def days(self) -> Iterator[Day]:
        """One day after the other; within a day in no order."""
        first = (self.until - timedelta(days=round(MONTHS * MONTH))).replace(hour=0, minute=0, second=0, microsecond=0)
        targets = list(shares(first, self.until, self.count))
        made, gone_before = 0, list[str]()
        for number, target in enumerate(targets):
            day = first + timedelta(days=number)
            visits, events, gone = self._day(number, day, target - made)
            if len(visits) > self.count - made:
                visits = sorted(visits, key=lambda visit: visit.datetime)[: self.count - made]
                events = [event for event in events if visits and event.datetime <= visits[-1].datetime]
            made += len(visits)
            yield Day(visits, events, gone_before)  # a session may go on after midnight
            gone_before = gone

    def _day(self, number: int, day: datetime, wanted: int) -> tuple[list[Visit], list[Event], list[str]]:
        visits, events = self._over
        self._over = ([], [])
        gone: list[str] = []
        back = self._coming.pop(number, [])
        end = min(day + timedelta(days=1), self.until)
        while len(visits) < wanted:
            person = back.pop() if back else self._somebody(number)
            self._session(person, day, end, (visits, events))
            person.left -= 1
            if person.left:
                again = number + 1 + int(self._dice.expovariate(1 / person.pace))
                self._coming[again].append(person)
            elif person.cid != "null":
                gone.append(person.cid)
        self._coming[number + 1] += back
        return visits, events, gone

    def _somebody(self, number: int) -> Person:
        dice, town = self._dice, self._town
        bits = dice.getrandbits
        agent = town.agents[bits(TABLE_BITS)]
        place = town.places[bits(TABLE_BITS)]
        screen = agent.screens[int(dice.random() ** 2 * len(agent.screens))]
        nobody = dice.random() < NOBODY
        return Person(
            cid="null" if nobody else f"{bits(64):016x}",
            ip=f"{11 + bits(6)}.{bits(8)}.{bits(8)}.{bits(8)}",
            agent=agent,
            screen=screen,
            device=device(agent.platform, screen),
            behind=number // 30 + MONTHS if dice.random() < BEHIND else bits(1),
            place=place,
            language=place.language if dice.random() > FOREIGN else town.places[bits(TABLE_BITS)].language,
            left=1 if nobody else min(MOST_OFTEN, int(dice.paretovariate(CAME_ONCE))),
            pace=AGAIN_DAYS[bits(2)],
        )

    def _change(self, person: Person) -> None:
        """What is now and then another than at the last session."""
        dice, town = self._dice, self._town
        if dice.random() < TRAVELS:
            person.place = town.places[dice.getrandbits(TABLE_BITS)]
        if dice.random() < NEW_SCREEN:
            person.screen = dice.choice(person.agent.screens)
        if dice.random() < NEW_LANGUAGE:
            person.language = town.places[dice.getrandbits(TABLE_BITS)].language

    def _session(self, person: Person, day: datetime, end: datetime, rows: tuple[list[Visit], list[Event]]) -> None:
        dice, town = self._dice, self._town
        roll, bits = dice.random, dice.getrandbits
        self._change(person)
        agent, way = person.agent, town.ways[bits(TABLE_BITS)]
        what = (agent.platform, agent.browser, self._version(person, day), person.screen, "24-bit")
        at = day + timedelta(seconds=town.hours[bits(TABLE_BITS)] * 3600 + roll() * 3600)
        views = 1 if roll() < BOUNCE else 2 + int(dice.expovariate(MORE_VIEWS))
        referrer, query, came = way
        for _ in range(views):
            title, uri, path = self._page()
            visits, events = rows if at < end else self._over
            if at >= self.until:
                return
            row: tuple[Any, ...] = (  # by place: by name it would take twice as long
                *(person.ip, person.cid, at, title, uri + query, "UTF-8", referrer, f"{SITE}/", *what),
                *(*person.place.where, person.language, person.language, self._hit_id(at), "example.com", path),
                *(None, None, None, None, *came, person.device),
                town.looked[bits(TABLE_BITS)] if roll() < TOLD else None,
                town.scrolled[bits(TABLE_BITS)],
            )
            visits.append(Visit(*row))
            if roll() < EVENTS:
                events.append(self._event(person, at + timedelta(seconds=roll() * 3), title, uri + query, path))
            at += timedelta(seconds=town.gaps[bits(TABLE_BITS)])
            referrer, query, came = uri, "", UNTOLD

    def _event(self, person: Person, at: datetime, title: str, uri: str, path: str) -> Event:
        name, value = self._town.actions[self._dice.getrandbits(TABLE_BITS)]
        number = int(self._dice.paretovariate(1.0)) % VALUES
        hit_id = self._hit_id(at)
        return Event(person.ip, person.cid, at, title, uri, name, value.format(number), hit_id, "example.com", path)

    def _page(self) -> Page:
        rank = int(self._dice.paretovariate(0.8)) - 1  # 43 % of the views are of the first; so it goes on
        return self._town.pages[rank if rank < PAGES else int(self._dice.random() * PAGES)]

    def _version(self, person: Person, day: datetime) -> str:
        agent = person.agent
        ago = (self.until - day).days / MONTH
        age = person.behind if person.behind > MONTHS else ago + person.behind
        version = agent.newest - age * agent.grows
        if agent.grows < 1:
            return f"{math.floor(version)}.{math.floor(version % 1 * 10)}"
        return f"{math.floor(version)}.0.0.0" if agent.browser != "firefox" else f"{math.floor(version)}.0"

    def _hit_id(self, at: datetime) -> bytes:
        return ((at - EPOCH) // MILLISECOND).to_bytes(6) + self._dice.randbytes(10)


def shares(first: datetime, until: datetime, count: int) -> Iterator[int]:
    """How many visits there are to be by the end of each day: more on a Tuesday than on a Sunday, and ever more."""
    days = (until - first).days + 1
    weights = [WEEKDAYS[(first + timedelta(days=n)).weekday()] * (1 + GROWTH * n / days) for n in range(days)]
    weights[-1] *= (until - first - timedelta(days=days - 1)) / timedelta(days=1)
    ends = list(accumulate(weights))
    yield from (round(count * end / ends[-1]) for end in ends)
