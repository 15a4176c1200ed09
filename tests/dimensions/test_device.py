"""Desktops, phones and tablets, by what browsers say of themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumby.dimensions.device import device
from crumby.ingest.agent import parse_agent

BROWSERS = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36": "desktop",
    "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; Tablet PC 2.0; rv:11.0) like Gecko": "desktop",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15": "desktop",
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36": "desktop",
    "Mozilla/5.0 (X11; FreeBSD amd64; rv:140.0) Gecko/20100101 Firefox/140.0": "desktop",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1": "mobile",
    "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1": "tablet",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36": "mobile",
    "Mozilla/5.0 (Linux; Android 13; SM-X906C) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36": "tablet",
    "Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Lumia 950) AppleWebKit/537.36 Mobile Edge/15.1": "mobile",
    "Mozilla/5.0 (Mobile; rv:48.0; KAIOS/2.5) Gecko/48.0 Firefox/48.0": "mobile",
    "Mozilla/5.0 (PlayBook; U; RIM Tablet OS 2.1.0; en-US) AppleWebKit/536.2+ Safari/536.2+": "tablet",
    "Mozilla/5.0 (SMART-TV; Linux; Tizen 5.0) AppleWebKit/538.1 Version/5.0 TV Safari/538.1": None,
    "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 Chrome/79.0 Safari/537.36": None,
    "Mozilla/5.0 (PlayStation 5 3.03) AppleWebKit/605.1.15 (KHTML, like Gecko)": None,
    "curl/8.5.0": None,
}


@pytest.mark.parametrize(("user_agent", "kind"), BROWSERS.items())
def test_a_browser_says_what_it_runs_on(user_agent: str, kind: str | None) -> None:
    """Seen to fail on an Android that is a phone in any case, and on televisions that are desktops."""
    assert device(parse_agent(user_agent).platform, "1920x1080", user_agent) == kind


@pytest.mark.parametrize(
    ("platform", "screen_res", "kind"),
    [
        ("windows", "400x800", "desktop"),
        ("iphone", None, "mobile"),
        ("ipad", "768x1024", "tablet"),
        ("android", "412x915", "mobile"),
        ("android", "915x412", "mobile"),
        ("android", "599x1280", "mobile"),
        ("android", "600x1024", "tablet"),
        ("android", None, None),
        ("android", "undefinedxundefined", None),
        ("nintendo 3ds", "400x240", None),
        (None, "1920x1080", None),
        (None, None, None),
    ],
)
def test_a_row_without_a_user_agent_is_told_by_platform_and_screen(
    platform: str | None, screen_res: str | None, kind: str | None
) -> None:
    """Seen to fail on the screen's larger side."""
    assert device(platform, screen_res) == kind


def test_an_app_on_android_that_is_no_browser_is_told_by_its_screen() -> None:
    assert device("android", "412x915", "Dalvik/2.1.0 (Linux; U; Android 9; SM-G960F)") == "mobile"
    assert device("android", "800x1280", "Dalvik/2.1.0 (Linux; U; Android 9; SM-T590)") == "tablet"


@given(st.none() | st.text(), st.none() | st.text(), st.none() | st.text())
def test_nothing_that_is_said_breaks_it(platform: str | None, screen_res: str | None, user_agent: str | None) -> None:
    assert device(platform, screen_res, user_agent) in {"desktop", "mobile", "tablet", None}
    assert device("android", screen_res, user_agent) in {"mobile", "tablet", None}
