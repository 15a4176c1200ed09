"""A CSV file, row by row, whatever its size: separated by commas, semicolons or tabs, with a BOM or without."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import IO, Final, NamedTuple

from crumby.importing.input import HEAD, Input
from crumby.importing.source import ImportRefused

SEPARATORS: Final = ",;\t"
BOM: Final = b"\xef\xbb\xbf"
LONGEST: Final = 1 << 20  # characters of a field


class Row(NamedTuple):
    line: int  # at which it ends, from 1
    fields: list[str]
    file: str = ""  # of a folder's, its name

    def by(self, header: Sequence[str]) -> dict[str, str] | None:
        """None where it has more fields than there are columns, or fewer."""
        return dict(zip(header, self.fields, strict=True)) if len(header) == len(self.fields) else None

    def __str__(self) -> str:
        return f"{self.file and f'{self.file}, '}line {self.line}: {','.join(self.fields)}"


def rows(given: Input, member: str | None = None, read: Callable[[int], None] = lambda _bytes: None) -> Iterator[Row]:
    """Those that are not empty, the header as well; `read` is told of each line's bytes. Raises ImportRefused."""
    name = given.name if member in (None, given.name) else f"{given.name}, {member}"
    csv.field_size_limit(LONGEST)
    with given.open(member) as file:
        reader = csv.reader(_text(file, read), delimiter=separator(given.head(member)))
        try:
            for fields in reader:
                if fields:
                    yield Row(reader.line_num, fields, PurePath(member).name if member and given.is_folder else "")
        except csv.Error as error:
            raise ImportRefused(f"{name}, line {reader.line_num}: {error}; is it a CSV file?") from None


def header(given: Input, member: str | None = None) -> list[str]:
    """As it is written, of its first line; empty for what is no text."""
    line = given.head(member).removeprefix(BOM).partition(b"\n")[0]
    try:
        text = line.decode().rstrip("\r")
        return next(csv.reader([text], delimiter=separator(line)), [])
    except (UnicodeDecodeError, csv.Error):
        return []


def size(given: Input, members: Iterable[str]) -> int:
    """Bytes of what is read of them; 0 where one of them is compressed, and nobody knows."""
    sizes = [given.size(member) for member in members]
    return 0 if 0 in sizes else sum(sizes)


def separator(head: bytes) -> str:
    """The one that is most often in the first line that has one; a comment's does not count."""
    for line in head[:HEAD].splitlines():
        if not line.startswith(b"#") and any(mark.encode() in line for mark in SEPARATORS):
            return max(SEPARATORS, key=lambda mark: line.count(mark.encode()))
    return ","


def _text(file: IO[bytes], read: Callable[[int], None]) -> Iterator[str]:
    first = True
    for line in file:
        read(len(line))
        if first:
            first = False
            line = line.removeprefix(BOM)  # noqa: PLW2901 - of the first one
        yield line.replace(b"\0", b"").decode(errors="replace")
