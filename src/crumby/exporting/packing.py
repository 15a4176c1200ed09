"""The zip that an archive is, written from its beginning to its end: nobody seeks in it, so that it can be sent."""

import hashlib
from datetime import datetime
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

LEVEL: Final = 4  # of deflate: 6 takes twice the time for a hundredth less
MODE: Final = 0o600 << 16  # of a file that is unpacked: its owner's alone


class Sink:
    """Where the zip goes until somebody takes it on. It has no `seek`, and `zipfile` does without."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        self.size += len(piece)
        return len(piece)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        return taken


class Member:
    """A file of the zip, with its checksum as it is written."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self.name = name
        self._file = file
        self._sha256 = hashlib.sha256()

    def write(self, piece: bytes) -> int:
        self._sha256.update(piece)
        return self._file.write(piece)

    def close(self) -> str:
        """Its SHA-256."""
        self._file.close()
        return self._sha256.hexdigest()


class Packing:
    """One file after the other."""

    def __init__(self, made: datetime) -> None:
        self.sink = Sink()
        self._made = made.timetuple()[:6]
        self._zip = ZipFile(self.sink, "w")  # type: ignore[call-overload]  # a file that is only written
        self._file: IO[bytes] | None = None

    def member(self, name: str, *, packed: bool = False) -> Member:
        """`packed`: it is as small as it gets."""
        info = ZipInfo(name, self._made)
        info.compress_type = ZIP_STORED if packed else ZIP_DEFLATED
        info.external_attr = MODE
        info._compresslevel = LEVEL  # type: ignore[attr-defined]  # noqa: SLF001 - public from Python 3.13 on
        self._file = self._zip.open(info, "w", force_zip64=True)
        return Member(name, self._file)

    def end(self) -> None:
        """Also of what nobody wants any more, such as one whose client has left."""
        if self._file:
            self._file.close()
        self._zip.close()
