"""What the documentation says is what there is."""

import json
import re
import textwrap
from pathlib import Path

import httpx
import pytest

from crumby.app import create_app
from crumby.errors import CrumbyError
from crumby.settings import KEYS, Settings
from tests.conftest import MakeSettings
from tests.servers import alive

ROOT = Path(__file__).parent.parent


def rows_of_the_table() -> dict[str, list[str]]:
    readme = (ROOT / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \|(.*)\|$", readme, re.MULTILINE)
    return {key: [cell.strip() for cell in re.split(r"(?<!\\)\|", rest)] for key, rest in rows}


def test_the_readme_lists_every_setting_and_no_other() -> None:
    assert list(rows_of_the_table()) == [name.upper() for name in KEYS]


@pytest.mark.parametrize("name", KEYS)
def test_the_readme_says_of_a_setting_what_the_code_says(name: str) -> None:
    _type, default, meaning = rows_of_the_table()[name.upper()]
    assert meaning == KEYS[name].meaning
    value = getattr(Settings, name)
    shown = "'*'" if value == ("*",) else repr(value)
    shown = repr(str(value)) if isinstance(value, Path) else shown
    assert default == f"`{shown}`"


def test_the_tree_of_errors_names_every_error() -> None:
    from crumby import errors

    tree = errors.__doc__ or ""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CrumbyError)]
    for kind in kinds:
        assert re.search(rf"\b{kind.__name__}\b", tree), f"{kind.__name__} is not in the tree"


def test_the_map_of_the_house_names_every_module_of_both_halves() -> None:
    import crumby

    # Not on the path of a hit or of a question.
    aside = {"catalogue", "openapi", "vocabulary", "script", "geofile", "operations", "metrics", "health", "trouble"}
    for half in ("ingest", "reporting"):
        for module in (ROOT / "src" / "crumby" / half).glob("[a-z]*.py"):
            assert f"{half}/{module.name}" in (crumby.__doc__ or "") or module.stem in aside


async def test_the_readmes_query_answers_as_it_says(database_url: str, settings: MakeSettings, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    name, block = re.findall(r"`queries/public/(\w+\.sql)`.*?\n\n((?:    .*\n)+)", readme)[0]
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / name).write_text(textwrap.dedent(block))
    path, columns = re.findall(r"curl 'http://127.0.0.1:5000(/\S+)'\s+\{\"columns\":(\[.*?\])", readme)[0]
    app = create_app(settings(sqlalchemy_database_uri=database_url, queries=str(tmp_path)))
    async with alive(app) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as client:
            for number, language in enumerate(["de-DE", "en-GB", "en-GB"]):
                hit = {"id": f"{number:032x}", "t": "visit", "cid": f"v{number}", "dl": "https://a/", "ul": language}
                assert (await client.post("/hit", content=json.dumps(hit))).status_code == 204
            answer = (await client.get(path.replace("country=SE", "country="))).json()  # there is no City database
    assert (answer["columns"], answer["data"]) == (json.loads(columns), [["en-GB", 2], ["de-DE", 1]])
