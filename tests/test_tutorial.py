"""The five minutes of docs/queries.md, followed to the letter in a fresh home: each command, and what it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests import servers

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, str]]:
    """Give each block's kind and text, up to where the reference begins."""
    text = (ROOT / "docs" / "queries.md").read_text("utf-8").partition("\n## The header")[0]
    return [(kind, block) for kind, block in BLOCK.findall(text)]


def commands(block: str) -> list[tuple[str, str]]:
    """Give each command of a console, and what it prints."""
    pieces = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, printed) for command, _, printed in (piece.partition("\n") for piece in pieces)]


def test_a_newcomer_gets_what_the_tutorial_says(tmp_path: Path) -> None:
    (_, start), *rest = steps()
    programs = Path(sys.executable).parent
    port = servers.free_port()
    shell = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "CRUMBY_QUERIES": str(tmp_path / "queries"),
        "LANG": "C.UTF-8",
    }

    def run(script: str) -> str:
        moved = script.replace("http://127.0.0.1:5000", f"http://127.0.0.1:{port}")
        done = subprocess.run(["bash", "-c", moved], env=shell, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    assert start.splitlines()[-1] == "crumby run"
    run(start.replace("crumby run\n", ""))
    with subprocess.Popen(
        [programs / "crumby", "run", "--port", str(port)], env=shell, stderr=subprocess.DEVNULL
    ) as server:
        try:
            servers.wait_for_port(port)
            for kind, block in rest:
                if kind == "sh":
                    assert run(block) == ""
                for command, printed in commands(block):
                    assert run(command).strip() == printed.strip(), command
            panels = httpx.get(f"http://127.0.0.1:{port}/api").json()["queries"]
            assert "Tongues" in {panel["title"] for panel in panels if panel["group"] == "Visitors"}
        finally:
            server.terminate()


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
