"""`crumby export`: an archive of all there is, or of what was chosen."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli.conftest import Ask
from tests.cli.terminal import shown
from tests.cli.test_errors import one_line
from tests.cli.test_interrupted import Start, at_it, interrupted, start

__all__ = ["start"]

SLOWLY = """
import time, crumby.exporting.export as export
pages = export._Pages.all
def slowly(self):
    print("at it", flush=True)
    time.sleep(0.5)
    return pages(self)
export._Pages.all = slowly
"""


@pytest.fixture
def filled(verb: Ask) -> None:
    assert verb("demo", "--visits", "100").status == 0


def manifest(archive: Path | io.BytesIO) -> dict[str, object]:
    with zipfile.ZipFile(archive) as files:
        assert files.testzip() is None
        found: dict[str, object] = json.loads(files.read("manifest.json"))
    return found


@pytest.mark.usefixtures("filled")
def test_an_archive_is_a_file_of_its_owner(verb: Ask, home: Path) -> None:
    """Which is replaced when that is said. Planted: a file that others may read; one that is replaced unasked."""
    said = verb("export", "--output", "all.zip")
    assert (said.status, said.out) == (0, "")
    assert said.err.startswith("all.zip holds an archive: 100 visits, ")
    assert (home / "all.zip").stat().st_mode & 0o777 == 0o600
    assert manifest(home / "all.zip")["form"] == "ndjson"
    again = verb("export", "-o", "all.zip", "--format", "csv")
    assert "all.zip is there already; --force replaces it" in one_line(again)
    told = json.loads(verb("export", "-o", "all.zip", "--format", "csv", "--force", "--json").out)
    assert (told["file"], told["rows"]["visits"]) == (str(home / "all.zip"), 100)
    assert manifest(home / "all.zip")["form"] == "csv"
    assert not list(home.glob("*.partial"))


@pytest.mark.usefixtures("filled")
def test_it_goes_on_to_another_program(crumby: Ask, home: Path) -> None:
    """A pipe can't be seeked in. Planted: a line for people among its octets."""
    with (home / "all.zip").open("wb") as file:
        words = [sys.executable, "-m", "crumby", "export", "--format", "sqlite", "--visitor", "42"]
        with subprocess.Popen([*words], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, b"")
        file.write(out)
    selection = manifest(home / "all.zip")["selection"]
    assert selection == {"from": None, "to": None, "time_zone": "UTC", "site": None, "visitor": "42"}
    assert "name a file, `crumby export --output all.zip`" in json.loads(crumby("export", "--json").err)["detail"]


@pytest.mark.usefixtures("filled")
def test_a_terminal_is_shown_no_archive(home: Path) -> None:
    message = "crumby: an archive is nothing to be read here: name a file, `crumby export --output all.zip`\n"
    assert shown("stdout", "export", status=1) == ("", message)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--format", "xml"], 2, "'xml' is not one of"),
        (["--from", "1 April"], 1, "from: '1 April' is not a date such as 2026-01-31"),
        (["--tz", "Mars/Base"], 1, "tz: there is no time zone 'Mars/Base'; one is 'Europe/Berlin'"),
        (["--visitor", "null", "--format", "csv"], 1, "neither a visitor's cid nor an address"),
        (["--output", "absent/all.zip"], 1, "absent/all.zip.partial: No such file or directory"),
    ],
)
def test_what_does_not_fit_is_named(verb: Ask, home: Path, words: list[str], status: int, said: str) -> None:
    answer = verb("export", *(["-o", "all.zip"] if "--output" not in words else []), *words)
    assert (answer.status, answer.out) == (status, "")
    assert said in answer.err
    assert not list(home.glob("*.zip*"))


@pytest.mark.usefixtures("filled")
def test_parquet_without_pyarrow_leaves_nothing(verb: Ask, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = verb("export", "--format", "parquet", "-o", "all.zip")
    assert "pip install 'crumby[parquet]'" in one_line(answer)
    assert not list(home.glob("all.zip*"))


@pytest.mark.usefixtures("filled")
def test_ctrl_c_leaves_the_one_before(home: Path, start: Start) -> None:
    """Planted: what was written by then has its name."""
    (home / "all.zip").write_text("the one before")
    process = start(SLOWLY, "export", "--force", "-o", "all.zip")
    said = interrupted(process, when=lambda: at_it(process))
    assert said == "there is no archive; all.zip is as it was"
    assert (home / "all.zip").read_text() == "the one before"
    assert not list(home.glob("*.partial"))
