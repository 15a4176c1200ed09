"""Crumby beside what it came from and what one would write instead: `python -m benchmarks.rivals`.

    0.7.1       Crumby of 2017 under Python 2.7 with gunicorn, from PyPI: a commit and a connection for each hit
    plain       FastAPI and SQLAlchemy, a row and a commit for each request, SQLite as it comes: plain.py
    plain-wal   the same with SQLite's write-ahead log

All of them on the same core, in turns, under the same load; beside them the yard. Each is asked in its own way, and
Crumby is compared as `cmb.js` asks it. 0.7.1 knows the image alone, and its server closes each connection: that way
Crumby is measured too ("alike").
"""

import argparse
import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import uvloop

from benchmarks import machine, traffic
from benchmarks.ingest import WARM_UP_S, Figures, Turn, environ
from benchmarks.load import Load, hit_ids
from benchmarks.machine import Running, Server

RIVALS: Final = ("0.7.1", "plain", "plain-wal")
GOALS: Final = {"0.7.1": 25.0, "plain": 5.0, "plain-wal": 5.0}  # times their hits a second
HEADS: Final = ("hits/s", "/ yard", "crumby /", "alike /", "p50 ms", "p99 ms", "refused")
OLD: Final = (  # the releases of its day, and the last of the others that know Python 2.7
    *("Crumby==0.7.1", "Flask==0.12.2", "Werkzeug==0.12.2", "SQLAlchemy==1.1.13", "Flask-SQLAlchemy==2.2"),
    *("Flask-Bcrypt==0.7.1", "Flask-Login==0.4.0", "geoip2==2.5.0", "gunicorn==19.7.1", "Jinja2==2.11.3"),
    *("MarkupSafe==1.1.1", "itsdangerous==1.1.0", "click==7.1.2", "bcrypt==3.1.7", "cffi==1.15.1", "six==1.17.0"),
    *("pycparser==2.21", "maxminddb==1.5.4", "requests==2.27.1", "certifi==2021.10.8", "chardet==4.0.0"),
    *("idna==2.10", "urllib3==1.26.20", "ipaddress==1.0.23"),
)


@dataclass(frozen=True, slots=True)
class Options:
    rivals: tuple[str, ...]
    seconds: float
    rounds: int
    connections: int
    python2: str | None
    packages: Path | None
    geo: Path | None
    server_core: int
    load_core: int
    json: bool


@dataclass(frozen=True, slots=True)
class Contender:
    name: str
    way: str
    keep_alive: bool
    server: Server
    counted: Callable[[], int] | None  # rows, when all is over

    @property
    def shown(self) -> str:
        return f"{self.name}, {self.way}{'' if self.keep_alive else ', closed'}"


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    way: str
    keep_alive: bool
    figures: Figures
    of_yard: float  # asked in the same way
    crumby_over: float  # times as many hits as this one, asked as `cmb.js` asks: POST, connections kept alive
    like_over: float  # and asked in this one's way


@dataclass(frozen=True, slots=True)
class Report:
    results: list[Result]
    stored: dict[str, tuple[int, int, int]]  # acknowledged, refused, stored
    missing: dict[str, str]  # why
    machine: dict[str, str]

    def faults(self) -> Iterator[str]:
        """A hit without an answer may be stored or not; an acknowledged one is, once."""
        for name, (acknowledged, refused, stored) in self.stored.items():
            if not acknowledged <= stored <= acknowledged + refused:
                yield f"{name}: {acknowledged} hits were acknowledged, {stored} are stored"
        for result in self.results:
            goal = GOALS.get(result.name, 0.0)
            if result.crumby_over < goal:
                yield f"Crumby does {result.crumby_over:.1f} times what {result.name} does, not {goal:g}"


class Missing(Exception):
    """Why a rival cannot run here."""


def main() -> None:
    options = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="crumby-bench-") as folder:
        report = measure(options, Path(folder))
    print(json.dumps(asdict(report), indent=2) if options.json else table(report, options))
    if faults := list(report.faults()):
        sys.exit("\n".join(faults))


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rivals", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rivals", default=",".join(RIVALS), help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (%(default)s)")
    parser.add_argument("--connections", type=int, default=64, help="one hit under way on each (%(default)s)")
    parser.add_argument("--python2", help="a Python 2.7 with pip (default: the one in the PATH, or pyenv's)")
    parser.add_argument("--packages", type=Path, help="where the packages of 0.7.1 are kept (default: they are not)")
    parser.add_argument("--geo", type=Path, help="a City database (.mmdb) for Crumby and 0.7.1")
    parser.add_argument("--server-core", type=int, default=0, help="core of the servers (%(default)s)")
    parser.add_argument("--load-core", type=int, default=1, help="core of the generator (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures for a program")
    values = vars(parser.parse_args(arguments))
    values["rivals"] = tuple(filter(None, values["rivals"].split(",")))
    return Options(**values)


def measure(options: Options, folder: Path) -> Report:
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        os.sched_setaffinity(0, {options.load_core})
        contenders = list(started(options, folder, stack, missing))
        turns = uvloop.run(take_turns(options, contenders))
    figures = {one.shown: Figures.of(turns[one.shown][1:]) for one in contenders}
    rates = {(one.name, one.way, one.keep_alive): figures[one.shown].hits_per_s for one in contenders}

    def result(one: Contender) -> Result:
        rate, like = figures[one.shown].hits_per_s, (one.way, one.keep_alive)
        own, same = rates["crumby", "post", True], rates["crumby", *like]
        over = [each / max(rate, 1e-9) for each in (own, same)]
        return Result(one.name, one.way, one.keep_alive, figures[one.shown], rate / rates["yard", *like], *over)

    return Report([result(one) for one in contenders], words_kept(contenders, turns), missing, machine.facts())


def started(options: Options, folder: Path, stack: ExitStack, missing: dict[str, str]) -> Iterator[Contender]:
    """Each in each of its ways; what cannot run says why."""
    yard = stack.enter_context(start_yard(options))
    crumby = stack.enter_context(start_crumby(options, folder))
    ways = [("post", True)] + [("gif", False)] * ("0.7.1" in options.rivals)
    for way, alive in ways:
        yield Contender("yard", way, alive, yard, None)
        yield Contender("crumby", way, alive, crumby, lambda: rows(folder / "crumby.db"))
    for name in options.rivals:
        file = folder / f"{name}.db"

        def counted(file: Path = file) -> int:
            return rows(file)

        try:
            if name == "0.7.1":
                server = stack.enter_context(start_old(options, folder, file))
                yield Contender(name, "gif", False, server, counted)  # noqa: FBT003 - its connections close
            else:
                server = stack.enter_context(start_plain(options, file, wal=name == "plain-wal"))
                yield Contender(name, "post", True, server, counted)  # noqa: FBT003
        except Missing as reason:
            missing[name] = str(reason)


def start_yard(options: Options) -> Running:
    return uvicorn(options, "benchmarks.yard:app", {})


def start_plain(options: Options, file: Path, *, wal: bool) -> Running:
    return uvicorn(
        options,
        "benchmarks.plain:app",
        {"PLAIN_DATABASE": f"sqlite+aiosqlite:///{file}", "PLAIN_WAL": "1" if wal else ""},
    )


def uvicorn(options: Options, app: str, more: dict[str, str]) -> Running:
    port = machine.free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "critical"]
    command += ["--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    return machine.pinned(command, port=port, cores={options.server_core}, environ=environ() | more)


def start_crumby(options: Options, folder: Path) -> Running:
    port = machine.free_port()
    settings = {
        "CRUMBY_SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder / 'crumby.db'}",
        "CRUMBY_GEOIP2_DATABASE_NAME": str(options.geo or folder / "none.mmdb"),
        "CRUMBY_SECRET_KEY": "of no consequence: this server lives a minute",
        "CRUMBY_SPOOL": str(folder / "spool.db"),
        "CRUMBY_PROXY_COUNT": "1",
    }
    command = [sys.executable, "-m", "crumby", "run", "--port", str(port)]
    return machine.pinned(command, port=port, cores={options.server_core}, environ=environ() | settings)


def start_old(options: Options, folder: Path, file: Path) -> Running:
    """Raises Missing."""
    python = options.python2 or python2()
    packages = installed(python, options.packages or folder / "packages")
    settings = folder / "crumby.cfg"
    settings.write_text(
        f"DOMAIN = 'stats.example.com'\nPROXY_COUNT = 0\nSECRET_KEY = 'of no consequence'\n"
        f"SQLALCHEMY_DATABASE_URI = 'sqlite:///{file}'\n"
        f"GEOIP2_DATABASE_NAME = '{options.geo or folder / 'none.mmdb'}'\n"
    )
    port = machine.free_port()
    command = [python, "-W", "ignore", "-m", "gunicorn.app.wsgiapp", "--bind", f"127.0.0.1:{port}", "crumby:app"]
    own = {"PYTHONPATH": str(packages), "CRUMBY_SETTINGS": str(settings), "HOME": str(folder)}
    return machine.pinned(command, port=port, cores={options.server_core}, environ=environ() | own, first="/cmb.js")


def python2() -> str:
    """Raises Missing."""
    pyenv = sorted(Path.home().glob(".pyenv/versions/2.7*/bin/python2.7"))
    found = [str(path) for path in reversed(pyenv)] + [path for path in [shutil.which("python2.7")] if path]
    for python in found:
        if not subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
            return python
    raise Missing("there is no Python 2.7 with pip; name one with --python2 (pyenv install 2.7.18 makes one)")


def installed(python: str, packages: Path) -> Path:
    """Raises Missing."""
    if (packages / "crumby").is_dir():
        return packages
    print("installing Crumby 0.7.1 from PyPI", file=sys.stderr)
    command = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages), *OLD]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"pip could not bring it: {done.stderr.strip().splitlines()[-1]}")
    return packages


def rows(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        count: int = connection.execute("select count(*) from visits").fetchone()[0]
        return count


async def take_turns(options: Options, contenders: Sequence[Contender]) -> dict[str, list[Turn]]:
    """The turns of each; the first is short and a warm-up. Every other round goes the other way about."""
    ways = {(one.way, one.keep_alive) for one in contenders}
    requests = {way: itertools.cycle(sent(*way)) for way in ways}
    ids = hit_ids()
    turns: dict[str, list[Turn]] = {one.shown: [] for one in contenders}
    order = list(contenders)
    for seconds in (WARM_UP_S, *[options.seconds] * options.rounds):
        for one in order:
            before = one.server.cpu_seconds()
            likes = requests[one.way, one.keep_alive]
            load = Load("127.0.0.1", one.server.port, likes, ids, keep_alive=one.keep_alive)
            seen = await load.run(options.connections, seconds)
            turns[one.shown].append(Turn(seen, one.server.cpu_seconds() - before))
        order.reverse()
    return turns


def sent(way: str, keep_alive: bool) -> list[tuple[bytes, bytes]]:  # noqa: FBT001 - as a contender has them
    """A POST says that it is JSON, for FastAPI reads no other; Crumby does not care."""
    made = traffic.requests(image=way == "gif", close=not keep_alive)
    return [(before.replace(b"text/plain;charset=UTF-8", b"application/json"), after) for before, after in made]


def words_kept(contenders: Sequence[Contender], turns: dict[str, list[Turn]]) -> dict[str, tuple[int, int, int]]:
    found: dict[str, tuple[int, int, int]] = {}
    for one in contenders:
        if not one.counted:
            continue
        acknowledged, refused, _ = found.get(one.name, (0, 0, 0))
        rounds = [turn.round for turn in turns[one.shown]]
        acknowledged += sum(each.acknowledged for each in rounds)
        refused += sum(each.refused for each in rounds)
        found[one.name] = (acknowledged, refused, one.counted())
    return found


def table(report: Report, options: Options) -> str:
    lines = [f"{fact}: {value}" for fact, value in report.machine.items()]
    lines += [
        f"load: {options.connections} connections, {options.rounds} rounds of {options.seconds:g} s",
        "",
        f"{'':22}" + "".join(f"{head:>10}" for head in HEADS),
    ]
    for each in report.results:
        figures = each.figures
        name = f"{each.name}, {each.way}{'' if each.keep_alive else ', closed'}"
        speed = f"{figures.hits_per_s:10,.0f}{each.of_yard:10.3f}{each.crumby_over:10.1f}{each.like_over:10.1f}"
        lines.append(f"{name:22}{speed}{figures.p50_ms:10.1f}{figures.p99_ms:10.1f}{figures.refused:10,}")
    lines.append("")
    for name, (acknowledged, refused, stored) in report.stored.items():
        lines.append(f"{name}: acknowledged {acknowledged:,}, refused {refused:,}, stored {stored:,}")
    lines += [f"{name} was not measured: {why}" for name, why in report.missing.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
