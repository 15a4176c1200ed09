"""docs/tracking.md leaves nothing out of what the script knows and says, and its sizes are those of the script."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from crumby.ingest.script import EXTRAS, Script
from crumby.web.attributes import KNOWN
from tests.tracker.examples import DOCUMENT, examples, sections

SCRIPT = Path(__file__).parents[2] / "static" / "tracker"
READ = re.compile(r"""\bon\.(\w+)|\buse\('([\w-]+)'|\bis\('([\w-]+)'""")
NO_ATTRIBUTE = {"replace"}


def known_to_the_script() -> set[str]:
    """Give the attributes that its source reads, as a tag has them: `excludeSearch` → `exclude-search`."""
    source = "".join(file.read_text("utf-8") for file in SCRIPT.glob("*.js"))
    names = {next(filter(None, found)) for found in READ.findall(source)}
    return {re.sub("[A-Z]", lambda capital: f"-{capital[0].lower()}", name) for name in names - NO_ATTRIBUTE}


def test_every_attribute_that_the_script_knows_has_an_example_under_its_name() -> None:
    """Seen to fail for an attribute that the script has and the document has not."""
    own = [each for each in examples() if each.section.startswith("data-") and f" {each.section}" in each.text]
    shown = {each.section.removeprefix("data-") for each in own}
    assert shown == known_to_the_script() == KNOWN


def test_every_reason_that_the_script_gives_is_in_the_table() -> None:
    source = (SCRIPT / "options.js").read_text("utf-8")
    given = set(re.findall(r"(?:never = |refuse\()'([^']+)'", source))
    assert given == set(re.findall(r"^\| `([^`…]+)` \|", sections()["Why is my visit missing?"], re.MULTILINE))


def test_the_sizes_are_those_of_the_script_as_it_is_served() -> None:
    """To the byte, and within one in a hundred where another library packs it."""
    rows = re.findall(r"^\| (.+?) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", sections()["Sizes"], re.MULTILINE)
    said = {name: [int(size.replace(",", "")) for size in sizes] for name, *sizes in rows}
    now = {row.words: row.sizes for row in sizes_now()}
    right = "\n".join(f"| {words} | {' | '.join(f'{size:,}' for size in sizes)} |" for words, sizes in now.items())
    assert list(said) == list(now), right
    for words, sizes in now.items():
        assert said[words][0] == sizes[0], right
        assert said[words] == pytest.approx(sizes, rel=0.01, abs=2), right
    others = dict(re.findall(r"^\| \*\*Crumby, (.+?)\*\* \| ([\d,]+) \|$", sections()["Sizes"], re.MULTILINE))
    ours = {words: now[words][1] for words in ("the core", "with every extra", "all of it")}
    assert {name: int(size.replace(",", "")) for name, size in others.items()} == pytest.approx(ours, rel=0.01), right


class Row(NamedTuple):
    words: str
    sizes: list[int]  # raw, gzip, brotli


def sizes_now() -> list[Row]:
    script = Script("")
    extras = [(f"with `data-{name}`", name) for name in EXTRAS]
    rows = [("the core", ""), *extras, ("with every extra", "&".join(EXTRAS)), ("with other attributes", "options")]
    rows += [("all of it", "all")]
    packed = [(words, script.packed(query).bodies) for words, query in rows]
    return [Row(words, [len(bodies[kind]) for kind in ("identity", "gzip", "br")]) for words, bodies in packed]


def test_every_anchor_leads_to_a_heading_of_this_or_another_document() -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", DOCUMENT.read_text("utf-8")):
        text = (DOCUMENT.parent / target if target else DOCUMENT).read_text("utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in {slug(heading) for heading in headings}, f"{target}#{anchor}"


def slug(heading: str) -> str:
    """As GitHub has it: `On your site's own host` → `on-your-sites-own-host`."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
