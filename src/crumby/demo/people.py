"""Visitors who do not exist, and what they do, day by day.

What a visitor is (browser, device, screen, place, language) hangs together, and stays as it is but now and then: a
browser grows by a version a month, somebody travels, somebody buys a screen. Most come once, some come back for
months, and a few come hundreds of times. All of it hangs on the seed and the end alone.
"""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Final, NamedTuple

from crumby.demo.town import TABLE_BITS, Agent, Page, Place, Town, untold
from crumby.dimensions.device import device
from crumby.ingest.enrich import Event, Visit

EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC throughout
MILLISECOND: Final = timedelta(milliseconds=1)

MONTH: Final = 30.44  # days
CAME_ONCE: Final = 2.5  # exponent of how often somebody comes: 82 % once, 1.3 times on average, a few hundreds of times
MOST_OFTEN: Final = 400
AGAIN_DAYS: Final = (1.0, 3.0, 12.0, 40.0)  # one of them is a visitor's own pace, on average, between two sessions
BOUNCE: Final = 0.5  # of the sessions have one page view; the others 4 on average, so that all have 2.5
MORE_VIEWS: Final = 1 / 2.5
NOBODY: Final = 0.004  # of the sessions are of browsers that keep no cookie, as 0.7.1's script named them
TOLD: Final = 0.9  # of the page views said how long they were looked at
TRAVELS: Final = 0.02  # of the sessions of who came before are in another place; so on
NEW_SCREEN: Final = 0.015
NEW_LANGUAGE: Final = 0.004
FOREIGN: Final = 0.12  # of the visitors have another language than their country's
BEHIND: Final = 0.15  # of the browsers are never updated

WEEKDAYS: Final = (1.05, 1.1, 1.1, 1.06, 0.98, 0.82, 0.89)
GROWTH: Final = 0.5  # more visits on the last day than on the first

Busy = Callable[[datetime], float]  # how much more, or less, there is to do on a day than on others
Rows = tuple[list[Visit], list[Event]]


@dataclass(slots=True)
class Person:
    cid: str
    ip: str
    agent: Agent
    screen: str
    device: str | None
    behind: int  # months that the browser's version is old; more than there are: it stays what it is
    place: Place
    language: str
    left: int  # sessions to come
    pace: float  # days between them, on average


class Day(NamedTuple):
    visits: list[Visit]
    events: list[Event]
    gone: list[str]  # who does not come again


class People:
    """`count` visits until `until` (UTC), of so many months. Rows that `place` has still to stamp."""

    def __init__(
        self,
        town: Callable[[random.Random], Town],
        count: int,
        until: datetime,
        *,
        months: int,
        seed: int = 1,
        busy: Busy = lambda _day: 1.0,
    ) -> None:
        self.count = count
        self.until = until
        self._months = months
        self._busy = busy
        self._dice = random.Random(seed)  # noqa: S311 - visitors, not secrets
        self._town = town(self._dice)
        self._coming: defaultdict[int, list[Person]] = defaultdict(list)  # by the number of their day
        self._over: Rows = ([], [])  # of sessions that go on after midnight

    def days(self) -> Iterator[Day]:
        """One day after the other; within a day in no order."""
        first = self.until - timedelta(days=round(self._months * MONTH))
        first = first.replace(hour=0, minute=0, second=0, microsecond=0)
        targets = list(shares(first, self.until, self.count, self._busy))
        made, gone_before = 0, list[str]()
        for number, target in enumerate(targets):
            day = first + timedelta(days=number)
            visits, events, gone = self._day(number, day, target - made)
            if len(visits) > self.count - made:
                visits, events = _earliest(visits, events, self.count - made)
            made += len(visits)
            yield Day(visits, events, gone_before)  # a session may go on after midnight
            gone_before = gone

    def lately(self, count: int, within: timedelta) -> Day:
        """`count` visits more, of new people who came just now."""
        visits: list[Visit] = []
        events: list[Event] = []
        while len(visits) < count:
            person = self._somebody(0)
            self._session(person, self.until - within * self._dice.random(), self.until, (visits, events))
        here = {visit.cid for visit in visits[:count]}
        return Day(visits[:count], [event for event in events if event.cid in here], [])

    def _day(self, number: int, day: datetime, wanted: int) -> tuple[list[Visit], list[Event], list[str]]:
        visits, events = self._over
        self._over = ([], [])
        gone: list[str] = []
        back = self._coming.pop(number, [])
        end = min(day + timedelta(days=1), self.until)
        while len(visits) < wanted:
            person = back.pop() if back else self._somebody(number)
            self._session(person, day, end, (visits, events), at_hours=True)
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
            behind=number // 30 + self._months if dice.random() < BEHIND else bits(1),
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

    def _session(self, person: Person, at: datetime, end: datetime, rows: Rows, *, at_hours: bool = False) -> None:
        """From `at` on; or, of a day, at one of its hours."""
        dice, town = self._dice, self._town
        roll, bits = dice.random, dice.getrandbits
        self._change(person)
        agent, way = person.agent, town.ways[bits(TABLE_BITS)]
        what = (agent.platform, agent.browser, self._version(person, at), person.screen, "24-bit")
        if at_hours:
            at += timedelta(seconds=town.hours[bits(TABLE_BITS)] * 3600 + roll() * 3600)
        views = 1 if roll() < BOUNCE else 2 + int(dice.expovariate(MORE_VIEWS))
        referrer, query, came = way
        page = None
        for _ in range(views):
            page = town.page(page)
            visits, events = rows if at < end else self._over
            if at >= self.until:
                return
            uri = page.uri + query
            row: tuple[Any, ...] = (  # by place: by name it would take twice as long
                *(person.ip, person.cid, at, page.title, uri, "UTF-8", referrer, page.home, *what),
                *(*person.place.where, person.language, person.language, self._hit_id(at), page.site, page.path),
                *(None, None, None, None, *came, person.device, page.tag),
                town.looked[bits(TABLE_BITS)] if roll() < TOLD else None,
                town.scrolled[bits(TABLE_BITS)],
            )
            visits.append(Visit(*row))
            if roll() < page.acts:
                events.append(self._event(person, at + timedelta(seconds=roll() * 3), page, uri))
            gap = timedelta(seconds=town.gaps[bits(TABLE_BITS)])
            if vitals := town.vitals():
                events.append(self._told(person, at + gap / 2, page, uri, "Web Vitals", None, vitals))
            at += gap
            referrer, query, came = page.uri, "", untold(page.home)

    def _event(self, person: Person, at: datetime, page: Page, uri: str) -> Event:
        name, value = self._town.action(page)
        return self._told(person, at, page, uri, name, value, self._town.told(name))

    def _told(
        self, person: Person, at: datetime, page: Page, uri: str, name: str, value: str | None, properties: str | None
    ) -> Event:
        what = (page.title, uri, name, value, self._hit_id(at), page.site, page.path, properties, page.tag)
        return Event(person.ip, person.cid, at, *what)

    def _version(self, person: Person, at: datetime) -> str:
        agent = person.agent
        ago = (self.until - at).days / MONTH
        age = person.behind if person.behind > self._months else ago + person.behind
        version = agent.newest - age * agent.grows
        if agent.grows < 1:
            return f"{math.floor(version)}.{math.floor(version % 1 * 10)}"
        return f"{math.floor(version)}.0.0.0" if agent.browser != "firefox" else f"{math.floor(version)}.0"

    def _hit_id(self, at: datetime) -> bytes:
        return ((at - EPOCH) // MILLISECOND).to_bytes(6) + self._dice.randbytes(10)


def _earliest(visits: list[Visit], events: list[Event], count: int) -> Rows:
    visits = sorted(visits, key=lambda visit: visit.datetime)[:count]
    return visits, [event for event in events if visits and event.datetime <= visits[-1].datetime]


def shares(first: datetime, until: datetime, count: int, busy: Busy = lambda _day: 1.0) -> Iterator[int]:
    """How many visits there are to be by the end of each day: more on a Tuesday than on a Sunday, and ever more."""
    days = (until - first).days + 1
    weights = [_weight(first + timedelta(days=n), n / days) * busy(first + timedelta(days=n)) for n in range(days)]
    weights[-1] *= (until - first - timedelta(days=days - 1)) / timedelta(days=1)
    ends = list(accumulate(weights))
    yield from (round(count * end / ends[-1]) for end in ends)


def _weight(day: datetime, along: float) -> float:
    return WEEKDAYS[day.weekday()] * (1 + GROWTH * along)
