"""`crumby openapi`: what `/openapi.json` answers, without a server."""

import json
from pathlib import Path

import httpx
import pytest

from crumby.app import create_app
from crumby.settings import Settings
from tests.cli.conftest import Ask
from tests.cli.test_errors import one_line

MINE = """-- Mine
-- parameter least: integer = 3 (1 to 9), the least
select 1 as one where 1 >= :least
"""


@pytest.fixture
def own(home: Path) -> Path:
    (home / "own" / "private").mkdir(parents=True)
    (home / "own" / "private" / "mine.sql").write_text(MINE)
    return home / "own"


async def served(settings: Settings) -> bytes:
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as client:
        return (await client.get("/openapi.json")).content


async def test_it_is_the_document_that_a_server_has_with_the_operators_own_queries(own: Path, verb: Ask) -> None:
    """And their parameters, and the configured paths. Fault: the shipped ones alone."""
    answer = verb("openapi", CRUMBY_QUERIES=str(own), CRUMBY_HIT_PATH="/collect")
    assert (answer.status, answer.err) == (0, "")
    document = json.loads(answer.out)
    assert document == json.loads(await served(Settings(queries=own, hit_path="/collect")))
    parameters = document["paths"]["/api/private/mine"]["get"]["parameters"]
    assert "least" in [each.get("name") for each in parameters]
    assert "/collect" in document["paths"]


def test_it_makes_no_database_and_no_secret(verb: Ask, home: Path) -> None:
    assert verb("openapi").status == 0
    assert not list(home.iterdir())


def test_it_goes_into_a_file_which_is_kept_unless_forced(verb: Ask, home: Path) -> None:
    """Fault: a file that is written before it is looked for."""
    printed = verb("openapi").out
    assert verb("openapi", "--output", "o.json").out.startswith("o.json describes ")
    assert (home / "o.json").read_text("utf-8") == printed
    (home / "o.json").write_text("mine")
    assert "--force replaces it" in one_line(verb("openapi", "-o", "o.json"))
    assert (home / "o.json").read_text() == "mine"
    told = json.loads(verb("openapi", "-o", "o.json", "--force", "--json").out)
    assert told["file"] == str(home / "o.json")
    assert told["operations"] > 40
    assert [path.name for path in home.iterdir()] == ["o.json"]
    assert "/absent/o.json" in one_line(verb("openapi", "-o", "/absent/o.json"))


def test_a_query_file_that_is_wrong_is_named_and_the_others_are_there(own: Path, verb: Ask) -> None:
    """Fault: the document of a server does not say so, and neither did this."""
    (own / "private" / "mine.sql").write_text(MINE.replace("integer", "intejer"))
    answer = verb("openapi", CRUMBY_QUERIES=str(own))
    assert answer.status == 0
    assert answer.err.startswith("crumby: queries/private/mine.sql")
    assert "/api/public/visits" in json.loads(answer.out)["paths"]
