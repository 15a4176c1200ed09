"""Every relative link of the documents leads to a file that is there, and to a heading of it."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, documents, others, prose, read

LINK = re.compile(r"(?<!\\)\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@pytest.mark.parametrize("page", [*documents(), *others(), "npm/README.md"])
def test_each_link_leads_somewhere(page: str) -> None:
    """Planted: a file that is not, a heading that is not, of the same page and of another."""
    missing = [target for target in LINK.findall(prose(page)) if not leads(page, target)]
    assert not missing, f"{page} links to {missing}"


def leads(page: str, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return True
    name, _, anchor = target.partition("#")
    there = (ROOT / page).parent / name if name else ROOT / page
    return there.exists() and (not anchor or anchor in anchors(there))


def anchors(path: Path) -> set[str]:
    """As GitHub, GitLab and Forgejo make them."""
    page = str(path.resolve().relative_to(ROOT))
    found: list[str] = []
    for heading in HEADING.findall(prose(page)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        found.append(f"{name}-{found.count(name)}" if name in found else name)
    return set(found)


def test_the_index_has_every_page() -> None:
    """Planted: a page without a line."""
    named = set(LINK.findall(read("docs/README.md")))
    assert {page.removeprefix("docs/") for page in documents() if page.startswith("docs/")} - {"README.md"} <= named
