"""A rollup file that is wrong is named, with its remedy, and harms no other."""

from pathlib import Path

import pytest

from crumby.database import Database
from crumby.rollups import Rollups
from crumby.rollups.files import load_rollup
from tests.rollups.brute import NAMES
from tests.rollups.conftest import compare, finish
from tests.rollups.people import Stored

GOOD = """-- Good
-- key: country(3)
-- sum: views
select country, day, {{ prev_day("country") }} as prev_day, sum(views) as views from hits group by 1, 2, 3
"""


WRONG = {
    "unknown": ("country, day", "land, day", "land"),
    "misspelt": ("from hits", "frm hits", "hits"),
    "renamed": ("country, day", "country as land, day", "its answer has land, day, prev_day, views, its header wants"),
    "unnamed": ("sum(views) as views", "sum(views)", "its header wants country, day, prev_day, views; mend either"),
}


async def test_what_the_database_does_not_take_is_told_with_its_remedy(
    database: Database, stored: Stored, rollups: Rollups, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Faults: an error that ends the step; one that is told at each of them."""
    for name, (old, new, _) in WRONG.items():
        (folder / "rollups" / f"{name}.sql").write_text(GOOD.replace(old, new))
    await stored.come(50)
    await finish(rollups)
    (folder / "rollups" / "mine.sql").write_text(GOOD)  # all files are looked at again
    await finish(rollups)
    (folder / "rollups" / "mine.sql").unlink()
    await finish(rollups)
    assert sorted(rollups.errors) == sorted(WRONG)
    for name, (_, _, said) in WRONG.items():
        assert rollups.errors[name].startswith(f"queries/rollups/{name}.sql: ")
        assert said in rollups.errors[name]
        assert "mend" in rollups.errors[name]
    assert sorted(record.message for record in caplog.records) == sorted(rollups.errors.values())
    await compare(database, rollups)


async def test_what_only_some_rows_break_leaves_the_others_whole(
    database: Database, stored: Stored, rollups: Rollups, folder: Path
) -> None:
    """Faults: the chunk is committed without it; it is tried again for ever."""
    (folder / "rollups" / "mine.sql").write_text(
        GOOD.replace("select country", "select nullif(country, 'JP') as country")
    )
    await stored.come(100)
    await finish(rollups)
    assert list(rollups.errors) == ["mine"]
    assert "mine.sql" in rollups.errors["mine"]
    await compare(database, rollups)
    (folder / "rollups" / "mine.sql").write_text(GOOD)
    await finish(rollups)
    assert sorted(rollups.ready) == sorted([*NAMES, "mine"])
    assert rollups.errors == {}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("mine", GOOD.replace("-- sum: views\n", ""), "write `-- sum: views, sessions`"),
        ("mine", GOOD.replace("country(3)", "country(x)"), "a key is written `country(3)`"),
        ("mine", GOOD.replace("-- sum: views", "-- sum: day"), "names 'day' twice"),
        ("mine", GOOD.replace("-- sum: views", "-- sum: Views"), "a column's name in small letters, not 'Views'"),
        ("mine", GOOD.replace('prev_day("country")', 'prev_day("planet")'), "prev_day takes page, entry, channel"),
        ("mine", GOOD.replace('prev_day("country")', "nosuch()"), "not {{ nosuch() }}"),
        ("Mine", GOOD, "name it with small letters"),
        ("m" * 42, GOOD, "41 at most"),
    ],
)
def test_what_is_wrong_with_a_header_is_said(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / f"{name}.sql"
    path.write_text(text)
    error = load_rollup(path).error
    assert error
    assert error.startswith(f"queries/rollups/{name}.sql: ")
    assert said in error


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_bytes(b"\xff\xfe")
    assert "utf-8" in str(load_rollup(tmp_path / "mine.sql").error)
