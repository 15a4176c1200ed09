"""The documents, and what a reader would type of them: blocks → commands, each with its line and what it shows.

A shell's block is fenced as `sh`, or as `console` where it shows what is printed, or is indented and begins like one. A
command ends where bash finds it whole, so that a here-document or a quotation may go on over lines.
"""

import re
import subprocess
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
FENCED: Final = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)  # in a list it is set in
INDENTED: Final = re.compile(r"(?<=\n\n)(?:    .*\n|\n(?=\n*    ))+")
HEADING: Final = re.compile(r"^#{1,4} (.+)$", re.MULTILINE)
SHELLS: Final = frozenset({"sh", "console", "bash", "shell"})
PROGRAMS: Final = """
    apt-get cat cd chmod chown cp crumby curl docker export git install journalctl make mkdir nginx npm pip printf
    python python3 rm rsync sed sqlite3 ssh sudo systemctl useradd
    """.split()  # noqa: SIM905 - words, not punctuation
TYPED: Final = re.compile(rf"(?:\$ |(?:[A-Z_]+=\S+ )*(?:{'|'.join(PROGRAMS)}) |[A-Z_]+=\$\()")
# `crumby prune --dry-run       say what would go`: words stand two spaces or more behind the command.
EXPLAINED: Final = re.compile(r"^((?:crumby|make) \S.*?) {2,}(?!#).*$")
SPAN: Final = re.compile(r"`((?:crumby|make|curl|docker|python -m) [^`\n]+)`")


class Block(NamedTuple):
    heading: str
    line: int  # of its first line
    language: str  # nothing where it is indented or does not say
    text: str

    @property
    def is_typed(self) -> bool:
        unsaid = not self.language and any(TYPED.match(line) for line in self.text.splitlines())
        return self.language in SHELLS or unsaid


class Command(NamedTuple):
    page: str
    heading: str
    line: int
    text: str
    shown: str | None = None  # what the page says that it prints


def documents() -> list[str]:
    """README.md and docs/*.md, whose every command is run."""
    return ["README.md", *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]


def others() -> list[str]:
    """Those for who works on Crumby: their commands are looked at, not run."""
    return ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md"]


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def blocks(page: str) -> list[Block]:
    """Give what is fenced or indented, from the top to the bottom."""
    text = read(page)
    prose = FENCED.sub(lambda fenced: "\n" * fenced[0].count("\n"), text)  # its lines keep their numbers
    headings = {prose.count("\n", 0, titled.start()): titled[1] for titled in HEADING.finditer(prose)}

    def block(start: int, language: str, inside: str) -> Block:
        line = start + 1
        heading = next((words for above, words in reversed(headings.items()) if above < line), "")
        return Block(heading, line, language, textwrap.dedent(inside).rstrip("\n") + "\n")

    fenced = [block(text.count("\n", 0, each.start(2)), each[1], each[2]) for each in FENCED.finditer(text)]
    indented = [block(prose.count("\n", 0, each.start()), "", each[0]) for each in INDENTED.finditer(prose)]
    return sorted(fenced + indented, key=lambda each: each.line)


@cache
def commands(page: str) -> list[Command]:
    """Give what is typed, from the top to the bottom."""
    found: list[Command] = []
    end = 0  # line of the fence that ends the last block, where that is a shell's
    for block in blocks(page):
        if block.is_typed:
            found += [command._replace(page=page, heading=block.heading) for command in _commands(block)]
        elif end and block.line == end + 2:  # what is printed may have a fence of its own, right behind
            found[-1] = found[-1]._replace(shown=block.text.rstrip("\n"))
        end = block.line + block.text.count("\n") if block.is_typed and block.language else 0
    return found


def _commands(block: Block) -> Iterator[Command]:
    lines = block.text.splitlines()
    prompts = any(line.startswith("$ ") for line in lines)
    number = 0
    while number < len(lines):
        first = number
        text = lines[number].removeprefix("$ ")
        number += 1
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        text = EXPLAINED.sub(r"\1", text)
        while number < len(lines) and not is_whole(text):
            text += f"\n{lines[number]}"
            number += 1
        shown = []
        while prompts and number < len(lines) and not lines[number].startswith("$ "):
            shown.append(lines[number])
            number += 1
        yield Command("", "", block.line + first, text, "\n".join(shown).strip("\n") if prompts else None)


def is_whole(text: str) -> bool:
    """Whether bash would run it at Enter, and not ask for more."""
    if text.endswith("\\"):
        return False
    looked_at = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    return not looked_at.returncode and not looked_at.stderr  # a here-document without its end is a warning


def mentioned(page: str) -> list[str]:
    """Give the commands that stand in a sentence or a table."""
    return [" ".join(found.split()) for found in SPAN.findall(prose(page))]


def prose(page: str) -> str:
    """Give what is neither fenced nor indented."""
    return INDENTED.sub("\n", FENCED.sub("", read(page)))
