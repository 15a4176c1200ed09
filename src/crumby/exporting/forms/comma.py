r"""CSV: the names of the columns, and a row a line. Nothing and an empty text are two things in it.

\N                       nothing
                         the empty text
\"a text as JSON"        what would be misread otherwise: it begins with \, or has a NUL or octets that are no text
"""

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, Final

from crumby.exporting.columns import Rows, Shape, Type, read, written
from crumby.exporting.forms.filed import Filed, Lines, Record
from crumby.exporting.manifest import Part
from crumby.exporting.packing import Member, Packing

NOTHING: Final = r"\N"
ODD: Final = re.compile("^\\\\|[\0\ud800-\udfff]")


def writer(packing: Packing) -> Filed:
    return Filed(packing, "csv", _encoder)


def _encoder(shape: Shape, member: Member) -> Lines:
    write = written(shape)

    def encoded(rows: Rows) -> bytes:
        texts = write(rows)
        cell = _cell if _has_odd(texts) else _usual
        return _lines([list(map(cell, row)) for row in texts])

    return Lines(member, _lines([shape.names]), encoded)


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode()


def _has_odd(rows: Rows) -> bool:
    """Whether any may be: to look at each would take twice the time of all the rest."""
    together = "".join([value for row in rows for value in row if value.__class__ is str])
    try:
        together.encode()
    except UnicodeEncodeError:
        return True
    return "\\" in together or "\0" in together


def _usual(value: Any) -> Any:
    return NOTHING if value is None else value


def _cell(value: Any) -> Any:
    if value is None:
        return NOTHING
    if isinstance(value, str) and ODD.search(value):
        return f"\\{json.dumps(value)}"
    return value


def rows(file: IO[bytes], part: Part) -> Iterator[Record]:
    """Raises ValueError for a row that is none."""
    csv.field_size_limit(sys.maxsize)  # a text may be longer than 128 KiB, Python's bound
    kinds = dict(part.shape.columns)
    text = io.TextIOWrapper(file, "utf-8", newline="")
    try:
        found = csv.reader(text, strict=True)
        names = next(found, [])
        readers = [_reader(kinds[name]) for name in names]
        for row in found:
            yield {name: reader(cell) for name, reader, cell in zip(names, readers, row, strict=True)}
    except (csv.Error, KeyError) as error:
        raise ValueError(f"{error} in line {found.line_num}") from error
    finally:
        text.detach()


def _reader(kind: Type) -> Callable[[str], Any]:
    def value_of(cell: str) -> Any:
        if cell[:1] != "\\":
            return _plain(kind, cell)
        return None if cell == NOTHING else json.loads(cell[1:])

    return value_of


def _plain(kind: Type, cell: str) -> Any:
    """A number, or a moment, that is none was none when it was written."""
    try:
        return read(kind, cell)
    except ValueError:
        return cell
