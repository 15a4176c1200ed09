"""Where an address is: a City database, memory-mapped, asked in a thread, one hop for all that a batch has to ask."""

import asyncio
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import maxminddb
import msgspec

from crumby.ingest.hit import clean

log = logging.getLogger(__name__)

CACHED: Final = 4096  # places, about 2 MiB
LOOK_AGAIN: Final = 2.0  # seconds after which a replaced file is noticed


class Place(msgspec.Struct, frozen=True):
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


class Geo:
    """Answers from the file at `path`, and from a newer one within seconds of its being put there.

    A file that is absent or cannot be read costs one warning, and the places stay empty (or, where there was a
    readable one before, that one stays in use).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader: maxminddb.Reader | None = None
        self._version: tuple[int, int] | None = None  # of the file last seen: inode and time of change
        self._looked = float("-inf")
        self._warned = False
        self._places: dict[str, Place] = {}

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
        return {address: place_of(_record(reader, address)) for address in addresses}

    def _notice_new_file(self) -> None:
        try:
            status = os.stat(self.path)  # noqa: PTH116 - a microsecond, where Path takes three
        except OSError as error:
            self._warn(f"{error.strerror}; `crumby geoip` gets one")
            return
        version = (status.st_ino, status.st_mtime_ns)
        if version == self._version:
            return
        self._version = version
        try:
            reader = maxminddb.open_database(self.path, maxminddb.MODE_AUTO)
            built = time.strftime("%Y-%m-%d", time.gmtime(reader.metadata().build_epoch))
        except Exception as error:  # noqa: BLE001 - a damaged file raises anything, UnicodeDecodeError to TypeError
            self._warn(f"{error}; `crumby geoip --upgrade` gets another")
            return
        self._reader = reader
        self._places.clear()
        self._warned = False
        log.info("geolocating by %s of %s", self.path, built)

    def _warn(self, why: str) -> None:
        if not self._warned:
            self._warned = True
            log.warning("visits are not geolocated by %s: %s", self.path, why)


def _record(reader: maxminddb.Reader, address: str) -> Any:
    try:
        return reader.get(address)
    except Exception as error:  # noqa: BLE001 - a damaged file raises anything; IPv6 in a file of IPv4, ValueError
        log.debug("no place for an address: %s", error)
        return None


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
