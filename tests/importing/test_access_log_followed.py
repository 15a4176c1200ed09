"""A log that is written while it is read, and rotated in both of the ways there are; and what a kill loses of it."""

import gzip
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crumby.importing.input import Input
from crumby.importing.item import Found, Item, Skipped, Waiting
from crumby.importing.source import ImportRefused, Wanted
from crumby.importing.sources import accesslog
from crumby.settings import Settings
from tests.servers import wait_until

FOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
SECRET = "kT8zq0Vd7m2Lw9RxYb4N"
LOOKS = 5  # after which a rotation is done with


def line(number: int) -> str:
    at = f"23/Nov/2026:15:{number // 60:02}:{number % 60:02} +0000"
    return f'203.0.113.7 - - [{at}] "GET /{number} HTTP/1.1" 200 5 "-" "{FOX}"\n'


class Written:
    """A log, and the server that writes it: it keeps its file open, whatever that is called meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)

    def write(self, text: str) -> None:
        self._file.write(text.encode())

    def opened_anew(self) -> None:
        self._file.close()
        self._file = self.path.open("ab", buffering=0)

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Written]:
    written = Written(tmp_path / "access.log")
    yield written
    written.close()


def source(path: Path, *, follow: bool = True) -> accesslog.AccessLog:
    settings = Settings(secret_key=SECRET, sqlalchemy_database_uri="sqlite:////nowhere/crumby.db")
    wanted = Wanted(settings, ZoneInfo("UTC"), site="example.com", follow=follow)
    return accesslog.opened(Input(path, waits=follow), wanted)


def pages(items: Sequence[Item]) -> list[str]:
    assert all(isinstance(each, Found) for each in items), items
    return [(each.hit.uri or "").rpartition("/")[2] for each in items if isinstance(each, Found)]


def looked(items: Iterator[Item], times: int = 1) -> list[str]:
    """What comes until there is nothing more for now, so many times."""
    found = []
    for _ in range(times):
        while not isinstance(item := next(items), Waiting):
            found.append(item)
    return pages(found)


def test_a_line_is_taken_once_it_is_whole(log: Written) -> None:
    """Planted: `last` after each look."""
    log.write(line(1) + line(2)[:40])
    items = source(log.path).items(0)
    assert looked(items) == ["1"]
    assert looked(items) == []
    log.write(line(2)[40:-1])
    assert looked(items) == []
    log.write("\n" + line(3))
    assert looked(items) == ["2", "3"]


def test_a_log_that_is_renamed_is_read_to_its_end_and_then_the_new_one(log: Written) -> None:
    """A server goes on writing to the renamed file until it is told. Planted: LOOKS = 0."""
    log.write(line(1))
    read = source(log.path)
    items = read.items(0)
    assert looked(items) == ["1"]
    log.path.rename(log.path.with_suffix(".log.1"))
    log.write(line(2))
    assert looked(items) == ["2"]
    log.path.write_text(line(4))
    log.write(line(3))
    assert looked(items) == ["3"]
    log.opened_anew()
    log.write(line(5))
    assert looked(items, LOOKS) == ["4", "5"]
    log.write(line(6))
    assert looked(items) == ["6"]
    assert read.mark <= 3 * len(line(1))  # of the file that its reader was opened with, for that is in the ledger


def test_the_last_line_of_a_renamed_log_needs_no_end(log: Written) -> None:
    log.write(line(1).rstrip("\n"))
    items = source(log.path).items(0)
    assert looked(items) == []
    log.path.rename(log.path.with_suffix(".log.1"))
    log.opened_anew()
    log.write(line(2))
    assert looked(items, LOOKS) == ["1", "2"]


def test_a_log_that_is_cut_to_nothing_is_read_from_its_beginning(log: Written) -> None:
    """`copytruncate`. Planted: the size alone looked at, not what stands behind."""
    log.write(line(1) + line(2) + line(3)[:20])
    items = source(log.path).items(0)
    assert looked(items) == ["1", "2"]
    os.truncate(log.path, 0)
    assert looked(items) == []
    log.write(line(4))
    assert looked(items) == ["4"]
    os.truncate(log.path, 0)
    log.write(line(5) + line(6) + line(7))  # longer than before, when somebody looks again
    assert looked(items) == ["5", "6", "7"]


def test_equal_lines_on_both_sides_of_a_rotation_are_what_each_file_tells(log: Written) -> None:
    """Planted: `restart` left out. The two files, imported one by one, have to give the same ids."""
    log.write(line(1) * 2)
    items = source(log.path).items(0)
    first = [each for each in (next(items), next(items)) if isinstance(each, Found)]
    log.path.rename(log.path.with_suffix(".log.1"))
    log.opened_anew()
    log.write(line(1))
    while isinstance(item := next(items), Waiting):
        pass
    assert isinstance(item, Found)
    assert item.hit.id == first[0].hit.id != first[1].hit.id


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    read = source(tmp_path / "access.log")
    items = read.items(5)  # of another file of that name
    assert looked(items, 3) == []
    (tmp_path / "access.log").write_text(line(1))
    assert looked(items, 2) == ["1"]
    assert read.mark == 0


def test_an_empty_log_tells_its_format_by_its_first_line(log: Written) -> None:
    items = source(log.path).items(0)
    assert looked(items) == []
    log.write("what is this\n" + line(1))
    assert isinstance(next(items), Skipped)
    assert looked(items) == ["1"]


def test_what_is_no_file_that_is_written_to_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "access.log.gz").write_bytes(gzip.compress(line(1).encode()))
    for path in (tmp_path, tmp_path / "access.log.gz"):
        with pytest.raises(ImportRefused, match="--follow needs a log that is written to"):
            source(path)


@pytest.mark.parametrize("rotated", ["renamed", "cut"])
def test_a_kill_beside_a_rotation_loses_nothing_that_is_in_a_file(log: Written, rotated: str) -> None:
    """Whoever follows again, and imports the rotated file, has all of it. Planted: the new file's mark given out."""
    log.write(line(1) + line(2))
    read = source(log.path)
    items = read.items(0)
    seen = looked(items)
    before = log.path.with_suffix(".log.1")
    if rotated == "renamed":
        log.path.rename(before)
        log.opened_anew()
    else:
        log.write(line(3))  # and nobody looks before it is cut
        shutil.copy(log.path, before)
        os.truncate(log.path, 0)
    log.write("".join(map(line, range(100, 200, 20))))
    seen += looked(items, LOOKS)
    mark = read.mark  # as the ledger has it, of the file that was there at the start
    items.close()  # type: ignore[attr-defined]
    log.write(line(200))
    seen += looked(source(log.path).items(0))
    seen += pages(list(source(before, follow=False).items(mark)))
    assert set(seen) == {"1", "2", *map(str, range(100, 201, 20)), *(["3"] if rotated == "cut" else [])}


def test_a_followed_log_is_in_the_database_as_it_is_written(log: Written, tmp_path: Path) -> None:
    """By the command line: rotated under its hands, stopped by Ctrl-C, and gone on with."""
    database = tmp_path / "crumby.db"
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CRUMBY_")},
        "HOME": str(tmp_path),
        "CRUMBY_SQLALCHEMY_DATABASE_URI": f"sqlite:///{database}",
        "CRUMBY_SECRET_KEY": SECRET,
    }
    command = [sys.executable, "-m", "crumby", "import", "--follow", "--from", "access-log", "--site", "example.com"]

    def there() -> int:
        try:
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
                return int(connection.execute("select count(*) from visits").fetchone()[0])
        except sqlite3.OperationalError:
            return 0

    def follow() -> "subprocess.Popen[bytes]":
        return subprocess.Popen([*command, str(log.path)], env=environ, stderr=subprocess.PIPE)

    log.write("".join(map(line, range(5))))
    with follow() as process:
        wait_until(lambda: there() == 5, "what there was is stored")
        log.path.rename(log.path.with_suffix(".log.1"))
        log.write(line(5))
        log.opened_anew()
        log.write(line(6))
        wait_until(lambda: there() == 7, "so is what was written to both")
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130, said
    log.write(line(7))
    with follow() as process:
        wait_until(lambda: there() == 8, "and what came in between")
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert there() == 8
