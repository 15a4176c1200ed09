"""Whom the last visits came from, by their addresses: the visitors themselves, or a proxy that is not believed."""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final, NamedTuple, Self

from sqlalchemy import Row, select

from crumby.tables import visits

LOOKED_AT: Final = 500  # visits, the last ones
ENOUGH: Final = 5  # visitors, to wonder that all have one address
LATELY: Final = select(visits.c.ip, visits.c.cid).order_by(visits.c.id.desc()).limit(LOOKED_AT)


class Senders(NamedTuple):
    addresses: frozenset[str]
    visitors: int
    views: int

    @classmethod
    def of(cls, rows: Iterable[Row[str | None, str | None]]) -> Self:
        """Those of the rows that LATELY finds. An address may not be stored, a visitor not be known."""
        pairs = [(ip, cid) for ip, cid in rows]
        addresses = frozenset(ip for ip, _ in pairs if ip)
        return cls(addresses, len({cid for _, cid in pairs if cid is not None}), len(pairs))

    @property
    def address(self) -> str | None:
        return min(self.addresses, default=None)

    @property
    def are_behind_a_proxy(self) -> bool:
        return len(self.addresses) == 1 and self.visitors >= ENOUGH

    @property
    def are_all_private(self) -> bool:
        """Nobody's on the internet. What is stored of an address is one."""
        return self.visitors >= ENOUGH and bool(self.addresses) and all(map(_is_private, self.addresses))


def _is_private(address: str) -> bool:
    try:
        return ip_address(address).is_private
    except ValueError:
        return False
