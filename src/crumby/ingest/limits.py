"""How many hits one address may send: so many a second and so many a day, beyond them 429 and `Retry-After`.

An address of IPv6 is its /64, which is what a household has. A second's hits may come at once, and so may those of
the next fifteen: a school that opens a page together is one address. The tracker keeps a hit that comes too early and
sends it later, so nothing of a visit is lost.

What was sent is kept in two rows of counters, whatever comes: an address has one in each, by a keyed hash, and the
smaller one counts. So a counter says too much where addresses share it, never too little; of a thousand addresses that
flood at once, one other address in a thousand shares both counters with them. A table of addresses would grow with
them, and would have to forget those who flood for those who come once.

Each process counts for itself: with several workers an address may send as much to each.
"""

import math
import os
import struct
import time
from collections.abc import Callable
from functools import lru_cache
from mmap import mmap
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any, Final, TypeAlias

from crumby.errors import TooManyHits
from crumby.ingest.hit import MAX_HITS

BURST_S: Final = 15.0  # seconds whose hits may come at once
LENIENT_S: Final = 1e-6  # what is added up of many numbers is off by less
COUNTERS: Final = 32_768  # in a row; both rows of seconds and of days take 768 KiB once many have come
REMEMBERED: Final = 4096  # addresses whose counters are known; 1 MiB
DAY_S: Final = 86_400

# Beginnings of addresses that no visitor has: who comes from there is a proxy, or works beside the server.
# By the first octet, what the second has in common, and which of its bits that says.
NEIGHBOURS: Final = {
    10: (0, 0),
    127: (0, 0),
    192: (168, 0xFF),
    169: (254, 0xFF),
    172: (16, 0xF0),
    100: (64, 0xC0),
}
NOT_NEAR: Final = (1, 0)  # as of any other first octet
LOCAL: Final = (0xFC, 0xFE)  # fc00::/7 and fe80::/10 by their first octets


Counters: TypeAlias = "memoryview[Any]"  # of numbers


class Limiter:
    """`rate` in hits a second, `daily` in hits a UTC day; 0 is no limit. `clock` and `now` in seconds."""

    def __init__(
        self,
        rate: float,
        daily: int,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._now = now
        self._cost = 1 / rate if rate else 0.0  # seconds of a counter that a hit takes
        # An array of hits is stored whole or not at all: a counter has room for the longest.
        self._burst_s = max(BURST_S, MAX_HITS * self._cost)
        self._daily = daily
        self._midnight = 0.0  # at which the day's counters begin anew
        self._busy_until: Counters | None = _zeros("d") if rate else None
        self._today: Counters | None = _zeros("I") if daily else None
        self._counters = lru_cache(maxsize=REMEMBERED)(_hashed(os.urandom(16)))

    def check(self, ip: str | None, hits: int = 1) -> None:
        """Count the hits of an address. Raises TooManyHits, and then they are not counted."""
        counters = self._counters(ip)
        if counters is None:
            return
        one, two = counters
        sent = self._sent(one, two) + hits if self._today else 0
        if sent > self._daily:
            message = "one address has sent all that it may in a day; send the rest tomorrow"
            raise TooManyHits("daily-limit", message, math.ceil(self._midnight - self._now()))
        if self._busy_until:
            self._take(self._busy_until, one, two, hits)
        if self._today:
            _raise_to(self._today, one, two, sent)

    def _take(self, busy: Counters, one: int, two: int, hits: int) -> None:
        """A bucket that leaks, told by the moment at which it will be empty."""
        now = self._clock()
        until = max(now, min(busy[one], busy[two])) + hits * self._cost
        early = until - now - self._burst_s
        if early > LENIENT_S:
            message = "so many hits at once are too many from one address; send them later"
            raise TooManyHits("rate-limited", message, math.ceil(early))
        _raise_to(busy, one, two, until)

    def _sent(self, one: int, two: int) -> int:
        """In this day, before now."""
        if self._now() >= self._midnight:
            self._midnight = (self._now() // DAY_S + 1) * DAY_S
            self._today = _zeros("I")
        today = self._today
        assert today  # noqa: S101 - it is asked for where there is a limit
        sent: int = min(today[one], today[two])
        return sent


def _zeros(form: str) -> Counters:
    """Two rows of them. What no address has reached yet takes no memory."""
    return memoryview(mmap(-1, struct.calcsize(form) * 2 * COUNTERS)).cast(form)  # type: ignore[call-overload, no-any-return]


def _raise_to(row: Counters, one: int, two: int, value: float) -> None:
    if row[one] < value:  # noqa: PLR1730 - `max` of each would take three times as long
        row[one] = value
    if row[two] < value:  # noqa: PLR1730
        row[two] = value


def _hashed(key: bytes) -> Callable[[str | None], tuple[int, int] | None]:
    """The counters of an address, one in each row; None where it is not limited. Nobody can choose whose to share.

    Python's own hash takes a tenth of the time of hashlib's. It is SipHash with a key of the process; ours is for where
    PYTHONHASHSEED takes that away.
    """

    def counters(ip: str | None) -> tuple[int, int] | None:
        network = _network(ip)
        if network is None:
            return None
        rest, one = divmod(hash(key + network), COUNTERS)
        return one, COUNTERS + rest % COUNTERS

    return counters


def _network(ip: str | None) -> bytes | None:
    """The address, or its /64. None where it is unknown, as behind a Unix socket, or a neighbour's."""
    try:
        packed = inet_pton(AF_INET6 if ":" in ip else AF_INET, ip) if ip else b""
    except OSError:
        return None
    if len(packed) == 4:  # noqa: PLR2004 - octets of IPv4
        common, bits = NEIGHBOURS.get(packed[0], NOT_NEAR)
        return None if packed[1] & bits == common else packed
    if not packed or packed == b"\0" * 15 + b"\1" or packed[0] & LOCAL[1] == LOCAL[0] or packed[:2] == b"\xfe\x80":
        return None
    return packed[:8]
