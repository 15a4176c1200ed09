"""What a User-Agent says: platform, browser and version, in the names that 0.7.1 stored.

`ua-parser` recognises; the two tables below rename, so that rows from before and after the move count
together. What they do not list keeps ua-parser's own name in lower case: `whale`, `tvos`, `curl`. Where 0.7.1
saw only the engine (Edge, Opera and Samsung's browser were "chrome", Chrome on an iPhone was "safari 602.1")
the browser's own name and number stand now.

    (Windows NT 10.0; Win64; x64) … Chrome/60.0.3112.101 Safari/537.36     windows  chrome  60.0.3112.101
    (iPad; CPU OS 10_3_3 like Mac OS X) … Version/10.0 … Safari/602.1      ipad     safari  10.0
    (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko               windows  msie    11.0
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final, NamedTuple

from ua_parser import Domain, load_lazy_builtins
from ua_parser import UserAgent as Family
from ua_parser.re2 import Resolver

LOOKED_AT: Final = 512  # characters; the longest of real browsers has some 400
REMEMBERED: Final = 4096  # User-Agents; 5 MiB if each were of full length
COLUMN: Final = 25  # characters of each of the three columns


class Agent(NamedTuple):
    platform: str | None = None
    browser: str | None = None
    version: str | None = None


# The first words of ua-parser's name → 0.7.1's name. A longer entry wins over a shorter one.
PLATFORMS: Final = {
    "Android": "android",
    "Chromecast Android": "android",
    "BlackBerry": "blackberry",
    "Chrome OS": "chromeos",
    "Mac OS": "macos",
    "Mac OS X": "macos",
    "Solaris": "solaris",
    "Symbian OS": "symbian",
    "Symbian^3": "symbian",
    "Windows": "windows",
    "iOS": "iphone",
    # Distributions and devices whose kernel 0.7.1 saw.
    "Arch Linux": "linux",
    "CentOS": "linux",
    "Chromecast Linux": "linux",
    "Debian": "linux",
    "Fedora": "linux",
    "Gentoo": "linux",
    "Kubuntu": "linux",
    "Linux": "linux",
    "Lubuntu": "linux",
    "Mageia": "linux",
    "Mandriva": "linux",
    "PCLinuxOS": "linux",
    "Puppy": "linux",
    "Red Hat": "linux",
    "SUSE": "linux",
    "Slackware": "linux",
    "Tizen": "linux",
    "Ubuntu": "linux",
    "openSUSE": "linux",
}
BROWSERS: Final = {
    "BlackBerry": "blackberry",
    "Chrome": "chrome",
    "Chromium": "chrome",
    "DuckDuckGo": "duckduckgo",
    "Edge": "edge",
    "Firefox": "firefox",
    "HeadlessChrome": "chrome",
    "IE": "msie",
    "Iceweasel": "firefox",
    "K-Meleon": "kmeleon",
    "Mobile Safari": "safari",
    "Opera": "opera",
    "Safari": "safari",
    "Samsung Internet": "samsung",
    "UC Browser": "uc",
    "Yandex Browser": "yandex",
    # Crawlers, where they are let in.
    "Baiduspider": "baidu",
    "Googlebot": "google",
    "Yahoo! Slurp": "yahoo",
    "bingbot": "bing",
    "msnbot": "msn",
}

_NUMBERS: Final = re.compile(r"\d+(?:\.\d+)+")


def parse_agent(user_agent: str | None) -> Agent:
    """The agent behind a User-Agent header; three times None where there is none. Pure, and never raises.

    A new one costs some 50 µs, one that came by lately 0.3 µs; pure Python's resolver takes 400. A salad of
    512 characters of browsers' words takes RE2 1.5 ms, and took it 12 at the worst of 40,000.
    """
    return _parse(user_agent[:LOOKED_AT]) if user_agent else Agent()


def warm_up() -> None:
    """Load the patterns at start, not with the first hit: with the import 80 ms, 9 MiB.

    RE2's states grow with what comes by: by 1 MiB for sixty browsers, by 10 at most in 40,000 made-up ones.
    """
    parse_agent("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0")


@lru_cache(maxsize=REMEMBERED)
def _parse(user_agent: str) -> Agent:
    # RE2 takes UTF-8, which has no place for a lone surrogate.
    text = user_agent.encode(errors="replace").decode()
    found = _resolver()(text, Domain.USER_AGENT | Domain.OS)
    platform = _named(found.os.family, PLATFORMS) if found.os else None
    if platform == "iphone" and "iPad" in text:
        platform = "ipad"
    if not found.user_agent:
        return Agent(platform)
    return Agent(platform, _named(found.user_agent.family, BROWSERS), _version(found.user_agent, text))


@cache
def _resolver() -> Resolver:
    """ua-parser on RE2, by name: left to choose, it takes the Rust one where it is installed, 18 MiB more.

    The third list, of devices, stays out: nothing of it is stored, and it takes 4 MiB and 80 ms.
    """
    browsers, platforms, _devices = load_lazy_builtins()
    return Resolver((browsers, platforms, []))


def _named(family: str, names: Mapping[str, str]) -> str:
    """`Opera Mini` → `opera`; `Mac OS X` → `macos`; `Whale` → `whale`."""
    words = family.split(" ")
    for count in range(len(words), 0, -1):
        if name := names.get(" ".join(words[:count])):
            return name
    return family.lower()[:COLUMN].rstrip()


def _version(family: Family, text: str) -> str | None:
    """The dotted version as the text spells it.

    ua-parser stops at three parts for some (`47.0.2631` of Opera's `47.0.2631.55`) and muddles one (Firefox's
    `8.1.1b4948` on iOS is `8`, `1`, `.1`, `1`).
    """
    parts = []
    for part in (family.major, family.minor, family.patch, family.patch_minor):
        if not part or not part[0].isdigit():
            break
        parts.append(part)
    short = ".".join(parts)
    whole = next((number for number in _NUMBERS.findall(text) if f"{number}.".startswith(f"{short}.")), short)
    return whole[:COLUMN].rstrip(".") or None
