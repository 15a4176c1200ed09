"""Hit ids and cids of what others have recorded: the same whenever it is read, so that a second time adds nothing.

    hit id   6 bytes, milliseconds since 1970 ∥ 10 bytes, BLAKE2b of what the record is known by there
    cid      16 bytes of BLAKE2b, as 32 hex digits

Both are keyed by the installation's SECRET_KEY: what is made of an address does not tell it without the key.
"""

import hashlib
from datetime import datetime
from typing import Final

from crumby.dimensions.session import EPOCH
from crumby.ingest.hit import MILLISECOND

LAST: Final = (1 << 48) - 1


class Names:
    """Of one source's records: those of another never are the same."""

    def __init__(self, secret: str, source: str) -> None:
        key = hashlib.blake2b(secret.encode(), digest_size=32, person=b"crumby import").digest()
        self._hits = hashlib.blake2b(digest_size=10, key=key, person=b"hit")
        self._people = hashlib.blake2b(digest_size=16, key=key, person=b"visitor")
        for each in (self._hits, self._people):
            each.update(source.encode() + b"\0")

    def hit(self, at: datetime, record: bytes) -> bytes:
        """`at` in UTC; `record`: what no other record of the source has."""
        named = self._hits.copy()
        named.update(record)
        return min(max((at - EPOCH) // MILLISECOND, 0), LAST).to_bytes(6) + named.digest()

    def visitor(self, known: bytes) -> str:
        """By what the source knows them."""
        named = self._people.copy()
        named.update(known)
        return named.hexdigest()
