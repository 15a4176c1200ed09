"""`crumby import`, typed: what it says, what it refuses, and how it goes on. What it reads, tests/importing has."""

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Ask

SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15"
SITE = ("--site", "example.com")


def line(minute: int, page: str = "/", day: int = 1) -> str:
    at = f"{day:02}/Mar/2026:{minute // 60:02}:{minute % 60:02}:00 +0000"
    return f'203.0.113.{minute % 7} - - [{at}] "GET {page} HTTP/1.1" 200 512 "-" "{SAFARI}"\n'


def log(path: Path, day: int = 1, lines: int = 120) -> Path:
    text = "".join(line(number, "/style.css" if number % 3 else f"/{number % 5}", day) for number in range(lines))
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def stored(home: Path) -> list[tuple[str, str, int]]:
    with closing(sqlite3.connect(home / "crumby.db")) as database:
        return database.execute("select datetime, page, seq from visits order by id").fetchall()


def test_a_log_is_recognised_imported_and_told(verb: Ask, home: Path) -> None:
    answer = verb("import", *SITE, str(log(home / "access.log")))
    assert answer.status == 0, answer.err
    assert "visits stored" in answer.out
    assert "left out: an asset" in answer.out
    assert "access.log: a web server's access log" in answer.err
    assert len(stored(home)) == 40
    again = verb("import", *SITE, str(home / "access.log"), "--json")
    (told,) = json.loads(again.out)
    assert (told["visits"], told["resumed"], told["stored"]) == (0, True, True)
    listed = verb("import", "--list", "--json")
    assert [(each["name"], each["visits"], each["done"]) for each in json.loads(listed.out)] == [
        ("access.log", 40, True)
    ]


def test_what_is_counted_beforehand_has_it_at_once(verb: Ask, home: Path) -> None:
    verb("import", *SITE, str(log(home / "access.log")))
    with closing(sqlite3.connect(home / "crumby-rollups.db")) as rollups:
        assert rollups.execute("select sum(views) from rollup_totals_day").fetchone() == (40,)
    with closing(sqlite3.connect(home / "crumby.db")) as database:
        (days,) = database.execute("select count(*) from calendar where datetime < '2026-03-01'").fetchone()
    assert days > 300


def test_several_logs_are_read_the_oldest_first(verb: Ask, home: Path) -> None:
    """As a shell names them: access.log access.log.1 access.log.2.gz."""
    files = [
        log(home / "access.log", day=3),
        log(home / "access.log.1", day=2),
        log(home / "access.log.2.gz", day=1),
    ]
    answer = verb("import", *SITE, *map(str, files))
    assert answer.status == 0, answer.err
    moments = [moment for moment, _, _ in stored(home)]
    assert len(moments) == 120
    assert moments == sorted(moments)


def test_days_are_those_of_the_zone(verb: Ask, home: Path) -> None:
    file = str(log(home / "access.log"))
    verb("import", *SITE, "--tz", "Asia/Tokyo", "--since", "2026-03-01", "--until", "2026-03-01", file)
    assert len(stored(home)) == 40
    assert json.loads(verb("import", *SITE, "--until", "2026-02-28", file, "--json").out)[0]["visits"] == 0


def test_a_dry_run_leaves_nothing(verb: Ask, home: Path) -> None:
    answer = verb("import", *SITE, "--dry-run", str(log(home / "access.log")))
    assert "visits would be stored" in answer.out
    assert stored(home) == []
    assert json.loads(verb("import", "--list", "--json").out) == []


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        ((), "name a file", 2),
        (("nowhere.log",), "there is no file nowhere.log", 1),
        (("--from", "sundial", "access.log"), "'sundial' is none of", 2),
        (("--tz", "Mars/Olympus", "access.log"), "there is no time zone", 2),
        (("--since", "yesterday", "access.log"), "'yesterday' is no day", 2),
        (("--follow", "access.log", "other.log"), "follows one file", 2),
        (("access.log",), "give --site", 1),
        (("bread.txt",), "nobody knows what this is", 1),
    ],
)
def test_bad_words_are_refused_with_the_remedy(
    verb: Ask, home: Path, words: tuple[str, ...], said: str, status: int
) -> None:
    log(home / "access.log")
    (home / "bread.txt").write_text("flour, water, salt\n" * 400)
    answer = verb("import", *words, "--json")
    assert answer.status == status
    assert said in json.loads(answer.err.splitlines()[-1])["detail"]
    assert answer.out == ""


def test_who_says_the_format_says_that_it_is_a_log(verb: Ask, home: Path) -> None:
    file = home / "own.log"
    file.write_text(f'2026-03-01T12:00:00+00:00 203.0.113.7 200 "GET / HTTP/1.1" "{SAFARI}"\n')
    form = '$time_iso8601 $remote_addr $status "$request" "$http_user_agent"'
    assert verb("import", *SITE, str(file)).status == 1
    answer = verb("import", *SITE, "--format", form, str(file))
    assert answer.status == 0, answer.err
    assert len(stored(home)) == 1


def test_standard_input_is_read(crumby: Ask, home: Path) -> None:
    answer = crumby("import", *SITE, "-", stdin=log(home / "access.log").read_bytes())
    assert answer.status == 0, answer.err
    assert len(stored(home)) == 40


def test_ctrl_c_leaves_what_is_stored_and_the_next_goes_on(home: Path) -> None:
    file = log(home / "access.log", lines=40)
    words = [sys.executable, "-m", "crumby", "import", "--follow", *SITE, str(file)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=os.environ) as running:
        _wait_for(home, 14)
        with file.open("a") as more:
            more.write(line(41, "/more"))
        _wait_for(home, 15)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "15 visits and 0 events are stored" in said


def _wait_for(home: Path, visits: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if len(stored(home)) == visits:
                return
        except sqlite3.Error:
            pass
        time.sleep(0.05)
    raise AssertionError(stored(home))
