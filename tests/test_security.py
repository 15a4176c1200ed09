"""docs/security.md names tests that are there, for each row of the card that it has."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLE = re.findall(r"^\| (\d+) \|(.*)\|$", (ROOT / "docs" / "security.md").read_text("utf-8"), re.MULTILINE)
ROWS = [*range(10, 17), *range(21, 33), *range(39, 43), 45, 46]
COMMAND = re.compile(r'`make (test|soak) ARGS=(?:"([^"]+)"|([^\s`]+))`')


def test_it_has_each_row() -> None:
    assert [int(number) for number, _ in TABLE] == ROWS


def test_each_test_that_it_names_is_there() -> None:
    """And what a command picks of a file is there, too. Planted: a file that is not, a name that is not."""
    for number, row in TABLE:
        commands = COMMAND.findall(row)
        assert commands, number
        for _, quoted, plain in commands:
            files, _, wanted = (quoted or plain).partition(" -k ")
            names = [name for file in files.split() for name in functions_in(ROOT / file)]
            assert names, files
            for word in re.findall(r"\w+", wanted.replace(" or ", " ")):
                assert any(word in name for name in names), (files, word)


def functions_in(path: Path) -> list[str]:
    functions = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if hasattr(node, "args")]
    return [name for node in functions if (name := getattr(node, "name", "")).startswith("test_")]
