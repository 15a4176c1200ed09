"""Hits that no person's browser sent, not for a person to see, or for nobody to count: by their headers, with a reason.

    bot             its User-Agent is of a crawler, a program or a browser without a window, or there is none
    prefetch        the browser got a page beforehand that nobody has opened
    referrer-spam   it names a site that sends visits only to be seen in reports
    no-accept       headers are missing that every browser sends                              strict alone
    datacenter      its address is of a hosting provider, where servers are and no people     strict alone
    gpc, dnt        its person's browser asks that nobody be tracked            PRIVACY_SIGNALS, at any level

A User-Agent, a referrer's host and an address are each judged once and remembered, so that a browser that came by
lately costs some tenths of a microsecond, and a new one ten. Nothing of it needs the network. Of a server that sends
for others, with a token, the User-Agent that it tells is judged, and the request's own headers are not.
"""

import asyncio
import contextlib
import ipaddress
import logging
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import re2

from crumby.background import beside
from crumby.errors import BotListError, UnwantedHit
from crumby.ingest import lists
from crumby.ingest.client import Client
from crumby.ingest.hit import Hit

log = logging.getLogger(__name__)

LOOKED_AT: Final = 512  # characters of a User-Agent
REMEMBERED: Final = 1024  # of each kind; 1 MiB if all of them were of full length
EVERY_S: Final = 5.0  # between two looks at whether a list was refreshed
GRAM: Final = 3  # characters
HALF: Final = 1 << 64  # addresses of IPv6's /64
# Of browsers without a window, and of what drives them: the list has them by their product's number.
DRIVEN: Final = ("Headless", "PhantomJS", "SlimerJS", "Puppeteer", "Playwright", "Selenium", "WebDriver")
# What a mail provider's program fetches is an image of a letter that a person has opened.
PEOPLES: Final = frozenset({"GoogleImageProxy", "YahooMailProxy"})
# Most User-Agents have these, and so they tell nothing.
USUAL: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/"
)
AHEAD: Final = (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")
AHEAD_WORDS: Final = (b"prefetch", b"prerender", b"preview")

Level = Literal["off", "standard", "strict"]
LEVELS: Final[tuple[Level, ...]] = ("off", "standard", "strict")


class Reason(StrEnum):
    BOT = "bot"
    PREFETCH = "prefetch"
    SPAM = "referrer-spam"
    NO_ACCEPT = "no-accept"
    DATACENTER = "datacenter"
    GPC = "gpc"
    DNT = "dnt"


WHY: Final = {
    Reason.BOT: "its User-Agent is of no person's browser",
    Reason.PREFETCH: "the page was got beforehand, and nobody has opened it",
    Reason.SPAM: "its referrer is on the list of those who send visits only to be seen",
    Reason.NO_ACCEPT: "it has no Accept or no Accept-Language, as every browser sends",
    Reason.DATACENTER: "its address is of a hosting provider",
    Reason.GPC: "its browser says Global Privacy Control, and such visits are not counted here",
    Reason.DNT: "its browser says Do Not Track, and such visits are not counted here",
}
SIGNALS: Final = {Reason.GPC: b"sec-gpc", Reason.DNT: b"dnt"}  # the header of each


class Crawlers:
    """A list of patterns, asked for one of them in a User-Agent.

    Nearly all of them are plain words. Each is found by three of its characters that few others have, so that some ten
    words are looked for and not 1,500: 10 µs. As one set of RE2's they took 8 MiB, and 128 ms for a salad of words.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        words = list(DRIVEN)
        others: list[str] = []
        for pattern in patterns:
            word = literal(pattern)
            if word in PEOPLES:
                continue
            if word and len(word) >= GRAM:
                words.append(word)
            else:
                others.append(pattern)
        self._by_gram = _by_gram(words)
        self._others = re2.compile("|".join(f"(?:{other})" for other in others), _quiet()) if others else None

    def __call__(self, user_agent: str | None) -> bool:
        if not user_agent:
            return True
        # RE2 takes UTF-8, which has no place for a lone surrogate.
        text = user_agent[:LOOKED_AT].encode(errors="replace").decode()
        for gram in {text[at : at + GRAM] for at in range(len(text) - GRAM + 1)}:
            for word in self._by_gram.get(gram, ()):
                if word in text:
                    return True
        return self._others is not None and self._others.search(text) is not None


def _quiet() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = 1 << 20  # bytes, of 8 MiB that it would take for its states
    return options


def literal(pattern: str) -> str | None:
    r"""The text that a pattern stands for: `Googlebot\/` → `Googlebot/`; None for one that stands for several."""
    text = []
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "a")
            if escaped.isalnum():  # a class of characters, or the end of a word
                return None
            text.append(escaped)
        elif character in "^$.[]()|?*+{}":
            return None
        else:
            text.append(character)
    return "".join(text)


def _by_gram(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    distinct = sorted(set(words))
    frequent = Counter(gram for word in distinct for gram in _grams(word))
    for gram in _grams(USUAL):
        frequent[gram] += len(distinct)
    found: dict[str, tuple[str, ...]] = {}
    for word in distinct:
        gram = min(_grams(word), key=lambda each: (frequent[each], each))
        found[gram] = (*found.get(gram, ()), word)
    return found


def _grams(text: str) -> set[str]:
    return {text[at : at + GRAM] for at in range(len(text) - GRAM + 1)}


class Spammers:
    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = frozenset(hosts)

    def __call__(self, authority: str) -> bool:
        """Whether the host, or one that it is below of, is listed."""
        host = host_in(authority)
        while "." in host:
            if host in self._hosts:
                return True
            host = host.partition(".")[2]
        return False


def authority_of(referrer: str) -> str:
    """`https://www.example.com/path` → `www.example.com`, in a tenth of the time that it takes to do it well."""
    parts = referrer.split("/", 3)
    return (parts[2] if len(parts) > 2 and not parts[1] else parts[0])[:LOOKED_AT]  # noqa: PLR2004 - https:, nothing, host


def host_in(authority: str) -> str:
    """`user@WWW.Example.com.:443?query` → `www.example.com`."""
    rest = authority.partition("?")[0].partition("#")[0]
    return rest.rpartition("@")[2].partition(":")[0].lower().rstrip(".")


class Hosting:
    """Networks as two sorted columns for each kind of address. Of IPv6 the first half is looked at, which is a /64."""

    def __init__(self, networks: Iterable[str]) -> None:
        v4: list[int] = []  # both ends in one number, which takes half of what a pair does while it is sorted
        v6: list[int] = []
        for network in networks:
            first, last = lists.ends(network)
            if first.version == 4:  # noqa: PLR2004 - of IP
                v4.append(int(first) << 32 | int(last))
            # A network that ends inside of a /64 shares that with others.
            elif (low := (int(first) + HALF - 1) >> 64) <= (high := ((int(last) + 1) >> 64) - 1):
                v6.append(low << 64 | high)
        self._v4 = _columns("I", v4, 32)
        self._v6 = _columns("Q", v6, 64)

    def __call__(self, ip: str | None) -> bool:
        try:
            address = ipaddress.ip_address(ip or "")
        except ValueError:
            return False
        number, (firsts, lasts) = (
            (int(address), self._v4) if address.version == 4 else (int(address) >> 64, self._v6)  # noqa: PLR2004
        )
        at = bisect_right(firsts, number) - 1
        return at >= 0 and number <= lasts[at]


def _columns(code: Literal["I", "Q"], ranges: list[int], bits: int) -> tuple["array[int]", "array[int]"]:
    """Where ranges begin and where they end, those that touch as one."""
    firsts, lasts = array(code), array(code)
    ranges.sort()
    for both in ranges:
        first, last = both >> bits, both & (1 << bits) - 1
        if lasts and first <= lasts[-1] + 1:
            lasts[-1] = max(last, lasts[-1])
        else:
            firsts.append(first)
            lasts.append(last)
    return firsts, lasts


Judge = Callable[[str | None], bool]
Version = tuple[int, int, int] | None  # device's and inode's number, nanosecond of the change; None for a shipped one


def _nobody(_text: str | None) -> bool:
    return False


MAKE: Final[dict[str, Callable[[Iterable[str]], Callable[..., bool]]]] = {
    "crawlers": Crawlers,
    "spammers": Spammers,
    "hosting": Hosting,
}


class Guard:
    """Says why a hit is refused. `folder` is where refreshed lists are; without one, those of the package count."""

    def __init__(self, level: Level = "standard", folder: Path | None = None, signals: Iterable[str] = ()) -> None:
        self._signals = [(SIGNALS[reason], reason) for reason in map(Reason, signals)]
        self.level: Level = level
        self._folder = folder
        self._strict = level == "strict"
        self._needed = {"off": (), "standard": ("crawlers", "spammers"), "strict": tuple(MAKE)}[level]
        self._judges: dict[str, Judge] = dict.fromkeys(MAKE, _nobody)
        self._versions: dict[str, Version] = {}
        self.look()

    def look(self) -> None:
        """Take what is new in the folder. A list that can't be used changes nothing, and is told of in the log."""
        for name in self._needed:
            version = self._version(name)
            if self._judges[name] is _nobody or self._versions[name] != version:
                self._versions[name] = version
                self._take(name)
        self._is_bot, self._is_spam, self._is_hosting = (self._judges[name] for name in MAKE)

    def _take(self, name: str) -> None:
        known = self._judges[name] is not _nobody
        try:
            found = lists.in_use(name, self._folder)
            judge = MAKE[name](found.entries)
        except (BotListError, ValueError, re2.error) as error:
            log.warning("%s; %s", error, "the one before stays in use" if known else "the shipped one is used")
            if known:
                return
            judge = MAKE[name](lists.in_use(name, None).entries)
        else:
            if known:
                log.info("the list of %s is of %s now: %s entries", name, found.of, len(found.entries))
        self._judges[name] = lru_cache(maxsize=REMEMBERED)(judge)

    def _version(self, name: str) -> Version:
        if self._folder is None:
            return None
        try:
            status = (self._folder / f"{name}.txt.gz").stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino, status.st_mtime_ns

    async def keep_looking(self) -> None:
        """Without an end. A list takes 20 ms to be made, and so a thread."""
        while True:
            await asyncio.sleep(EVERY_S)
            await asyncio.to_thread(self.look)

    def reason(self, headers: Mapping[bytes, bytes], client: Client, hit: Hit) -> Reason | None:
        """Why the hit of a browser is refused, if it is. `headers` has the last one of each name."""
        if reason := self._of_signals(headers):
            return reason
        return None if self.level == "off" else self._of_request(headers, client) or self._of_hit(hit)

    def check(self, headers: Mapping[bytes, bytes], client: Client, hits: Sequence[Hit]) -> None:
        """Raises UnwantedHit where one of a request's hits is refused: they are stored together or not at all."""
        reason = self._of_signals(headers)
        if self.level != "off":
            reason = reason or self._of_request(headers, client)
            for hit in hits:
                reason = reason or self._of_hit(hit)
        if reason:
            raise _unwanted(reason)

    def check_told(self, hits: Sequence[Hit]) -> None:
        """The same of hits that a server sends for others, by what it tells of them."""
        if self.level == "off":
            return
        for hit in hits:
            is_bot = hit.user_agent is not None and self._is_bot(hit.user_agent)
            if reason := Reason.BOT if is_bot else self._of_hit(hit):
                raise _unwanted(reason)

    def _of_signals(self, headers: Mapping[bytes, bytes]) -> Reason | None:
        for name, reason in self._signals:
            if name in headers and headers[name].strip() == b"1":
                return reason
        return None

    def _of_request(self, headers: Mapping[bytes, bytes], client: Client) -> Reason | None:
        if self._is_bot(client.user_agent):
            return Reason.BOT
        for name in AHEAD:
            if name in headers and any(word in headers[name].lower() for word in AHEAD_WORDS):
                return Reason.PREFETCH
        if self._strict:
            if b"accept" not in headers or b"accept-language" not in headers:
                return Reason.NO_ACCEPT
            if self._is_hosting(client.ip):
                return Reason.DATACENTER
        return None

    def _of_hit(self, hit: Hit) -> Reason | None:
        return Reason.SPAM if hit.referrer and self._is_spam(authority_of(hit.referrer)) else None


def _unwanted(reason: Reason) -> UnwantedHit:
    return UnwantedHit(reason, WHY[reason])


@contextlib.asynccontextmanager
async def open_guard(level: Level, folder: Path | None, signals: Iterable[str] = ()) -> AsyncIterator[Guard]:
    """A guard that takes refreshed lists while the server runs."""
    guard = Guard(level, folder, signals)
    if level == "off":
        yield guard
        return
    async with beside(guard.keep_looking(), "crumby-lists"):
        yield guard
