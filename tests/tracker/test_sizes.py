"""What the tracker weighs on its way to a page, and which pieces an address gets.

Sizes are of what is served, in bytes of `gzip -9`, as `make tracker` prints them.
"""

import gzip

import pytest

from crumby.ingest.script import EXTRAS, KEPT, PIECES, Script

CORE = 1000
ALL_EXTRAS = 2200
START = "cmb.start()"


def text(query: str = "", script: Script | None = None) -> str:
    return (script or Script("")).packed(query).bodies["identity"].decode()


def weight(query: str) -> int:
    return len(gzip.compress(text(query).encode(), 9))


def pieces(served: str) -> set[str]:
    """What is in a script, by what only that piece says."""
    signs = {name: f'cmb.use("{name}"' for name in EXTRAS}
    signs |= {"core": "Max-Age=3", "options": "not counted", "again": "sendBeacon"}
    return {name for name, sign in signs.items() if sign in served}


def test_the_core_weighs_a_thousand_bytes() -> None:
    """Seen to fail with one more listener in the core."""
    assert weight("") <= CORE


def test_with_every_extra_it_weighs_2200_bytes() -> None:
    assert weight("&".join(EXTRAS)) <= ALL_EXTRAS


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"core"}),
        ("outbound&vitals", {"core", "outbound", "vitals"}),
        ("outbound=&404=", {"core", "outbound", "404"}),
        ("dnt&excludeSearch", {"core", "options"}),
        ("all", {"core", *PIECES}),
        ("only", set(PIECES)),
        ("outbound&dnt?only", set(PIECES) - {"outbound", "options"}),
        ("only&forms", {"forms"}),
        ("outbound?only&forms,404", {"forms", "404"}),
        ("again", {"core"}),  # alone it would keep the others from being asked for
    ],
)
def test_an_address_gets_the_pieces_that_it_names(query: str, expected: set[str]) -> None:
    served = text(query)
    assert pieces(served) == expected
    assert served.endswith(START)


def test_an_unknown_word_is_named_in_the_script_s_head_and_nothing_else_changes() -> None:
    served = text("outbound&outbuond&%3Cscript%3E&*/alert(1)//")
    head, _, rest = served.partition("\n")
    assert head == "// Crumby knows none of these: outbuond"
    assert rest == text("outbound")
    assert text("v=3").startswith("// Crumby knows none of these: words that are none\n")


def test_where_hits_go_is_told_by_the_configuration_and_the_script_s_own_folder() -> None:
    assert '{api:"hit"}' in text()
    assert '{api:"//stats.example/x/y"}' in text(script=Script("stats.example", "/x/y"))
    deep = Script("", "/x/y").packed("", depth=2).bodies["identity"].decode()
    assert '{api:"../../x/y"}' in deep


def test_configured_extras_are_in_the_script_and_on() -> None:
    script = Script("", "/hit", ("vitals", "404"))
    assert pieces(text("", script)) == {"core", "vitals", "404"}
    assert '{api:"hit","404":"",' in text("", script)
    assert pieces(text("only", script)) == set(PIECES) - {"vitals", "404"}


def test_what_is_kept_is_bounded_and_unknown_words_take_no_room() -> None:
    """Seen to fail without the bound."""
    script = Script("")
    for depth in range(KEPT + 10):
        script.packed("outbound", depth)
        script.packed(f"nothing{depth}")
    assert len(script._packed) == KEPT
