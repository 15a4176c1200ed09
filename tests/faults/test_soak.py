"""Row 44 of the card: at half the load that it can bear, with reports, Crumby holds in the end what it held at first.

The long form runs for an hour, or for CRUMBY_TEST_SOAK_MINUTES (five at least), and stores some ten million hits:
5 GB in the temp folder. Hits are numbered, so that what was sent is a range of ids and needs no memory, however long
it goes on.
"""

import asyncio
import contextlib
import itertools
import os
import sqlite3
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from benchmarks import machine, traffic
from benchmarks.load import DRAIN_TIMEOUT_S, Client, Load, Round
from crumby.settings import shipped
from tests.conftest import LINKOPING, LONDON, MILTON, write_mmdb
from tests.servers import Crumby

CLIENTS = 64
CAPACITY_S = 3.0
STRETCH_S = 60.0  # then the connections are closed, and others opened
ASK_EVERY_S = 0.5
MORE_FILES = 4  # a report's connection, its log and its index; a leak at each question would open a hundred
LOG_MIB = 32  # 256 transactions of full batches write 10, and more waits while a report reads
LONG_LOG_MIB = 160  # reports over millions of hits: at 64 a new one waits, while those under way may take 10 s
IN_THE_FILE_KIB = 0.1  # of a hit, that takes 0.4; the rest waits in the log for the next checkpoint
REPORTS = [f"/api/public/{path.stem}?days=30" for path in sorted(shipped("queries").glob("public/*.sql"))]
PAGES = [*REPORTS, "/", "/cmb.js", "/healthz"]
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Form:
    seconds: float
    warm_up_s: float  # while caches fill
    sample_s: float
    growth: Callable[[Sequence["Sample"]], float]  # of memory, after the warm-up
    bound: float
    log_mib: float = LOG_MIB


@dataclass(frozen=True, slots=True)
class Sample:
    at_s: float
    hits: int  # acknowledged so far
    memory: machine.Memory
    files: int  # open, sockets and all
    log_mib: float  # the write-ahead log
    database_mib: float


def per_hit(samples: Sequence[Sample]) -> float:
    """KiB for each hit; a run of seconds has no better measure, and this one asks for no fast machine."""
    return 1024 * slope([sample.hits for sample in samples], samples)


def per_ten_minutes(samples: Sequence[Sample]) -> float:
    """MiB."""
    return 600 * slope([sample.at_s for sample in samples], samples)


def slope(along: Sequence[float], samples: Sequence[Sample]) -> float:
    """MiB of resident memory for one of `along`; the places' file is mapped, and the system's to take back."""
    return statistics.linear_regression(along, [sample.memory.without_mmdb for sample in samples]).slope


MINUTES = float(os.environ.get("CRUMBY_TEST_SOAK_MINUTES", "60"))
# A hit is 0.2 KiB while the caches still fill, which take some 30,000 hits.
SHORT = Form(seconds=12.0, warm_up_s=4.0, sample_s=0.4, growth=per_hit, bound=0.7)
# In a run of minutes the noise of half a MiB looks like a slope, and caches still fill for two of them.
LONG = Form(
    seconds=60 * MINUTES,
    warm_up_s=max(120, 10 * MINUTES),
    sample_s=5.0,
    growth=per_ten_minutes,
    bound=max(1.0, 10 / MINUTES),
    log_mib=LONG_LOG_MIB,
)


@pytest.mark.parametrize(
    "form", [pytest.param(SHORT, id="12 seconds"), pytest.param(LONG, id="an hour", marks=pytest.mark.long)]
)
async def test_half_load_with_reports_makes_nothing_grow_and_loses_no_hit(form: Form, tmp_path: Path) -> None:
    """Seen to fail on a writer that keeps a KiB of each hit, on a request that leaves a file open, on a store that
    never checkpoints its log, and on one that acknowledges what it drops.
    """
    with Crumby(geoip2_database_name=str(places(tmp_path / "City.mmdb")), proxy_count="1") as server:
        soak = Soak(server)
        async with soak.asked_for_reports():
            half = (await soak.hit(CAPACITY_S)).rate / 2
            async with soak.sampled(form.sample_s):
                end = time.monotonic() + form.seconds
                while (left := end - time.monotonic()) > 0:
                    await soak.hit(min(left, STRETCH_S), half)
        server.stop()
        kept = stored(soak.database)
    warm = [sample for sample in soak.samples if sample.at_s >= form.warm_up_s]
    print(f"half load: {half:,.0f} hits/s; answers to reports and pages: {dict(soak.answers)}")
    print(f"{form.growth.__name__}: {form.growth(warm):.2f}, at most {form.bound}", table(soak.samples), sep="\n")
    first, second = warm[: len(warm) // 2], warm[len(warm) // 2 :]
    assert soak.refused == 0
    assert kept == (soak.sent, identifier(0), identifier(soak.sent - 1))
    assert set(soak.answers) <= {200, 503}, soak.answers  # 503: a report over millions of hits took too long
    assert soak.answers[200] > 0
    assert max(sample.files for sample in second) <= max(sample.files for sample in first) + MORE_FILES
    assert 1024 * warm[-1].database_mib >= IN_THE_FILE_KIB * warm[-1].hits, "the hits are in the log alone"
    assert form.growth(warm) <= form.bound
    assert max(sample.log_mib for sample in soak.samples) <= form.log_mib


class Browser(Client):
    """Sends a hit when its turn has come, however late the last answer was."""

    load: "PacedLoad"

    def __init__(self, load: "PacedLoad") -> None:
        super().__init__(load)
        self.turn = time.perf_counter() + load.interval_s * next(load.seats) / CLIENTS

    def send(self) -> None:
        wait = self.turn - time.perf_counter()
        self.turn += self.load.interval_s
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, super().send)
        else:
            super().send()


class PacedLoad(Load):
    interval_s = 0.0  # between a client's hits
    seats: Iterator[int] = iter(())

    async def go(self, seconds: float, rate: float) -> Round:
        """`CLIENTS` of them for so long, at `rate` hits a second together; 0 is as fast as they are answered."""
        self.interval_s = CLIENTS / rate if rate else 0.0
        self.seats = itertools.count()
        self.round = Round()
        begin = time.perf_counter()
        self.deadline = begin + seconds
        browsers = await asyncio.gather(*(Browser.open(self) for _ in range(CLIENTS)))
        await asyncio.wait([browser.done for browser in browsers], timeout=seconds + DRAIN_TIMEOUT_S)
        self.round.seconds = time.perf_counter() - begin
        self.round.unanswered += sum(not browser.done.done() for browser in browsers)
        for browser in browsers:
            browser.finish()
        return self.round


@dataclass(slots=True)
class Soak:
    server: Crumby
    samples: list[Sample] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)  # to reports and pages, by status
    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    load: PacedLoad = field(init=False)

    def __post_init__(self) -> None:
        self.load = PacedLoad("127.0.0.1", self.server.port, itertools.cycle(hits()), self._ids())

    @property
    def database(self) -> Path:
        return self.server.home / "crumby.db"

    def _ids(self) -> Iterator[bytes]:
        while True:
            self.sent += 1
            yield identifier(self.sent - 1).hex().encode()

    async def hit(self, seconds: float, rate: float = 0.0) -> Round:
        seen = await self.load.go(seconds, rate)
        self.acknowledged += seen.acknowledged
        self.refused += seen.refused
        return seen

    @asynccontextmanager
    async def asked_for_reports(self) -> AsyncIterator[None]:
        http = httpx.AsyncClient(base_url=self.server.url, trust_env=False, timeout=60)
        async with http, repeated(ASK_EVERY_S, lambda: self._ask(http)):
            yield

    async def _ask(self, http: httpx.AsyncClient) -> None:
        for page in PAGES:
            self.answers[(await http.get(page)).status_code] += 1

    @asynccontextmanager
    async def sampled(self, every_s: float) -> AsyncIterator[None]:
        start = time.monotonic()
        async with repeated(every_s, lambda: self._sample(time.monotonic() - start)):
            yield

    async def _sample(self, at_s: float) -> None:
        observed = machine.Server(self.server.port, self.server.process)
        self.samples.append(
            Sample(
                at_s=at_s,
                hits=self.acknowledged + self.load.round.acknowledged,
                memory=await asyncio.to_thread(observed.memory),
                files=sum(map(open_files, machine.family(self.server.process.pid))),
                log_mib=size_mib(self.database.with_name("crumby.db-wal")),
                database_mib=size_mib(self.database),
            )
        )


@asynccontextmanager
async def repeated(every_s: float, work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Do the work again and again, so long after its end, while the context lasts; what it raises ends the context."""
    over = asyncio.Event()

    async def go_on() -> None:
        while not over.is_set():
            await work()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), every_s)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(go_on())
        try:
            yield
        finally:
            over.set()


def hits() -> list[tuple[bytes, bytes]]:
    """Of cmb.js and of old pages' images, in turn."""
    return [hit for both in zip(traffic.requests(), traffic.requests(image=True), strict=True) for hit in both]


def identifier(number: int) -> bytes:
    return number.to_bytes(16, "big")


def places(path: Path) -> Path:
    """A City database that knows each of the visitors' networks."""
    known = itertools.cycle([LONDON, LINKOPING, MILTON])
    write_mmdb(path, {f"{network}.0.0.0/8": next(known) for network in range(11, 172)})
    return path


def stored(database: Path) -> tuple[int, bytes, bytes]:
    """How many hits, the lowest id and the highest: as ids are unique, a range is told by that."""
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("pragma quick_check").fetchall() == [("ok",)]
        found = connection.execute("select count(hit_id), min(hit_id), max(hit_id) from visits").fetchone()
    return cast("tuple[int, bytes, bytes]", found)


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def size_mib(path: Path) -> float:
    return path.stat().st_size / MIB


def table(samples: Sequence[Sample], lines: int = 20) -> str:
    heads = ("seconds", "hits", "resident", "private", "mmdb", "files", "log MiB", "db MiB")
    rows = ["".join(f"{head:>10}" for head in heads)]
    for sample in samples[:: max(1, len(samples) // lines)]:
        memory = sample.memory
        held = f"{memory.without_mmdb:10.1f}{memory.private:10.1f}{memory.mmdb:10.1f}{sample.files:10}"
        rows.append(f"{sample.at_s:10.0f}{sample.hits:10,}{held}{sample.log_mib:10.1f}{sample.database_mib:10.0f}")
    return "\n".join(rows)
