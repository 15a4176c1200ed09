"""The documents name every key of the configuration that there is, and no other; what they show of it is taken."""

import re
from pathlib import Path

import pytest

from crumby.database import async_url
from crumby.settings import ENVIRONMENT_ONLY, FLASK_KEYS, KEYS, load_settings
from tests.docs.pages import ROOT, blocks, documents, read

NAMES = {name.upper() for name in KEYS}
NAMED = re.compile(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)(?: ?=[^`]*)?`")
VARIABLE = re.compile(r"\bCRUMBY_([A-Z0-9_]+)\b")
# Variables of Crumby that are no keys; names of other programs, of files and of the readers' own.
NO_KEYS = {key.removeprefix("CRUMBY_") for key in ENVIRONMENT_ONLY} | {"AUDIT_MUST", "TOKEN", "TEST_ALL"}
OTHERS = {"MYSQL_PASS", "NO_COLOR", "FORCE_COLOR"}
URL = re.compile(r"`((?:sqlite|mysql|mariadb|postgresql)(?:\+\w+)?://[^`]+)`")
CONFIGURED = [
    pytest.param(block.text, id=f"{page}:{block.line}")
    for page in documents()
    for block in blocks(page)
    if block.language == "python" and re.search(r"^[A-Z0-9_]+ = ", block.text, re.MULTILINE)
]


def test_configuration_has_every_key() -> None:
    """Planted: a key that it does not name."""
    assert (
        set(NAMED.findall(read("docs/configuration.md")))
        | set(re.findall(r"`([A-Z]+)`", read("docs/configuration.md")))
        >= NAMES
    )


@pytest.mark.parametrize("page", [*documents(), "SECURITY.md", "CONTRIBUTING.md"])
def test_no_page_names_a_key_that_is_not(page: str) -> None:
    """Planted: `PROXY_COUNTS`, and CRUMBY_TIMEZONE in a block."""
    text = read(page)
    unknown = set(NAMED.findall(text)) - NAMES - FLASK_KEYS - OTHERS
    unknown = {name for name in unknown if name.removeprefix("CRUMBY_") not in NAMES | NO_KEYS}
    shown_wrong = {"TIMEZONE"} if page == "docs/configuration.md" else set()
    unknown |= {name for name in VARIABLE.findall(text) if name not in NAMES | NO_KEYS | shown_wrong | {""}}
    assert not unknown


@pytest.mark.parametrize("text", CONFIGURED)
def test_a_crumby_cfg_of_the_pages_is_taken(text: str, tmp_path: Path) -> None:
    """Planted: PROXY_COUNT = "one"."""
    for name in ("crumby_key", "crumby_db"):
        (tmp_path / name).write_text("as long as a secret is\n")
    file = tmp_path / "crumby.cfg"
    file.write_text(text.replace("/run/secrets", str(tmp_path)))
    load_settings({"CRUMBY_SETTINGS": str(file)})


def test_each_database_url_of_the_pages_is_understood() -> None:
    """Planted: a backend that is not, a port that is no number."""
    found = [url for page in documents() for url in URL.findall(read(page)) if "…" not in url]
    assert len(found) > 5
    for url in found:
        load_settings({"CRUMBY_SQLALCHEMY_DATABASE_URI": url, "HOME": str(ROOT)})
        async_url(url)
