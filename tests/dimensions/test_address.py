"""Site, page and tags of any address that a hit or an old row may hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumby.dimensions.address import PAGE, SHORT, SITE, TAG, Address, parse_address
from crumby.tables import visits

PIECES = st.sampled_from(
    ["https:", "//", "/", "?", "&", "#", "#!/", "@", ":", "[", "]", "%", "+", "=", ".", "www.", "utm_source", "é🍪"]
)
ADDRESSES = st.lists(PIECES | st.text(max_size=5), max_size=30).map("".join) | st.text(max_size=900)


@pytest.mark.parametrize(
    ("uri", "site", "page"),
    [
        ("https://example.com/", "example.com", "/"),
        ("https://example.com", "example.com", "/"),
        ("HTTPS://WWW.Example.COM:8443/Blog/A", "example.com", "/Blog/A"),
        ("https://example.com/blog/a?q=1#top", "example.com", "/blog/a"),
        ("https://example.com/küche/a b", "example.com", "/küche/a b"),
        ("https://example.com/a%2Fb", "example.com", "/a%2Fb"),
        ("https://app.example/#/orders/7?tab=all", "app.example", "/#/orders/7"),
        ("https://app.example/x?y=1#!/a", "app.example", "/x#!/a"),
        ("https://example.com/a/", "example.com", "/a/"),
        ("//cdn.example/a", "cdn.example", "/a"),
        ("/a?b", None, "/a"),
        ("a/b.html", None, "/a/b.html"),
        ("?q=1", None, "/"),
        ("#top", None, "/"),
        ("https://user:pass@example.com/a", "example.com", "/a"),
        ("https://a@b@example.com./", "example.com", "/"),
        ("http://[2001:DB8::1]:80/a", "[2001:db8::1]", "/a"),
        ("http://[::1", "[::1]", "/"),
        ("http://localhost:3000/a", "localhost", "/a"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", "/"),
        ("https://example.com?q=1", "example.com", "/"),
        ("https:///a", None, "/a"),
        ("file:///C:/a.html", None, "/C:/a.html"),
        ("chrome-extension://abc/popup.html", "abc", "/popup.html"),
        ("about:blank", None, None),
        ("mailto:a@example.com", None, None),
        ("data:text/html,<p>a", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_an_address_has_a_site_and_a_page(uri: str | None, site: str | None, page: str | None) -> None:
    """Seen to fail where the port stays, where the route of a fragment goes, and where `www.` stays."""
    address = parse_address(uri)
    assert (address.site, address.page) == (site, page)


def test_the_tags_of_a_link_are_read_as_they_were_meant() -> None:
    """Seen to fail where a plus stays a plus, and where an escaped one becomes a blank."""
    query = "utm_source=Caf%C3%A9+News&UTM_Medium=e%2Bmail&utm_campaign=50%25 off&utm_term=&utm_content=a%26b&x=y"
    address = parse_address(f"https://example.com/?{query}")
    assert address[2:7] == ("Café News", "e+mail", "50% off", None, "a&b")


@pytest.mark.parametrize(
    ("query", "tag"),
    [
        ("ref=c&source=b&utm_source=a", "a"),
        ("ref=c&source=b", "b"),
        ("ref=c", "c"),
        ("utm_source=&ref=c", "c"),
        ("utm_source=a&utm_source=b", "a"),
        ("reference=c", None),
        ("utm_medium=email", None),
    ],
)
def test_a_tag_is_utm_source_or_else_source_or_else_ref(query: str, tag: str | None) -> None:
    assert parse_address(f"/?{query}").tag == tag


def test_of_a_click_only_the_kind_is_told() -> None:
    """Its value would name a person."""
    assert parse_address("/?a=b&gclid=Cj0KCQ").click == "gclid"
    assert parse_address("/?fbclid=1&msclkid=2").click == "msclkid"
    assert parse_address("/?gclid=").click is None
    assert not any("Cj0KCQ" in (part or "") for part in parse_address("/?gclid=Cj0KCQ"))


def test_each_part_is_cut_to_its_column() -> None:
    """Seen to fail with a longer cut. A blank at the end of a cut goes too: databases disagree on it."""
    long = parse_address(f"https://{'h' * 300}/{'p' * 600}?utm_source={'s' * 149} t&utm_term={'t' * 200}")
    assert [len(part or "") for part in long[:3]] == [SITE, PAGE, TAG - 1]
    assert len(long.utm_term or "") == TAG
    columns = (visits.c.site, visits.c.page, visits.c.utm_source)
    assert [getattr(column.type, "length", None) for column in columns] == [SITE, PAGE, TAG]


def test_what_is_remembered_is_bounded() -> None:
    """Seen to fail where a long address is remembered too."""
    from crumby.dimensions import address as module

    before = module._remembered.cache_info().currsize
    long = "/" + "x" * SHORT
    assert parse_address(long) == parse_address(long) == Address(None, long)
    assert module._remembered.cache_info().currsize == before


@given(ADDRESSES | st.text(st.characters(), max_size=50))
def test_no_address_breaks_the_parser(uri: str) -> None:
    address = parse_address(uri)
    assert len(address.site or "") <= SITE
    assert len(address.page or "") <= PAGE
    for part in address:
        assert part is None or (part and part == part.strip())
    assert all(len(tag or "") <= TAG for tag in address[2:])
