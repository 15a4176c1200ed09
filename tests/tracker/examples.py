"""The fenced blocks of docs/tracking.md, each with the heading that it stands under."""

import re
from pathlib import Path
from typing import NamedTuple

DOCUMENT = Path(__file__).parents[2] / "docs" / "tracking.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{2,3} (.+)$", re.MULTILINE)


class Example(NamedTuple):
    section: str
    number: int  # of those under its heading, from 1
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.section} {self.number}"


def examples(document: Path = DOCUMENT) -> list[Example]:
    return [
        Example(section, number, *found)
        for section, text in sections(document).items()
        for number, found in enumerate(BLOCK.findall(text), 1)
    ]


def example(section: str, number: int = 1, document: Path = DOCUMENT) -> str:
    """Give the text of one."""
    return next(each.text for each in examples(document) if (each.section, each.number) == (section, number))


def sections(document: Path = DOCUMENT) -> dict[str, str]:
    """Give what stands under each heading, by its words."""
    _, *pieces = HEADING.split(document.read_text("utf-8"))
    return dict(zip(pieces[::2], pieces[1::2], strict=True))
