"""Every command of README.md and docs/*.md is run as it stands, page by page, from the top to the bottom.

A command fails here that ends with an error, or prints what its page does not show. What can't be run stands in
`not_run.py` with the reason; there is no third way.
"""

import re
from pathlib import Path

import pytest

from tests.docs import parts
from tests.docs.not_run import ELSEWHERE, NOT_RUN, is_run, row
from tests.docs.pages import ROOT, Command, blocks, commands, documents, mentioned, others, read
from tests.docs.reader import alike, types

LEGACY = ROOT / "tests" / "legacy" / "schema.sql"
PASSWORD = "cardamom and rye"
ANN = f"PASSWORD='{PASSWORD}'; crumby adduser ann <<<$PASSWORD >/dev/null"
VISIT = """curl --user-agent Firefox --data '{"id": "0000000000000000000000000000000f", "t": "visit", \
"cid": "1234567890123456789", "dl": "http://127.0.0.1:8000/"}' http://127.0.0.1:5000/hit"""
LANGUAGES = next(block.text for block in blocks("README.md") if block.text.startswith("-- Languages"))
OLD = f"""python -c "import sqlite3; sqlite3.connect('crumby.db').executescript(open('{LEGACY}').read())" """
LINE = '203.0.113.7 - - [01/Mar/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 512 "-" "Mozilla/5.0 Firefox/140.0"'
OTHER = '203.0.113.7 [01/Mar/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 "-" "Mozilla/5.0 Firefox/140.0"'
HISTORY = f"""(cd '{ROOT}/tests/importing/fixtures/plausible' && python -m zipfile -c ~/plausible.zip *.csv)
    mkdir -p ~/logs; echo '{LINE}' >~/logs/access.log; echo '{OTHER}' >~/logs/other.log"""
# What a page takes for granted: it does not say it, or says it in words.
BEFORE = {
    "README.md": f"""
        export CRUMBY_QUERIES=~/queries CRUMBY_METRICS_TOKEN=a-token-of-a-monitor METRICS_TOKEN=a-token-of-a-monitor
        mkdir -p ~/queries/public && cat >~/queries/public/languages.sql <<'SQL'\n{LANGUAGES}\nSQL\n""",
    "docs/live.md": ANN,
    "docs/migrate.md": f"echo \"DOMAIN = ''\" >~/crumby.cfg; {OLD}; {HISTORY}",
    "docs/privacy.md": "export CRUMBY_RETENTION_DAYS=760",
    "docs/sharing.md": ANN,
}
# And what happens between two of its commands, elsewhere.
MEANWHILE = {
    ("docs/get-started.md", "curl 'http://127.0.0.1:5000/api/public/pages"): VISIT,
    ("docs/privacy.md", "crumby export"): VISIT,
}
# Pages that make all that they show themselves: their answers are held to each number.
EXACT = {"docs/queries.md"}


def typed(page: str) -> list[Command]:
    return [command for command in commands(page) if is_run(command)]


def every() -> list[Command]:
    return [command for page in documents() for command in commands(page)]


@pytest.mark.timeout(300)  # many small processes, and in CI beside many others
@pytest.mark.parametrize("page", [page for page in documents() if page not in ELSEWHERE and typed(page)])
def test_a_pages_commands_do_what_it_shows(page: str, tmp_path: Path) -> None:
    """Planted: an option that is not, a key that no answer has, a number of the tutorial, an address that is not."""
    meanwhile = {command: script for (where, command), script in MEANWHILE.items() if where == page}
    done = types(typed(page), tmp_path / "home", BEFORE.get(page, ""), meanwhile, f"{PASSWORD}\n")
    faults = [fault for each in done if (fault := each.fault(exact=page in EXACT))]
    assert not faults, "\n\n".join(faults)


@pytest.mark.parametrize("page", [*documents(), *others()])
def test_what_a_command_names_is_there(page: str) -> None:
    """Those that are not run and those within sentences, too. Planted: a verb, an option, a target, a test, a file."""
    named = [*mentioned(page), *(command.text for command in commands(page))]
    faults = [f"{page}: {command}: {fault}" for command in named if (fault := parts.fault(command))]
    assert not faults, "\n".join(faults)


def test_each_test_that_reliability_names_is_there() -> None:
    """Its table has what `-k` picks. Planted: a word that no test has in its name."""
    table = read("docs/reliability.md").partition("## What was done to it")[2].partition("## What it costs")[0]
    cells = re.findall(r"\| ([^|]+) \|$", table, re.MULTILINE)
    words = [word for cell in cells[1:] for word in re.findall(r"`(\w+)`", cell)]
    assert len(words) > 20
    assert [word for word in words if parts.fault(f'make soak ARGS="-k {word}"')] == []


def test_a_command_is_run_or_listed() -> None:
    """Planted: `sudo true`, without a row."""
    neither = [each for each in every() if each.page not in ELSEWHERE and not is_run(each) and row(each) is None]
    assert not neither


def test_the_list_of_what_is_not_run_names_only_what_there_is() -> None:
    """Planted: a row of a command that is gone."""
    assert set(NOT_RUN) == {row(command) for command in every()} - {None}
    assert set(BEFORE) | EXACT | set(ELSEWHERE) <= set(documents())
    for page, begins in MEANWHILE:
        assert any(command.text.startswith(begins) for command in commands(page))


def test_no_command_hides_in_a_block_that_is_none() -> None:
    """Planted: `crumby users` in a block that is fenced as text."""
    for page in documents():
        lines = [line for block in blocks(page) if not block.is_typed for line in block.text.splitlines()]
        assert not [line for line in lines if re.match(r"(?:\$|crumby|curl|make) ", line)], page


def test_a_page_that_another_test_runs_is_named_there() -> None:
    for page, test in ELSEWHERE.items():
        assert page in read(test)
        assert (ROOT / page).exists()


@pytest.mark.parametrize(
    ("shown", "printed", "is_alike"),
    [
        ("3 visits in 0.2 s", "17 visits in 12.25 s", True),
        ("3 visits", "3 events", False),
        ('{"a": 1, "b": [{"c": "x"}]}', '{"a":7,"b":[{"c":"y"},{"c":"z"}]}', True),
        ('{"a": 1, "b": {…}}', '{"a":7,"b":{"c":1}}', True),
        ('{"a": 1}', '{"a":7,"b":1}', False),
        ('[["SE",412],["NO",12]]', "[]", True),
        ("begins\n…\nends", "begins\nand\ngoes on\nends", True),
        ("begins\n…\nends", "begins\nand\ngoes on", False),
        ("https://stats.example/share/…", "http://127.0.0.1:5000/share/abc", True),
    ],
)
def test_what_is_printed_has_the_shape_of_what_is_shown(shown: str, printed: str, is_alike: bool) -> None:  # noqa: FBT001 - a parameter
    assert alike(shown, printed) is is_alike
