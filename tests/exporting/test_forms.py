"""Each form keeps each value: what is written is read, to the last bit."""

import csv
import io
import json
import math
import sqlite3
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crumby.exporting import forms
from crumby.exporting.columns import SHAPES, Shape
from crumby.exporting.forms.columnar import ParquetMissing, ParquetUnfit
from crumby.exporting.manifest import FORMATS, Format, Part
from crumby.exporting.packing import Packing
from tests.exporting.awkward import TEXTS

SHAPE = Shape(
    "odd", (("id", "integer"), ("size", "float"), ("said", "text"), ("seen", "bytes"), ("at", "datetime"))
)  # fmt: skip
AT = datetime(2026, 1, 31, 23, 59, 59, 1)  # noqa: DTZ001 - UTC throughout
VALUES: Sequence[tuple[Any, ...]] = [
    (1, None, None, None, None),
    (2, 0.0, "", b"", datetime(1, 1, 1)),  # noqa: DTZ001
    (3, -0.0, "\0", b"\0\xff", AT),
    (-(2**63), 0.1 + 0.2, "a\0b", b"\\N", datetime(9999, 12, 31, 23, 59, 59, 999999)),  # noqa: DTZ001
    (2**63 - 1, 5e-324, b"\xff\xfe no text \xed\xa0\x80".decode(errors="surrogateescape"), bytes(range(256)), AT),
    (2**53 + 1, math.inf, "\\N", b"x", AT.replace(microsecond=0)),
    (2**53 + 1, -math.inf, '\\"a"', b"x", AT),
    (7, 1.7976931348623157e308, "y" * 300_000, b"z" * 70_000, AT),
    *((100 + number, number / 7, text, text.encode(), AT) for number, text in enumerate(TEXTS)),
]
SIMPLE = [row for row in VALUES if row[2] is None or ("\0" not in row[2] and "\udcff" not in row[2])]


def written(form: Format, *pages: Sequence[Sequence[Any]], shape: Shape = SHAPE) -> tuple[bytes, Part]:
    packing = Packing(datetime.now(UTC))
    writer = forms.module(form).writer(packing)
    try:
        writer.begin(shape)
        for page in pages:
            writer.write(page)
        writer.end()
        for _ in writer.close():
            pass
        (part,) = writer.parts()
    finally:
        writer.discard()
        packing.end()
    return packing.sink.take(), part


def read(form: Format, archive: bytes, part: Part) -> list[tuple[Any, ...]]:
    with zipfile.ZipFile(io.BytesIO(archive)) as files, tempfile.NamedTemporaryFile() as file:
        file.write(files.read(part.file))
        file.flush()
        file.seek(0)
        return [tuple(record.values()) for record in forms.module(form).rows(file, part)]


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_written_is_read(form: Format) -> None:
    """Faults: an empty text that is nothing; a moment to the second; a float of six digits; a text up to its NUL, or
    with `?` for octets that are none; a field of more than 128 KiB refused; `nan` and `inf` that are null.
    """
    archive, part = written(form, VALUES[:2], VALUES[2:], [])
    found = read(form, archive, part)
    zero = "0.0" if form == "sqlite" else "-0.0"  # an embedded database knows one zero
    expected = [tuple(zero if repr(value) == "-0.0" else repr(value) for value in row) for row in VALUES]
    assert [tuple(map(repr, row)) for row in found] == expected
    assert part.rows == len(VALUES)


@pytest.mark.parametrize("form", ["ndjson", "csv", "sqlite"])
def test_a_moment_that_is_none_stays_what_it_is(form: Format) -> None:
    """An embedded database takes any text for one. Fault: it is refused."""
    odd = [(1, None, None, None, "yesterday"), (2, None, None, None, "")]
    archive, part = written(form, odd)
    assert read(form, archive, part) == odd


def test_parquet_says_which_column_holds_what_it_can_not() -> None:
    with pytest.raises(
        ParquetUnfit, match=r"^at is of type timestamp\[us\] in Parquet, and holds a value .*another form"
    ):
        written("parquet", [(1, None, None, None, "yesterday")])


def test_parquet_without_pyarrow_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ParquetMissing, match=r"pip install 'crumby\[parquet\]'"):
        written("parquet", [])


def test_other_programs_read_them(tmp_path: Path) -> None:
    """As docs/export.md says: JSON's own reader, `\\N` for nothing, tables and their types."""
    for form in FORMATS:
        archive, _ = written(form, SIMPLE)
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            assert files.testzip() is None
            files.extractall(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "odd.ndjson").read_bytes().splitlines()]
    assert [line["id"] for line in lines] == [row[0] for row in SIMPLE]
    assert lines[1]["at"] == "0001-01-01T00:00:00Z"
    with (tmp_path / "odd.csv").open(newline="") as file:
        csv.field_size_limit(sys.maxsize)
        cells = list(csv.reader(file))
    assert cells[:3] == [list(SHAPE.names), ["1", *[r"\N"] * 4], ["2", "0.0", "", "", "0001-01-01T00:00:00Z"]]
    with sqlite3.connect(tmp_path / "crumby.db") as database:
        types = database.execute("select typeof(id), typeof(size), typeof(said), typeof(seen) from odd").fetchall()
    database.close()
    assert types[1] == ("integer", "real", "text", "blob")
    from pyarrow.parquet import read_table

    table = read_table(tmp_path / "odd.parquet")
    assert list(map(str, table.schema.types)) == ["int64", "double", "string", "binary", "timestamp[us]"]


def test_parquet_has_groups_of_some_ten_thousand_rows(tmp_path: Path) -> None:
    """Fault: one group of all there is, which waits in memory."""
    page = [(number, None, "x", None, AT) for number in range(2000)]
    archive, _ = written("parquet", *[page] * 25)
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        files.extractall(tmp_path)
    from pyarrow.parquet import ParquetFile

    with ParquetFile(tmp_path / "odd.parquet") as file:
        assert [file.metadata.row_group(number).num_rows for number in range(3)] == [20_000, 20_000, 10_000]


def test_the_tables_of_an_archive_have_a_type_for_each_column() -> None:
    types = {(shape.table, name): kind for shape in SHAPES for name, kind in shape.columns}
    assert types["visits", "hit_id"] == types["visitors", "seen"] == "bytes"
    assert types["visits", "latitude"] == "float"
    assert types["visits", "datetime"] == types["refusals", "datetime"] == "datetime"
    assert types["visits", "session"] == types["totals", "day"] == "integer"
    assert types["totals", "keys"] == "text"
