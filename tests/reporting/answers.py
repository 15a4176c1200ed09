"""What the shipped reports answer of the bakery's week, worked out by hand from the rows of `bakery.py`.

The sessions of the week in UTC: Ada's three pages (120 s), her bread page and her blog page; Bob's letter (100 s) and
his night (900 s); Cleo's advert and her night (1500 s); Dora's last minute (60 s); Eve's page. That makes 9, of
16 page views with the one of nobody, and 2680 s; four of them have one page: Ada's two, Cleo's advert, Eve's.
"""

from typing import Any, Final

from tests.reporting.bakery import BERLIN, CAKE, FLOUR, KATHMANDU, MENU, MILL, PRICES, WEEK

Case = tuple[str, dict[str, str], list[list[Any]]]

# Periods that begin and end elsewhere.
MARCH: Final = WEEK | {"from": "2026-03-02", "to": "2026-03-31"}
MAY: Final = WEEK | {"from": "2026-05-01", "to": "2026-05-31"}
SUNDAY: Final = WEEK | {"from": "2026-03-29"}
CHANGE_IN_SPRING: Final = BERLIN | {"from": "2026-03-29", "to": "2026-03-29"}
CHANGE_IN_AUTUMN: Final = BERLIN | {"from": "2026-10-25", "to": "2026-10-25"}


def hours(day: str, known: dict[int, list[Any]], *, left_out: int | None = None) -> list[list[Any]]:
    """A row of traffic for each hour of a day: those that are known, and zeros."""
    return [
        [f"{day}T{hour:02}:00", *known.get(hour, [0, 0, 0, None, None, None])] for hour in range(24) if hour != left_out
    ]


SUMMARY: Final = [5, 9, 16, 15 / 9, 44.4, 298]
MONDAY_AND_DORA: Final = ["2026-03-23", 3, 3, 6, 2, 33.3, 73]  # whose first page is Monday's in both zones

TRAFFIC: Final[list[Case]] = [
    ("public/summary", WEEK, [SUMMARY]),
    # With Dora's first session, without the second page of her last, and so 60 s less.
    ("public/summary", BERLIN, [[5, 10, 16, 1.5, 50, 262]]),
    # An autumn day in Berlin has 25 hours: Gil's four sessions and Fay's; the moments around it are Hal's.
    ("public/summary", CHANGE_IN_AUTUMN, [[2, 5, 5, 1, 100, 0]]),
    ("public/summary", CHANGE_IN_AUTUMN | {"tz": "Etc/UTC"}, [[3, 5, 5, 1, 100, 0]]),
    (
        "public/traffic",
        WEEK,
        [
            #             visitors, sessions, views, a session, bounces, seconds
            ["2026-03-23", 2, 2, 5, 2.5, 0, 110],  # Ada, Bob
            ["2026-03-24", 1, 1, 1, 1, 100, 0],  # Cleo
            ["2026-03-25", 1, 1, 1, 1, 100, 0],  # Ada
            ["2026-03-26", 0, 0, 1, None, None, None],  # nobody
            ["2026-03-27", 2, 2, 2, 1, 100, 0],  # Ada, Eve
            ["2026-03-28", 1, 1, 1, 1, 0, 0],  # Bob, whose session goes on after midnight
            ["2026-03-29", 3, 2, 5, 2.5, 0, 1230],  # Bob goes on, Cleo and Dora begin
        ],
    ),
    (
        "public/traffic",
        BERLIN,
        [
            MONDAY_AND_DORA,
            ["2026-03-24", 1, 1, 1, 1, 100, 0],
            ["2026-03-25", 1, 1, 1, 1, 100, 0],
            ["2026-03-26", 0, 0, 1, None, None, None],
            ["2026-03-27", 2, 2, 2, 1, 100, 0],
            ["2026-03-28", 0, 0, 0, None, None, None],
            ["2026-03-29", 3, 3, 5, 5 / 3, 0, 800],  # of Dora's session the first page, which is no bounce
        ],
    ),
    (
        "public/traffic",
        KATHMANDU,
        [
            MONDAY_AND_DORA,
            ["2026-03-24", 1, 1, 1, 1, 100, 0],
            ["2026-03-25", 0, 0, 0, None, None, None],
            ["2026-03-26", 1, 1, 2, 1, 100, 0],  # Ada at 00:05, nobody
            ["2026-03-27", 2, 2, 2, 1, 100, 0],
            ["2026-03-28", 0, 0, 0, None, None, None],
            ["2026-03-29", 2, 2, 4, 2, 0, 1200],  # Bob at 05:35, Cleo at 06:25; Dora comes on Monday
        ],
    ),
    (
        "public/traffic",
        CHANGE_IN_SPRING,
        hours(
            "2026-03-29",
            {
                0: [1, 1, 1, 1, 0, 0],  # Bob
                1: [2, 1, 2, 2, 0, 900],  # Bob goes on, Cleo begins
                3: [1, 0, 1, None, None, None],  # Cleo goes on
                23: [1, 1, 1, 1, 0, 0],  # Dora
            },
            left_out=2,
        ),
    ),
    (
        "public/traffic",
        CHANGE_IN_AUTUMN,
        hours(
            "2026-10-25",
            {
                0: [1, 1, 1, 1, 100, 0],  # Gil
                2: [2, 3, 3, 1, 100, 0],  # Gil and Fay, and Gil when it is two again
                23: [1, 1, 1, 1, 100, 0],  # Gil
            },
        ),
    ),
    (
        "public/traffic",
        MARCH | {"from": "2026-03-22", "to": "2026-03-30", "interval": "week"},
        [["2026-03-16", 1, 1, 1, 1, 100, 0], ["2026-03-23", *SUMMARY], ["2026-03-30", 2, 2, 2, 1, 100, 0]],
    ),
    (
        "public/traffic",
        MARCH | {"from": "2026-03-01", "to": "2026-05-31", "interval": "month"},
        # Bob twice and Dora once before the week, Ada and Dora after it: five more sessions of a page.
        [
            ["2026-03", 5, 14, 21, 20 / 14, 64.3, 191],
            ["2026-04", 0, 0, 0, None, None, None],
            ["2026-05", 1, 1, 1, 1, 100, 0],
        ],
    ),
    (
        "public/visits",
        WEEK | {"from": "2026-03-22", "to": "2026-03-24"},
        [["2026-03-22", 1, 1], ["2026-03-23", 2, 5], ["2026-03-24", 1, 1]],
    ),
    (
        "private/sources",
        WEEK,
        [
            [None, 4, 4, 7, 50, 240],  # Ada's bread, Bob's night, Dora and Eve; and nobody's view
            ["Google", 2, 2, 4, 50, 60],  # Ada by search, Cleo by advert
            ["bakery.example", 1, 1, 1, 100, 0],
            ["news.example.com", 1, 1, 2, 0, 1500],
            ["newsletter", 1, 1, 2, 0, 100],
        ],
    ),
    (
        "public/channels",
        WEEK,
        [
            ["Direct", 4, 4, 7, 50, 240],
            ["Referral", 2, 2, 3, 50, 750],  # Ada from the shop to the blog, Cleo from the news
            ["Email", 1, 1, 2, 0, 100],
            ["Organic Search", 1, 1, 3, 0, 120],
            ["Paid Search", 1, 1, 1, 100, 0],
        ],
    ),
    ("private/campaigns", WEEK, [["50% off", 1, 1, 1, 100, 0], ["spring 🥐", 1, 1, 2, 0, 100]]),
    ("private/campaigns", WEEK | {"by": "utm_source"}, [["google", 1, 1, 1, 100, 0], ["newsletter", 1, 1, 2, 0, 100]]),
    ("private/campaigns", WEEK | {"by": "utm_medium"}, [["cpc", 1, 1, 1, 100, 0], ["email", 1, 1, 2, 0, 100]]),
    ("private/campaigns", WEEK | {"by": "utm_term"}, [["bread", 1, 1, 1, 100, 0]]),
    ("private/campaigns", WEEK | {"by": "utm_content"}, [["a", 1, 1, 1, 100, 0]]),
    # Gil and Fay have five sessions around that night, Hal two.
    (
        "private/campaigns",
        CHANGE_IN_AUTUMN | {"from": "2026-10-24", "to": "2026-10-26"},
        [["fair", 2, 5, 5, 100, 0], ["a hunt", 1, 2, 2, 100, 0]],
    ),
    # On Sunday Bob's session goes on: its seconds after midnight count, but it counts for Saturday.
    ("public/summary", SUNDAY, [[3, 2, 5, 2.5, 0, 1230]]),
    ("private/sources", SUNDAY, [[None, 2, 1, 3, 0, 960], ["news.example.com", 1, 1, 2, 0, 1500]]),
    ("public/channels", SUNDAY, [["Direct", 2, 1, 3, 0, 960], ["Referral", 1, 1, 2, 0, 1500]]),
    (
        "public/heatmap",
        WEEK,
        [
            # weekday, hour, sessions, views
            [1, 9, 2, 5], [2, 12, 1, 1], [3, 18, 1, 1], [4, 10, 0, 1], [5, 10, 1, 1], [5, 11, 1, 1],
            [6, 23, 1, 1], [7, 0, 1, 2], [7, 1, 0, 1], [7, 21, 1, 1], [7, 22, 0, 1],
        ],
    ),
    (
        "public/heatmap",
        BERLIN,
        [
            [1, 0, 1, 1], [1, 10, 2, 5], [2, 13, 1, 1], [3, 19, 1, 1], [4, 11, 0, 1], [5, 11, 1, 1], [5, 12, 1, 1],
            [7, 0, 1, 1], [7, 1, 1, 2], [7, 3, 0, 1], [7, 23, 1, 1],
        ],
    ),
    ("public/sites", WEEK, [["bakery.example", 4, 7, 14], ["blog.bakery.example", 1, 1, 1], ["localhost", 1, 1, 1]]),
]  # fmt: skip

CONTENT: Final[list[Case]] = [
    (
        "public/pages",
        WEEK,
        [
            # visitors, views, entries, bounces, seconds, scrolled
            ["/", 5, 6, 5, 20, 240, 31],  # (20 + 10 + 900 + 30) / 4; (50 + 25 + 10 + 39) / 4
            ["/bread", 3, 4, 2, 100, 36, 85],  # 145 / 4; (100 + 75 + 80) / 3
            ["/cart", 3, 3, 1, 0, 15, 100],
            ["/checkout", 1, 1, 0, None, 45, 100],
            ["/käse", 1, 1, 0, None, None, None],
            ["/sourdough", 1, 1, 1, 100, 200, 90],
        ],
    ),
    (
        "public/entry_pages",
        WEEK,
        [
            ["/", 5, 5, 20, 356],  # (120 + 100 + 0 + 1500 + 60) / 5
            ["/bread", 2, 2, 100, 0],
            ["/cart", 1, 1, 0, 900],
            ["/sourdough", 1, 1, 100, 0],
        ],
    ),
    # On Sunday Bob's session goes on, and another begins nowhere: /cart is no entry.
    ("public/entry_pages", SUNDAY, [["/", 2, 2, 0, 780]]),
    (
        "public/exit_pages",
        WEEK,
        [
            ["/bread", 3, 75],
            ["/cart", 2, 66.7],  # Ada, Cleo; Bob goes on
            ["/", 1, 20],  # Eve; nobody's view is of no session
            ["/checkout", 1, 100],
            ["/käse", 1, 100],
            ["/sourdough", 1, 100],
        ],
    ),
    # With Dora's first page. Her last session goes on after Berlin's week, and does not end in it.
    (
        "public/exit_pages",
        BERLIN,
        [
            ["/bread", 3, 75],
            ["/", 2, 33.3],
            ["/cart", 2, 66.7],
            ["/checkout", 1, 100],
            ["/sourdough", 1, 100],
        ],
    ),
    (
        "public/engagement",
        WEEK,
        [
            ["/", 6, 240, 960, 31, 0],
            ["/sourdough", 1, 200, 200, 90, 100],
            ["/bread", 4, 36, 145, 85, 33.3],
            ["/checkout", 1, 45, 45, 100, 100],
            ["/cart", 3, 15, 15, 100, 100],
            ["/käse", 1, None, None, None, None],
        ],
    ),
    (
        "public/documents",
        WEEK,
        [
            ["bakery.example/", "Home", 5],
            ["bakery.example/bread", "Bread, 50% \"rye\", 'n' 🥐", 4],
            ["bakery.example/cart", "", 3],
            ["bakery.example/checkout", None, 1],
            ["bakery.example/käse", None, 1],
            ["blog.bakery.example/sourdough", None, 1],
        ],
    ),
    (
        "private/event_values",
        WEEK,
        [
            ["404", None, 2, 4],  # Cleo twice, nobody, Dora
            ["download", MENU, 2, 3],  # Bob, Ada twice
            ["buy", "bread", 2, 2],
            ["outbound", FLOUR, 1, 2],
            ["buy", CAKE, 1, 1],
            ["download", PRICES, 1, 1],
            ["note", None, 1, 1],
            ["outbound", MILL, 1, 1],
        ],
    ),
    ("private/outbound", WEEK, [[FLOUR, "flour.example", 1, 2], [MILL, "flour.example", 1, 1]]),
    ("private/downloads", WEEK, [[MENU, 2, 3], [PRICES, 1, 1]]),
    ("private/tags", WEEK, [["letter", 1, 1, 2]]),
    ("private/tags", WEEK | {"tag": "!letter"}, []),
    ("private/tags", WEEK | {"page": "/bread"}, [["letter", 1, 1, 1]]),
    (
        "private/event_properties",
        WEEK,
        [
            ["buy", "paid", "true", 2, 2],
            ["buy", "a.b[0]", "$", 1, 1],
            ["buy", "paid", "false", 1, 1],
            ["buy", "price", "12", 1, 1],
            ["buy", "price", "3.5", 1, 1],
            ["buy", "price", "free", 1, 1],
            ["buy", "size", "", 1, 1],
            ["buy", "size", "large", 1, 1],
            ["download", "size", "'n' \"🥐\"", 1, 1],
        ],
    ),
    ("private/event_properties", WEEK | {"tag": "letter"}, [["download", "size", "'n' \"🥐\"", 1, 1]]),
    ("private/event_properties", WEEK | {"country": "JP", "limit": "1"}, [["buy", "paid", "false", 1, 1]]),
    ("private/event_properties", MAY, []),  # of measurements another report tells
    ("public/web_vitals", WEEK, []),
    (
        "public/web_vitals",
        MAY,
        [
            # Of four values the third; of two the second; of three, as of one of them is no number, the third.
            ["/", "good", 2400.5, 150, 0.1, 1900, 700, 4],
            ["/cart", "poor", 4001, None, None, None, None, 1],
        ],
    ),
    ("public/web_vitals", MAY | {"least": "2", "country": "JP"}, [["/", "poor", 4001, 150, 0.25, 1000, 700, 2]]),
    ("private/not_found", WEEK, [["/brot", 1, 3], ["/100%", 1, 1]]),
    ("private/not_found", BERLIN, [["/brot", 1, 3]]),
]

PEOPLE: Final[list[Case]] = [
    # Bob counts in two countries; the unknown one is Eve's and nobody's.
    ("public/countries", WEEK, [["GB", 2, 4, 7], [None, 1, 1, 2], ["DE", 1, 1, 2], ["JP", 1, 2, 3], ["SE", 1, 1, 2]]),
    (
        "public/regions",
        WEEK,
        [
            ["England", "GB", 2, 4, 7],
            [None, None, 1, 1, 2],
            ["Land Berlin", "DE", 1, 1, 2],
            [None, "JP", 1, 2, 3],
            ["Östergötland County", "SE", 1, 1, 2],
        ],
    ),
    (
        "private/cities",
        WEEK,
        [
            ["London", "England", "GB", 2, 4, 7],
            [None, None, None, 1, 1, 2],
            ["Berlin", "Land Berlin", "DE", 1, 1, 2],
            [None, None, "JP", 1, 2, 3],
            ["Linköping", "Östergötland County", "SE", 1, 1, 2],
        ],
    ),
    (
        "public/languages",
        WEEK,
        [["en-GB", 2, 4, 6], ["de-DE", 1, 1, 2], ["ja", 1, 2, 3], ["sv", 1, 2, 4], [None, 0, 0, 1]],
    ),
    ("public/browsers", WEEK, [["firefox", 2, 4, 6], ["safari", 2, 4, 7], ["chrome", 1, 1, 2], [None, 0, 0, 1]]),
    (
        "public/browser_versions",
        WEEK,
        [
            ["chrome", "138.0.1", 1, 1, 2],
            ["firefox", "140.0", 1, 3, 5],
            ["firefox", "141.0", 1, 1, 1],
            ["safari", "18.1", 1, 2, 3],
            ["safari", "18.3", 1, 2, 4],
            [None, None, 0, 0, 1],
        ],
    ),
    ("public/devices", WEEK, [["desktop", 3, 5, 8], ["mobile", 1, 2, 4], ["tablet", 1, 2, 3], [None, 0, 0, 1]]),
    (
        "public/screens",
        WEEK,
        [["1920x1080", 2, 4, 6], ["1440x900", 1, 1, 2], ["390x844", 1, 2, 4], ["820x1180", 1, 2, 3], [None, 0, 0, 1]],
    ),
    (
        "public/new_returning",
        WEEK,
        [
            ["2026-03-23", 1, 1],  # Ada is new, Bob is not
            ["2026-03-24", 1, 0],  # Cleo
            ["2026-03-25", 0, 1],
            ["2026-03-26", 0, 0],
            ["2026-03-27", 1, 1],  # Eve; Ada has come before
            ["2026-03-28", 0, 1],
            ["2026-03-29", 0, 3],
        ],
    ),
    # Dora is new on Monday in Berlin, though not in the UTC week; nobody comes on Saturday.
    (
        "public/new_returning",
        BERLIN,
        [
            ["2026-03-23", 2, 1],
            ["2026-03-24", 1, 0],
            ["2026-03-25", 0, 1],
            ["2026-03-26", 0, 0],
            ["2026-03-27", 1, 1],
            ["2026-03-28", 0, 0],
            ["2026-03-29", 0, 3],
        ],
    ),
    # Of the week's first visitors, those before the period count as returning, be it the same week.
    ("public/new_returning", WEEK | {"from": "2026-03-25", "interval": "week"}, [["2026-03-23", 1, 4]]),
    (
        "private/retention",
        MARCH,
        [
            # Bob after 0, 10, 21 and 26 days; Dora after 6 d 22:49:30 and 7 d 12:50; Ada after 7 days to the second.
            ["2026-03-02", 1, 0, 1, 100],
            ["2026-03-02", 1, 1, 1, 100],
            ["2026-03-02", 1, 3, 1, 100],
            ["2026-03-16", 1, 0, 1, 100],
            ["2026-03-16", 1, 1, 1, 100],
            ["2026-03-23", 3, 0, 3, 100],
            ["2026-03-23", 3, 1, 1, 33.3],
        ],
    ),
    # In Berlin Dora is of the week of the others.
    ("private/retention", BERLIN | {"to": "2026-03-31"}, [["2026-03-23", 4, 0, 4, 100], ["2026-03-23", 4, 1, 2, 50]]),
    (
        "private/retention",
        MARCH | {"to": "2026-10-31", "cohort": "month"},
        [["2026-03", 5, 0, 5, 100], ["2026-03", 5, 1, 1, 20], ["2026-10", 2, 0, 2, 100]],  # Cleo after 38 days
    ),
]

GOALS: Final[list[Case]] = [
    (
        "private/goals",
        WEEK,
        [["buy", 3, 3, 60], ["download", 3, 4, 60], ["404", 2, 4, 40], ["outbound", 2, 3, 40], ["note", 1, 1, 20]],
    ),
    (
        "private/goals",
        WEEK | {"goal_1": "/b*", "goal_2": "buy", "goal_3": "/cart", "goal_4": "/kä*", "goal_5": "down*"},
        [["/b*", 3, 4, 60], ["buy", 3, 3, 60], ["/cart", 3, 3, 60], ["down*", 3, 4, 60], ["/kä*", 1, 1, 20]],
    ),
    # Capitals differ, an asterisk elsewhere is one, and an empty goal is none.
    (
        "private/goals",
        WEEK | {"goal_2": "Buy", "goal_3": "", "goal_4": "/*", "goal_5": "/*t"},
        [["/*", 5, 16, 100], ["Buy", 0, 0, 0], ["/*t", 0, 0, 0]],
    ),
    ("private/goals", WEEK | {"site": "blog.bakery.example"}, [["outbound", 1, 1, 100]]),
    # Of the visitors of Sweden, Bob alone, one saw bread, and none bought there.
    (
        "private/goals",
        WEEK | {"goal_1": "buy", "goal_2": "/bread", "country": "SE"},
        [["/bread", 1, 1, 100], ["buy", 0, 0, 0]],
    ),
    ("private/funnel", WEEK, []),
    (
        "private/funnel",
        WEEK | {"step_1": "/", "step_2": "/bread", "step_3": "buy", "step_4": "/nowhere", "step_5": "/cart"},
        [
            [1, "/", 5, 100, 100],  # all of them
            [2, "/bread", 2, 40, 40],  # Ada, Bob; Cleo saw it before
            [3, "buy", 2, 40, 100],  # Ada at once, Bob six days later
            [4, "/nowhere", 0, 0, 0],
            [5, "/cart", 0, 0, None],
        ],
    ),
    # Ada fetched the menu after her cart and bought before it; Bob fetched it before he saw bread.
    (
        "private/funnel",
        WEEK | {"step_1": "/", "step_2": "/bread", "step_3": "/cart", "step_4": "download", "step_5": "buy"},
        [
            [1, "/", 5, 100, 100],
            [2, "/bread", 2, 40, 40],
            [3, "/cart", 2, 40, 100],
            [4, "download", 1, 20, 50],
            [5, "buy", 0, 0, 0],
        ],
    ),
    # Dora buys on the Monday after.
    ("private/funnel", WEEK | {"step_1": "/", "step_2": "buy"}, [[1, "/", 5, 100, 100], [2, "buy", 3, 60, 60]]),
    # A page view is one step: of those who saw bread, Ada alone saw it again. A step left out is none.
    (
        "private/funnel",
        WEEK | {"step_2": "/b*", "step_3": "", "step_4": "/bread", "step_5": "outb*"},
        [[1, "/b*", 3, 100, 100], [2, "/bread", 1, 33.3, 33.3], [3, "outb*", 1, 33.3, 100]],
    ),
    (
        "private/funnel",
        WEEK | {"step_1": "/bread", "step_2": "/"},
        [[1, "/bread", 3, 100, 100], [2, "/", 1, 33.3, 33.3]],  # Cleo
    ),
    ("private/refused", WEEK, [["bot", 10], ["rate-limited", 5], ["opted-out", 2]]),
    ("private/refused", BERLIN, [["bot", 15], ["opted-out", 2], ["rate-limited", 1]]),
]

CASES: Final = [*TRAFFIC, *CONTENT, *PEOPLE, *GOALS]
