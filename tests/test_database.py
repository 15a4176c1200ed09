"""What is opened is closed."""

from pathlib import Path

import pytest

from crumby.database import open_database
from tests.conftest import MakeSettings


async def test_files_are_closed_however_long_it_takes(settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stood still for a while is no server that is frozen. Planted: one patience for all engines."""
    monkeypatch.setattr("crumby.database.GOODBYE", 0.0)
    async with open_database(settings()) as database:
        assert database.sqlite_path
        async with database.engine.connect(), database.engine.connect():
            pass
        async with database.reports.connect():
            pass
        assert times_open(database.sqlite_path) == 3
    assert times_open(database.sqlite_path) == 0


def times_open(path: Path) -> int:
    return [link.resolve() for link in Path("/proc/self/fd").iterdir()].count(path.resolve())
