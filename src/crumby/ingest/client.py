"""Who sent a hit: the address behind the proxies, and what the browser's headers say."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

import msgspec
from starlette.types import Scope

from crumby.ingest.hit import clean

HEADER_LENGTH = 512  # characters of a header that are looked at


class Client(msgspec.Struct, frozen=True):
    ip: str | None
    user_agent: str | None
    referrer: str | None
    lang: str | None  # the tag that Accept-Language puts first


def client_of(scope: Scope, proxy_count: int) -> Client:
    """The client of a request that came through `proxy_count` trusted proxies."""
    forwarded: list[str] = []
    user_agent = referrer = lang = None
    for name, value in scope["headers"]:
        if name == b"user-agent":
            user_agent = value.decode("latin-1")[:HEADER_LENGTH]
        elif name == b"referer":
            referrer = value.decode("latin-1")
        elif name == b"accept-language":
            lang = value.decode("latin-1")
        elif name == b"x-forwarded-for" and proxy_count:
            forwarded += value.decode("latin-1").split(",")
    peer = scope["client"][0] if scope["client"] else None
    return Client(
        ip=address_behind(peer, forwarded, proxy_count),
        user_agent=clean(user_agent),
        referrer=clean(referrer),
        lang=clean(first_language(lang), 10),
    )


def address_behind(peer: str | None, forwarded: Sequence[str], proxy_count: int) -> str | None:
    """The address that the outermost trusted proxy saw; None where it is none.

    Each proxy appends the address it saw, so the chain is read from the right, never from the left, where
    anyone can write:

        X-Forwarded-For: 6.6.6.6, 203.0.113.7     peer 10.0.0.1
        proxy_count 0 → 10.0.0.1     1 → 203.0.113.7     2 → 6.6.6.6
    """
    chain = [peer or "", *reversed(forwarded)]
    return normalised(chain[min(proxy_count, len(chain) - 1)].strip())


@lru_cache(maxsize=4096)
def normalised(address: str) -> str | None:
    """`[2001:DB8::1]:443` → `2001:db8::1`; `::ffff:1.2.3.4` and `1.2.3.4:80` → `1.2.3.4`; `unknown` → None."""
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
