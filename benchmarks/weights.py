"""What a visit weighs where nobody waits for it: in the rollups, in the spool, on the wire."""

import os
import socket
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import traffic
from benchmarks.people import People
from benchmarks.watching import threads
from crumby.database import open_database
from crumby.ingest.spool import Spool
from crumby.rollups import open_rollups
from crumby.settings import Settings
from tests.servers import DatabaseServer

SYNCS: Final = 201
SPOOLED: Final = 5_000  # rows that are written for a figure of it
BATCH: Final = 64  # of them at a time, as the writer does
COUNTED: Final = 40_000  # visits that the rollups take in for a figure of it
TIMES: Final = 3  # that they begin anew


@dataclass(frozen=True, slots=True)
class Weights:
    rollup_us: float  # that one worker takes for a visit, in chunks of 5,000, by the clock; the lightest of some times
    rollup_loop_us: float  # of that, processor time of Crumby
    rollup_database_us: float  # and of the database
    spool_us: float  # of Crumby's processor time until a hit is in the spool, in batches of 64
    spool_bytes: float  # that it takes there
    sync_ms: float  # until the disk says that it has 4 KiB more, by the clock; the middle of many times
    request_bytes: float  # of a hit, as a browser sends it
    answer_bytes: float

    def told(self) -> Iterator[str]:
        yield (
            f"rollups: {self.rollup_us:.1f} µs a visit by the clock, {self.rollup_loop_us:.1f} of Crumby's processor "
            f"time, {self.rollup_database_us:.1f} of the database's"
        )
        yield f"spool: {self.spool_us:.1f} µs and {self.spool_bytes:,.0f} bytes a hit; the disk: {self.sync_ms:.2f} ms"
        yield f"wire: {self.request_bytes:,.0f} bytes of a hit, {self.answer_bytes:,.0f} of its answer"


async def weigh(url: str, server: DatabaseServer | None, folder: Path, answer: int) -> Weights:
    """After the turns, when nothing else runs: some of the visits that they left are counted once more."""
    counted = min([await counting(url, server) for _ in range(TIMES)], key=lambda times: times[1] + times[2])
    made = traffic.requests()
    request = sum(len(before) + len(traffic.HIT_ID) + len(after) for before, after in made) / len(made)
    spooled = await spooling(folder / "weighed.db")
    return Weights(*counted, *spooled, syncing(folder / "synced"), request, answer)


async def counting(url: str, server: DatabaseServer | None) -> tuple[float, float, float]:
    """µs a visit: by the clock, of this process, of the server's."""
    settings = Settings(sqlalchemy_database_uri=url)
    visits, clock, own, theirs = 0, 0.0, 0.0, 0.0
    async with open_database(settings) as database, open_rollups(database, settings) as rollups:
        await rollups.forget()
        pending = True
        while pending:
            before = time.perf_counter(), time.process_time(), used(server)
            done = await rollups.advance()
            if done.visits:
                visits += done.visits
                clock += time.perf_counter() - before[0]
                own += time.process_time() - before[1]
                theirs += used(server) - before[2]
            pending = done.pending and visits < COUNTED
    return 1e6 * clock / visits, 1e6 * own / visits, 1e6 * theirs / visits


def used(server: DatabaseServer | None) -> float:
    return sum(threads(server.process.pid).values()) if server else 0.0


async def spooling(path: Path) -> tuple[float, float]:
    """µs of a hit, and its bytes."""
    spool = Spool(path, 1024)
    await spool.open()
    rows = [row for day in People(SPOOLED, datetime.now(UTC).replace(tzinfo=None)).days() for row in day.visits]
    begun = time.process_time()
    for start in range(0, len(rows), BATCH):
        await spool.add(rows[start : start + BATCH], [])
    took = time.process_time() - begun
    await spool.close()
    return 1e6 * took / len(rows), sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*")) / len(rows)


def syncing(path: Path) -> float:
    """In ms, the middle of many times."""
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            begun = time.perf_counter()
            file.write(b"." * 4096)
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
    return 1e3 * statistics.median(took)


def answer_bytes(port: int) -> int:
    """Of an answer to a hit."""
    before, after = traffic.requests()[0]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(before + b"%032x" % time.time_ns() + after)
        return len(wire.recv(65_536))
