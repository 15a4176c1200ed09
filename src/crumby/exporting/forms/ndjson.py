"""NDJSON: a JSON object a line, with all columns, of which those without a value are null."""

import json
from collections.abc import Iterator
from typing import IO, Any, Final

import msgspec

from crumby.exporting.columns import Rows, Shape, read, written
from crumby.exporting.forms.filed import Filed, Lines, Record
from crumby.exporting.manifest import Part
from crumby.exporting.packing import Member, Packing

ENCODER: Final = msgspec.json.Encoder()
DECODER: Final = msgspec.json.Decoder()


def writer(packing: Packing) -> Filed:
    return Filed(packing, "ndjson", _encoder)


def _encoder(shape: Shape, member: Member) -> Lines:
    write, names = written(shape), shape.names

    def encoded(rows: Rows) -> bytes:
        records = [dict(zip(names, row, strict=True)) for row in write(rows)]
        try:
            return ENCODER.encode_lines(records)
        except UnicodeEncodeError:  # lone surrogates, which JSON can have as \udc80
            return b"".join(json.dumps(record).encode() + b"\n" for record in records)

    return Lines(member, b"", encoded)


def rows(file: IO[bytes], part: Part) -> Iterator[Record]:
    """Raises ValueError for a line that is none."""
    typed = [(name, kind) for name, kind in part.shape.columns if kind in {"datetime", "bytes", "float"}]
    for line in file:
        record = _decoded(line)
        for name, kind in typed:
            value = record.get(name)
            if isinstance(value, str):
                record[name] = _read(kind, value)
        yield record


def _decoded(line: bytes) -> Record:
    try:
        found: Any = DECODER.decode(line)
    except msgspec.DecodeError:  # it knows no lone surrogates
        found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004 - one error for all
    return found


def _read(kind: Any, value: str) -> Any:
    """A moment that is none was none when it was written."""
    try:
        return read(kind, value)
    except ValueError:
        return value
