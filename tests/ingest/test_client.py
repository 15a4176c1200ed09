"""Who sent a hit: never whom a header claims, always whom the trusted proxies saw."""

import pytest

from crumby.ingest.client import Headers, Proxies, client_of, first_language, normalised


def headers(*given: tuple[str, str]) -> Headers:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in given]


def behind(proxies: Proxies, peer: str | None, *lines: str) -> str | None:
    """Give the address of who came from `peer` with these lines of X-Forwarded-For."""
    return client_of(headers(*(("X-Forwarded-For", line) for line in lines)), peer, proxies).ip


FORGED = [
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-For", "6.6.6.6, 7.7.7.7"),
    ("X-Forwarded-For", ""),
    ("X-Forwarded-For", "'; drop table visits --"),
    ("X-Real-IP", "6.6.6.6"),
    ("Forwarded", "for=6.6.6.6;proto=https"),
    ("True-Client-IP", "6.6.6.6"),
    ("CF-Connecting-IP", "6.6.6.6"),
]


@pytest.mark.parametrize("header", FORGED)
def test_without_a_proxy_no_header_is_believed(header: tuple[str, str]) -> None:
    assert client_of(headers(header), "203.0.113.7", Proxies()).ip == "203.0.113.7"


@pytest.mark.parametrize("header", FORGED)
def test_behind_a_proxy_only_what_it_appended_is_believed(header: tuple[str, str]) -> None:
    """Planted fault: taking the leftmost address gives 6.6.6.6."""
    appended = ("X-Forwarded-For", "203.0.113.7")
    assert client_of(headers(header, appended), "10.0.0.1", Proxies(1)).ip == "203.0.113.7"


@pytest.mark.parametrize(("count", "ip"), [(0, "10.0.0.1"), (1, "203.0.113.7"), (2, "198.51.100.2"), (3, "6.6.6.6")])
def test_each_proxy_takes_the_address_one_further_to_the_left(count: int, ip: str) -> None:
    assert behind(Proxies(count), "10.0.0.1", "6.6.6.6,198.51.100.2, 203.0.113.7") == ip


def test_a_request_past_too_few_proxies_is_placed_at_the_last_address_there_is() -> None:
    assert behind(Proxies(3), "10.0.0.1", "203.0.113.7") == "203.0.113.7"
    assert behind(Proxies(3), "10.0.0.1") == "10.0.0.1"


NETWORKS = ("10.0.0.0/8", "2001:db8::/32", "unix")


@pytest.mark.parametrize(
    ("peer", "lines", "ip"),
    [
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.7, 10.0.0.3,10.0.0.2"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.7", "10.0.0.3", "10.0.0.2"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6", "10.0.0.3, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        ("10.0.0.1", ["10.0.0.9", "10.0.0.2"], "10.0.0.9"),
        ("::ffff:10.0.0.1", ["203.0.113.7, ::ffff:10.0.0.2"], "203.0.113.7"),
        ("2001:db8::1", ["2a00::7, [2001:DB8::2]:443"], "2a00::7"),
        ("2001:db8::1", ["fe80::7%eth0"], "fe80::7"),
        (None, ["203.0.113.7"], "203.0.113.7"),
        (None, ["203.0.113.7, unix:"], "203.0.113.7"),
        (None, ["unix:"], None),
        (None, [], None),
        ("203.0.113.7", ["6.6.6.6"], "203.0.113.7"),
        ("203.0.113.7", ["10.0.0.1"], "203.0.113.7"),
        ("not an address", ["6.6.6.6"], None),
        ("10.0.0.1", ["6.6.6.6, garbage, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["6.6.6.6, garbage"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6", "garbage", "10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["6.6.6.6, "], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        (None, ["6.6.6.6, garbage"], None),
        ("10.0.0.1", ["6.6.6.6, 10.0.0.300"], "10.0.0.1"),
        ("10.0.0.1", ["11.0.0.1"], "11.0.0.1"),
    ],
)
def test_of_named_proxies_the_last_address_that_is_none_of_theirs_counts(
    peer: str | None, lines: list[str], ip: str | None
) -> None:
    """Planted: the leftmost; the last line alone; garbage that is passed over; a peer that is no proxy, believed."""
    assert behind(Proxies(trusted=NETWORKS), peer, *lines) == ip


def test_a_unix_socket_is_a_proxy_only_where_it_is_named() -> None:
    """Planted: a peer without an address, believed wherever a network is named."""
    proxies = Proxies(trusted=("10.0.0.0/8",))
    assert behind(proxies, None, "203.0.113.7") is None
    assert behind(proxies, "10.0.0.1", "203.0.113.7, unix:") == "10.0.0.1"


def test_a_chain_that_is_longer_than_any_is_read_from_the_right_and_not_to_its_end() -> None:
    long = ["6.6.6.6"] + ["10.0.0.3, 10.0.0.2"] * 10_000
    assert behind(Proxies(trusted=NETWORKS), "10.0.0.1", *long) == "10.0.0.3"
    assert behind(Proxies(trusted=NETWORKS), "10.0.0.1", *long, "203.0.113.7") == "203.0.113.7"
    assert behind(Proxies(2), "10.0.0.1", ", ".join(long)) == "10.0.0.3"


def test_a_unix_socket_has_no_peer() -> None:
    assert client_of(headers(), None, Proxies()).ip is None
    assert client_of(headers(("X-Forwarded-For", "203.0.113.7")), None, Proxies(1)).ip == "203.0.113.7"
    assert client_of(headers(("X-Forwarded-For", "203.0.113.7")), None, Proxies()).ip is None


@pytest.mark.parametrize(
    ("written", "ip"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("203.0.113.07", None),
        ("203.0.113.256", None),
        ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - nothing is bound
        ("203.0.113.7\n", None),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
        ("1.2.3.4.5", None),
        ("0x7f.1", None),
    ],
)
def test_an_address_is_written_one_way(written: str, ip: str | None) -> None:
    assert normalised(written) == ip


@pytest.mark.parametrize(
    ("header", "language"),
    [("en-GB,en;q=0.9", "en-GB"), ("de;q=0.8", "de"), ("*", "*"), ("", ""), (None, None)],
)
def test_the_first_language_counts(header: str | None, language: str | None) -> None:
    assert first_language(header) == language


def test_headers_are_cut_to_what_their_columns_hold() -> None:
    client = client_of(
        headers(
            ("User-Agent", "x" * 5000),
            ("Referer", "https://example.com/" + "y" * 5000),
            ("Accept-Language", "zh-Hans-CN-x-private-use"),
        ),
        "203.0.113.7",
        Proxies(),
    )
    assert (len(client.user_agent or ""), len(client.referrer or ""), client.lang) == (512, 2048, "zh-Hans-CN")


def test_of_a_header_that_comes_twice_the_last_counts_and_of_proxies_all() -> None:
    client = client_of(
        headers(
            ("X-Forwarded-For", "6.6.6.6"),
            ("User-Agent", "first"),
            ("X-Forwarded-For", "198.51.100.2, 203.0.113.7"),
            ("User-Agent", "last"),
        ),
        "10.0.0.1",
        Proxies(3),
    )
    assert (client.ip, client.user_agent) == ("6.6.6.6", "last")
