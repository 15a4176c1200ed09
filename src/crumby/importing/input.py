"""What is given to be read: a file, a folder or zip of files, or standard input; compressed or not.

So are `access.log`, `access.log.2.gz`, `plausible.zip`, `export/` and `-`.
"""

import bz2
import gzip
import hashlib
import io
import lzma
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, Self

from crumby.errors import CrumbyError

HEAD: Final = 64 * 1024  # bytes by which a file is recognised
KNOWN: Final = 4096  # bytes by which it is known again when more has been written to it
STDIN: Final = "-"
COMPRESSED: Final[dict[bytes, Callable[[IO[bytes]], Any]]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
BROKEN: Final = (zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile, zipfile.BadZipFile)  # what they say of damage


class InputUnreadable(CrumbyError):
    status = 422


class Input:
    """`name` is for people: the last part of its path. Used as a context, it leaves nothing behind.

    One that `waits` need not be there yet.
    """

    def __init__(self, path: Path | str, *, waits: bool = False) -> None:
        self._spooled: IO[bytes] | None = None
        self._zip: zipfile.ZipFile | None = None
        self.is_stdin = str(path) == STDIN
        self.path = Path(path).expanduser()
        self.name = "standard input" if self.is_stdin else self.path.name
        if not self.is_stdin and not waits and not self.path.exists():
            raise InputUnreadable(f"there is no file {path}")
        if self.is_stdin:
            self._spool(sys.stdin.buffer)
        elif self.path.is_file() and zipfile.is_zipfile(self.path):
            self._zip = zipfile.ZipFile(self.path)

    def _spool(self, stream: IO[bytes]) -> None:
        """It is read more than once: to be recognised, to be sorted, to go on. So it waits in a file."""
        self._spooled = tempfile.TemporaryFile(prefix="crumby-import-")  # noqa: SIM115 - closed when we are
        shutil.copyfileobj(stream, self._spooled)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._spooled, self._zip):
            if each:
                each.close()

    @property
    def is_folder(self) -> bool:
        """Or a zip of several files."""
        return self._zip is not None or (not self.is_stdin and self.path.is_dir())

    def members(self) -> list[str]:
        """Names of its files, as `open` takes them; of a single file its own name."""
        if self._zip:
            return sorted(each.filename for each in self._zip.infolist() if not each.is_dir())
        if self.is_folder:
            return sorted(str(each.relative_to(self.path)) for each in self.path.rglob("*") if each.is_file())
        return [self.name]

    def size(self, member: str | None = None) -> int:
        """Bytes of what `open` reads; 0 where only reading it tells: it is compressed."""
        if self._zip:
            return sum(each.file_size for each in self._zip.infolist() if member in (None, each.filename))
        if self.is_folder and member is None:
            return sum(self.size(each) for each in self.members())
        if self._spooled:
            return self._spooled.seek(0, io.SEEK_END) if not self._compression() else 0
        path = self.path / member if self.is_folder and member else self.path
        return path.stat().st_size if not self._compression(member) else 0

    def open(self, member: str | None = None) -> IO[bytes]:
        """Its bytes, decompressed. Plain files can `seek` for nothing; the others read what lies before."""
        return self._opened(member, self._compression(member))

    def head(self, member: str | None = None) -> bytes:
        """How it begins, decompressed; empty for a folder without a `member`, and for what can't be read."""
        if self.is_folder and member is None:
            return b""
        try:
            with self.open(member) as file:
                return file.read(HEAD)
        except (OSError, *BROKEN):
            return b""

    def fingerprint(self, *, grows: bool = False) -> str:
        """The same for the same content, under whatever name; of one that `grows` for more of it as well."""
        digest = hashlib.blake2b(digest_size=16)
        for member in self.members():
            name = member if self.is_folder else None
            digest.update((name or "").encode() + b"\0" + self.head(name)[:KNOWN])
            if not grows:
                digest.update(self._end(name))
        return digest.hexdigest()

    def _end(self, member: str | None) -> bytes:
        """How long it is, and how it ends, as it is stored."""
        if self._zip and member:
            return f"{self._zip.getinfo(member).CRC} {self._zip.getinfo(member).file_size}".encode()
        try:
            with self._raw(member) as file:
                size = file.seek(0, io.SEEK_END)
                file.seek(max(0, size - KNOWN))
                return f"{size} ".encode() + file.read()
        except OSError:
            return b""

    def is_short(self) -> bool:
        """So that what is added to it makes another fingerprint; or an empty one, which is like any other."""
        return all(len(self.head(each if self.is_folder else None)) < KNOWN for each in self.members())

    def _compression(self, member: str | None = None) -> Callable[[IO[bytes]], IO[bytes]] | None:
        with self._opened(member, None) as file:
            begins = file.read(8)
        return next((opener for magic, opener in COMPRESSED.items() if begins.startswith(magic)), None)

    def _opened(self, member: str | None, opener: Callable[[IO[bytes]], IO[bytes]] | None) -> IO[bytes]:
        raw = self._raw(member)
        return _Unpacked(opener(raw), raw) if opener else raw

    def _raw(self, member: str | None) -> IO[bytes]:
        if self._spooled:
            self._spooled.seek(0)
            return open(self._spooled.fileno(), "rb", closefd=False)
        if self._zip:
            return self._zip.open(member or self.members()[0])
        return (self.path / member if self.is_folder and member else self.path).open("rb")


class _Unpacked(io.BufferedReader):
    """Closes what it is unpacked from as well, which those who unpack leave open."""

    def __init__(self, unpacking: Any, packed: IO[bytes]) -> None:
        super().__init__(unpacking, HEAD)
        self._packed = packed

    def close(self) -> None:
        super().close()
        self._packed.close()
