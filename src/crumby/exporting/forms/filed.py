"""A file for each table: what NDJSON, CSV and Parquet have in common."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from crumby.exporting.columns import Rows, Shape
from crumby.exporting.manifest import Column, Part
from crumby.exporting.packing import Member, Packing


class Encoder(Protocol):
    """Of one table."""

    def write(self, rows: Rows) -> None: ...
    def end(self) -> None: ...


class Filed:
    """`encoder` begins what becomes of a table in its file."""

    def __init__(
        self, packing: Packing, ending: str, encoder: Callable[[Shape, Member], Encoder], *, packed: bool = False
    ) -> None:
        self._packing = packing
        self._ending = ending
        self._encoder = encoder
        self._packed = packed
        self._parts: list[Part] = []
        self._now: tuple[Shape, Member, Encoder]
        self._within = False  # a table
        self._rows = 0

    def begin(self, shape: Shape) -> None:
        member = self._packing.member(f"{shape.table}.{self._ending}", packed=self._packed)
        self._now = shape, member, self._encoder(shape, member)
        self._rows = 0
        self._within = True

    def write(self, rows: Rows) -> None:
        self._now[2].write(rows)
        self._rows += len(rows)

    def end(self) -> None:
        shape, member, encoder = self._now
        self._within = False
        encoder.end()
        self._parts.append(part(shape, member.name, self._rows, member.close()))

    def close(self) -> Iterator[None]:
        yield

    def parts(self) -> tuple[Part, ...]:
        return tuple(self._parts)

    def discard(self) -> None:
        if self._within:
            self.end()


def part(shape: Shape, file: str, rows: int, sha256: str) -> Part:
    return Part(file, shape.table, tuple(Column(*each) for each in shape.columns), rows, sha256)


class Lines:
    """An encoder that makes octets of some rows at a time."""

    def __init__(self, member: Member, head: bytes, encoded: Callable[[Rows], bytes]) -> None:
        self._member = member
        self._encoded = encoded
        member.write(head)

    def write(self, rows: Rows) -> None:
        self._member.write(self._encoded(rows))

    def end(self) -> None:
        pass


Record = dict[str, Any]
