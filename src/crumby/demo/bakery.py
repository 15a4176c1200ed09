"""A bakery that does not exist: its shop, its recipes and its school, and who finds the way there.

Cities are real, and so are the searches and networks that people come by. Sites are of names that nobody can own.
"""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from crumby.demo.people import Busy
from crumby.demo.town import NOWHERE, TABLE_BITS, UNPLACED, Habits, Page, Place, Way, agents, spread, way
from crumby.ingest.properties import properties

SEASONS: Final = (1.05, 0.98, 0.96, 0.98, 0.93, 0.88, 0.82, 0.86, 0.98, 1.05, 1.15, 1.35)  # by month
TALKED_ABOUT: Final = 1 / 60  # of the days
MEASURED: Final = 0.2  # of the page views are told how fast they were
ALIKE: Final = 0.85  # of the page views after the first are of the same site

# country, continent, language, time zone, weight; and its cities: region, city, latitude, longitude, weight
COUNTRIES: Final = (
    ("US", "NA", "en-US", "America/New_York", 240, (
        ("New York", "New York City", 40.71, -74.01, 9), ("California", "Los Angeles", 34.05, -118.24, 6),
        ("California", "San Francisco", 37.77, -122.42, 4), ("Illinois", "Chicago", 41.88, -87.63, 4),
        ("Texas", "Austin", 30.27, -97.74, 3), ("Washington", "Seattle", 47.61, -122.33, 3),
        ("Massachusetts", "Boston", 42.36, -71.06, 2), ("Oregon", "Portland", 45.52, -122.68, 2),
    )),
    ("GB", "EU", "en-GB", "Europe/London", 150, (
        ("England", "London", 51.51, -0.13, 9), ("England", "Manchester", 53.48, -2.24, 3),
        ("England", "Bristol", 51.45, -2.59, 2), ("Scotland", "Edinburgh", 55.95, -3.19, 2),
        ("Wales", "Cardiff", 51.48, -3.18, 1),
    )),
    ("DE", "EU", "de-DE", "Europe/Berlin", 120, (
        ("Land Berlin", "Berlin", 52.52, 13.41, 6), ("Bavaria", "Munich", 48.14, 11.58, 4),
        ("Free and Hanseatic City of Hamburg", "Hamburg", 53.55, 9.99, 4),
        ("North Rhine-Westphalia", "Cologne", 50.94, 6.96, 3), ("Saxony", "Leipzig", 51.34, 12.37, 2),
    )),
    ("SE", "EU", "sv-SE", "Europe/Stockholm", 80, (
        ("Stockholm County", "Stockholm", 59.33, 18.07, 6), ("Västra Götaland County", "Gothenburg", 57.71, 11.97, 3),
        ("Östergötland County", "Linköping", 58.41, 15.62, 2), ("Skåne County", "Malmö", 55.61, 13.0, 2),
    )),
    ("FR", "EU", "fr-FR", "Europe/Paris", 70, (
        ("Île-de-France", "Paris", 48.86, 2.35, 6), ("Auvergne-Rhône-Alpes", "Lyon", 45.76, 4.84, 2),
        ("Occitanie", "Toulouse", 43.6, 1.44, 1),
    )),
    ("NL", "EU", "nl-NL", "Europe/Amsterdam", 45, (
        ("North Holland", "Amsterdam", 52.37, 4.9, 3), ("South Holland", "Rotterdam", 51.92, 4.48, 2),
        ("Utrecht", "Utrecht", 52.09, 5.12, 1),
    )),
    ("CA", "NA", "en-CA", "America/Toronto", 45, (
        ("Ontario", "Toronto", 43.65, -79.38, 3), ("Quebec", "Montreal", 45.5, -73.57, 2),
        ("British Columbia", "Vancouver", 49.28, -123.12, 2),
    )),
    ("IN", "AS", "en-IN", "Asia/Kolkata", 45, (
        ("Karnataka", "Bengaluru", 12.97, 77.59, 3), ("Maharashtra", "Mumbai", 19.08, 72.88, 3),
        ("Delhi", "New Delhi", 28.61, 77.21, 2),
    )),
    ("JP", "AS", "ja-JP", "Asia/Tokyo", 36, (
        ("Tokyo", "Tokyo", 35.68, 139.69, 4), ("Osaka", "Osaka", 34.69, 135.5, 2), ("Kyoto", "Kyoto", 35.01, 135.77, 1),
    )),
    ("AU", "OC", "en-AU", "Australia/Sydney", 30, (
        ("New South Wales", "Sydney", -33.87, 151.21, 3), ("Victoria", "Melbourne", -37.81, 144.96, 3),
    )),
    ("ES", "EU", "es-ES", "Europe/Madrid", 30, (
        ("Madrid", "Madrid", 40.42, -3.7, 3), ("Catalonia", "Barcelona", 41.39, 2.17, 3),
    )),
    ("IT", "EU", "it-IT", "Europe/Rome", 28, (("Lazio", "Rome", 41.9, 12.5, 3), ("Lombardy", "Milan", 45.46, 9.19, 3))),
    ("BR", "SA", "pt-BR", "America/Sao_Paulo", 26, (
        ("São Paulo", "São Paulo", -23.55, -46.63, 3), ("Rio de Janeiro", "Rio de Janeiro", -22.91, -43.17, 2),
    )),
    ("DK", "EU", "da-DK", "Europe/Copenhagen", 24, (("Capital Region", "Copenhagen", 55.68, 12.57, 1),)),
    ("CH", "EU", "de-CH", "Europe/Zurich", 22, (
        ("Zurich", "Zürich", 47.37, 8.54, 2), ("Vaud", "Lausanne", 46.52, 6.63, 1),
    )),
    ("AT", "EU", "de-AT", "Europe/Vienna", 20, (
        ("Vienna", "Vienna", 48.21, 16.37, 2), ("Tyrol", "Innsbruck", 47.27, 11.4, 1),
    )),
    ("PL", "EU", "pl-PL", "Europe/Warsaw", 18, (("Mazovia", "Warsaw", 52.23, 21.01, 1),)),
    ("NO", "EU", "nb-NO", "Europe/Oslo", 16, (("Oslo County", "Oslo", 59.91, 10.75, 1),)),
    ("MX", "NA", "es-MX", "America/Mexico_City", 14, (("Mexico City", "Mexico City", 19.43, -99.13, 1),)),
    ("KR", "AS", "ko-KR", "Asia/Seoul", 10, (("Seoul", "Seoul", 37.57, 126.98, 1),)),
    ("ZA", "AF", "en-ZA", "Africa/Johannesburg", 8, (("Western Cape", "Cape Town", -33.92, 18.42, 1),)),
    ("AR", "SA", "es-AR", "America/Argentina/Buenos_Aires", 7, (
        ("Buenos Aires F.D.", "Buenos Aires", -34.6, -58.38, 1),
    )),
    ("KE", "AF", "en-KE", "Africa/Nairobi", 4, (("Nairobi County", "Nairobi", -1.29, 36.82, 1),)),
    ("NZ", "OC", "en-NZ", "Pacific/Auckland", 4, (("Auckland", "Auckland", -36.85, 174.76, 1),)),
)  # fmt: skip
REFERRERS: Final = (
    ("https://www.google.com/", 34),
    ("https://www.bing.com/", 4),
    ("https://duckduckgo.com/", 5),
    ("https://www.ecosia.org/", 2),
    ("https://www.reddit.com/", 5),
    ("https://www.instagram.com/", 5),
    ("https://www.pinterest.com/", 4),
    ("https://www.facebook.com/", 3),
    ("https://www.youtube.com/", 2),
    ("https://mastodon.social/", 1),
    ("https://bsky.app/", 1),
    ("https://news.ycombinator.com/", 2),
    ("https://chatgpt.com/", 3),
    ("https://www.perplexity.ai/", 1),
    ("https://the-loaf-journal.example/best-of", 3),
    ("https://slowfood.example/directory", 2),
    ("https://flour.example/where-to-buy", 2),
    ("https://kitchen-talk.example/t/4711", 1),
    ("https://weekend-walks.example/north-quay", 1),
)
CAMPAIGNS: Final = (  # of links, and how many of a kind there are; weight
    ("utm_source=newsletter&utm_medium=email&utm_campaign=sunday-letter-{}", 12, 6),
    ("utm_source=google&utm_medium=cpc&utm_campaign=bread-by-post&utm_term=sourdough+delivery&utm_content={}", 2, 4),
    ("utm_source=instagram&utm_medium=paid_social&utm_campaign=winter-school&utm_content=film-{}", 3, 3),
    ("utm_source=the-loaf-journal.example&utm_medium=display&utm_campaign=summer-tin-{}", 2, 1),
)
DIRECT_WEIGHT: Final = 24


class Act(NamedTuple):
    """An event of a page."""

    name: str
    value: str
    weight: float = 1


class Site(NamedTuple):
    name: str
    host: str
    pages: Sequence[tuple[str, str, float, float, Sequence[Act]]]  # path, title, weight, share with an event, events
    tag: str | None = None


BASKET: Final = (
    Act("basket", "country loaf", 5),
    Act("basket", "rye, sliced", 3),
    Act("basket", "a tin of twelve", 4),
    Act("order", "bread by post", 2),
    Act("order", "a tin of twelve", 2),
)
READ: Final = (
    Act("print", "recipe", 2),
    Act("download", "https://recipes.bakery.example/files/{}.pdf", 3),
    Act("outbound", "https://flour.example/stone-ground", 2),
    Act("outbound", "https://the-loaf-journal.example/scales", 1),
    Act("newsletter", "below a recipe", 1),
)
LOST: Final = (Act("404", ""),)
TOLD: Final = {  # what some events are told with, and how often
    "basket": (({"wrapped": False, "pieces": 1}, 6), ({"wrapped": True, "pieces": 1}, 2), ({"pieces": 12}, 1)),
    "order": (({"paid by": "card", "first": True}, 4), ({"paid by": "card"}, 3), ({"paid by": "invoice"}, 1)),
    "signup": (({"term": "winter"}, 3), ({"term": "spring"}, 2)),
}
SITES: Final = (
    Site("Crumb & Daughters", "bakery.example", (
        ("/", "Bread by post, and from the North Quay", 30, 0.03, (Act("newsletter", "front page"),)),
        ("/shop", "The shop", 14, 0.12, (Act("search", "rye"), Act("search", "gluten free"), Act("search", "gift"))),
        ("/shop/country-loaf", "Country loaf", 12, 0.3, BASKET),
        ("/shop/rye", "Dark rye", 7, 0.25, BASKET),
        ("/shop/tin-of-twelve", "A tin of twelve biscuits", 9, 0.3, BASKET),
        ("/shop/cinnamon-knots", "Cinnamon knots", 6, 0.2, BASKET),
        ("/shop/basket", "Your basket", 7, 0.4, (Act("order", "bread by post"), Act("order", "a tin of twelve"))),
        ("/shop/thanks", "Thank you", 3, 0.1, (Act("newsletter", "after an order"),)),
        ("/visit", "Where we bake", 6, 0.3, (Act("outbound", "https://maps.example/north-quay"),)),
        ("/about", "Three generations of crumbs", 4, 0.05, (Act("outbound", "https://slowfood.example/directory"),)),
        ("/jobs", "Work the night with us", 2, 0.2, (Act("download", "https://bakery.example/files/jobs.pdf"),)),
        ("/menu-2019", "Nothing here but crumbs", 1, 1.0, LOST),
        ("/shop/panettone", "Nothing here but crumbs", 1, 1.0, LOST),
    )),
    Site("Recipes", "recipes.bakery.example", (
        ("/", "Recipes for one oven", 10, 0.06, (Act("search", "starter"), Act("search", "no knead"))),
        ("/sourdough-in-four-days", "Sourdough in four days", 22, 0.18, READ),
        ("/feeding-a-starter", "Feeding a starter", 14, 0.12, READ),
        ("/no-knead-loaf", "No-knead loaf", 12, 0.18, READ),
        ("/rye-crispbread", "Rye crispbread", 7, 0.18, READ),
        ("/cardamom-buns", "Cardamom buns", 9, 0.18, READ),
        ("/what-went-wrong", "What went wrong with my loaf?", 8, 0.05, READ),
        ("/stale-bread", "Nine things to do with stale bread", 6, 0.1, READ),
        ("/flour-by-number", "Flour by number", 4, 0.1, READ),
        ("/sourdough-in-3-days", "Nothing here but crumbs", 1, 1.0, LOST),
    ), "new-ovens"),
    Site("School", "school.bakery.example", (
        ("/", "Learn to bake", 8, 0.04, (Act("play", "a morning at school"),)),
        ("/courses", "Courses this season", 6, 0.06, (Act("search", "weekend"),)),
        ("/courses/first-loaf", "Your first loaf", 5, 0.3, (Act("signup", "first loaf", 2), Act("play", "first loaf"))),
        ("/courses/croissants", "Croissants in a weekend", 4, 0.3, (
            Act("signup", "croissants", 2), Act("play", "butter"),
        )),
        ("/teachers", "Who teaches", 2, 0.02, (Act("outbound", "https://the-loaf-journal.example/people"),)),
        ("/gift-card", "A course as a gift", 2, 0.2, (Act("order", "gift card"),)),
    ), "winter-term"),
)  # fmt: skip


class Bakery(Habits):
    """All that there is to pick from, made once from the seed."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.agents = agents()
        self.places = spread(list(places()))
        self.ways = spread(list(ways()))
        pages = [(page, weight) for site in SITES for page, weight, _ in _pages(site)]
        self._pages = spread(pages)
        self._of_site = {site.host: spread([found[:2] for found in _pages(site)]) for site in SITES}
        self._acts = {(page.site, page.path): acts for site in SITES for page, _, acts in _pages(site)}
        self._told = {
            name: spread([(properties(json.dumps(each)), weight) for each, weight in choices])
            for name, choices in TOLD.items()
        }
        super().__init__(dice)

    def page(self, before: Page | None) -> Page:
        known = self._of_site[before.site] if before and self._dice.random() < ALIKE else self._pages
        return known[self._dice.getrandbits(TABLE_BITS)]

    def action(self, page: Page) -> tuple[str, str]:
        act = self._acts[page.site, page.path][self._dice.getrandbits(TABLE_BITS)]
        return act.name, act.value.format(page.path.strip("/") or "all")

    def told(self, name: str) -> str | None:
        choices = self._told.get(name)
        return choices[self._dice.getrandbits(TABLE_BITS)] if choices else None

    def vitals(self) -> str | None:
        dice = self._dice
        if dice.random() > MEASURED:
            return None
        fcp = dice.lognormvariate(7.0, 0.4)
        measured = {
            "ttfb": round(fcp * dice.uniform(0.2, 0.5)),
            "fcp": round(fcp),
            "lcp": round(fcp * (1 + dice.expovariate(1.5))),
            "inp": round(dice.lognormvariate(4.6, 0.7)),
            "cls": round(dice.expovariate(20), 4),
        }
        return properties(json.dumps(measured))


def busy(seed: int) -> Busy:
    """More in the weeks before the holidays, no day like another, and now and then one that everybody talks about."""
    dice = random.Random(seed)  # noqa: S311 - weather, not secrets

    def share(day: datetime) -> float:
        talked_about = 2.2 if dice.random() < TALKED_ABOUT else 1
        return dice.lognormvariate(0, 0.1) * talked_about * SEASONS[day.month - 1]

    return share


def _pages(site: Site) -> Iterator[tuple[Page, float, tuple[Act, ...]]]:
    home = f"https://{site.host}/"
    for path, title, weight, acts, events in site.pages:
        page = Page(f"{title} · {site.name}", home + path[1:], path, site.host, home, acts, site.tag)
        yield page, weight, spread([(event, event.weight) for event in events])


def places() -> Iterator[tuple[Place, float]]:
    yield Place(NOWHERE, "en-US"), UNPLACED * sum(country[4] for country in COUNTRIES)
    for country, continent, language, zone, weight, cities in COUNTRIES:
        total = sum(city[-1] for city in cities)
        for region, city, latitude, longitude, share in cities:
            where = (continent, country, region, None, city, latitude, longitude, 20, zone)
            yield Place(where, language), weight * share / total


def ways() -> Iterator[tuple[Way, float]]:
    home = f"https://{SITES[0].host}/"
    yield way(home, "", ""), DIRECT_WEIGHT
    for referrer, weight in REFERRERS:
        yield way(home, referrer, ""), weight
    for pattern, many, weight in CAMPAIGNS:
        for number in range(many):
            yield way(home, "", f"?{pattern.format(number + 1)}"), weight / many
