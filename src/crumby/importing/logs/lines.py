r"""A log's whole lines, each with the place where it begins, also while it is written and rotated.

    access.log  renamed to access.log.1    what is in it is read to its end, then the new one from its beginning
    access.log  copied and cut to nothing  it is shorter, or another: read from its beginning
    access.log  not there yet              there is nothing for now

A server goes on writing to the file that was renamed until it is told not to, so that one is read until it has given
nothing for LOOKS looks after another one stood in its place.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

CHUNK: Final = 256 * 1024  # bytes that are read at once
LONGEST: Final = 64 * 1024  # bytes of a line; of one that is longer nothing is kept but that it was there
LOOKS: Final = 2
KNOWN: Final = 256  # bytes by which what was read last is known again
RETURN: Final = 13
BOM: Final = b"\xef\xbb\xbf"

TOO_LONG: Final = b""  # in the place of such a line: none that is read is empty

Line = tuple[int, bytes]


class Lines:
    """Of an open file, from a place in it: without what ends them, and without empty ones."""

    def __init__(self, file: IO[bytes], begin: int) -> None:
        self._file = file
        self._rest = b""
        self._cut = False  # the line that was begun is too long, and is passed over
        self.begin = begin  # of what was begun and not ended
        file.seek(begin)

    def whole(self) -> Iterator[Line]:
        """Those that are ended, up to the end of the file as it is now."""
        while chunk := self._file.read(CHUNK):
            *lines, rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                begin = self.begin
                self.begin = begin + len(line) + 1
                if begin and not self._cut and 0 < len(line) <= LONGEST and line[-1] != RETURN:
                    yield begin, line  # as nearly all are
                else:
                    yield from self._line(begin, line)
            self._keep(rest)

    def last(self) -> Iterator[Line]:
        """The one that nothing ended."""
        begin, rest = self.begin, self._rest
        self.begin, self._rest = begin + len(rest), b""
        yield from self._line(begin, rest)

    def _line(self, begin: int, line: bytes) -> Iterator[Line]:
        if self._cut or len(line) > LONGEST:
            self._cut = False
            yield begin, TOO_LONG
            return
        if begin == 0:
            line = line.removeprefix(BOM)
        if line.endswith(b"\r"):
            line = line[:-1]
        if line:
            yield begin, line

    def _keep(self, rest: bytes) -> None:
        if self._cut or len(rest) > LONGEST:
            self._cut = True
            self.begin += len(rest)
            rest = b""
        self._rest = rest


def lines_of(file: IO[bytes], begin: int) -> Iterator[Line]:
    """All of a file's, with the last one, which may be without its end."""
    lines = Lines(file, begin)
    yield from lines.whole()
    yield from lines.last()


def followed(path: Path, begin: int) -> Iterator[Line | None]:
    """Those of whatever file is at the path, one after the other; None where there is nothing more for now.

    Whoever goes on after a None has them looked for again. `begin` is a place in the file that is there now; in one
    that is shorter, and in one that comes later, it means nothing.
    """
    file = _opened(path)
    if file is None or begin > _size(file):
        begin = 0
    while True:
        if file is None:
            yield None
            file = _opened(path)
            continue
        with file:
            yield from _of_one(path, file, begin)
        file, begin = _opened(path), 0


def _of_one(path: Path, file: IO[bytes], begin: int) -> Iterator[Line | None]:
    """Of one file, until another one stands in its place."""
    lines = Lines(file, begin)
    behind = _behind(file)
    quiet = 0
    while quiet < LOOKS:
        if _size(file) < file.tell() or _behind(file) != behind:
            lines = Lines(file, 0)
        before = lines.begin
        yield from lines.whole()
        behind = _behind(file)
        quiet = quiet + 1 if before == lines.begin and _is_elsewhere(path, file) else 0
        yield None
    yield from lines.whole()
    yield from lines.last()


def _behind(file: IO[bytes]) -> bytes:
    """What stands before the place where one reads on: other octets once the file was cut and has grown again."""
    end = file.tell()
    begin = max(end - KNOWN, 0)
    return os.pread(file.fileno(), end - begin, begin)


def _opened(path: Path) -> IO[bytes] | None:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        return None


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _is_elsewhere(path: Path, file: IO[bytes]) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False  # renamed, and nothing new yet: it may still be written to
    return not os.path.samestat(there, os.fstat(file.fileno()))
