"""No file of a server that is told to keep no address has one: the database and its log, the spool, what is said.

A real process at debug level with all of its log, searched byte by byte while it runs. Addresses are looked for in each
form that a program may write them in.
"""

import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import BROWSER, Crumby, free_port

ADDRESSES = ("81.2.69.160", "2001:218:1:2::3", "2002:5102:45a0:1::7", "198.51.100.237")
CIDS = ("1873402711", "4815162342424242421", "quite.a-visitor")
AGENT = BROWSER | {"Accept": "*/*", "Accept-Language": "en"}


def forms(address: str) -> Iterator[bytes]:
    """Each way to write the whole address, as short as can be told from chance."""
    parsed = ipaddress.ip_address(address)
    texts = {address, parsed.exploded, parsed.packed.hex(), parsed.reverse_pointer, str(int(parsed))}
    if isinstance(parsed, ipaddress.IPv4Address):
        texts |= {f"::ffff:{parsed.packed.hex()[:4]}:{parsed.packed.hex()[4:]}", "-".join(address.split("."))}
    else:
        yield parsed.packed
        if parsed.sixtofour:
            yield from forms(str(parsed.sixtofour))
    for text in texts:
        yield text.encode()
        yield text.upper().encode()


def found(server: Crumby, needles: set[bytes]) -> list[tuple[str, bytes]]:
    files = [path for path in server.folder.rglob("*") if path.is_file() and "mmdb" not in path.name]
    assert any(path.suffix == ".db" for path in files)
    contents = {path.name: path.read_bytes() for path in files}
    return [(name, needle) for name, content in contents.items() for needle in needles if needle in content]


def send(server: Crumby) -> None:
    """Each address over each wire, with each cid; and what is not stored, which may be told of in the log."""
    with server.client() as http:
        for number, (address, cid) in enumerate((address, cid) for address in ADDRESSES for cid in CIDS):
            headers = AGENT | {"X-Forwarded-For": address}
            page = f"https://a.example/{number}"
            hit = {"id": f"{number:032x}", "t": "visit", "dl": page, "cid": cid}
            event = hit | {"id": f"{number + 100:032x}", "t": "event", "en": "order"}
            answers = [
                http.get(f"/{number}.gif", params={"v": 1, "t": "visit", "cid": cid, "dl": page}, headers=headers),
                http.post("/hit", content=json.dumps([hit, event]), headers=headers),
                http.get("/hit", params={"dl": page, "cid": cid}, headers=headers),
            ]
            assert max(answer.status_code for answer in answers) < 300
            http.get("/opt-out", headers=headers)
            refused = http.post("/hit", content="{", headers=headers), http.post("/hit", headers=headers | {"DNT": "1"})
            assert min(answer.status_code for answer in refused) >= 400
        http.post("/login", data={"username": "ann", "password": "wrong"}, headers=headers)


def server_with(mmdb: Path, database_url: str, **keys: str) -> Crumby:
    settings = {"debug": "true", "sqlalchemy_echo": "true", "access_log": "all", "proxy_count": "1", "rate_limit": "0"}
    crumby = Crumby(database_url, geoip2_database_name=str(mmdb))
    crumby.settings = {**crumby.settings, **settings, **keys}
    return crumby


@pytest.mark.parametrize("is_away", [False, True], ids=["sqlite", "spool"])
def test_with_a_name_of_the_day_and_no_address_there_is_none_in_any_file(mmdb: Path, is_away: bool) -> None:  # noqa: FBT001
    """Nor a number that a browser brought. Seen to fail where events keep the address, and with cookies."""
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none" if is_away else ""
    with server_with(mmdb, url, visitor_id="daily", ip_storage="none") as server:
        send(server)
        needles = {form for address in ADDRESSES for form in forms(address)} | {cid.encode() for cid in CIDS}
        assert found(server, needles) == []
        kept = found(server, {b"https://a.example/11"})
        assert any(name.startswith("crumby-spool" if is_away else "crumby.db") for name, _ in kept), (
            "it was not looked at"
        )
        server.stop()
        assert found(server, needles) == []


def test_with_masked_addresses_no_whole_one_is_in_any_file(mmdb: Path) -> None:
    """And the part that is kept is. Seen to fail where an address of a tunnel keeps all of IPv4's."""
    with server_with(mmdb, "", ip_storage="masked") as server:
        send(server)
        needles = {form for address in ADDRESSES for form in forms(address)}
        assert found(server, needles) == []
        parts = {b"81.2.69.0", b"2001:218:1::", b"2002:5102:4500::", b"198.51.100.0"}
        assert {needle for _, needle in found(server, parts)} == parts
