"""Access logs into SQLite: lines a second, beside reading the same file and matching its lines, and doing nothing else.

A log of `--lines` lines and one of ten times as many, by `--mix`: of a `site` as it is (half of it what pages are made
of, a fifth crawlers), or of `views` alone. Each is imported by a `crumby import` of its own, on one core, into a new
database; what of it is memory, the system tells when it has ended.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import facts
from benchmarks.traffic import REFERRERS, Visitor, some_visitor

BEGINS: Final = datetime(2026, 3, 1, tzinfo=UTC)
A_SECOND: Final = 40  # lines
ABOARD: Final = 2000  # visitors at a time
PAGES: Final = 3  # of a visitor, on average
CRAWLERS: Final = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "python-requests/2.32.3",
    "curl/8.9.1",
)
ASSETS: Final = ("app.css", "app.js?v=12", "logo.svg", "font.woff2", "photo-{}.webp", "photo-{}.jpg")
MIXES: Final = {"site": (0.50, 0.70, 0.72), "views": (0.0, 0.0, 0.0)}  # up to which share: assets, crawlers, the rest
OPTIONS: Final = ("--from", "access-log", "--site", "www.example.com", "--json")
LINE: Final = re.compile(
    rb'([^ ]++) [^ ]++ [^ ]++ \[([^\]]++)\] "([A-Z]++) ([^ ]++) HTTP/[\d.]++" (\d++) (\d++) "([^"]*+)" "([^"]*+)"'
)


def log_of(count: int, mix: str, seed: int = 7) -> Iterator[bytes]:
    """As nginx' `combined` has it."""
    dice = random.Random(seed)
    aboard = [some_visitor(dice) for _ in range(ABOARD)]
    stamp = ""
    for number in range(count):
        if number % A_SECOND == 0:
            stamp = f"{BEGINS + timedelta(seconds=number // A_SECOND):%d/%b/%Y:%H:%M:%S %z}"
        place = dice.randrange(ABOARD)
        if dice.random() < 1 / (PAGES * 4):
            aboard[place] = some_visitor(dice)
        yield _line(aboard[place], stamp, mix, dice)


def _line(visitor: Visitor, stamp: str, mix: str, dice: random.Random) -> bytes:
    assets, crawlers, others = MIXES[mix]
    chance, method, status = dice.random(), "GET", "200"
    page = f"/articles/{int(dice.paretovariate(1.1)) % 5000}"
    target, referrer, agent = page, dice.choice(REFERRERS) or "-", visitor.agent
    if chance < assets:
        target, referrer = "/static/" + dice.choice(ASSETS).format(page[10:]), f"https://www.example.com{page}"
    elif chance < crawlers:
        referrer, agent = "-", dice.choice(CRAWLERS)
    elif chance < others:
        method, status = dice.choice((("POST", "200"), ("GET", "301"), ("GET", "404")))
    return (
        f'{visitor.address} - - [{stamp}] "{method} {target} HTTP/2.0" {status} {dice.randrange(400, 90_000)} '
        f'"{referrer}" "{agent}"\n'
    ).encode()


def written(path: Path, count: int, mix: str) -> Path:
    with path.open("wb") as file:
        file.writelines(log_of(count, mix))
    return path


@dataclass(frozen=True, slots=True)
class Done:
    lines: int
    rows: int
    wall_s: float
    cpu_s: float
    peak_mib: float

    @property
    def a_second(self) -> float:
        return self.lines / self.wall_s


def imported(log: Path, lines: int, home: Path, cores: set[int]) -> Done:
    """By the command line, in a process of its own."""
    url = f"sqlite:///{home / 'crumby.db'}"
    environ = {**os.environ, "HOME": str(home), "CRUMBY_SQLALCHEMY_DATABASE_URI": url}
    command = [sys.executable, "-m", "crumby", "import", str(log), *OPTIONS]
    start = time.perf_counter()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        os.sched_setaffinity(process.pid, cores)
        said = process.stdout.read() if process.stdout else b""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"{command!r} ended with {process.returncode}")
    told: list[dict[str, Any]] = json.loads(said)
    rows = sum(each["visits"] + each["events"] for each in told)
    return Done(lines, rows, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def read_and_matched(log: Path) -> float:
    """Lines a second of who reads them and matches them, and no more."""
    count, start = 0, time.perf_counter()
    with log.open("rb") as file:
        for line in file:
            count += LINE.match(line) is not None
    return count / (time.perf_counter() - start)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.importing", description=__doc__)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--mix", default=",".join(MIXES), help=f"of {', '.join(MIXES)}")
    parser.add_argument("--times", default="1,10", help="how many times as many lines")
    parser.add_argument("--cores", default="0", help="that each import runs on")
    parser.add_argument("--folder", type=Path, help="where logs and databases are put meanwhile")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def main() -> None:
    asked = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="crumby-importing-", dir=asked.folder) as folder:
        found = list(measured(asked, Path(folder)))
    if asked.json:
        print(json.dumps({"machine": facts(), "imports": found}))
        return
    print("\n".join(f"{name}: {value}" for name, value in facts().items()), "\n")
    print(f"{'mix':8}{'lines':>12}{'rows':>12}{'lines/s':>10}{'a core/s':>10}{'/ yard':>8}{'peak MiB':>10}")
    for each in found:
        print(
            f"{each['mix']:8}{each['lines']:12,}{each['rows']:12,}{each['lines_s']:10,.0f}{each['core_s']:10,.0f}"
            f"{each['yard']:8.3f}{each['peak_mib']:10.1f}"
        )


def measured(asked: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    cores = {int(core) for core in asked.cores.split(",")}
    for mix in asked.mix.split(","):
        for times in asked.times.split(","):
            count = asked.lines * int(times)
            log = written(folder / "access.log", count, mix)
            with tempfile.TemporaryDirectory(dir=folder) as home:
                done = imported(log, count, Path(home), cores)
            yard = read_and_matched(log)
            core_s = count / done.cpu_s
            yield {"mix": mix, **asdict(done), "lines_s": done.a_second, "core_s": core_s, "yard": core_s / yard}


if __name__ == "__main__":
    main()
