"""Hits as a site's visitors would send them: thirty browsers, a few pages each, addresses from all over.

Requests are byte strings with one gap, for the hit's id, so that the generator spends little on each.
"""

import json
import random
from dataclasses import dataclass
from urllib.parse import urlencode

REQUESTS = 32_768  # of ~11,000 visitors, too many for a cache of 4,096 to know when they come around again
HIT_ID = "0" * 32  # where the id goes

WEBKIT = "Mozilla/5.0 ({system}) AppleWebKit/{build} (KHTML, like Gecko) "
CHROME = WEBKIT.replace("{build}", "537.36") + "Chrome/{version}.0.0.0 {device}Safari/537.36"
EDGE = CHROME + " Edg/{version}.0.0.0"
FIREFOX = "Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
SAFARI = WEBKIT.replace("{build}", "605.1.15") + "Version/{version} {device}Safari/604.1"

WINDOWS = "Windows NT 10.0; Win64; x64"
MAC = "Macintosh; Intel Mac OS X 10_15_7"
LINUX = "X11; Linux x86_64"
ANDROID = "Linux; Android 10; K"
FIREFOX_SYSTEMS = (
    WINDOWS,
    "Macintosh; Intel Mac OS X 10.15",
    LINUX,
    "X11; Ubuntu; Linux x86_64",
    "Android 15; Mobile",
)
APPLE_SYSTEMS = {
    "iPhone; CPU iPhone OS {} like Mac OS X": ("17_7", "18_5", "18_6"),
    "iPad; CPU OS {} like Mac OS X": ("17_6", "18_5"),
}


def user_agents() -> list[str]:
    """Thirty of them."""
    chromes = [
        CHROME.format(system=system, version=version, device="Mobile " if system == ANDROID else "")
        for system in (WINDOWS, MAC, LINUX, ANDROID)
        for version in (139, 140, 141)
    ]
    edges = [EDGE.format(system=WINDOWS, version=version, device="") for version in (140, 141)]
    foxes = [FIREFOX.format(system=system, version=version) for system in FIREFOX_SYSTEMS for version in (142, 143)]
    apples = [
        SAFARI.format(system=system.format(release), version=release.replace("_", "."), device="Mobile/15E148 ")
        for system, releases in APPLE_SYSTEMS.items()
        for release in releases
    ]
    return [*chromes, *edges, *foxes, *apples, SAFARI.format(system=MAC, version="18.6", device="")]


@dataclass(frozen=True, slots=True)
class Visitor:
    cid: str
    address: str
    agent: str
    language: str
    screen: str


AGENTS = user_agents()
LANGUAGES = ("en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "pt-BR", "ja-JP", "pl-PL", "it-IT", "nl-NL")
SCREENS = ("1920x1080", "1536x864", "2560x1440", "1440x900", "390x844", "393x873", "412x915", "820x1180")
REFERRERS = ("", "", "https://www.google.com/", "https://duckduckgo.com/", "https://news.ycombinator.com/")


def some_visitor(dice: random.Random) -> Visitor:
    return Visitor(
        cid=f"{dice.getrandbits(64):016x}",
        # Unicast, and outside what is private: 11.0.0.0 to 171.255.255.255 without 127.
        address=".".join(map(str, (dice.choice([*range(11, 127), *range(128, 172)]), *dice.choices(range(256), k=3)))),
        agent=dice.choice(AGENTS),
        language=dice.choice(LANGUAGES),
        screen=dice.choice(SCREENS),
    )


def hit_of(visitor: Visitor, dice: random.Random) -> dict[str, str | int]:
    page = int(dice.paretovariate(1.1))  # a few pages are read by many, many by a few
    return {
        "v": 2,
        "id": HIT_ID,
        "t": "visit",
        "cid": visitor.cid,
        "dl": f"https://www.example.com/articles/{page % 5000}",
        "dt": f"Article {page % 5000}: what we learned - Example",
        "ul": visitor.language,
        "sd": "24-bit",
        "sr": visitor.screen,
        "de": "UTF-8",
        "dr": dice.choice(REFERRERS),
    }


def headers_of(visitor: Visitor) -> str:
    return (
        "Host: stats.example.com\r\n"
        f"User-Agent: {visitor.agent}\r\n"
        "Accept: */*\r\n"
        f"Accept-Language: {visitor.language},{visitor.language[:2]};q=0.7\r\n"
        "Accept-Encoding: gzip, deflate, br, zstd\r\n"
        "Referer: https://www.example.com/\r\n"
        "Origin: https://www.example.com\r\n"
        "Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-site\r\n"
        f"X-Forwarded-For: {visitor.address}\r\n"
    )


def post(visitor: Visitor, hit: dict[str, str | int]) -> bytes:
    body = json.dumps(hit, separators=(",", ":"))
    return (
        f"POST /hit HTTP/1.1\r\n{headers_of(visitor)}"
        f"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def gif(visitor: Visitor, hit: dict[str, str | int]) -> bytes:
    """The image of 0.7.1's script. It never had an id; a v2 image carries one, so this one does."""
    return f"GET /1763800000.gif?{urlencode(hit)} HTTP/1.1\r\n{headers_of(visitor)}\r\n".encode()


def requests(*, image: bool = False, close: bool = False, seed: int = 1) -> list[tuple[bytes, bytes]]:
    """What stands before the id and what stands behind it, for each of `REQUESTS` hits; `close`: none after it.

    Three visitors read side by side and a visit is three hits long, so that the next hit of a visitor
    comes a few requests after the last one.
    """
    dice = random.Random(seed)
    reading = [some_visitor(dice) for _ in range(3)]
    made = []
    for number in range(REQUESTS):
        seat = number % 3
        if dice.random() < 1 / 3:
            reading[seat] = some_visitor(dice)
        render = gif if image else post
        request = render(reading[seat], hit_of(reading[seat], dice))
        if close:
            request = request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        before, _, after = request.partition(HIT_ID.encode())
        made.append((before, after))
    return made
