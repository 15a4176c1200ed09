"""An answer as it goes out, in one form: made once for all who ask the same, and packed once for those who take it."""

import asyncio
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from crumby.reporting.packing import GZIP, LARGE, LEVEL, SMALLEST
from crumby.reporting.questions import Answer

MANY: Final = 1000  # rows, some 5 ms of work: more are encoded in a thread, while hits go on
PACKED: Final = 2 << 20  # bytes, 5 ms to unpack for who does not take gzip; larger ones are packed as they go out


@dataclass(frozen=True, slots=True)
class Body:
    content: bytes
    packed: bool  # whether that is gzip
    tag: str
    truncated: bool

    @classmethod
    def of(cls, plain: bytes, *, truncated: bool) -> Self:
        tag = tag_of(plain)
        if SMALLEST <= len(plain) <= PACKED:
            return cls(zlib.compress(plain, LEVEL, wbits=GZIP), packed=True, tag=tag, truncated=truncated)
        return cls(plain, packed=False, tag=tag, truncated=truncated)

    @property
    def plain(self) -> bytes:
        return zlib.decompress(self.content, wbits=GZIP) if self.packed else self.content


async def embodied(answer: Answer, make: Callable[[Answer], bytes]) -> Body:
    """What `make` makes of it."""
    truncated = answer.result.truncated
    plain = await asyncio.to_thread(make, answer) if len(answer.result.rows) > MANY else make(answer)
    if len(plain) > LARGE:
        return await asyncio.to_thread(Body.of, plain, truncated=truncated)
    return Body.of(plain, truncated=truncated)


def tag_of(plain: bytes) -> str:
    return f'"{hashlib.blake2b(plain, digest_size=16).hexdigest()}"'
