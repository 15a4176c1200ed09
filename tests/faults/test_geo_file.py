"""Rows 35 and 36 of the card: the City database is replaced under load, and replaced by 500 that are none."""

import asyncio
import io
import os
import random
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import maxminddb
import pytest

from crumby.ingest.geo import NOWHERE, Place, place_of
from tests.conftest import LONDON, write_mmdb
from tests.faults.clients import ANSWER_TIMEOUT_S, Client
from tests.faults.ledger import Document, Ledger, judge, new_hit
from tests.faults.test_kill import slowness
from tests.servers import Crumby

READERS = 64
PACE_S = 0.1  # between one hit of a reader and its next
SEEN_WITHIN_S = 5.0
BETWEEN_SWAPS_S = 0.02
CITIES = {f"127.{64 * n}.0.0/10": LONDON | {"city": {"names": {"en": f"City {n}"}}} for n in range(4)}


class Visitor(Client):
    """A browser that comes from another address of this machine with each hit, so that each has to be looked up."""

    address = ""  # that it comes from next; any, where it is empty

    async def attempt(self, *hits: Document) -> str:
        try:
            return await super().attempt(*hits)
        finally:
            self.disconnect()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = (self.address or an_address(), 0)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            self.stream = await asyncio.open_connection("127.0.0.1", self.port, local_addr=address)
        self.answers = 0
        return self.stream


def an_address() -> str:
    return f"127.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"


@asynccontextmanager
async def visitors(port: int, ledger: Ledger) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(READERS):
            tasks.create_task(Visitor(port, ledger, PACE_S).run(stop))
        try:
            yield
        finally:
            stop.set()


class Edition:
    """The bytes of a database of which each record tells twice the number of its edition."""

    def __init__(self, folder: Path) -> None:
        networks = {f"127.{number}.0.0/16": self.record(number) for number in range(256)}
        write_mmdb(folder / "template.mmdb", networks)
        self.template = (folder / "template.mmdb").read_bytes()

    def record(self, number: int) -> dict[str, Any]:
        names = {"city": {"names": {"en": f"City 000 at {number}"}}, "subdivisions": [{"names": {"en": "Land 000"}}]}
        return LONDON | names

    def __call__(self, number: int) -> bytes:
        return self.template.replace(b"City 000", b"City %03d" % number).replace(b"Land 000", b"Land %03d" % number)


async def put_in_its_place(path: Path, body: bytes) -> None:
    path.with_suffix(".new").write_bytes(body)
    path.with_suffix(".new").replace(path)


async def write_over(path: Path, body: bytes) -> None:
    """Half of it first: `cp` cuts the old file before, `rsync --inplace` does not."""
    with path.open(secrets.choice(["wb", "r+b"])) as file:
        for half in (body[: len(body) // 2], body[len(body) // 2 :]):
            file.write(half)
            file.flush()
            await asyncio.sleep(0.005)


async def seen(server: Crumby, number: int) -> None:
    """Return when a visit has been stored with a place of that edition, or fail."""
    started, name = time.monotonic(), f"Land {number:03}"
    lately = "select subdivision_1 from visits order by id desc limit 200"
    while (name,) not in rows(server, lately):
        assert time.monotonic() - started <= SEEN_WITHIN_S * slowness(0), name
        await asyncio.sleep(0.05)


def told(server: Crumby) -> set[tuple[str, str]]:
    """All pairs of names that visits were stored with."""
    query = "select distinct substr(city, 1, 8), subdivision_1 from visits"
    return set(rows(server, query))


def rows(server: Crumby, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{server.home / 'crumby.db'}?mode=ro", uri=True, timeout=10)) as database:
        return database.execute(query).fetchall()


@pytest.mark.parametrize("swap", [put_in_its_place, write_over])
@pytest.mark.parametrize(
    "pause", [pytest.param("a moment", id="at once"), pytest.param("seen", id="in turn", marks=pytest.mark.long)]
)
async def test_a_hundred_new_databases_under_load_cost_neither_a_hit_nor_a_place(
    swap: Callable[[Path, bytes], Any], pause: str, tmp_path: Path
) -> None:
    """Seen to fail on a mapping of the file itself (the process ends), and on a file that is looked at once."""
    edition, ledger, path = Edition(tmp_path), Ledger(), tmp_path / "City.mmdb"
    path.write_bytes(edition(0))
    with Crumby(geoip2_database_name=str(path)) as server:
        async with visitors(server.port, ledger):
            await ledger.next_ok()
            for number in range(1, 101):
                await swap(path, edition(number))
                await (seen(server, number) if pause == "seen" else asyncio.sleep(BETWEEN_SWAPS_S))
            await seen(server, 100)
        assert server.process.poll() is None
        server.stop()
        await judge(f"sqlite:///{server.home / 'crumby.db'}", ledger)
        assert set(ledger.outcomes) == {"ok"}
        assert {(city[-3:], land[-3:]) for city, land in told(server)} <= {(f"{n:03}", f"{n:03}") for n in range(101)}
        assert "not geolocated" not in server.log


class Attentive(Crumby):
    """It looks at the file before each batch, and takes it at once: else 500 files would take 1,000 seconds."""

    CODE = (
        "from crumby.ingest import geo; geo.LOOK_AGAIN = -1.0; geo.QUIET = 0.0\nfrom crumby.cli import main; main()\n"
    )

    def command(self) -> Sequence[str | Path]:
        words = list(super().command())
        where = words.index("-m")
        return [*words[:where], "-c", self.CODE, *words[where + 2 :]]


class Mutant(NamedTuple):
    name: str
    put: Callable[[Path], object]
    is_none: bool = True  # no database at all: the old one has to stay, with a warning
    over: bool = False  # written over the old one, which else goes first


def mutants(whole: bytes, count: int) -> Iterator[Mutant]:
    dice = random.Random(count)  # noqa: S311 - the same mutants in each run
    metadata = whole.rindex(b"\xab\xcd\xefMaxMind.com")
    yield Mutant("gone", lambda path: path)
    yield Mutant("empty", Path.touch)
    yield Mutant("a folder", Path.mkdir)
    yield Mutant("a pipe", os.mkfifo)
    yield Mutant("a link to nothing", lambda path: path.symlink_to("nothing"))
    yield Mutant("a link to itself", lambda path: path.symlink_to(path))
    yield Mutant("a device", lambda path: path.symlink_to("/dev/zero"))
    yield Mutant("a page", lambda path: path.write_text("<html>Please sign in</html>"))
    yield Mutant("zeros", lambda path: path.write_bytes(bytes(1_000_000)))
    yield Mutant("noise", lambda path: path.write_bytes(dice.randbytes(1_000_000)))
    yield Mutant("its metadata alone", lambda path: path.write_bytes(whole[metadata:]))
    yield Mutant("no text", lambda path: path.write_bytes(whole.replace(b"City ", b"Ci\xffy ")))
    number_for_key = whole.replace(b"\x44city", b"\xc4city")  # such a record is read, and tells of no city
    yield Mutant("a number for a key", lambda path: path.write_bytes(number_for_key), is_none=False)
    yield Mutant("unreadable", lambda path: put_bytes(path, whole, 0o000), is_none=os.geteuid() != 0)
    for number in range(14, count):
        over = dice.random() < 0.3
        if number % 4 == 0:
            cut = whole[: dice.randrange(1, len(whole))]
            yield Mutant(f"{len(cut)} bytes", partial(Path.write_bytes, data=cut), over=over)
        else:
            flipped = bytearray(whole)
            start = dice.choice((0, 0, metadata))
            for _ in range(dice.randint(1, 8)):
                flipped[dice.randrange(start, len(whole))] = dice.randrange(256)
            yield Mutant(f"flipped {number}", partial(Path.write_bytes, data=flipped), is_none=False, over=over)


def put_bytes(path: Path, body: bytes, mode: int) -> None:
    path.write_bytes(body)
    path.chmod(mode)


def make_way(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def before(address: str) -> Place:
    """What the whole database tells of an address."""
    return place_of(CITIES[f"127.{int(address.split('.')[1]) // 64 * 64}.0.0/10"])


def as_it_reads(path: Path, address: str) -> Place:
    """What maxminddb's reader in Python finds; NOWHERE where it cannot read that record."""
    with suppress(Exception), maxminddb.open_database(io.BytesIO(path.read_bytes()), maxminddb.MODE_FD) as reader:
        return place_of(reader.get(address))
    return NOWHERE


def a_visit() -> Document:
    while (hit := new_hit())["t"] != "visit":
        pass
    return hit


@pytest.mark.parametrize("count", [200, pytest.param(20_000, marks=pytest.mark.long)])
async def test_no_file_that_is_no_good_database_costs_a_hit_or_the_server(count: int, tmp_path: Path) -> None:
    """Seen to fail on maxminddb's C reader (the process ends), on a mapping of the file itself (places are missing),
    on a server that forgets the old database, on one that takes a new one untried, on one that warns at each look,
    and on one where a damaged file's errors reach the hit.
    """
    path, ledger = tmp_path / "City.mmdb", Ledger()
    write_mmdb(path, CITIES)
    whole = path.read_bytes()
    allowed: dict[bytes, tuple[str, set[Place]]] = {}
    with Attentive(geoip2_database_name=str(path)) as server:
        visitor = Visitor(server.port, ledger)
        log = (server.folder / "log").open()

        async def visit(name: str, *, has_to_be_known: bool = True) -> None:
            hit, visitor.address = a_visit(), an_address()
            others = set() if has_to_be_known else {as_it_reads(path, visitor.address)}
            allowed[bytes.fromhex(str(hit["id"]))] = (name, {before(visitor.address), *others})
            assert await visitor.attempt(hit) == "ok", (name, server.log[-2000:])

        for mutant in mutants(whole, count):
            await visit("whole")
            log.read()
            if not mutant.over:
                make_way(path)
            mutant.put(path)
            await visit(mutant.name, has_to_be_known=mutant.is_none)
            await visit(mutant.name, has_to_be_known=mutant.is_none)
            warnings = log.read().count("geolocated by")
            assert warnings == 1 if mutant.is_none else warnings <= 1, mutant.name
            make_way(path)
            await put_in_its_place(path, whole)
        log.close()
        assert server.process.poll() is None
        server.stop()
        await judge(f"sqlite:///{server.home / 'crumby.db'}", ledger)
        columns = ", ".join(Place.__struct_fields__)
        for hit_id, *found in rows(server, f"select hit_id, {columns} from visits"):
            name, places = allowed[hit_id]
            assert Place(*found) in places, name
        assert "Traceback" not in server.log
