"""Ctrl-C, to a process: it ends with 130, in one line that tells how things are, and they are so."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer

from crumby.cli import people
from crumby.migrations import HEAD
from tests.cli.conftest import Answer, Ask
from tests.legacy import crumby071

LONGEST_S = 60.0
SLOW_PAGES = """
import time, crumby.backup.pages as pages, crumby.cli.backup as backup
pages.STEP, show = 1, backup._show
backup._show = lambda *told: (time.sleep(0.05), show(*told))
"""
SLOW_CHECK = """
import time, crumby.backup.contents as contents, crumby.cli.backup as backup
contents.STEPS, show, told = 10, backup._show, []
def slowly(bar, doing, done, total):
    told.append(doing)
    if told.count("checking") == 2:  # the first one is from before
        print("at it", flush=True)
    if doing == "checking":
        time.sleep(0.05)
    show(bar, doing, done, total)
backup._show = slowly
"""
SMALL_PARTS = "import crumby.demo.filling as filling; filling.AT_ONCE = 20"
MIGRATING = """
import time, crumby.migrations.backfill as backfill, crumby.cli.interrupting as interrupting
backfill.PART, fill = 1, backfill._fill
backfill._fill = lambda *words: (print("at it", flush=True), time.sleep({nap}), fill(*words))[2]
interrupting.GRACE_S = {grace}
"""

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Run `crumby WORDS…` as a process in which something is slow."""
    started = []

    def begin(slowly: str, *words: str) -> subprocess.Popen[bytes]:
        code = f"{slowly}\nfrom crumby.cli import main; main()"
        command = [sys.executable, "-c", code, *words]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def interrupted(process: subprocess.Popen[bytes], *, when: Callable[[], object]) -> str:
    """Press Ctrl-C as soon as that is so → the one line of it."""
    deadline = time.monotonic() + LONGEST_S
    while not when():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LONGEST_S)
    said = err.decode()
    assert (process.returncode, out.replace(b"at it\n", b""), said.count("\n")) == (130, b"", 1), said
    assert said.startswith("crumby: stopped: ")
    return said.removeprefix("crumby: stopped: ").strip()


def at_it(process: subprocess.Popen[bytes]) -> bool:
    assert process.stdout
    return process.stdout.readline() == b"at it\n"


def rows(path: Path, sql: str) -> Any:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
        return database.execute(sql).fetchall()


@pytest.fixture
def filled(verb: Ask, home: Path) -> Path:
    assert verb("demo", "--visits", "100").status == 0
    return home / "crumby.db"


def test_a_backup_leaves_the_one_before(filled: Path, home: Path, start: Start) -> None:
    """Fault: a copy that goes on to its end."""
    (home / "b.db").write_text("the one before")
    process = start(SLOW_PAGES, "backup", "--force", "b.db")
    partial = home / "b.db.partial"
    said = interrupted(process, when=lambda: partial.exists() and partial.stat().st_size)
    assert said == "there is no backup; b.db is as it was"
    assert (home / "b.db").read_text() == "the one before"
    assert not list(home.glob("b.db.*"))


def test_a_backup_ends_while_sqlite_checks_it(filled: Path, home: Path, start: Start) -> None:
    """Which is in the middle of its own code by then. Fault: no word from there, and so GRACE_S and a stray file."""
    process = start(SLOW_CHECK, "backup", "b.db")
    assert interrupted(process, when=lambda: at_it(process)) == "there is no backup; b.db is not written"
    assert not list(home.glob("b.db*"))


def test_a_restore_leaves_the_database_as_it_was(filled: Path, home: Path, verb: Ask, start: Start) -> None:
    """Fault: a copy that is no transaction."""
    assert verb("backup", "b.db").status == 0
    with closing(sqlite3.connect(filled)) as database, database:
        database.execute("delete from visits where id > 10")
    process = start(SLOW_PAGES, "restore", "--force", "b.db")
    journal = home / "crumby.db-journal"
    said = interrupted(process, when=lambda: journal.exists() and journal.stat().st_size)
    assert said == "the database is as it was, or all as b.db is, and nothing in between"
    assert rows(filled, "select count(*) from visits") == [(10,)]


def test_a_demo_says_how_many_visits_it_has_stored(home: Path, start: Start) -> None:
    """Fault: the number of the part before the last."""
    process = start(SMALL_PARTS, "demo", "--visits", "100000")

    def some() -> bool:
        path = home / "crumby.db"
        try:
            return path.exists() and rows(path, "select count(*) from visits") > [(0,)]
        except sqlite3.OperationalError:
            return False

    said = interrupted(process, when=some)
    stored = rows(home / "crumby.db", "select count(*) from visits")[0][0]
    assert said.startswith(f"{stored:,} of the demo's 100,000 visits are stored")


@pytest.mark.parametrize(
    ("nap", "grace"), [(0.05, 60.0), (3600.0, 0.2)], ids=["between two parts", "by force, out of one that has no end"]
)
def test_a_migration_leaves_the_old_schema(nap: float, grace: float, home: Path, start: Start, verb: Ask) -> None:
    """Faults: a thread that is waited for; nobody who sees to it that the process ends."""
    crumby071.build(home / "crumby.db")
    process = start(MIGRATING.format(nap=nap, grace=grace), "migrate")
    said = interrupted(process, when=lambda: at_it(process))
    assert said.startswith("no hit is lost, and the next `crumby migrate`")
    assert json.loads(verb("migrate", "--check", "--json").out)["from"] == "0.7.1"
    assert rows(home / "crumby.db", "select count(*) from visits") == [(len(crumby071.VISITS),)]
    assert verb("migrate").out == f"The database had schema 0.7.1, and has {HEAD} now, the newest\n"


@pytest.mark.parametrize(
    ("pressed", "said"),
    [(KeyboardInterrupt, "stopped"), (typer.Abort, "stopped, and nothing was changed")],
    ids=["anywhere", "at a prompt"],
)
def test_any_other_verb_ends_with_130_in_one_line(
    pressed: type[BaseException], said: str, verb: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typer's own ends with 1 and `Aborted.`, or with nothing."""

    def users(json_: people.Json = False) -> None:  # noqa: FBT002 - as the verb has it
        raise pressed

    monkeypatch.setattr(people, "users", users)
    assert verb("users") == Answer(130, "", f"crumby: {said}\n")
    assert json.loads(verb("users", "--json").err) == {"error": "Interrupted", "detail": said}


def test_it_is_heard_before_a_verb_has_begun(home: Path) -> None:
    """Planted: a traceback out of the imports."""
    begun = "import os, signal, sys; sys.addaudithook(lambda name, words: name == 'import' and words[0] == 'typer' and "
    code = begun + "os.kill(os.getpid(), signal.SIGINT))\nfrom crumby.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "users"], capture_output=True, check=False, env=os.environ)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"crumby: stopped\n")
