"""docs/faq.md has every reason for which a visit may be missing."""

import re

from crumby.errors import CrumbyError, HitTooLarge, InvalidHit, InvalidToken, MethodNotAllowed, NotFound, Overloaded
from crumby.ingest.bots import Reason
from crumby.ingest.desk import Answers
from tests.docs.pages import ROOT, read
from tests.tracker.examples import sections

FAQ = ROOT / "docs" / "faq.md"


def under(heading: str) -> str:
    return sections(FAQ)[heading]


def test_each_reason_in_x_crumby_has_a_row() -> None:
    """Planted: `Reason` with one more; a status that the row does not have."""
    rows = dict(re.findall(r"^\| (`.+?`) \| ([\d, ]+) \|", under("Was it refused?"), re.MULTILINE))
    told = {name: status for names, status in rows.items() for name in re.findall(r"`([\w-]+): …`", names)}
    errors: list[CrumbyError] = [
        InvalidHit(),
        HitTooLarge(),
        NotFound(),
        MethodNotAllowed(),
        InvalidToken(),
        Overloaded(),
    ]
    for error in errors:
        answer = Answers(["*"]).refused(error)
        kind = answer.headers["X-Crumby"].partition(":")[0]
        assert str(answer.status_code) in told[kind], kind
    assert {*Reason} <= set(told)
    source = (ROOT / "src" / "crumby" / "ingest" / "limits.py").read_text("utf-8")
    assert set(re.findall(r'TooManyHits\("([\w-]+)"', source)) <= set(told)
    known = {*Reason, "rate-limited", "daily-limit", "invalid", "unauthorized", "unavailable"}
    assert set(told) == known, "a reason that there is not"


def test_each_reason_of_the_script_has_a_row() -> None:
    source = (ROOT / "static" / "tracker" / "options.js").read_text("utf-8")
    given = set(re.findall(r"(?:never = |refuse\()'([^']+)'", source))
    assert given == set(
        re.findall(r"^\| `([^`…]+)` \|", under("Was it sent?").partition("network panel")[0], re.MULTILINE)
    )


def test_each_finding_of_the_check_has_a_row() -> None:
    """Planted: a finding of another name."""
    source = read("src/crumby/web/checks.py")
    found = set(re.findall(r'Finding\(\s*"(\w+)"', source))
    table = under("What the check looks for")
    told = {name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert found == told
