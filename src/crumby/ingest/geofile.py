"""A City database is fetched, checked and put in its place, while the server reads the old one.

Sources: DB-IP's City Lite (no key; CC BY 4.0, so it must be credited: <https://db-ip.com/db/lite.php>), MaxMind's
GeoLite2 (account and key: <https://dev.maxmind.com/geoip/updating-databases>), or any URL or file. What comes is a
.mmdb, as it is, gzipped, or in a tar. Whatever goes wrong, the database that was there stays as it was.
"""

import asyncio
import errno
import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, Final, cast

import httpx

from crumby.errors import GeoDatabaseError
from crumby.ingest.geo import opened
from crumby.values import without_keys

DBIP: Final = "https://download.db-ip.com/free/dbip-city-lite-{month:%Y-%m}.mmdb.gz"
MAXMIND: Final = "https://download.maxmind.com/geoip/databases/GeoLite2-City/download?suffix=tar.gz"
MAX_BYTES: Final = 1024**3  # of a download or of what it unpacks to; the largest City file has some 130 MB
TIMEOUT: Final = httpx.Timeout(30.0)  # of silence
LONGEST_S: Final = 30 * 60  # for all of a download, however lively its trickle is
STALE_S: Final = 24 * 3600  # after which a folder of ours is one that a killed process has left
PREFIX: Final = ".geoip-"
UNFETCHED: Final = (httpx.HTTPError, httpx.InvalidURL, ExceptionGroup)  # the last of a port that is none
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
BY_HAND: Final = "try again later, or get the file by other means: `crumby geoip FILE`"
REMEDIES: Final = {
    401: "is the account's key right, and in force?",
    403: "is the account's key right, and may it have this file?",
    404: "is that the address of the file?",
}

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all if known


@dataclass(frozen=True, slots=True)
class Source:
    """Where to ask, in order: the first address that has the file is taken."""

    urls: tuple[str, ...]
    auth: tuple[str, str] | None = None
    checksum_url: str | None = None


def dbip(today: date) -> Source:
    """Each month's file appears some time in its first days: until then, the month before's."""
    last_month = today.replace(day=1) - timedelta(days=1)
    urls = (DBIP.format(month=today), DBIP.format(month=last_month))
    return Source(urls)


def maxmind(account: str, key: str) -> Source:
    return Source((MAXMIND,), (account, key), MAXMIND + ".sha256")


@dataclass(frozen=True, slots=True)
class Found:
    kind: str  # as the file says: "GeoLite2-City", "DBIP-City-Lite (…)"
    built: datetime  # UTC
    size: int  # bytes

    def __str__(self) -> str:
        return f"{self.kind} of {self.built:%Y-%m-%d}"


def install(source: Source | Path, target: Path, progress: Progress = lambda _done, _total: None) -> Found:
    """Put the source's database at `target`.

    A reader sees the old file or the new one, whole. Raises GeoDatabaseError, and then the old one stays.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=PREFIX) as folder:
            return _install(source, target, Path(folder), progress)
    except OSError as error:
        raise GeoDatabaseError(f"{target} can't be written: {error.strerror}") from error


def _sweep(folder: Path) -> None:
    for left in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE_S:
                shutil.rmtree(left)


def _install(source: Source | Path, target: Path, folder: Path, progress: Progress) -> Found:
    packed = source if isinstance(source, Path) else folder / "download"
    if isinstance(source, Source):
        _download(source, packed, progress)
    elif not packed.is_file():
        raise GeoDatabaseError(f"there is no file {packed}")
    _refuse_a_page(packed, source)
    unpacked = folder / "database.mmdb"
    _unpack(packed, unpacked)
    found = verified(unpacked)
    unpacked.chmod(0o644)
    unpacked.replace(target)
    _sync(target.parent)
    return found


def verified(path: Path) -> Found:
    """What it is. Raises GeoDatabaseError for a file that is no City database, or a damaged one."""
    try:
        kind, built = _asked(path)
    except Exception as error:  # a damaged file raises anything
        raise GeoDatabaseError(f"what came is no readable City database ({error}); {BY_HAND}") from error
    if "City" not in kind:
        raise GeoDatabaseError(f"that is a {kind} database; Crumby needs a City one")
    return Found(kind, built, path.stat().st_size)


def _asked(path: Path) -> tuple[str, datetime]:
    """What kind of database it says it is, and when it was built; one of cities has to answer some questions, too.

    It is asked through geoip2, in Python alone, since maxminddb's C reader may die of a damaged file; then as the
    server will ask it.
    """
    import geoip2.database
    from geoip2.errors import AddressNotFoundError
    from maxminddb import MODE_MMAP

    with geoip2.database.Reader(path, mode=MODE_MMAP) as reader:
        metadata = reader.metadata()
        if "City" in metadata.database_type:
            for address in ("1.1.1.1", "81.2.69.144", "216.160.83.56"):
                with suppress(AddressNotFoundError):
                    reader.city(address)
            opened(path)[0].close()
        return metadata.database_type, datetime.fromtimestamp(metadata.build_epoch, UTC)


def _download(source: Source, target: Path, progress: Progress) -> None:
    try:
        asyncio.run(asyncio.wait_for(_get(source, target, progress), LONGEST_S))
    except TimeoutError:
        where = without_keys(source.urls[0])
        raise GeoDatabaseError(f"{where} has not sent all of it within {LONGEST_S / 60:g} minutes; {BY_HAND}") from None


async def _get(source: Source, target: Path, progress: Progress) -> None:
    # As it lies on the server: what were compressed for the way would not be the file, nor have its checksum.
    headers = {"accept-encoding": "identity"}
    async with httpx.AsyncClient(auth=source.auth, headers=headers, timeout=TIMEOUT, follow_redirects=True) as client:
        for url in source.urls:
            try:
                digest = await _fetch(client, url, target, progress)
                break
            except UNFETCHED as error:
                if not _is_absent(error) or url == source.urls[-1]:
                    raise _failure(url, error) from error
        if source.checksum_url:
            await _compare(client, source.checksum_url, digest)


async def _fetch(client: httpx.AsyncClient, url: str, target: Path, progress: Progress) -> str:
    """The SHA-256 of what is now in `target`."""
    digest = hashlib.sha256()
    with target.open("wb") as file:
        async with client.stream("GET", url) as response:
            response.raise_for_status()
            length = response.headers.get("content-length")
            total = int(length) if length and length.isdigit() else None
            if total and total > MAX_BYTES:
                raise _too_large(url)
            async for chunk in response.aiter_raw(256 * 1024):
                file.write(chunk)
                digest.update(chunk)
                progress(file.tell(), total)
                if file.tell() > MAX_BYTES:
                    raise _too_large(url)
    return digest.hexdigest()


def _too_large(url: str) -> GeoDatabaseError:
    return GeoDatabaseError(f"{without_keys(url)} sends more than {MAX_BYTES} bytes; is that the address of the file?")


async def _compare(client: httpx.AsyncClient, url: str, digest: str) -> None:
    try:
        response = await client.get(url)
        response.raise_for_status()
    except UNFETCHED as error:
        raise _failure(url, error) from error
    if response.text.split()[:1] != [digest]:
        raise GeoDatabaseError(f"what came does not have the checksum that {without_keys(url)} says; {BY_HAND}")


def _is_absent(error: Exception) -> bool:
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code == httpx.codes.NOT_FOUND


def _failure(url: str, error: Exception) -> GeoDatabaseError:
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return GeoDatabaseError(f"{without_keys(url)} answers {status}; {REMEDIES.get(status, BY_HAND)}")
    why = " ".join(str(error).split()) or type(error).__name__
    return GeoDatabaseError(f"{without_keys(url)}: {why}; {BY_HAND}")


def _refuse_a_page(packed: Path, source: Source | Path) -> None:
    """What a portal or a proxy sends in the place of a file."""
    with packed.open("rb") as file:
        if file.read(64).lstrip(b"\xef\xbb\xbf\r\n\t ").startswith(b"<"):
            where = source if isinstance(source, Path) else without_keys(source.urls[0])
            raise GeoDatabaseError(f"{where} is a web page and no database; is that the address of the file?")


def _unpack(packed: Path, target: Path) -> None:
    try:
        with _mmdb_in(packed) as source, target.open("wb") as file:
            shutil.copyfileobj(_Bounded(source), file)
            file.flush()
            os.fsync(file.fileno())
    except GeoDatabaseError:
        raise
    except Exception as error:  # OSError, EOFError, and an error of its own from each format
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise GeoDatabaseError(f"what came can't be unpacked ({error}); {BY_HAND}") from error


@contextmanager
def _mmdb_in(packed: Path) -> Iterator[IO[bytes]]:
    with packed.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    if not tarfile.is_tarfile(packed):
        with gzip.open(packed) if zipped else packed.open("rb") as stream:
            yield cast("IO[bytes]", stream)
        return
    if zipped:
        _read_through(packed)
    with tarfile.open(packed) as archive:
        member = next((each for each in archive if each.isfile() and each.name.endswith(".mmdb")), None)
        stored = archive.extractfile(member) if member else None
        if not stored:
            raise GeoDatabaseError("the archive that came has no .mmdb in it")
        yield stored


def _read_through(packed: Path) -> None:
    """The checksum of a gzip is at its end, where the reader of a tar does not come."""
    with gzip.open(packed) as stream:
        bounded = _Bounded(cast("IO[bytes]", stream))
        while bounded.read(1024 * 1024):
            pass


class _Bounded:
    """Reads no further than a database can be long: a small gzip can hold a very large one."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = MAX_BYTES

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._stream.read(size)
        self._left -= len(chunk)
        if self._left < 0:
            raise GeoDatabaseError(f"what came unpacks to more than {MAX_BYTES} bytes")
        return chunk


def _sync(folder: Path) -> None:
    """The rename itself is durable once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
