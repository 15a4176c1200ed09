"""Who sent a hit: the address behind the proxies, and what the browser's headers say."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final

import msgspec

from crumby.ingest.text import clean

HEADER_LENGTH: Final = 512  # characters of a header that are looked at
ADDRESS_LENGTH: Final = 128  # characters of an address that are; the longest in use, with zone and port, has some 70
OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
REMEMBERED: Final = 1024  # headers; 1 MiB if each were of full length
IPV4: Final = re.compile(rf"{OCTET}\.{OCTET}\.{OCTET}\.{OCTET}")
HOPS: Final = 64  # proxies that are looked past
FORWARDED: Final = b"x-forwarded-for"
UNIX: Final = "unix"
SOCKETS: Final = ("unix:", "unix")

Headers = Sequence[tuple[bytes, bytes]]  # names in lower case, as ASGI has them


class Client(msgspec.Struct, frozen=True, gc=False):
    ip: str | None
    user_agent: str | None
    referrer: str | None
    lang: str | None  # the tag that Accept-Language puts first


class Proxies:
    """The proxies in front, so many of them or those of these networks, and whom they saw.

    Each proxy appends the address it saw, so the chain is read from the right, never from the left, where
    anyone can write:

        X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.0.0.2     peer 10.0.0.1
        count 0 → 10.0.0.1     1 → 10.0.0.2     2 → 203.0.113.7     trusted 10.0.0.0/8 → 203.0.113.7

    `trusted` is as `settings.trusted_proxies` has it: networks, and `unix` for whoever is at a Unix socket.
    """

    __slots__ = ("_count", "_is_trusted", "_networks", "_trusted", "_unix")

    def __init__(self, count: int = 0, trusted: Iterable[str] = ()) -> None:
        self._count = count
        self._trusted = frozenset(trusted)
        self._unix = UNIX in self._trusted
        networks = [ipaddress.ip_network(each) for each in self._trusted - {UNIX}]
        self._networks = {
            version: [(int(each.network_address), int(each.netmask)) for each in networks if each.version == version]
            for version in (4, 6)
        }
        self._is_trusted = lru_cache(maxsize=REMEMBERED)(self._is_within)

    def address(self, headers: Headers, peer: str | None, last: Mapping[bytes, bytes]) -> str | None:
        """Of whoever sent the request; None where the proxy, or nobody, knows it."""
        if FORWARDED not in last or not (self._count or self._trusts(peer)):
            return normalised((peer or "").strip())
        chain = last[FORWARDED].decode("latin-1")
        if self._count:
            hops = chain.rsplit(",", self._count)
            if len(hops) < self._count:  # each proxy may have written a line of its own
                hops = _lines(headers).rsplit(",", self._count)
            return normalised(hops[-min(self._count, len(hops))].strip())
        found, ended = self._walk(chain, peer)
        return found if ended else self._walk(_lines(headers), peer)[0]

    def _trusts(self, peer: str | None) -> bool:
        return bool(self._trusted) and (self._unix if peer is None else self._is_trusted(peer))

    def _walk(self, chain: str, peer: str | None) -> tuple[str | None, bool]:
        """The rightmost address that is no proxy's, and whether there is one.

        What is no address ends the walk as well, at the proxy that wrote it: to its left stands what nobody trusted
        has seen. Where all are proxies', it is the leftmost that asks. Beyond HOPS all is one, and no
        address.
        """
        found = normalised((peer or "").strip())
        for hop in reversed(chain.rsplit(",", HOPS)):
            said = hop.strip()
            address = normalised(said)
            if address is None:
                if self._unix and said in SOCKETS:  # as nginx calls whoever is at its own
                    continue
                return found, True
            if not self._is_trusted(address):  # whose text is short, which what was said need not be
                return address, True
            found = address
        return found, False

    def _is_within(self, said: str) -> bool:
        address = normalised(said.strip())
        if address is None:
            return False
        version, family = (6, AF_INET6) if ":" in address else (4, AF_INET)
        number = int.from_bytes(inet_pton(family, address))
        return any(number & mask == network for network, mask in self._networks[version])


def _lines(headers: Headers) -> str:
    return b",".join(value for name, value in headers if name == FORWARDED).decode("latin-1")


def client_of(
    headers: Headers, peer: str | None, proxies: Proxies, last: Mapping[bytes, bytes] | None = None
) -> Client:
    """The client of a request that came from `peer`, past these proxies.

    `last` has the last header of each name, where that is known already.
    """
    last = dict(headers) if last is None else last
    return Client(
        proxies.address(headers, peer, last),
        _agent(_beginning(last.get(b"user-agent"))),
        _text(last.get(b"referer")),
        _language(_beginning(last.get(b"accept-language"))),
    )


def _beginning(header: bytes | None) -> bytes | None:
    return header and header[:HEADER_LENGTH]


def _text(header: bytes | None) -> str | None:
    return None if header is None else clean(header.decode("latin-1"))


_agent: Final = lru_cache(maxsize=REMEMBERED)(_text)


@lru_cache(maxsize=REMEMBERED)
def _language(header: bytes | None) -> str | None:
    return None if header is None else clean(first_language(header.decode("latin-1")), 10)


def normalised(address: str) -> str | None:
    """`[2001:DB8::1]:443` → `2001:db8::1`; `::ffff:1.2.3.4` and `1.2.3.4:80` → `1.2.3.4`; `unknown` → None."""
    return address if IPV4.fullmatch(address) else _normalised(address[:ADDRESS_LENGTH])


@lru_cache(maxsize=4096)
def _normalised(address: str) -> str | None:
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        address = address.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(parsed)


def first_language(accepted: str | None) -> str | None:
    """`en-GB,en;q=0.9` → `en-GB`."""
    return accepted and accepted.partition(",")[0].partition(";")[0].strip()
