"""What hits notice of guesses at the login: `python -m benchmarks.guessing`.

Turns with and without them follow one another, so that a noisy neighbour meets both. Who guesses has many addresses,
and so each guess is hashed: 200 a minute, or as many as `--a-minute` says. It fails where the median of the
ratios of the hits' 99th percentiles is beyond two.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from typing import Final

import httpx

from benchmarks import machine, traffic
from benchmarks.load import Load, hit_ids

MOST: Final = 2.0  # times the 99th percentile of before
GUESSERS: Final = 8
CONNECTIONS: Final = 8


async def guess(client: httpx.AsyncClient, number: int, told: list[int]) -> None:
    """Each from an address of its own, as the proxy that is believed says."""
    said = {"username": "ann", "password": f"a guess {number}"}
    headers = {"X-Forwarded-For": f"198.{18 + number // 60_000}.{number // 240 % 250}.{number % 240 + 1}"}
    told.append((await client.post("/login", data=said, headers=headers)).status_code)


@contextlib.asynccontextmanager
async def guessed(port: int, told: list[int], a_minute: float) -> AsyncIterator[None]:
    """Guesses until the block ends: at most so many a minute, and one of a guesser at a time."""
    over = asyncio.Event()

    async def guesser(client: httpx.AsyncClient, first: int) -> None:
        number = first
        while not over.is_set():
            await guess(client, number, told)
            number += GUESSERS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 60 * GUESSERS / a_minute)

    begin = len(told)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
        tasks = [asyncio.create_task(guesser(client, begin + place)) for place in range(GUESSERS)]
        yield
        over.set()
        await asyncio.gather(*tasks)


async def measured(
    port: int, seconds: float, rounds: int, a_minute: float
) -> tuple[list[tuple[float, float]], list[int]]:
    """The 99th percentiles without and with guesses, in ms, a pair for each round; and what guessers were told."""
    load = Load("127.0.0.1", port, itertools.cycle(traffic.requests()), hit_ids())
    told: list[int] = []
    pairs = []
    for _ in range(rounds):
        alone = (await load.run(CONNECTIONS, seconds)).percentile_ms(99)
        async with guessed(port, told, a_minute):
            beside = (await load.run(CONNECTIONS, seconds)).percentile_ms(99)
        pairs.append((alone, beside))
    return pairs, told


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guessing", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=3, help="length of a turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of turns (%(default)s)")
    parser.add_argument("--a-minute", type=float, default=200, help="guesses (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crumby-bench-") as folder:
        port = machine.free_port()
        command = [sys.executable, "-m", "crumby", "run", "--port", str(port)]
        environ = {"HOME": folder, "CRUMBY_PROXY_COUNT": "1", "CRUMBY_BOTS": "off", "CRUMBY_RATE_LIMIT": "0"}
        with machine.pinned(command, port=port, cores=os.sched_getaffinity(0), environ=environ) as server:
            began = time.monotonic()
            pairs, told = asyncio.run(measured(server.port, options.seconds, options.rounds, options.a_minute))
            print(f"{len(told)} guesses in {(time.monotonic() - began) / 2:.0f} s, {told.count(401)} of them hashed")
    for alone, beside in pairs:
        print(f"p99 {alone:7.1f} ms alone, {beside:7.1f} ms beside guesses: {beside / alone:.2f}")
    ratio = statistics.median(beside / alone for alone, beside in pairs)
    print(f"median of the ratios: {ratio:.2f}, at most {MOST:.0f}")
    if ratio > MOST:
        sys.exit("hits wait for guesses")


if __name__ == "__main__":
    main()
