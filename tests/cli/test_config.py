"""`env`."""

import json
import re
from typing import Any

import pytest

from crumby.settings import KEYS
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
