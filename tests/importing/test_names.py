"""What other programs call things becomes what Crumby calls them."""

import pytest

from crumby.importing import names
from crumby.ingest.agent import parse_agent

AGENTS = {  # User-Agent: what umami, Matomo, GoatCounter, Plausible or Google say of it; browser and system
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36": (
        ("chrome", "Chrome", "Chrome 120", "Google Chrome"),
        ("Windows", "Windows 10", "Windows NT"),
    ),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 "
    "Mobile/15E148 Safari/604.1": (
        ("ios", "Mobile Safari", "Safari", "Safari (in-app)"),
        ("iOS", "iOS 17.1", "iPhone OS"),
    ),
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 "
    "Safari/537.36 Edg/120.0.0.0": (
        ("edge-chromium", "Microsoft Edge", "Edge", "Edge 120.0.1"),
        ("Mac OS", "Mac", "Macintosh", "macOS", "macOS 14.2", "Mac OS X 10.15"),
    ),
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0": (
        ("firefox", "fxios", "Firefox Mobile", "FIREFOX"),
        ("Linux", "GNU/Linux", "Ubuntu", "linux"),
    ),
    "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko": (
        ("ie", "Internet Explorer", "IE 11"),
        ("Windows 7",),
    ),
    "Mozilla/5.0 (Linux; Android 13; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/23.0 "
    "Chrome/115.0.0.0 Mobile Safari/537.36": (
        ("samsung", "Samsung Browser", "Samsung Internet"),
        ("Android", "Android OS", "Android 13"),
    ),
}


@pytest.mark.parametrize("agent", AGENTS)
def test_names_are_those_that_a_hit_of_the_same_browser_gets(agent: str) -> None:
    """Seen to fail with "edge-chromium" left out, and with versions kept."""
    known, (browsers, platforms) = parse_agent(agent), AGENTS[agent]
    assert {names.browser(each) for each in browsers} == {known.browser}
    assert {names.platform(each) for each in platforms} == {known.platform}


def test_an_ipad_is_no_iphone() -> None:
    assert names.platform("iOS", "tablet") == names.platform("iPadOS") == "ipad"


def test_what_nobody_knows_keeps_its_name_without_a_version() -> None:
    assert names.browser("Whale 3.24.223") == "whale"
    assert names.platform("Tizen") == "linux"
    assert names.browser("x" * 60) == "x" * 25


@pytest.mark.parametrize("nothing", [None, "", "(not set)", "Unknown", "-", "(other)"])
def test_what_says_nothing_is_nothing(nothing: str | None) -> None:
    """Seen to fail with "(other)" taken for a browser."""
    kinds = (names.browser, names.platform, names.device, names.country, names.region, names.language, names.version)
    assert [kind(nothing) for kind in kinds] == [None] * len(kinds)


@pytest.mark.parametrize(
    ("said", "device"),
    [("Laptop", "desktop"), ("smartphone", "mobile"), ("Phone", "mobile"), ("Tablet", "tablet"), ("smart tv", None)],
)
def test_devices_are_of_three_kinds(said: str, device: str | None) -> None:
    assert names.device(said) == device


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("gb", "GB"),
        ("US-CA", "US"),
        ("United Kingdom", "GB"),
        ("Türkiye", "TR"),
        ("Turkey", "TR"),
        ("Côte d'Ivoire", "CI"),
        ("Côte d’Ivoire", "CI"),  # noqa: RUF001 - as Google writes it
        ("Cote d'Ivoire", "CI"),
        ("St. Kitts & Nevis", "KN"),
        ("Saint Kitts and Nevis", "KN"),
        ("Bosnia & Herzegovina", "BA"),
        ("Korea, Republic of", "KR"),
        ("Hong Kong", "HK"),
        ("Democratic Republic of the Congo", "CD"),
        ("ZZ", None),
        ("Atlantis", None),
    ],
)
def test_a_country_is_known_by_its_code_and_its_names(said: str, code: str | None) -> None:
    """Seen to fail with accents kept, and without the former names."""
    assert names.country(said) == code


def test_a_region_has_its_name() -> None:
    """Seen to fail with the code left as it was."""
    assert [names.region(code) for code in ("GB-ENG", "us-ca", "DE-BY", "England", "XX-99")] == [
        "England",
        "California",
        "Bavaria",
        "England",
        "XX-99",
    ]


@pytest.mark.parametrize(
    ("said", "tag"),
    [
        ("en-us", "en-US"),
        ("pt_BR", "pt-BR"),
        ("English", "en"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("c", None),
        ("German", "de"),
    ],
)
def test_a_language_is_written_as_browsers_do(said: str, tag: str | None) -> None:
    assert names.language(said) == tag
