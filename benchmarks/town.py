"""What there is to pick from: browsers and screens, places, pages, ways to come, and how often each is picked.

Made once for `people.py`, whose dice decide. A table has an entry as often as its weight says, so that a pick is one
index.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple, TypeVar

from crumby.dimensions.address import parse_address
from crumby.dimensions.source import origin

T = TypeVar("T")

TABLE_BITS: Final = 11
TABLE: Final = 1 << TABLE_BITS  # entries of a table
SITE: Final = "https://www.example.com"
PAGES: Final = 4000
UNPLACED: Final = 0.03  # of the addresses are in no City database
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
# country, continent, language, time zone, regions, weight
COUNTRIES: Final = (
    ("US", "NA", "en-US", "America/New_York", 40, 260),
    ("GB", "EU", "en-GB", "Europe/London", 12, 120),
    ("DE", "EU", "de-DE", "Europe/Berlin", 16, 110),
    ("FR", "EU", "fr-FR", "Europe/Paris", 13, 60),
    ("IN", "AS", "en-IN", "Asia/Kolkata", 20, 60),
    ("CA", "NA", "en-CA", "America/Toronto", 10, 45),
    ("BR", "SA", "pt-BR", "America/Sao_Paulo", 20, 40),
    ("NL", "EU", "nl-NL", "Europe/Amsterdam", 12, 35),
    ("JP", "AS", "ja-JP", "Asia/Tokyo", 25, 35),
    ("ES", "EU", "es-ES", "Europe/Madrid", 15, 32),
    ("SE", "EU", "sv-SE", "Europe/Stockholm", 14, 30),
    ("IT", "EU", "it-IT", "Europe/Rome", 15, 28),
    ("PL", "EU", "pl-PL", "Europe/Warsaw", 14, 25),
    ("AU", "OC", "en-AU", "Australia/Sydney", 7, 24),
    ("CH", "EU", "de-CH", "Europe/Zurich", 18, 20),
    ("MX", "NA", "es-MX", "America/Mexico_City", 20, 16),
    ("AT", "EU", "de-AT", "Europe/Vienna", 9, 14),
    ("CZ", "EU", "cs-CZ", "Europe/Prague", 10, 10),
    ("KR", "AS", "ko-KR", "Asia/Seoul", 12, 10),
    ("TR", "AS", "tr-TR", "Europe/Istanbul", 20, 9),
    ("ID", "AS", "id-ID", "Asia/Jakarta", 15, 8),
    ("ZA", "AF", "en-ZA", "Africa/Johannesburg", 9, 6),
    ("AR", "SA", "es-AR", "America/Argentina/Buenos_Aires", 12, 6),
    ("NG", "AF", "en-NG", "Africa/Lagos", 12, 4),
    ("NZ", "OC", "en-NZ", "Pacific/Auckland", 8, 4),
)
SEARCHES: Final = (("https://www.google.com/", 36), ("https://www.bing.com/", 5), ("https://duckduckgo.com/", 4))
SOCIAL: Final = (
    ("https://www.facebook.com/", 4),
    ("https://www.reddit.com/", 3),
    ("https://t.co/x", 2),
    ("https://www.linkedin.com/", 2),
    ("https://www.youtube.com/", 1),
    ("https://chatgpt.com/", 2),
)
CAMPAIGNS: Final = (
    ("utm_source=newsletter&utm_medium=email&utm_campaign=issue-{}", 24, 5),
    ("utm_source=google&utm_medium=cpc&utm_campaign=brand-{}&utm_term=crumbs&utm_content=a", 12, 4),
    ("utm_source=facebook&utm_medium=paid_social&utm_campaign=spring-{}", 8, 2),
)
DIRECT_WEIGHT: Final = 22
REFERRING_SITES: Final = 300
REFERRING_WEIGHT: Final = 12
ACTIONS: Final = (  # an event's name, its value, weight
    ("outbound", "https://elsewhere.example/{}", 40),
    ("download", "https://www.example.com/files/paper-{}.pdf", 20),
    ("404", "", 12),
    ("search", "words {}", 12),
    ("signup", "plan {}", 6),
    ("play", "film {}", 10),
)
VALUES: Final = 60  # of one event

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


def spread(choices: Sequence[tuple[T, float]]) -> tuple[T, ...]:
    """A table in which each choice stands as often as its weight says, and at least once."""
    ends = list(accumulate(weight for _, weight in choices))
    table: list[T] = []
    for (choice, _), end in zip(choices, ends, strict=True):
        table += [choice] * max(1, round(TABLE * end / ends[-1]) - len(table))
    return tuple(table[:TABLE])


class Town:
    """All that there is to pick from, made once from the seed."""

    def __init__(self, dice: random.Random) -> None:
        self.agents = spread([(Agent(n, *a[:4], a[5]), a[4]) for n, a in enumerate(AGENTS)])
        self.places = spread(list(places(dice)))
        self.ways = spread(list(ways()))
        self.pages = [Page(f"Article {n}: what we learned - Example", f"{SITE}{p}", p) for n, p in enumerate(paths())]
        self.hours = spread([(hour, weight) for hour, weight in enumerate(HOURS)])
        self.gaps = [min(1700.0, 3.0 + dice.lognormvariate(3.6, 1.1)) for _ in range(TABLE)]
        self.looked = [min(900, int(dice.lognormvariate(3.0, 1.2))) for _ in range(TABLE)]
        self.scrolled = [min(100, 15 + int(dice.expovariate(1 / 45))) for _ in range(TABLE)]
        self.actions = spread([((name, value), weight) for name, value, weight in ACTIONS])


def paths() -> Iterator[str]:
    yield "/"
    for number in range(1, PAGES):
        yield f"/{('blog', 'docs', 'shop', 'help')[number % 4]}/article-{number}"


def places(dice: random.Random) -> Iterator[tuple[Place, float]]:
    """Cities of a Pareto law: a region's first is its largest."""
    yield Place(NOWHERE, "en-US"), UNPLACED * sum(country[-1] for country in COUNTRIES)
    for country, continent, language, zone, regions, weight in COUNTRIES:
        for region in range(1, regions + 1):
            for city in range(1, 4):
                share = weight / region / city**2 / sum(1 / n for n in range(1, regions + 1)) / (1 + 1 / 4 + 1 / 9)
                spot = (round(dice.uniform(-40, 60), 4), round(dice.uniform(-120, 140), 4))
                names = (f"Region {region} of {country}", None, f"Town {region}-{city} of {country}")
                yield Place((continent, country, *names, *spot, dice.choice((5, 20, 100)), zone), language), share


def ways() -> Iterator[tuple[Way, float]]:
    yield way("", ""), DIRECT_WEIGHT
    for referrer, weight in (*SEARCHES, *SOCIAL):
        yield way(referrer, ""), weight
    total = sum(1 / n for n in range(1, REFERRING_SITES + 1))
    for number in range(1, REFERRING_SITES + 1):
        yield way(f"https://site-{number}.example/links", ""), REFERRING_WEIGHT / number / total
    for pattern, many, weight in CAMPAIGNS:
        for number in range(many):
            yield way("", f"?{pattern.format(number + 1)}"), weight / many


def way(referrer: str, query: str) -> Way:
    address = parse_address(f"{SITE}/{query}")
    return Way(referrer, query, (*origin(referrer, address), *address[2:7]))


UNTOLD: Final[Came] = way(f"{SITE}/", "").came  # of a page view whose referrer is the site
