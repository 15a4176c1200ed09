"""The town of the benchmarks, four thousand pages and a name for everything that is a number.

Made once for `people.py`, whose dice decide. What is the same wherever a town lies is in `crumby.demo.town`.
"""

import random
from collections.abc import Iterator
from typing import Final

from crumby.demo.town import NOWHERE, TABLE_BITS, UNPLACED, Habits, Page, Place, Way, agents, spread, way

SITE: Final = "https://www.example.com"
HOME: Final = f"{SITE}/"
PAGES: Final = 4000
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


class Town(Habits):
    """All that there is to pick from, made once from the seed."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.agents = agents()
        self.places = spread(list(places(dice)))
        self.ways = spread(list(ways()))
        self.pages = [
            Page(f"Article {n}: what we learned - Example", f"{SITE}{path}", path, "example.com", HOME)
            for n, path in enumerate(paths())
        ]
        super().__init__(dice)
        self.actions = spread([((name, value), weight) for name, value, weight in ACTIONS])

    def page(self, _before: Page | None) -> Page:
        rank = int(self._dice.paretovariate(0.8)) - 1  # 43 % of the views are of the first; so it goes on
        return self.pages[rank if rank < PAGES else int(self._dice.random() * PAGES)]

    def action(self, _page: Page) -> tuple[str, str]:
        name, value = self.actions[self._dice.getrandbits(TABLE_BITS)]
        return name, value.format(int(self._dice.paretovariate(1.0)) % VALUES)


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
    yield way(HOME, "", ""), DIRECT_WEIGHT
    for referrer, weight in (*SEARCHES, *SOCIAL):
        yield way(HOME, referrer, ""), weight
    total = sum(1 / n for n in range(1, REFERRING_SITES + 1))
    for number in range(1, REFERRING_SITES + 1):
        yield way(HOME, f"https://site-{number}.example/links", ""), REFERRING_WEIGHT / number / total
    for pattern, many, weight in CAMPAIGNS:
        for number in range(many):
            yield way(HOME, "", f"?{pattern.format(number + 1)}"), weight / many
