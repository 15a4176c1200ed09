"""The reference of docs/queries.md leaves nothing out. Its five minutes are followed by tests/docs/test_commands.py."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_each_line_of_the_headers_reference_is_one_that_is_read() -> None:
    from crumby.reporting.header import FORMATS, KEYS, parse_header

    text = (ROOT / "docs" / "queries.md").read_text("utf-8")
    lines = re.findall(r"^\| `((?:" + "|".join(KEYS) + r")\b[^`]*)` \|", text, re.MULTILINE)
    assert {line.split(":")[0].split(" ")[0] for line in lines} == set(KEYS)
    for line in lines:
        if not re.search("[A-Z]{2}", line):
            parse_header(f"-- Title\n-- {line}\nselect 1")
    for name in FORMATS:
        assert f"`{name}`" in text


@pytest.mark.parametrize("what", ["macros", "dimensions", "periods"])
def test_the_reference_leaves_nothing_out(what: str) -> None:
    from crumby.reporting.filters import DIMENSIONS
    from crumby.reporting.macros import CALLED
    from crumby.reporting.period import PRESETS

    text = (ROOT / "docs" / "queries.md").read_text("utf-8")
    names = {"macros": [f"{name}(" for name in CALLED], "dimensions": list(DIMENSIONS), "periods": [*PRESETS, "all"]}
    missing = [name for name in names[what] if f"`{name}" not in text]
    assert missing == []
