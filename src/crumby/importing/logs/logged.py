"""A line of an access log becomes a page view, an event, or nothing, with the reason.

    GET, answered 2xx or 304          a page view
    of a file, as `guide.pdf`         an event `Download`, on the page that refers to it, as the tracker has it
    GET, answered 404                 an event `404`, with the path
    all else                          left out: assets, feeds, what programs ask for, what was moved or failed,
                                      crawlers and spammers (ingest/bots.py), what a browser fetched ahead

**Who.** Nobody kept a cookie, so a visitor is known by the day in UTC, the address, the User-Agent and the site, as
ingest/visitor.py knows one who brings none, and is somebody else on the next day: also who stays over midnight. Where
the log has no address, or VISITOR_ID is 'none', they are nobody.

**Where from.** The address is what the log says. Where several stand in its place, as X-Forwarded-For has them, it is
the first that is one and not of a private network. Where that header is logged besides, it counts if the address is of
a private network or in TRUSTED_PROXIES, and is read from its right end, past such.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from crumby.dimensions.address import host as site_of
from crumby.dimensions.session import EPOCH
from crumby.importing.ids import Names
from crumby.importing.item import Found, Item, Skipped
from crumby.importing.logs.paths import Target, Targets, text_of
from crumby.importing.source import Wanted
from crumby.ingest import lists
from crumby.ingest.bots import AHEAD_WORDS, USUAL, Guard, authority_of
from crumby.ingest.client import FORWARDED, HEADER_LENGTH, Client, Proxies, first_language, normalised
from crumby.ingest.hit import Hit, readable
from crumby.ingest.text import clean

REMEMBERED: Final = 4096  # of each kind
SHORT: Final = 256  # bytes of what is remembered; 8 MiB if all of it were of that length
PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128")
NETWORKS: Final = tuple(ipaddress.ip_network(each) for each in PRIVATE)
VIEWED: Final = frozenset(str(status).encode() for status in (*range(200, 206), *range(207, 227), 304))
NOT_FOUND: Final = b"404"
NOTHING: Final = frozenset((None, b"", b"-"))
NO_NAME: Final = frozenset((None, b"", b"-", b"_", b"*"))  # of a host
HOST: Final = re.compile(r"(?:[\w.-]+|\[[0-9a-f:.]+\])(?::\d+)?")
SCHEMES: Final = {b"443": "https", b"80": "http"}
HEADERS: Final = {b"accept": b"", b"accept-language": b""}  # a log tells none: they are held to have been there

NOT_GET: Final = Skipped("not GET")
WHY: Final = {"bot": "a crawler", "referrer-spam": "a spammer", "datacenter": "of a hosting provider"}
SIGNALS: Final = {"gpc": Skipped("Global Privacy Control"), "dnt": Skipped("Do Not Track")}
AHEAD: Final = Skipped("fetched ahead")
PART: Final = Skipped("part of a file")
NO_HOST: Final = Skipped("no host")

_A_HIT: Final = Hit("visit", bytes(16), "", EPOCH, None, None)
_A_BROWSER: Final = Client(None, USUAL, None, None)


class Asked(NamedTuple):
    """What of a line tells whether anything comes of it."""

    at: datetime  # UTC
    method: bytes | None
    target: bytes
    status: bytes


class Told(NamedTuple):
    """A header's text, and why there is nothing of what came with it."""

    text: str | None = None
    left_out: Skipped | None = None


class Who(NamedTuple):
    address: str | None
    text: str  # as the log has it, be it a name
    left_out: Skipped | None = None


class Place(NamedTuple):
    base: str  # "https://www.example.com"
    site: str  # "example.com"
    left_out: Skipped | None = None


def place_of(said: str) -> Place:
    """`example.com`, `http://example.com:8080/` → what its addresses begin with, and its site."""
    scheme, _, authority = said.rpartition("://") if "://" in said else ("https", "", said)
    authority = authority.partition("/")[0]
    return Place(f"{scheme}://{authority}", site_of(authority) or "")


def remembering(judge: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same, of what is short from memory: what is long is seldom there twice."""
    remembered = lru_cache(maxsize=REMEMBERED)(judge)

    def judged(said: bytes | None) -> Any:
        return remembered(said) if said is None or len(said) <= SHORT else judge(said)

    return judged


class Logged:
    """Reads requests as the command line and the settings want them."""

    def __init__(self, wanted: Wanted, names: Names, number: Callable[[bytes], int]) -> None:
        """`number`: of a line among its equals."""
        settings = wanted.settings
        self._names = names
        self._number = number
        self._guard = Guard("off" if wanted.bots else settings.bots, lists.folder_of(settings))
        self._signals = settings.privacy_signals
        self._nobody = settings.visitor_id == "none"
        self._proxies = Proxies(trusted=(*settings.trusted_proxies, *PRIVATE))
        self._wanted = place_of(wanted.site) if wanted.site else None
        self._target: Callable[[bytes], Target] = remembering(Targets((settings.hit_path, settings.script_path)))
        self._agent: Callable[[bytes | None], Told] = remembering(self._judge_agent)
        self._referrer: Callable[[bytes | None], Told] = remembering(self._judge_referrer)
        self._place = lru_cache(maxsize=REMEMBERED)(self._judge_place)
        self._address = lru_cache(maxsize=REMEMBERED)(self._judge_address)
        self._visitor = lru_cache(maxsize=REMEMBERED)(self._named)

    def item(self, asked: Asked, rest: Callable[[], Sequence[bytes | None]], line: bytes) -> Item:
        """`rest` gives the fields behind those of `asked`, in the order of `fields.FIELDS`."""
        at, method, target, status = asked
        if method != b"GET":
            return NOT_GET if method and method.isalpha() else _unanswered(status, line)
        if status not in VIEWED and status != NOT_FOUND:
            return _unanswered(status, line)
        aimed = self._target(target)
        if aimed.left_out:
            return aimed.left_out
        ip, forwarded, scheme, host, port, referrer, agent, lang, purpose, gpc, dnt = rest()
        browser = self._agent(agent)
        came_from = self._referrer(referrer)
        place = self._place(scheme, host and host[:SHORT], port, aimed.host[:SHORT])
        left_out = browser.left_out or came_from.left_out or place.left_out
        if purpose or gpc or dnt:
            left_out = left_out or self._unwanted(purpose, gpc, dnt)
        if left_out:
            return left_out
        who = self._address(ip and ip[:SHORT], forwarded and forwarded[-SHORT:])
        if who.left_out:
            return who.left_out
        cid = "" if self._nobody or not who.text else self._visitor(at.toordinal(), who.text, browser.text, place.site)
        language = _language(lang[:SHORT]) if lang else None
        hit = self._hit(at, line, cid, place, aimed, came_from.text, language, is_lost=status == NOT_FOUND)
        return Found(hit, Client(who.address, browser.text, None, language))

    def _hit(
        self,
        at: datetime,
        line: bytes,
        cid: str,
        place: "Place",
        aimed: Target,
        came_from: str | None,
        language: str | None,
        *,
        is_lost: bool,
    ) -> Hit:
        number = self._number(line)
        known_by = b"%b\0%b\0%d" % (line, place.site.encode(), number) if number else line + place.site.encode()
        hit_id = self._names.hit(at, known_by)
        uri = clean(readable(place.base + aimed.text))
        if is_lost:
            return Hit("event", hit_id, cid, at, uri, None, name="404", value=clean(aimed.path))
        if aimed.is_download:
            page = came_from if came_from and site_of(authority_of(came_from)) == place.site else uri
            return Hit("event", hit_id, cid, at, page, None, name="Download", value=clean(place.base + aimed.text))
        return Hit("visit", hit_id, cid, at, uri, None, came_from, None, None, None, language)

    def _named(self, day: int, address: str, user_agent: str | None, site: str) -> str:
        return self._names.visitor(f"{day}\0{address}\0{user_agent or ''}\0{site}".encode(errors="replace"))

    def _unwanted(self, purpose: bytes | None, gpc: bytes | None, dnt: bytes | None) -> Skipped | None:
        if purpose and any(word in purpose.lower() for word in AHEAD_WORDS):
            return AHEAD
        said = {"gpc": gpc, "dnt": dnt}
        return next((SIGNALS[name] for name in self._signals if said[name] == b"1"), None)

    # What is the same for many lines, and so remembered

    def _judge_agent(self, said: bytes | None) -> Told:
        """Where a format has none, nobody is judged by it; a request without one is a program's."""
        if said is None:
            return Told()
        text = None if said in NOTHING else clean(text_of(said), HEADER_LENGTH)
        reason = self._guard.reason(HEADERS, Client(None, text, None, None), _A_HIT)
        return Told(text, Skipped(WHY[reason], text or "without a User-Agent") if reason else None)

    def _judge_referrer(self, said: bytes | None) -> Told:
        if said in NOTHING:
            return Told()
        text = clean(readable(text_of(said or b"")))
        reason = self._guard.reason(HEADERS, _A_BROWSER, replace(_A_HIT, referrer=text))
        return Told(text, Skipped(WHY[reason], text or "") if reason else None)

    def _judge_address(self, said: bytes | None, forwarded: bytes | None) -> "Who":
        if said is None:  # the header is logged in its place
            said, forwarded = forwarded, None
        text = "" if said in NOTHING else text_of(said or b"")
        address = _first(text.split(",")) if "," in text else normalised(text)
        if address and forwarded not in NOTHING:
            header = {FORWARDED: forwarded or b""}
            address = self._proxies.address(list(header.items()), address, header)
        reason = self._guard.reason(HEADERS, replace(_A_BROWSER, ip=address), _A_HIT) if address else None
        return Who(address, address or text, Skipped(WHY[reason], address or "") if reason else None)

    def _judge_place(self, scheme: bytes | None, host: bytes | None, port: bytes | None, asked: bytes) -> "Place":
        """`asked`: the host that a request names in its first line."""
        wanted = self._wanted
        if host in NO_NAME:
            if wanted is None:
                return Place("", "", NO_HOST)
            place = wanted
        else:
            name = (host or b"").decode("latin-1").lower()
            if not HOST.fullmatch(name):
                return Place("", "", Skipped("no such host", name))
            by = (scheme or b"").decode("latin-1").lower() or SCHEMES.get(port or b"", "https")
            place = place_of(f"{by if by in SCHEMES.values() else 'https'}://{name}")
        named = site_of(asked.decode("latin-1")) if asked else place.site
        if (wanted and place.site != wanted.site) or named != place.site:
            return Place("", "", Skipped("another site", place.site if named == place.site else named or ""))
        return place


def _first(hops: Sequence[str]) -> str | None:
    """The first address that is one, and not a private network's if there is another."""
    addresses = [found for hop in hops if (found := normalised(hop.strip()))]
    return next((each for each in addresses if not _is_private(each)), next(iter(addresses), None))


def _is_private(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in network for network in NETWORKS)  # one of the other version is in none


@lru_cache(maxsize=REMEMBERED)
def _language(said: bytes) -> str | None:
    return clean(first_language(text_of(said)), 10) if said not in NOTHING else None


def _unanswered(status: bytes, line: bytes) -> Skipped:
    if status in VIEWED or status == NOT_FOUND:
        return Skipped("no such request", text_of(line[:SHORT]))
    return _of_status(status)


@lru_cache(maxsize=REMEMBERED)
def _of_status(status: bytes) -> Skipped:
    return PART if status == b"206" else Skipped(f"status {text_of(status)[:3]}")
