"""Where an address is: a City database, memory-mapped, asked in a thread, one hop for all that a batch has to ask."""

import asyncio
import errno
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import maxminddb
import msgspec

from crumby.errors import GeoDatabaseError
from crumby.ingest.text import clean

log = logging.getLogger(__name__)

CACHED: Final = 4096  # places, about 2 MiB
LOOK_AGAIN: Final = 1.0  # seconds after which a change of the file is noticed
QUIET: Final = 1.0  # seconds for which a file that was written over must have been left alone
FIRST_YEAR: Final = 2012  # of the file's format
# Addresses from all over, looked up before a file is used: what is damaged at large shows in them.
TRIAL: Final = (
    *(f"{n}.{n}.{n}.{n}" for n in range(256)),
    *(f"{registry}:{n:x}00::1" for registry in ("2001", "2400", "2600", "2800", "2a00", "2c0f") for n in range(16)),
)

Version = tuple[int, int, int, int]  # device, inode, nanosecond of the change (which no tool can set), size


class Place(msgspec.Struct, frozen=True, gc=False):
    """The geospatial columns of a visit. Names are English, codes ISO's."""

    continent: str | None = None
    country: str | None = None
    subdivision_1: str | None = None
    subdivision_2: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_radius: int | None = None
    time_zone: str | None = None


NOWHERE: Final = Place()


class Credit(NamedTuple):
    """What a database's licence wants to be read where its places are."""

    words: str
    link: str


CREDITS: Final = {  # by the beginning of a database's kind
    "DBIP": Credit("IP geolocation by DB-IP", "https://db-ip.com"),
    "GeoLite": Credit("This product includes GeoLite Data created by MaxMind", "https://www.maxmind.com"),
}


def credit_for(kind: str) -> Credit | None:
    return next((credit for begins, credit in CREDITS.items() if kind.startswith(begins)), None)


class Geo:
    """Answers from the file at `path`, and from a newer one within seconds of its being put there.

    A file that is absent or damaged costs one warning, and the places stay empty (or, where there was a good one
    before, that one stays in use). The file may be renamed, written over or cut at any time: what is mapped is a
    copy that has no name any more, in the file's folder or in the first of `folders` and the temporary ones with room.
    """

    def __init__(self, path: Path, *folders: Path) -> None:
        self.path = path
        self.built: datetime | None = None  # when the database in use was, in UTC; None where there is none
        self.kind = ""  # of it, as the file says: "GeoLite2-City"
        self._folders = (path.parent, *folders, Path("/var/tmp"), Path("/tmp"))  # noqa: S108 - no name stays there
        self._reader: maxminddb.Reader | None = None
        self._version: Version | None = None  # of the file that was judged last
        self._looked = float("-inf")
        self._warned = False
        self._places: dict[str, Place] = {}

    @property
    def credit(self) -> Credit | None:
        return credit_for(self.kind)

    async def locate(self, addresses: Iterable[str | None]) -> dict[str | None, Place]:
        """The place of each address. Those that were asked for lately need no thread."""
        if time.monotonic() - self._looked > LOOK_AGAIN:
            self._looked = time.monotonic()
            await asyncio.to_thread(self._notice_new_file)
        wanted = {address for address in addresses if address}
        found: dict[str | None, Place] = {address: self._places.get(address, NOWHERE) for address in wanted}
        found[None] = NOWHERE
        reader = self._reader
        unknown = wanted.difference(self._places)
        if unknown and reader:
            places = await asyncio.to_thread(self._look_up, reader, unknown)
            found.update(places.items())
            if reader is self._reader:  # else the file was replaced meanwhile, and these are the old one's
                self._remember(places)
        return found

    def _remember(self, places: dict[str, Place]) -> None:
        if len(self._places) + len(places) > CACHED:
            self._places.clear()
        self._places |= places

    def _look_up(self, reader: maxminddb.Reader, addresses: Iterable[str]) -> dict[str, Place]:
        return {address: self._place(reader, address) for address in addresses}

    def _place(self, reader: maxminddb.Reader, address: str) -> Place:
        try:
            return _place_in(reader, address)
        except Exception as error:  # noqa: BLE001 - a damaged record raises anything, UnicodeDecodeError to TypeError
            self._warn(f"some visits are not geolocated by {self.path}: {_damaged(error)}")
            return NOWHERE

    def _notice_new_file(self) -> None:
        try:
            status = os.stat(self.path)  # noqa: PTH116 - a microsecond, where Path takes three
        except OSError as error:
            self._refuse(f"{error.strerror}; `crumby geoip` gets one")
            return
        version = _version(status)
        if version == self._version:
            return
        written_over = self._version is not None and version[:2] == self._version[:2]
        if written_over and 0 <= time.time() - status.st_ctime < QUIET:
            return  # whoever writes may not be done; a file that was put in the place of another is whole
        if not stat.S_ISREG(status.st_mode) or not status.st_size:  # to open a pipe would be to wait for its other end
            self._version = version
            self._refuse("there is nothing in it; `crumby geoip` gets one")
            return
        try:
            self._take(version)
        except OSError as error:
            self._refuse(f"no copy of it can be made: {error.strerror}")

    def _take(self, version: Version) -> None:
        """Use the file from now on, if it is a good one, and if it is still of that version when it has been read."""
        with self.path.open("rb") as file, _empty_file(self._folders, version[-1]) as copy:
            shutil.copyfileobj(file, copy)
            copy.flush()
            if _version(os.fstat(file.fileno())) != version:
                return
            self._version = version
            self._judge(Path(copy.name))

    def _judge(self, copy: Path) -> None:
        try:
            reader, built = opened(copy)
        except Exception as error:  # noqa: BLE001 - as in `_place`
            self._refuse(_damaged(error).replace(str(copy), "its copy"))
            return
        self._reader, self.built, self._places, self._warned = reader, built, {}, False
        self.kind = str(reader.metadata().database_type)
        log.info("geolocating by %s of %s", self.path, f"{built:%Y-%m-%d}")

    def _refuse(self, why: str) -> None:
        kept = f"; until then the one of {self.built:%Y-%m-%d} is used" if self.built else ""
        self._warn(f"visits are not geolocated by {self.path}: {why}{kept}")

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            log.warning("%s", message)


def _version(status: os.stat_result) -> Version:
    return status.st_dev, status.st_ino, status.st_ctime_ns, status.st_size


def _damaged(error: Exception) -> str:
    return f"it is damaged ({type(error).__name__}: {error}); `crumby geoip --upgrade` gets another"


def _empty_file(folders: Sequence[Path], size: int) -> IO[bytes]:
    """A file for a copy, in the first folder that takes it and has room for two: hits need what is left.

    A mapped file that is written over answers half old and half new, and one that is cut ends the process (SIGBUS).
    The copy has a name until it has been tried out. Raises OSError when no folder takes it.
    """
    for folder in folders:
        with suppress(OSError):
            if shutil.disk_usage(folder).free >= 2 * size:
                return tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".mmdb")
    raise OSError(errno.ENOSPC, f"there is no room in {', '.join(map(str, folders))}")


def opened(path: Path) -> tuple[maxminddb.Reader, datetime]:
    r"""A reader of the City database at `path`, tried out, and when it was built. Raises anything where it is damaged.

    maxminddb's C reader (MODE_AUTO) takes 14 µs an address where the one in Python takes 129. But it takes each key
    of a map for a string: where it is a number (`\x44city` → `\xc4city`), it reads at that address and the process
    dies (3.2.0 and before). A record without an end is given up after 65,536 values or 2 MiB of text (since 3.2.0).
    """
    with maxminddb.open_database(path, maxminddb.MODE_MMAP) as trial:  # it would leave 23 MiB of 66 resident
        for address in TRIAL:
            _place_in(trial, address)
    reader = maxminddb.open_database(path, maxminddb.MODE_MMAP)
    built = datetime.fromtimestamp(reader.metadata().build_epoch, UTC)
    if built.year < FIRST_YEAR:  # the date is some files' end, and reads as 1970's where that is cut off
        raise GeoDatabaseError(f"it says it is of {built:%Y}")
    return reader, built


def _place_in(reader: maxminddb.Reader, address: str) -> Place:
    try:
        parsed = ip_address(address)
    except ValueError:
        return NOWHERE
    is_beyond = parsed.version > reader.metadata().ip_version  # IPv6 in a file of IPv4
    return NOWHERE if is_beyond else place_of(reader.get(parsed))


def place_of(record: Any) -> Place:
    """The place that a City record tells of; whatever it does not tell, or tells in another shape, is None."""
    return Place(
        continent=_text(record, 3, "continent", "code"),
        country=_text(record, 3, "country", "iso_code"),
        subdivision_1=_text(record, 75, "subdivisions", 0, "names", "en"),
        subdivision_2=_text(record, 75, "subdivisions", 1, "names", "en"),
        city=_text(record, 75, "city", "names", "en"),
        latitude=_degrees(record, 90, "location", "latitude"),
        longitude=_degrees(record, 180, "location", "longitude"),
        accuracy_radius=_kilometres(record, "location", "accuracy_radius"),
        time_zone=_text(record, 50, "location", "time_zone"),
    )


def _at(record: Any, path: Iterable[str | int]) -> Any:
    for key in path:
        try:
            record = record[key]
        except (LookupError, TypeError):
            return None
    return record


def _text(record: Any, length: int, *path: str | int) -> str | None:
    text = _at(record, path)
    return clean(text, length) if isinstance(text, str) else None


def _degrees(record: Any, limit: int, *path: str | int) -> float | None:
    degrees = _at(record, path)
    # Neither NaN nor infinity passes; one of them in a row would have the database refuse it.
    return degrees if type(degrees) in {int, float} and -limit <= degrees <= limit else None


def _kilometres(record: Any, *path: str | int) -> int | None:
    radius = _at(record, path)
    return radius if type(radius) is int and 0 <= radius < 2**16 else None
