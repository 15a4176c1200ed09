"""What there is to pick from wherever a town lies: browsers and screens, hours, the ways by which a session begins.

A table has an entry as often as its weight says, so that a pick is one index.
"""

import random
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from crumby.dimensions.address import parse_address
from crumby.dimensions.source import origin

T = TypeVar("T")

TABLE_BITS: Final = 11
TABLE: Final = 1 << TABLE_BITS  # entries of a table
UNPLACED: Final = 0.03  # of the addresses are in no City database
EVENTS: Final = 0.05  # of the page views have one
HOURS: Final = (9, 6, 5, 4, 4, 6, 11, 20, 33, 42, 46, 47, 44, 45, 46, 45, 43, 41, 42, 46, 47, 41, 29, 17)
# platform, browser, the newest version at the end, what it grows by in a month, weight, screens
AGENTS: Final = (
    ("windows", "chrome", 142, 1.0, 26, ("1920x1080", "1536x864", "1366x768", "2560x1440", "1280x720")),
    ("windows", "edge", 142, 1.0, 9, ("1920x1080", "1536x864", "2560x1440")),
    ("windows", "firefox", 145, 1.0, 4, ("1920x1080", "2560x1440", "1680x1050")),
    ("windows", "opera", 124, 0.8, 1, ("1920x1080", "1366x768")),
    ("macos", "safari", 26, 0.1, 8, ("1440x900", "1512x982", "1728x1117", "2560x1440")),
    ("macos", "chrome", 142, 1.0, 7, ("1440x900", "1512x982", "1920x1080")),
    ("macos", "firefox", 145, 1.0, 1, ("1440x900", "1920x1080")),
    ("linux", "firefox", 145, 1.0, 2, ("1920x1080", "2560x1440", "3840x2160")),
    ("linux", "chrome", 142, 1.0, 2, ("1920x1080", "2560x1440")),
    ("chromeos", "chrome", 142, 1.0, 1, ("1366x768", "1920x1080")),
    ("iphone", "safari", 26, 0.1, 18, ("390x844", "393x852", "375x812", "430x932", "402x874")),
    ("iphone", "chrome", 142, 1.0, 3, ("390x844", "393x852")),
    ("ipad", "safari", 26, 0.1, 2, ("820x1180", "768x1024", "834x1194")),
    ("android", "chrome", 142, 1.0, 17, ("412x915", "360x800", "393x873", "384x832", "412x892")),
    ("android", "samsung", 29, 0.2, 4, ("360x780", "412x915", "384x854")),
    ("android", "firefox", 145, 1.0, 1, ("412x915", "360x800")),
    ("android", "chrome", 142, 1.0, 1, ("800x1280", "1200x1920")),
)

Where = tuple[Any, ...]  # nine columns, from continent to time_zone
NOWHERE: Final[Where] = (None,) * 9
Came = tuple[Any, ...]  # source, channel and five tags


class Agent(NamedTuple):
    number: int
    platform: str
    browser: str
    newest: int
    grows: float  # versions a month
    screens: tuple[str, ...]


class Place(NamedTuple):
    where: Where
    language: str


class Way(NamedTuple):
    """How a session begins."""

    referrer: str
    query: str  # what its link has behind the page
    came: Came


class Page(NamedTuple):
    title: str
    uri: str
    path: str
    site: str  # as Crumby tells it: "example.com"
    home: str  # "https://www.example.com/"
    acts: float = EVENTS  # of its views have an event
    tag: str | None = None  # that its script says


class Town(Protocol):
    """All that there is to pick from. A table of `TABLE` entries is picked from by as many bits."""

    @property
    def agents(self) -> Sequence[Agent]: ...
    @property
    def places(self) -> Sequence[Place]: ...
    @property
    def ways(self) -> Sequence[Way]: ...
    @property
    def hours(self) -> Sequence[int]: ...
    @property
    def gaps(self) -> Sequence[float]:
        """Seconds between two page views."""

    @property
    def looked(self) -> Sequence[int]:
        """Seconds."""

    @property
    def scrolled(self) -> Sequence[int]:
        """Percent."""

    def page(self, before: Page | None, /) -> Page:
        """The next page of a session."""

    def action(self, page: Page, /) -> tuple[str, str]:
        """An event of that page: its name and value."""

    def told(self, name: str, /) -> str | None:
        """The properties of an event of that name, as JSON."""

    def vitals(self) -> str | None:
        """How fast a page was, as an event's properties; None where nobody measured."""


class Habits:
    """How long people look, and how far: the tables that every town has."""

    def __init__(self, dice: random.Random) -> None:
        self.hours = spread([(hour, weight) for hour, weight in enumerate(HOURS)])
        self.gaps = [min(1700.0, 3.0 + dice.lognormvariate(3.6, 1.1)) for _ in range(TABLE)]
        self.looked = [min(900, int(dice.lognormvariate(3.0, 1.2))) for _ in range(TABLE)]
        self.scrolled = [min(100, 15 + int(dice.expovariate(1 / 45))) for _ in range(TABLE)]

    def told(self, _name: str) -> str | None:
        return None

    def vitals(self) -> str | None:
        return None


def agents() -> tuple[Agent, ...]:
    return spread([(Agent(n, *a[:4], a[5]), a[4]) for n, a in enumerate(AGENTS)])


def spread(choices: Sequence[tuple[T, float]]) -> tuple[T, ...]:
    """A table in which each choice stands as often as its weight says, and at least once."""
    ends = list(accumulate(weight for _, weight in choices))
    table: list[T] = []
    for (choice, _), end in zip(choices, ends, strict=True):
        table += [choice] * max(1, round(TABLE * end / ends[-1]) - len(table))
    return tuple(table[:TABLE])


def way(home: str, referrer: str, query: str) -> Way:
    address = parse_address(home + query)
    return Way(referrer, query, (*origin(referrer, address), *address[2:7]))


@cache
def untold(home: str) -> Came:
    """Of a page view whose referrer is the site itself."""
    return way(home, home, "").came
