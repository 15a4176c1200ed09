"""`env` and `init`."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crumby.cli.config import template
from crumby.settings import KEYS, Settings, load_settings
from tests.cli.conftest import Ask

SECRETS = {
    "CRUMBY_SECRET_KEY": "canary-of-the-key",
    "CRUMBY_METRICS_TOKEN": "canary-of-the-monitor",
    "CRUMBY_SQLALCHEMY_DATABASE_URI": "mysql+pymysql://me:canary-pass@db/crumby?ssl_key=canary-file&passwd=canary-query",
}


def test_env_tells_each_key_and_its_meaning(verb: Ask) -> None:
    said = verb("env", CRUMBY_DOMAIN="stats.example.com", CRUMBY_PROXY_COUNT="3").out
    for name, key in KEYS.items():
        assert re.search(rf"{name.upper()} .*{re.escape(key.meaning)}", said)
    assert re.search("PROXY_COUNT +│ 3 ", said)
    assert re.search("DOMAIN +│ stats.example.com ", said)


def test_env_tells_programs_the_same(verb: Ask) -> None:
    told: dict[str, Any] = json.loads(verb("env", "--json", CRUMBY_DEBUG="yes").out)
    assert set(told) == {name.upper() for name in KEYS}
    assert told["DEBUG"] is True
    assert told["SECRET_KEY"] is None
    assert told["SQLALCHEMY_DATABASE_URI"] == "sqlite:///~/crumby.db"


@pytest.mark.parametrize("form", [["env"], ["env", "--json"]])
def test_env_shows_nothing_that_opens_anything(form: list[str], verb: Ask) -> None:
    answer = verb(*form, **SECRETS)
    assert answer.status == 0
    assert "canary" not in answer.out + answer.err
    assert "mysql+pymysql://me:" in answer.out  # the rest of the address is of use
    assert "/crumby?" in answer.out


def test_env_shows_text_as_it_is(verb: Ask) -> None:
    assert "/[bold]/City.mmdb" in verb("env", CRUMBY_GEOIP2_DATABASE_NAME="/[bold]/City.mmdb").out


def test_init_writes_a_file_for_its_owner_alone_that_crumby_takes(verb: Ask, home: Path) -> None:
    answer = verb("init")
    path = home / "crumby.cfg"
    assert (answer.status, answer.err) == (0, "")
    assert f"export CRUMBY_SETTINGS={path}" in answer.out
    assert path.stat().st_mode & 0o777 == 0o600
    settings = load_settings({"CRUMBY_SETTINGS": str(path)})
    assert settings.secret_key is not None
    assert len(settings.secret_key) >= 32
    assert settings.secret_key not in answer.out
    assert replace(settings, secret_key=None) == Settings()


def test_each_file_has_a_secret_of_its_own(verb: Ask, home: Path) -> None:
    secrets = set()
    for _ in range(2):
        verb("init", "--force")
        secrets.add(load_settings({"CRUMBY_SETTINGS": str(home / "crumby.cfg")}).secret_key)
    assert len(secrets) == 2


def test_every_line_of_the_template_can_be_taken_into_use(tmp_path: Path) -> None:
    path = tmp_path / "crumby.cfg"
    path.write_text(re.sub(r"(?m)^#([A-Z0-9_]+ = )", r"\1", template("a secret")), "utf-8")
    keys = re.findall(r"(?m)^([A-Z0-9_]+) = ", path.read_text("utf-8"))
    assert keys == [name.upper() for name in KEYS]
    assert load_settings({"CRUMBY_SETTINGS": str(path)}) == Settings(secret_key="a secret")


def test_the_template_tells_what_each_key_means() -> None:
    text = template("a secret")
    assert [name for name, key in KEYS.items() if f"# {key.meaning}\n" not in text] == []


@pytest.mark.parametrize("there", ["file", "dangling link"])
def test_init_writes_over_nothing(there: str, verb: Ask, home: Path) -> None:
    path = home / "crumby.cfg"
    if there == "file":
        path.write_text("DOMAIN = 'mine.example'", "utf-8")
    else:
        path.symlink_to(home / "elsewhere")
    answer = verb("init")
    assert answer == (1, "", f"crumby: {path} is there already; --force replaces it\n")
    assert not (home / "elsewhere").exists()
    assert there != "file" or path.read_text("utf-8") == "DOMAIN = 'mine.example'"


def test_init_replaces_a_file_when_told_to_and_closes_it_to_others(verb: Ask, home: Path) -> None:
    path = home / "crumby.cfg"
    path.write_text("DOMAIN = 'mine.example'", "utf-8")
    path.chmod(0o644)
    assert verb("init", "--force").status == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_settings({"CRUMBY_SETTINGS": str(path)}).domain == ""
