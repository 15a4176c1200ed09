"""Who sent a hit: the address behind the proxies, and what the browser's headers say."""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from crumby.ingest.hit import clean

HEADER_LENGTH: Final = 512  # characters of a header that are looked at
ADDRESS_LENGTH: Final = 128  # characters of an address that are; the longest in use, with zone and port, has some 70
OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
REMEMBERED: Final = 1024  # headers; 1 MiB if each were of full length
IPV4: Final = re.compile(rf"{OCTET}\.{OCTET}\.{OCTET}\.{OCTET}")

Headers = Sequence[tuple[bytes, bytes]]  # names in lower case, as ASGI has them


class Client(msgspec.Struct, frozen=True, gc=False):
    ip: str | None
    user_agent: str | None
    referrer: str | None
    lang: str | None  # the tag that Accept-Language puts first


def client_of(headers: Headers, peer: str | None, proxy_count: int) -> Client:
    """The client of a request that came from `peer` through `proxy_count` trusted proxies."""
    last = dict(headers)  # of each name
    forwarded: list[str] = []
    if proxy_count and b"x-forwarded-for" in last:
        forwarded = last[b"x-forwarded-for"].decode("latin-1").split(",")
        if len(forwarded) < proxy_count:  # each proxy may have written a line of its own
            chains = [value for name, value in headers if name == b"x-forwarded-for"]
            forwarded = b",".join(chains).decode("latin-1").split(",")
    return Client(
        address_behind(peer, forwarded, proxy_count),
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


def address_behind(peer: str | None, forwarded: Sequence[str], proxy_count: int) -> str | None:
    """The address that the outermost trusted proxy saw; None where it is none.

    Each proxy appends the address it saw, so the chain is read from the right, never from the left, where
    anyone can write:

        X-Forwarded-For: 6.6.6.6, 203.0.113.7     peer 10.0.0.1
        proxy_count 0 → 10.0.0.1     1 → 203.0.113.7     2 → 6.6.6.6
    """
    hops = min(proxy_count, len(forwarded))
    return normalised((forwarded[-hops] if hops else peer or "").strip())


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
