"""What a tag keeps from being counted, and where it sends the rest, worked out as the script does."""

from pathlib import Path

import pytest

from crumby.web import attributes
from tests.conftest import settings_in


@pytest.mark.parametrize(
    ("globs", "text", "fits"),
    [
        ("/blog/*", "/blog/rye", True),
        ("/blog/*", "/blog/2026/rye", False),
        ("/blog/**", "/blog/2026/rye", True),
        ("/blog/*", "/blog", False),
        ("/a.b", "/axb", False),
        ("/x, /blog/**/rye", "/blog/a/b/rye", True),
        ("bakery.example,*.bakery.example", "a.b.bakery.example", True),
        ("*.bakery.example", "bakery.example", False),
    ],
)
def test_globs_fit_as_the_script_has_it(globs: str, text: str, *, fits: bool) -> None:
    assert attributes.fits(globs, text) == fits


@pytest.mark.parametrize(
    ("data", "script", "keys", "endpoint"),
    [
        ({}, "https://stats.example/cmb.js", {}, "https://stats.example/hit"),
        ({}, "https://a.example/tools/cmb.js?all", {}, "https://a.example/tools/hit"),
        ({}, "https://a.example/cmb.js", {"domain": "b.example:8443"}, "https://b.example:8443/hit"),
        ({}, "https://a.example/js/b.js", {"script_path": "/js/b.js", "hit_path": "/crumb"}, "https://a.example/crumb"),
        (
            {},
            "https://a.example/t/cmb.js",
            {"script_path": "/js/b.js", "hit_path": "/crumb"},
            "https://a.example/t/crumb",
        ),
        ({"api": "https://b.example/x"}, "https://a.example/cmb.js", {"domain": "c.example"}, "https://b.example/x"),
        ({"api": "/stats/"}, "https://a.example/cmb.js", {}, "https://a.example/stats/hit"),
    ],
)
def test_hits_go_where_the_tag_and_the_configuration_say(
    tmp_path: Path, data: dict[str, str], script: str, keys: dict[str, str], endpoint: str
) -> None:
    assert attributes.endpoint(data, script, settings_in(tmp_path, **keys)) == endpoint
