"""Names of platforms and browsers, held against what 0.7.1 stored for the same User-Agents."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ua_parser.re2 import Resolver

from crumby.ingest import agent
from crumby.ingest.agent import Agent, parse_agent

RECORDED = json.loads((Path(__file__).parents[1] / "legacy" / "requests.json").read_text("utf-8"))
AGENTS = {entry["name"].removeprefix("agent: "): entry for entry in RECORDED if entry["name"].startswith("agent: ")}
KEPT = {name: entry for name, entry in AGENTS.items() if not set(Agent._fields) & set(entry.get("differs", {}))}
MENDED = {name: entry for name, entry in AGENTS.items() if name not in KEPT}

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"


def stored(entry: dict[str, Any]) -> Agent:
    return Agent(*(entry["row"].get(column) for column in Agent._fields))


@pytest.mark.parametrize("name", KEPT)
def test_a_browser_keeps_the_name_that_0_7_1_gave_it(name: str) -> None:
    assert parse_agent(KEPT[name]["headers"].get("User-Agent")) == stored(KEPT[name])


@pytest.mark.parametrize("name", MENDED)
def test_a_browser_that_0_7_1_mistook_has_its_own_name(name: str) -> None:
    entry = MENDED[name]
    now = {column: change["now"] for column, change in entry["differs"].items() if column in Agent._fields}
    assert parse_agent(entry["headers"]["User-Agent"]) == stored(entry)._replace(**now)


@pytest.mark.parametrize("user_agent", [None, "", "Mozilla/5.0", "a" * 600])
def test_a_header_that_tells_nothing_leaves_the_columns_empty(user_agent: str | None) -> None:
    assert parse_agent(user_agent) == Agent(None, None, None)


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        ("(X11; Fedora; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", ("linux", "firefox", "145.0")),
        (
            "(iPod touch; CPU iPhone OS 9_3 like Mac OS X) Version/9.0 Safari/601.1",
            ("iphone", "safari", "9.0"),
        ),
        ("(compatible; MSIE 10.0; Windows Phone 8.0; IEMobile/10.0)", ("windows", "msie", "10.0")),
        (CHROME.replace("Chrome/", "HeadlessChrome/"), ("linux", "chrome", "142.0.0.0")),
    ],
)
def test_kin_of_a_browser_go_by_one_name(user_agent: str, expected: tuple[str, str, str]) -> None:
    assert parse_agent(f"Mozilla/5.0 {user_agent}") == expected


def test_a_version_is_whole_though_ua_parser_stops_at_three_parts() -> None:
    assert parse_agent(f"{CHROME} OPR/123.4.5.6").version == "123.4.5.6"


def test_a_version_is_not_read_out_of_another_number() -> None:
    # "7.3" stands in AppleWebKit's 537.36 as well.
    safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_8) AppleWebKit/537.36 (KHTML) Version/7.3 Safari/537"
    assert parse_agent(safari).version == "7.3"


def test_what_stands_behind_512_characters_is_not_looked_at() -> None:
    assert parse_agent(CHROME.ljust(10_000, "x")) == parse_agent(CHROME)
    assert parse_agent("x" * agent.LOOKED_AT + CHROME) == Agent()


def test_a_browser_that_came_by_before_is_not_recognised_anew() -> None:
    first = parse_agent(f"{CHROME} once more")
    assert parse_agent(f"{CHROME} once more") is first


def test_long_headers_that_are_cut_alike_take_one_place_in_the_cache() -> None:
    long = CHROME.ljust(agent.LOOKED_AT, "y")
    assert parse_agent(f"{long}1") is parse_agent(f"{long}2")


def test_re2_recognises_whatever_else_is_installed() -> None:
    assert isinstance(agent._resolver(), Resolver)


@given(st.text(st.characters(), max_size=600))
def test_no_text_fails_or_overflows_a_column(text: str) -> None:
    for value in parse_agent(text):
        assert value is None or 0 < len(value) <= agent.COLUMN


def test_every_name_is_lower_case_and_fits_its_column() -> None:
    for name in {*agent.PLATFORMS.values(), *agent.BROWSERS.values()}:
        assert name == name.lower()
        assert len(name) <= agent.COLUMN


@pytest.mark.parametrize(
    "piece",
    [
        "(",
        ";",
        "; ",
        "1.",
        "a ",
        "A-",
        "a1",
        "Version/",
        "iPhone ",
        "MSIE ",
        "CFNetwork/1 ",
        "Android ",
        "FBAN/",
    ],
)
@pytest.mark.parametrize("end", ["", "bot/", "Build/"])
def test_a_header_made_to_be_slow_is_not(piece: str, end: str) -> None:
    text = f"Mozilla/5.0 (Linux; Android 1.1; {piece * 512}"[: agent.LOOKED_AT - len(end)] + end
    agent.warm_up()
    began = time.thread_time()
    parse_agent(text)
    assert time.thread_time() - began < 0.05  # ten times what the worst of these takes
