"""Where an address is: asked of a real City database, of none, of a new one, and of damaged ones."""

import asyncio
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import maxminddb
import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from crumby.ingest import geo
from crumby.ingest.geo import NOWHERE, Geo, Place, place_of
from tests.conftest import JAPAN, LONDON, write_mmdb

IN_LONDON = "81.2.69.142"
ENGLAND = Place("EU", "GB", "England", None, "London", 51.5142, -0.0931, 10, "Europe/London")
SWEDEN = Place("EU", "SE", "Östergötland County", None, "Linköping", 58.4167, 15.6167, 76, "Europe/Stockholm")
WASHINGTON = Place("NA", "US", "Washington", None, "Milton", 47.2513, -122.3149, 22, "America/Los_Angeles")
TOKYO = Place("AS", "JP", None, None, None, 35.6854, 139.7531, 100, "Asia/Tokyo")


@pytest.fixture
def look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geo, "LOOK_AGAIN", -1.0)
    monkeypatch.setattr(geo, "QUIET", 0.0)


async def where(places: Geo, address: str | None) -> Place:
    return (await places.locate([address]))[address]


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (IN_LONDON, ENGLAND),
        ("89.160.20.112", SWEDEN),
        ("216.160.83.56", WASHINGTON),
        ("2001:218::1", TOKYO),
        ("127.0.0.1", NOWHERE),
        ("2001:db8::1", NOWHERE),
        ("not an address", NOWHERE),
        ("", NOWHERE),
        (None, NOWHERE),
    ],
)
async def test_an_address_is_where_the_database_has_it(address: str | None, place: Place, mmdb: Path) -> None:
    places = Geo(mmdb)
    found = await places.locate([address])
    assert found.get(address, NOWHERE) == place
    assert await places.locate([address]) == found  # from memory now


async def test_a_batch_is_answered_whole(mmdb: Path) -> None:
    found = await Geo(mmdb).locate([IN_LONDON, None, "127.0.0.1", IN_LONDON, "2001:218::1"])
    assert found == {IN_LONDON: ENGLAND, None: NOWHERE, "127.0.0.1": NOWHERE, "2001:218::1": TOKYO}


async def test_a_place_outlasts_the_cache_that_a_batch_overflows(mmdb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geo, "CACHED", 2)
    places = Geo(mmdb)
    await places.locate([IN_LONDON, "127.0.0.1"])
    assert (await places.locate([IN_LONDON, "127.0.0.2"]))[IN_LONDON] == ENGLAND


@pytest.mark.usefixtures("look_always")
async def test_an_absent_database_costs_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    places = Geo(tmp_path / "absent.mmdb")
    assert [await where(places, IN_LONDON) for _ in range(3)] == [NOWHERE] * 3
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert str(tmp_path / "absent.mmdb") in warning.getMessage()
    assert "crumby geoip" in warning.getMessage()


@pytest.mark.usefixtures("look_always")
async def test_a_database_that_appears_later_is_used(tmp_path: Path) -> None:
    places = Geo(tmp_path / "City.mmdb")
    assert await where(places, IN_LONDON) == NOWHERE
    write_mmdb(tmp_path / "City.mmdb", {"81.2.69.0/24": LONDON})
    assert await where(places, IN_LONDON) == ENGLAND


@pytest.mark.usefixtures("look_always")
async def test_a_swapped_database_answers_the_next_question(tmp_path: Path) -> None:
    path = tmp_path / "City.mmdb"
    write_mmdb(path, {"81.2.69.0/24": LONDON})
    places = Geo(path)
    assert await where(places, IN_LONDON) == ENGLAND
    swap(path, {"81.2.69.0/24": JAPAN})
    assert await where(places, IN_LONDON) == TOKYO


async def test_the_file_is_not_looked_at_for_every_hit(tmp_path: Path) -> None:
    path = tmp_path / "City.mmdb"
    write_mmdb(path, {"81.2.69.0/24": LONDON})
    places = Geo(path)
    await places.locate([])
    swap(path, {"81.2.69.0/24": JAPAN})
    assert await where(places, IN_LONDON) == ENGLAND
    places._looked -= geo.LOOK_AGAIN  # as if that time had passed
    assert await where(places, IN_LONDON) == TOKYO


class Slow(Geo):
    """Looks nothing up before it is told to."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.begun, self.told = threading.Event(), threading.Event()

    def _look_up(self, reader: Any, addresses: Iterable[str]) -> dict[str, Place]:
        self.begun.set()
        self.told.wait(10)
        return super()._look_up(reader, addresses)


@pytest.mark.usefixtures("look_always")
async def test_an_answer_of_a_file_that_was_replaced_meanwhile_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "City.mmdb"
    write_mmdb(path, {"81.2.69.0/24": LONDON})
    places = Slow(path)
    first = asyncio.create_task(where(places, IN_LONDON))
    await asyncio.to_thread(places.begun.wait, 10)
    swap(path, {"81.2.69.0/24": JAPAN})
    await places.locate([])
    places.told.set()
    assert await first == ENGLAND
    assert await where(places, IN_LONDON) == TOKYO


@pytest.mark.usefixtures("look_always")
@pytest.mark.parametrize("fault", ["garbage", "empty", "folder", "gone"])
async def test_a_bad_new_database_leaves_the_old_one_in_use(
    fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "City.mmdb"
    write_mmdb(path, {"81.2.69.0/24": LONDON})
    places = Geo(path)
    await places.locate([])
    path.rename(tmp_path / "old.mmdb")
    spoilers: dict[str, Callable[[], object]] = {
        "garbage": lambda: path.write_bytes(b"\xab\xcd\xefMaxMind.com nonsense" * 9),
        "empty": path.touch,
        "folder": path.mkdir,
        "gone": lambda: None,
    }
    spoilers[fault]()
    assert [await where(places, IN_LONDON) for _ in range(2)] == [ENGLAND] * 2
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


def swap(path: Path, contents: dict[str, Any]) -> None:
    write_mmdb(path.with_suffix(".new"), contents)
    path.with_suffix(".new").replace(path)


MISSHAPEN: tuple[Any, ...] = (None, [], {}, "text", 7, b"bytes", True, float("nan"), [[]], [None], {"names": []})
PARTS = ("continent", "country", "subdivisions", "location", "city")


@pytest.mark.parametrize("record", MISSHAPEN)
def test_a_record_of_another_shape_is_nowhere(record: Any) -> None:
    assert place_of(record) == NOWHERE


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("value", MISSHAPEN)
def test_a_misshapen_part_costs_no_other(part: str, value: Any) -> None:
    known, told = place_of(LONDON), place_of(LONDON | {part: value})
    lost = {
        "continent": {"continent"},
        "country": {"country"},
        "subdivisions": {"subdivision_1"},
        "location": {"latitude", "longitude", "accuracy_radius", "time_zone"},
        "city": {"city"},
    }[part]
    for column in Place.__struct_fields__:
        assert getattr(told, column) == (None if column in lost else getattr(known, column)), column


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("latitude", "51.5"),
        ("latitude", float("nan")),
        ("latitude", float("inf")),
        ("latitude", 91),
        ("latitude", True),
        ("longitude", [1]),
        ("longitude", -180.5),
        ("accuracy_radius", 2**64 - 1),  # no integer column takes it
        ("accuracy_radius", -1),
        ("accuracy_radius", "10"),
        ("time_zone", 7),
    ],
)
def test_a_location_that_no_column_takes_is_left_out(part: str, value: Any) -> None:
    place = place_of({"location": LONDON["location"] | {part: value}})
    assert getattr(place, part) is None
    assert {place.latitude, place.longitude, place.accuracy_radius, place.time_zone} > {None}


def test_a_name_that_is_too_long_is_cut_to_its_column() -> None:
    assert place_of({"city": {"names": {"en": "x" * 100}}}).city == "x" * 75


def test_two_subdivisions_are_kept_and_a_third_is_not() -> None:
    names = [{"names": {"en": name}} for name in ("England", "West Berkshire", "Boxford")]
    place = place_of({"subdivisions": names})
    assert (place.subdivision_1, place.subdivision_2) == ("England", "West Berkshire")


async def test_it_tells_when_the_database_in_use_was_built(tmp_path: Path) -> None:
    path = tmp_path / "City.mmdb"
    places = Geo(path)
    await places.locate([])
    assert places.built is None
    write_mmdb(path, {"81.2.69.0/24": LONDON})
    places._looked = float("-inf")
    await places.locate([])
    assert places.built
    assert timedelta() <= datetime.now(UTC) - places.built < timedelta(minutes=1)


@pytest.mark.usefixtures("look_always")
async def test_bytes_that_are_written_over_the_file_never_show(tmp_path: Path) -> None:
    """Seen to fail on a mapping of the file itself."""
    path = tmp_path / "City.mmdb"
    write_mmdb(path, {"81.2.69.0/24": LONDON})
    places = Geo(path)
    await places.locate([])
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert await where(places, IN_LONDON) == ENGLAND


async def test_a_file_that_is_written_over_is_used_when_it_has_been_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geo, "LOOK_AGAIN", -1.0)
    monkeypatch.setattr(geo, "QUIET", 0.5)
    path = tmp_path / "City.mmdb"
    write_mmdb(path, {"81.2.69.0/24": LONDON})
    places = Geo(path)
    await places.locate([])
    write_mmdb(path.with_suffix(".new"), {"81.2.69.0/24": JAPAN})
    path.write_bytes(path.with_suffix(".new").read_bytes())
    assert await where(places, IN_LONDON) == ENGLAND
    written = path.stat().st_ctime
    while await where(places, IN_LONDON) == ENGLAND:
        assert time.time() - written < 10
        await asyncio.sleep(0.05)
    assert await where(places, IN_LONDON) == TOKYO
    assert time.time() - written >= 0.5


async def test_a_copy_lies_where_there_is_room(mmdb: Path) -> None:
    """The file's own folder here takes none: it is one of the kernel's. Another that is named does not exist."""
    with mmdb.open("rb") as file:
        places = Geo(Path(f"/proc/self/fd/{file.fileno()}"), mmdb.parent / "absent", mmdb.parent)
        assert await where(places, IN_LONDON) == ENGLAND
    mapped = Path("/proc/self/maps").read_text()
    assert any(str(mmdb.parent) in line and line.endswith(".mmdb (deleted)") for line in mapped.splitlines())


async def test_no_copy_lies_beside_the_file_for_people_to_see(tmp_path: Path) -> None:
    write_mmdb(tmp_path / "City.mmdb", {"81.2.69.0/24": LONDON})
    assert await where(Geo(tmp_path / "City.mmdb"), IN_LONDON) == ENGLAND
    assert list(tmp_path.iterdir()) == [tmp_path / "City.mmdb"]


@pytest.mark.usefixtures("look_always")
async def test_where_there_is_no_room_it_warns_and_tries_again(mmdb: Path, caplog: pytest.LogCaptureFixture) -> None:
    places = Geo(mmdb)
    room, places._folders = places._folders, (Path("/proc"),)
    assert [await where(places, IN_LONDON) for _ in range(3)] == [NOWHERE] * 3
    assert [record.getMessage() for record in caplog.records] == [
        f"visits are not geolocated by {mmdb}: no copy of it can be made: there is no room in /proc"
    ]
    places._folders = room
    assert await where(places, IN_LONDON) == ENGLAND


@pytest.mark.usefixtures("look_always")
async def test_a_pipe_in_the_files_place_stops_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "City.mmdb")
    async with asyncio.timeout(5):
        assert await where(Geo(tmp_path / "City.mmdb"), IN_LONDON) == NOWHERE


async def test_a_damaged_record_is_nowhere_and_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "City.mmdb"
    write_mmdb(path, {"81.2.69.0/24": LONDON, "89.160.20.0/24": JAPAN})
    path.write_bytes(path.read_bytes().replace(b"London", b"L\xffndon"))
    places = Geo(path)
    assert await where(places, "89.160.20.112") == TOKYO
    assert [await where(places, f"81.2.69.{last}") for last in range(3)] == [NOWHERE] * 3
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f"some visits are not geolocated by {path}: it is damaged" in warning
    assert "crumby geoip --upgrade" in warning


@pytest.mark.usefixtures("look_always")
async def test_a_file_that_is_damaged_at_large_is_not_used_at_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen to fail on a file that is not tried out."""
    path = tmp_path / "City.mmdb"
    write_mmdb(path, {"81.2.69.0/24": LONDON})
    places = Geo(path)
    assert await where(places, IN_LONDON) == ENGLAND
    write_mmdb(path.with_suffix(".new"), {"81.2.69.0/24": JAPAN, "2a00::/16": LONDON})
    path.with_suffix(".new").write_bytes(path.with_suffix(".new").read_bytes().replace(b"London", b"L\xffndon"))
    path.with_suffix(".new").replace(path)
    assert [await where(places, IN_LONDON) for _ in range(2)] == [ENGLAND] * 2
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f"visits are not geolocated by {path}: it is damaged (UnicodeDecodeError" in warning
    assert "; until then the one of 20" in warning


@pytest.mark.parametrize("missing", [1, 2, 3, 4, 5, 100])
async def test_a_file_without_its_end_is_not_used(missing: int, tmp_path: Path) -> None:
    """Seen to fail on one that is of 1970."""
    write_mmdb(tmp_path / "City.mmdb", {"81.2.69.0/24": LONDON})
    body = (tmp_path / "City.mmdb").read_bytes()
    (tmp_path / "City.mmdb").write_bytes(body[:-missing])
    assert await where(Geo(tmp_path / "City.mmdb"), IN_LONDON) == NOWHERE


async def test_a_record_that_unfolds_to_millions_of_parts_is_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Twenty-four arrays, each of which points to the next one twice: maxminddb 3.2 gives up, earlier ones do not."""
    path = tmp_path / "City.mmdb"
    write_mmdb(path, {"81.2.69.0/24": LONDON | {"traits": "x" * 200}})
    with maxminddb.open_database(path, maxminddb.MODE_MMAP) as reader:
        records = reader.metadata().search_tree_size + 16
    whole = path.read_bytes()
    first = whole.index(b"\x5d\xab" + b"x" * 200)
    offsets = [first - records + 6 * number for number in range(1, 25)]
    arrays = b"".join(b"\x02\x04" + 2 * (0x2000 | offset).to_bytes(2) for offset in offsets) + b"\x00\x07"
    path.write_bytes(whole[:first] + arrays + whole[first + len(arrays) :])
    assert await where(Geo(path), IN_LONDON) == NOWHERE
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "InvalidDatabaseError" in warning


async def test_a_file_of_ipv4_alone_has_no_place_for_ipv6_and_no_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = MMDBWriter(ip_version=4, database_type="City")
    writer.insert_network(IPSet(["81.2.69.0/24"]), LONDON)
    writer.to_db_file(str(tmp_path / "City.mmdb"))
    found = await Geo(tmp_path / "City.mmdb").locate([IN_LONDON, "2001:218::1"])
    assert found == {IN_LONDON: ENGLAND, "2001:218::1": NOWHERE, None: NOWHERE}
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.usefixtures("look_always")
async def test_three_hundred_damaged_databases_raise_nothing(mmdb: Path, tmp_path: Path) -> None:
    """Seen to end the process with maxminddb's C reader, whose maps' keys are any number that stands there."""
    whole, path = mmdb.read_bytes(), tmp_path / "City.mmdb"
    metadata = whole.rindex(b"MaxMind.com")
    dice = random.Random(2017)  # noqa: S311 - the same damage in each run
    for number in range(300):
        damaged = bytearray(whole.replace(b"\x44city", b"\xc4city") if number == 0 else whole)
        start = dice.choice((0, metadata))
        for _ in range(dice.randint(1, 8) if number else 0):
            damaged[dice.randrange(start, len(whole))] = dice.randrange(256)
        path.write_bytes(damaged)
        found = await Geo(path).locate([IN_LONDON, "89.160.20.112", "216.160.83.56", "2001:218::1", "1.1.1.1"])
        assert {type(place) for place in found.values()} == {Place}
