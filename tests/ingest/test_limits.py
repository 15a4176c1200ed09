"""How much one address may send: never more than its due, and nobody less than theirs, in a fixed room."""

import tracemalloc
from ipaddress import IPv4Address

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumby.app import create_app
from crumby.errors import TooManyHits
from crumby.ingest import limits
from crumby.ingest.limits import BURST_S, Limiter
from tests.conftest import MakeSettings
from tests.servers import alive


def hit(number: int) -> dict[str, str]:
    return {"t": "visit", "id": f"{number:032x}", "cid": "a", "dl": "https://a.example/"}


ADA, BO = "81.2.69.160", "89.160.20.112"
DAY_S = 86_400


class Clock:
    def __init__(self, at: float = 1000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def admitted(limiter: Limiter, ip: str | None, requests: int, hits: int = 1) -> int:
    """How many of the requests got through."""
    through = 0
    for _ in range(requests):
        try:
            limiter.check(ip, hits)
            through += 1
        except TooManyHits:
            pass
    return through


def test_a_burst_is_let_through_and_then_so_many_a_second() -> None:
    """Seen to fail where refused hits are counted."""
    clock = Clock()
    limiter = Limiter(20, 0, clock)
    assert admitted(limiter, ADA, 1000) == 20 * BURST_S
    clock.at += 1
    assert admitted(limiter, ADA, 1000) == 20
    clock.at += 3600
    assert admitted(limiter, ADA, 1000) == 20 * BURST_S


@given(
    rate=st.sampled_from([0.1, 1.0, 7.0, 20.0, 1000.0]),
    steps=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 100)), min_size=1, max_size=60),
)
def test_in_no_stretch_of_time_more_gets_through_than_its_due(rate: float, steps: list[tuple[float, int]]) -> None:
    """At most burst + rate * seconds, wherever one begins to count. Seen to fail where a request is one hit."""
    clock = Clock()
    limiter = Limiter(rate, 0, clock)
    burst = max(BURST_S * rate, 100)
    sent: list[tuple[float, int]] = []
    for pause, hits in steps:
        clock.at += pause
        sent.append((clock.at, hits * admitted(limiter, ADA, 1, hits)))
    for begin in range(len(sent)):
        total = 0
        for at, hits in sent[begin:]:
            total += hits
            assert total <= burst + rate * (at - sent[begin][0]) + 1e-3 * rate + 1e-6


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 100)), max_size=60))
def test_who_keeps_to_it_is_never_refused(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    limiter = Limiter(20, 0, clock)
    for pause, hits in steps:
        clock.at += pause + hits / 20
        limiter.check(ADA, hits)


@given(rate=st.floats(0.01, 5), hits=st.integers(1, 100))
def test_the_longest_array_gets_through_at_any_rate(rate: float, hits: int) -> None:
    """It is stored whole or not at all, and would never be. Seen to fail on a burst of seconds alone."""
    Limiter(rate, 0, Clock()).check(ADA, hits)


def test_who_is_refused_is_told_when_to_come_again_and_gets_through_then() -> None:
    clock = Clock()
    limiter = Limiter(2, 0, clock)
    admitted(limiter, ADA, 1000)
    with pytest.raises(TooManyHits, match="one address") as refused:
        limiter.check(ADA, 10)
    assert (refused.value.reason, refused.value.status, refused.value.retry_after) == ("rate-limited", 429, 5)
    clock.at += refused.value.retry_after
    limiter.check(ADA, 10)


def test_a_day_has_its_own_limit_and_begins_anew_at_midnight() -> None:
    """Seen to fail where the day is that of the start."""
    now = Clock(20_000.0 * DAY_S + DAY_S - 90.5)
    limiter = Limiter(0, 250, Clock(), now)
    assert admitted(limiter, ADA, 9, hits=50) == 5
    with pytest.raises(TooManyHits, match="in a day") as refused:
        limiter.check(ADA)
    assert (refused.value.reason, refused.value.retry_after) == ("daily-limit", 91)
    limiter.check(BO, 250)
    now.at += 91
    limiter.check(ADA, 250)


def test_hits_that_come_too_early_are_not_counted_for_the_day() -> None:
    clock = Clock()
    limiter = Limiter(10, 200, clock, Clock(1e9))
    assert admitted(limiter, ADA, 1000) == 150
    clock.at += 60
    assert admitted(limiter, ADA, 1000) == 50


def test_zero_is_no_limit() -> None:
    assert admitted(Limiter(0, 0), ADA, 10_000) == 10_000


@pytest.mark.parametrize(
    "ip", [None, "", "unknown", "127.0.0.1", "127.8.9.1", "::1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "172.31.9.9"]
)
def test_a_proxy_and_a_neighbour_are_not_limited(ip: str | None) -> None:
    """Behind a proxy that nobody told Crumby of, all visitors have its address. Seen to fail without the exception."""
    assert admitted(Limiter(1, 10), ip, 1000) == 1000


@pytest.mark.parametrize("ip", ["100.64.1.1", "169.254.1.1", "fe80::1", "fd00::1"])
def test_so_are_those_of_a_link_or_a_carrier(ip: str) -> None:
    assert admitted(Limiter(1, 10), ip, 1000) == 1000


@pytest.mark.parametrize(
    "ip", ["172.32.0.1", "11.0.0.1", "128.0.0.1", "100.128.0.1", "192.169.0.1", "203.0.113.7", "2001:db8::1"]
)
def test_their_next_ones_are(ip: str) -> None:
    assert admitted(Limiter(1, 0, Clock()), ip, 1000) == 100


def test_an_ipv6_household_is_one_address_and_the_next_one_another() -> None:
    """Seen to fail on whole addresses, of which a household has 2⁶⁴."""
    limiter = Limiter(1, 0, Clock())
    assert sum(admitted(limiter, f"2001:db8:1:2:{n:x}::1", 1) for n in range(1000)) == 100
    assert admitted(limiter, "2001:db8:1:3::1", 1000) == 100


def test_nothing_grows_with_the_addresses_and_few_of_them_share_with_those_who_flood() -> None:
    """A hundred addresses flood, while many others send their one hit.

    Seen to fail on a row of counters alone, and on a dictionary of addresses, which takes 150 bytes for each.
    """
    limiter = Limiter(1, 1000, Clock(), Clock(1e9))
    for number in range(100):
        assert admitted(limiter, f"198.51.100.{number}", 150) >= 99
    others = [str(IPv4Address((11 << 24) + number * 7)) for number in range(100_000)]
    assert sum(1 - admitted(limiter, ip, 1) for ip in others[:50_000]) <= 50  # 0.1 %; one is to be expected
    tracemalloc.start()
    try:
        admitted_later = sum(admitted(limiter, ip, 1) for ip in others[50_000:])
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert admitted_later > 49_000
    assert grown < 2 * 1024 * 1024  # of which the addresses remembered are most


@pytest.mark.parametrize("hits", [2500, pytest.param(50_000, marks=pytest.mark.long)])
async def test_who_floods_is_told_so_and_nobody_else_notices(hits: int, settings: MakeSettings) -> None:
    """50,000 hits from one address, and others at the same time. Seen to fail on one bucket for all of them."""
    made = settings(bots="off", proxy_count="1")
    async with alive(create_app(made)) as running:
        transport = httpx.ASGITransport(running.app, client=("127.0.0.1", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as http:

            async def send(number: int, ip: str, times: int = 1) -> httpx.Response:
                documents = [hit(number * 100 + offset) for offset in range(times)]
                return await http.post("/hit", json=documents, headers={"X-Forwarded-For": ip})

            flood: list[int] = []
            others: list[int] = []
            retry: set[str] = set()
            for number in range(hits // 50):
                answer = await send(number, "203.0.113.7", 50)
                flood.append(answer.status_code)
                if answer.status_code == 429:
                    assert answer.headers["x-crumby"].startswith("rate-limited: ")
                    retry.add(answer.headers["retry-after"])
                others.append((await send(10**9 + number, f"198.51.{number // 250}.{number % 250 + 1}")).status_code)
            through = flood.count(204) * 50
            assert set(flood) == {204, 429}
            assert 300 <= through <= 300 + 20 * 120
            assert others.count(204) >= 0.999 * len(others)
            assert retry <= {"1", "2", "3"}
            counts = running._state["refusals"]._counts
            assert sum(count for (_, reason), count in counts.items() if reason == "rate-limited") <= hits - through
            exposed = (await running._state["health"].exposition()).decode()
            assert f'crumby_hits_total{{outcome="busy",reason="rate-limited"}} {hits - through:.1f}' in exposed


async def test_a_day_that_is_full_is_told_with_its_end(settings: MakeSettings) -> None:
    async with alive(create_app(settings(bots="off", daily_limit="5", rate_limit="0"))) as running:
        transport = httpx.ASGITransport(running.app, client=(ADA, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://crumby.test") as http:
            assert (await http.post("/hit", json=[hit(number) for number in range(5)])).status_code == 204
            answer = await http.post("/hit", json=hit(5))
            assert answer.status_code == 429
            assert answer.headers["x-crumby"].startswith("daily-limit: ")
            assert 1 <= int(answer.headers["retry-after"]) <= DAY_S
            pixel = await http.get("/1.gif?v=1&t=visit&cid=a&dl=https%3A%2F%2Fa.example%2F")
            assert pixel.status_code == 429


def test_nobody_can_tell_whose_counters_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (limits._hashed(bytes([key]) * 16) for key in (1, 2))
    assert first(ADA) == first(ADA)
    assert sum(first(f"9.9.9.{n}") == second(f"9.9.9.{n}") for n in range(256)) == 0
