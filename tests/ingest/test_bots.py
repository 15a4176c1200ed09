"""Who is no person: told by a list, by headers, by an address; and who is one, however odd their browser."""

import contextlib
import gzip
import json
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import func, select

from crumby.app import create_app
from crumby.errors import UnwantedHit
from crumby.ingest import agent, bots, listfile, lists
from crumby.ingest.bots import Crawlers, Guard, Hosting, Reason, Spammers, authority_of, host_in, literal, open_guard
from crumby.ingest.client import Client
from crumby.ingest.hit import Hit
from crumby.ingest.visitor import utc
from crumby.tables import visits
from tests.conftest import MakeSettings
from tests.servers import alive, until

KNOWN = Path(__file__).parent / "known"
LEGACY = Path(__file__).parents[1] / "legacy" / "requests.json"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
HEADERS = {b"accept": b"*/*", b"accept-language": b"de", b"user-agent": FIREFOX.encode()}
AMAZON, LONDON = "52.95.110.1", "81.2.69.160"

# Browsers that some rule of thumb takes for something else: no engine, no Mozilla, "bot" in a word, somebody's app.
ODD = """
Mozilla/5.0 (Linux; Android 11; CUBOT X30) AppleWebKit/537.36 Chrome/96.0.4664.104 Mobile Safari/537.36
Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5
Lynx/2.9.0dev.10 libwww-FM/2.14 SSL-MM/1.4.1 GNUTLS/3.7.8
w3m/0.5.3+git20230121
Links (2.28; Linux 6.1.0 x86_64; GNU C 12.2; text)
ELinks/0.16.1.1 (textmode; Linux; 80x24-2)
Dillo/3.1.1
NetSurf/3.11 (Linux; x86_64)
Mozilla/5.0 (compatible; Konqueror/4.5; FreeBSD) KHTML/4.5.4 (like Gecko)
Mozilla/5.0 (PlayStation; PlayStation 5/6.50) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.4 Safari/605.1.15
Mozilla/5.0 (Nintendo Switch; WifiWebAuthApplet) AppleWebKit/609.4 (KHTML, like Gecko) NF/6.0.2.21.3 NintendoBrowser/5.1
Opera/9.80 (J2ME/MIDP; Opera Mini/9.80 (S60; SymbOS; Opera Mobi/23.348; U; en) Presto/2.5.25 Version/10.54
Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) 94.0.4606.31/7.0 TV Safari/537.36
Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 Chrome/79.0.3945.79 Safari/537.36 WebAppManager
Mozilla/5.0 (Linux; Android 11; KFTRWI) AppleWebKit/537.36 Silk/130.2.1 like Chrome/130.0 Safari/537.36
Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 [FBAN/FBIOS;FBAV/470.0.0.31]
Mozilla/5.0 (Linux; Android 14; SM-S918B; wv) AppleWebKit/537.36 Version/4.0 Chrome/126.0 Mobile [FB_IAB/FB4A;FBAV/470;]
Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Instagram 337.0.1 (iPhone15,3)
Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Line/14.9.0
Mozilla/5.0 (Linux; Android 12; wv) AppleWebKit/537.36 Chrome/116.0 Mobile MicroMessenger/8.0.49 WeChat/arm64 Weixin
Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Snapchat/12.96 (like Safari, panda)
Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile [Pinterest/iOS]
Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 GSA/322.0.6441 Mobile/15E148 Safari/604.1
Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 LinkedInApp/9.29.6574
Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 musical_ly_35.3.0 BytedanceWebview/d8a21c6
Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36 Chrome/126.0 Mobile Reddit/Version 2024.25.0/Build 1658969
Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Twitter for iPhone/10.46
Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15
Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/124.0.0.0 YaBrowser/24.6.0.0 Safari/537.36
Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15 Epiphany/605.1.15
Mozilla/5.0 (X11; GNU/Linux) AppleWebKit/537.36 Chromium/79.0.3945.130 Chrome/79.0 Safari/537.36 Tesla/2024.14.9
Mozilla/5.0 (BB10; Touch) AppleWebKit/537.35+ (KHTML, like Gecko) Version/10.3.3.3216 Mobile Safari/537.35+
Mozilla/5.0 (X11; Linux armv7l like Android; U) AppleWebKit/537.36+ (KHTML, like Gecko) Version/5.0 Safari Kindle/3.0+
Mozilla/5.0 (Linux; U; Android 13; zh-cn) AppleWebKit/537.36 Version/4.0 Chrome/109.0 MQQBrowser/15.1 Mobile COVC/046709
Mozilla/5.0 (Linux; Android 10; HarmonyOS; HMSCore 6.13) AppleWebKit/537.36 Chrome/114.0 HuaweiBrowser/15.0 Mobile
Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Slack/4.39.90 Chrome/124.0 Electron/30.1.2
Mozilla/5.0 (Linux; Android 9; OculusBrowser; Quest 3) AppleWebKit/537.36 OculusBrowser/34.1 Chrome/126.0 VR
Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)
Firefox/150.0
Mozilla/5.0
""".strip().splitlines()


def kept(name: str) -> list[str]:
    return gzip.decompress((KNOWN / f"{name}.txt.gz").read_bytes()).decode().splitlines()


def client(user_agent: str | None = FIREFOX, ip: str | None = LONDON) -> Client:
    return Client(ip, user_agent, "https://example.com/", "de")


def visit(referrer: str | None = None, user_agent: str | None = None) -> Hit:
    at = utc()
    return Hit("visit", bytes(16), "ada", at, "https://example.com/", "", referrer=referrer, user_agent=user_agent)


@pytest.fixture(scope="module")
def crawlers() -> Crawlers:
    return Crawlers(lists.in_use("crawlers", None).entries)


@pytest.fixture(scope="module")
def guard() -> Guard:
    return Guard()


@pytest.fixture(scope="module")
def strict() -> Guard:
    return Guard("strict")


def test_a_crawler_is_known_by_the_list(crawlers: Crawlers) -> None:
    """Seen to fail without the patterns that are no plain words."""
    known = kept("crawlers")
    missed = [user_agent for user_agent in known if not crawlers(user_agent)]
    assert len(known) > 2000
    assert len(missed) <= 0.01 * len(known), missed[:20]


def test_no_person_is_taken_for_a_crawler(crawlers: Crawlers) -> None:
    """Seen to fail with "bot", in any case, as one word more."""
    people = [*kept("browsers"), *ODD]
    assert len(people) > 900
    assert [user_agent for user_agent in people if crawlers(user_agent)] == []


def test_browsers_of_2017_get_through_and_crawlers_of_2017_do_not(crawlers: Crawlers) -> None:
    recorded = {each["name"]: each["headers"].get("User-Agent") for each in json.loads(LEGACY.read_text("utf-8"))}
    told = {name for name, user_agent in recorded.items() if user_agent and crawlers(user_agent)}
    words = ("Googlebot", "bingbot", "Yahoo Slurp", "Baiduspider", "YandexBot", "curl", "python")
    assert told == {name for name in recorded if any(word in name for word in words) and recorded[name]}


@pytest.mark.parametrize(
    "user_agent",
    [
        None,
        "",
        FIREFOX.replace("Firefox", "HeadlessFirefox"),
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
        "python-httpx/0.28.1",
        "curl/8.5.0",
        "Go-http-client/2.0",
    ],
)
def test_a_program_or_a_browser_without_a_window_is_a_bot(user_agent: str | None, guard: Guard) -> None:
    """Seen to fail without the words of `DRIVEN`, and where no User-Agent is let through."""
    assert guard.reason(HEADERS, client(user_agent), visit()) == Reason.BOT


@pytest.mark.parametrize(
    "proxy", ["Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", "YahooMailProxy; https://help.yahoo.com/"]
)
def test_a_letters_image_is_fetched_for_a_person(proxy: str, guard: Guard) -> None:
    """By the mail provider's program, where a newsletter is opened. Seen to fail on the whole list."""
    assert guard.reason(HEADERS, client(proxy), visit()) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"sec-purpose", b"prefetch"),
        (b"sec-purpose", b"prefetch;prerender"),
        (b"purpose", b"Prefetch"),
        (b"x-moz", b"prefetch"),
        (b"x-purpose", b"preview"),
    ],
)
def test_a_page_that_is_got_beforehand_is_no_visit(name: bytes, value: bytes, guard: Guard) -> None:
    assert guard.reason({**HEADERS, name: value}, client(), visit()) == Reason.PREFETCH


def test_another_purpose_is_none_of_ours(guard: Guard) -> None:
    assert guard.reason({**HEADERS, b"purpose": b"navigate"}, client(), visit()) is None


@pytest.mark.parametrize(
    "referrer",
    ["https://semalt.com/crawler", "http://www.SEMALT.com:80", "semalt.com/x", "https://a@b.semalt.com./?q#f"],
)
def test_a_spammer_and_all_below_it_are_refused(referrer: str, guard: Guard) -> None:
    assert guard.reason(HEADERS, client(), visit(referrer)) == Reason.SPAM


@pytest.mark.parametrize(
    "referrer",
    ["https://notsemalt.com/", "https://example.com/semalt.com", "https://semalt.com.example.org/", "com", "", None],
)
def test_who_only_sounds_like_one_is_not(referrer: str | None, guard: Guard) -> None:
    """Seen to fail where the end of the name is compared, without its dot."""
    assert guard.reason(HEADERS, client(), visit(referrer)) is None


def test_a_spammer_among_a_requests_hits_refuses_it(guard: Guard) -> None:
    """They are stored together or not at all. Seen to fail where the first hit alone is looked at."""
    with pytest.raises(UnwantedHit, match="its referrer") as refused:
        guard.check(HEADERS, client(), [visit(), visit("https://semalt.com/")])
    assert (refused.value.reason, refused.value.status) == ("referrer-spam", 403)
    guard.check(HEADERS, client(), [visit(), visit("https://example.org/")])


@pytest.mark.parametrize("missing", [b"accept", b"accept-language"])
def test_headers_that_every_browser_sends_are_asked_for_by_the_strict_level_alone(
    missing: bytes, guard: Guard, strict: Guard
) -> None:
    headers = {name: value for name, value in HEADERS.items() if name != missing}
    assert strict.reason(headers, client(), visit()) == Reason.NO_ACCEPT
    assert strict.reason(HEADERS, client(), visit()) is None
    assert guard.reason(headers, client(), visit()) is None


@pytest.mark.parametrize("ip", [AMAZON, "2600:1f18:1234::1"])
def test_hosting_networks_are_refused_by_the_strict_level_alone(ip: str, guard: Guard, strict: Guard) -> None:
    assert strict.reason(HEADERS, client(ip=ip), visit()) == Reason.DATACENTER
    assert guard.reason(HEADERS, client(ip=ip), visit()) is None


@pytest.mark.parametrize("ip", [LONDON, "2001:218::1", "127.0.0.1", "8.8.8.8", None])
def test_other_addresses_are_nobodys_server(ip: str | None, strict: Guard) -> None:
    assert strict.reason(HEADERS, client(ip=ip), visit()) is None


def test_switched_off_it_refuses_nobody() -> None:
    off = Guard("off")
    assert off.reason({}, client(None, AMAZON), visit("https://semalt.com/")) is None
    off.check({}, client(None, AMAZON), [visit("https://semalt.com/")])
    off.check_told([visit("https://semalt.com/", "curl/8.5.0")])


def test_a_server_that_sends_for_others_is_judged_by_what_it_tells(guard: Guard) -> None:
    """Seen to fail where no User-Agent is a bot's there, too."""
    guard.check_told([visit(), visit(user_agent=FIREFOX)])
    for hit, reason in ((visit(user_agent="Googlebot/2.1"), "bot"), (visit("https://semalt.com"), "referrer-spam")):
        with pytest.raises(UnwantedHit) as refused:
            guard.check_told([visit(user_agent=FIREFOX), hit])
        assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"Googlebot\/", "Googlebot/"), (r"abuse\.xmco\.fr", "abuse.xmco.fr"), ("a-b c", "a-b c")],
)
def test_most_patterns_are_plain_words(pattern: str, text: str) -> None:
    assert literal(pattern) == text


@pytest.mark.parametrize("pattern", ["[wW]get", "^curl", r"\bbot", "a|b", "bots?", r"Feed/\d", "Labs$", "ends\\"])
def test_a_pattern_that_stands_for_several_is_left_to_re2(pattern: str) -> None:
    assert literal(pattern) is None


@given(st.lists(st.text("abcAB/- ", min_size=1, max_size=6), min_size=1, max_size=12), st.text("abcAB/- ", max_size=30))
@example(["aaa", "aaaa"], "aaa")
def test_words_are_found_wherever_they_stand(words: list[str], text: str) -> None:
    """As looking for each of them would. Seen to fail where a group of three keeps the last of its words alone."""
    assert Crawlers(words)(f"<{text}>") == any(word in f"<{text}>" for word in words)


@given(st.text())
def test_any_user_agent_is_an_answer(text: str) -> None:
    assert isinstance(Crawlers(["Googlebot", "[wW]get"])(text), bool)


@given(st.text())
def test_any_referrer_has_a_host_or_none(text: str) -> None:
    assert not set(host_in(authority_of(text))) & set("/?#@:")


def salads() -> list[str]:
    """512 characters each: of what the patterns are made of, of browsers' words, and of one thing over and over."""
    chance = random.Random(42)  # noqa: S311
    words = [word for user_agent in [*kept("crawlers")[:500], *ODD] for word in user_agent.split()]
    signs = "()[]*+?|\\.{}^$abcBot/ "
    return [
        *("".join(chance.choice(words) + chance.choice(" /;()") for _ in range(60))[:512] for _ in range(300)),
        *("".join(chance.choice(signs) for _ in range(512)) for _ in range(300)),
        *((sign * 512)[:512] for sign in ("a", "bot", "(", "Go", "Mozilla/5.0 (", "Spider ", "Current RSS ", "\udc80")),
    ]


def test_a_hostile_user_agent_takes_no_time(crawlers: Crawlers) -> None:
    """5 ms of the processor for 512 characters, agent included. Seen to fail where all words are sought at each place.

    The fastest of three, since the machine has others to serve.
    """

    def seconds(user_agent: str) -> float:
        started = time.process_time()
        crawlers(user_agent)
        agent._parse.__wrapped__(user_agent)
        return time.process_time() - started

    slowest = max((min(seconds(salad) for _ in range(3)), salad) for salad in salads())
    assert slowest[0] <= 0.005, slowest


def test_a_browser_that_came_by_costs_little_of_a_hit(guard: Guard) -> None:
    """A microsecond, where a hit has some 60; held to what two look-ups in a dictionary of this machine take.

    Seen to fail where nothing is remembered.
    """
    hits, known = [visit("https://www.google.com/")], client()

    def best(work: object) -> float:
        def once() -> float:
            started = time.process_time()
            for _ in range(5000):
                work()  # type: ignore[operator]
            return time.process_time() - started

        return min(once() for _ in range(7))

    table = {FIREFOX: 1}
    assert best(lambda: guard.check(HEADERS, known, hits)) < 60 * best(lambda: table.get(FIREFOX))


MEMORY = """
import gc, sys
from pathlib import Path
from crumby.ingest import agent, bots, limits, lists
agent.warm_up()
def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4
before = resident()
guard = bots.Guard(sys.argv[1])
for line in sys.stdin:
    guard._is_bot(line.strip())
print(resident() - before)
"""


@pytest.mark.parametrize(("level", "bound_kib"), [("standard", 2048), ("strict", 3072)])
def test_the_lists_take_little_memory(level: str, bound_kib: int) -> None:
    """With all of both kinds of User-Agents looked at. As one set of RE2's, the list took 8 MiB."""
    given = "\n".join([*kept("browsers"), *kept("crawlers")])
    command = [sys.executable, "-c", MEMORY, level]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    assert int(done.stdout) <= bound_kib


def test_networks_are_found_to_their_ends() -> None:
    """Seen to fail on a comparison that leaves a network's last address out."""
    hosting = Hosting(["192.0.2.0/25", "198.51.100.7-198.51.100.9", "192.0.2.128-192.0.2.199", "2001:db8::/48"])
    inside = ["192.0.2.0", "192.0.2.128", "192.0.2.199", "198.51.100.7", "198.51.100.9", "2001:db8:0:ffff::1"]
    outside = ["192.0.1.255", "192.0.2.200", "198.51.100.6", "198.51.100.10", "2001:db8:1::", "2001:db7:ffff::1", "x"]
    assert [ip for ip in [*inside, *outside] if hosting(ip)] == inside


def test_a_network_that_shares_its_64_with_others_is_left_out() -> None:
    assert not Hosting(["2001:db8::1-2001:db8::ffff"])("2001:db8::1")
    assert not Spammers([])("example.com")


async def test_a_refreshed_list_is_used_while_the_server_runs_and_a_broken_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen to fail where the list is looked at by the start alone, and where a broken one leaves nothing."""
    monkeypatch.setattr(bots, "EVERY_S", 0.01)
    strange = "AnUnheardOf/1.0"
    async with open_guard("standard", tmp_path) as guard:
        assert guard.reason(HEADERS, client(strange), visit()) is None
        listfile.put("crawlers", ["AnUnheardOf/"], "here", tmp_path)
        await until(lambda: guard.reason(HEADERS, client(strange), visit()))
        assert guard.reason(HEADERS, client("Googlebot/2.1"), visit()) is None  # the new list is all there is
        lists.path_in(tmp_path, "crawlers").write_bytes(b"\x1f\x8bbroken")
        await until(lambda: "it can't be unpacked" in caplog.text)
        assert guard.reason(HEADERS, client(strange), visit()) == Reason.BOT
        assert "the one before stays in use" in caplog.text


def test_a_list_that_is_broken_at_the_start_leaves_the_shipped_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lists.path_in(tmp_path, "crawlers").write_bytes(b"")
    assert Guard("standard", tmp_path).reason(HEADERS, client("Googlebot/2.1"), visit()) == Reason.BOT
    assert "the shipped one is used" in caplog.text


def test_the_manifest_tells_of_each_list_whence_it_is() -> None:
    told = lists.manifest()
    assert set(told) == set(bots.MAKE) == set(lists.MOST)
    for name, known in told.items():
        assert known.of <= f"{utc():%Y-%m-%d}"
        assert known.licence
        assert known.home.startswith("https://")
        assert all(url.startswith("https://") for url in known.urls)
        assert (
            len(lists.in_use(name, None).entries)
            == json.loads((lists.KNOWN / "manifest.json").read_text())[name]["entries"]
        )


PAGE = {"User-Agent": FIREFOX, "Accept": "*/*", "Accept-Language": "de"}
TOKEN = "the monitor's token, long enough"


class Town:
    """An application, those who send to it, and what it counts."""

    def __init__(self, app: Any, state: dict[str, Any]) -> None:
        self.app = app
        self.state = state
        self.number = 0

    async def send(
        self, *hits: dict[str, str], ip: str = LONDON, path: str = "/hit", **headers: str | None
    ) -> httpx.Response:
        given = {**PAGE, **{name.replace("_", "-").title(): value for name, value in headers.items()}}
        transport = httpx.ASGITransport(self.app, client=(ip, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as http:
            http.headers.clear()
            http.headers.update({name: value for name, value in given.items() if value is not None})
            if path != "/hit":
                return await http.get(path)
            documents = []
            for hit in hits or ({},):
                self.number += 1
                documents.append(
                    {"t": "visit", "id": f"{self.number:032x}", "cid": "a", "dl": "https://a.example/", **hit}
                )
            return await http.post(path, json=documents)

    async def stored(self) -> int:
        async with self.state["database"].engine.connect() as connection:
            return int((await connection.execute(select(func.count()).select_from(visits))).scalar_one())

    async def refused(self) -> dict[str, int]:
        """As the report has it."""
        await self.state["refusals"].write()
        secret = await self.state["tokens"].add("reader", "read", None, "")
        answer = await self.send(
            path=f"/api/private/refused?from={utc():%Y-%m-%d}&to={utc():%Y-%m-%d}", authorization=f"Bearer {secret}"
        )
        return dict(answer.json()["data"])

    async def metrics(self) -> str:
        return (await self.send(path="/metrics", authorization=f"Bearer {TOKEN}")).text


@contextlib.asynccontextmanager
async def town(settings: MakeSettings, **keys: str) -> AsyncIterator[Town]:
    async with alive(create_app(settings(metrics_token=TOKEN, **keys))) as running:
        yield Town(running.app, running._state)


async def test_each_refusal_has_its_reason_in_the_answer_the_report_and_the_metrics(settings: MakeSettings) -> None:
    """Seen to fail where the class of the error is counted."""
    expected = {"bot": 4, "prefetch": 1, "referrer-spam": 2, "no-accept": 1, "datacenter": 1}
    async with town(settings, bots="strict") as there:
        answers = [
            await there.send(user_agent="Googlebot/2.1 (+http://www.google.com/bot.html)"),
            await there.send(user_agent=None),
            await there.send(path="/1.gif?v=1&t=visit&cid=a&dl=https%3A%2F%2Fa.example%2F", user_agent="curl/8.5.0"),
            await there.send(path="/hit?dl=https%3A%2F%2Fa.example%2F", user_agent=""),
            await there.send(sec_purpose="prefetch;prerender"),
            await there.send({}, {"dr": "https://www.semalt.com/"}),
            await there.send(accept=None),
            await there.send(ip=AMAZON),
        ]
        assert {answer.status_code for answer in answers} == {403}
        assert {answer.headers["x-crumby"].partition(":")[0] for answer in answers} == set(expected)
        assert {answer.json()["error"] for answer in answers} == {"UnwantedHit"}
        assert (await there.send()).status_code == 204
        assert await there.stored() == 1
        assert await there.refused() == expected
        told = await there.metrics()
        for reason, hits in expected.items():
            assert f'crumby_hits_total{{outcome="refused",reason="{reason}"}} {hits}.0' in told


async def test_a_server_with_a_token_sends_for_people_and_is_no_bot_itself(settings: MakeSettings) -> None:
    """Seen to fail where a request with a token is judged as any other."""
    async with town(settings, bots="strict", rate_limit="1", daily_limit="150") as there:
        secret = await there.state["tokens"].add("shop", "ingest", None, "")
        sender: dict[str, Any] = {
            "authorization": f"Bearer {secret}",
            "user_agent": "python-httpx/0.28.1",
            "ip": AMAZON,
        }
        assert (await there.send(**sender)).status_code == 204
        assert (await there.send({"ua": FIREFOX}, **sender)).status_code == 204
        refused = await there.send({"ua": FIREFOX}, {"ua": "Googlebot/2.1"}, **sender)
        assert (refused.status_code, refused.headers["x-crumby"][:4]) == (403, "bot:")
        for _ in range(3):
            assert (await there.send(*[{"ua": FIREFOX, "ip": LONDON}] * 100, **sender)).status_code == 204
        assert await there.stored() == 302


async def test_what_is_switched_off_is_taken(settings: MakeSettings) -> None:
    async with town(settings, bots="off") as there:
        assert (
            await there.send({"dr": "https://semalt.com/"}, user_agent=None, sec_purpose="prefetch")
        ).status_code == 204
        assert await there.stored() == 1


async def test_a_hostile_user_agent_is_one_more_hit_and_no_error(settings: MakeSettings) -> None:
    async with town(settings) as there:
        for salad in salads()[::40]:
            header = salad.encode(errors="replace").decode("latin-1").strip()
            assert (await there.send(user_agent=header)).status_code in {204, 403}
