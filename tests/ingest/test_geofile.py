"""`crumby geoip` against a real server: what comes whole replaces the file, what comes otherwise leaves it alone."""

import base64
import errno
import gzip
import hashlib
import io
import os
import random
import socket
import struct
import tarfile
import time
from contextlib import suppress
from datetime import date
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import brotli
import maxminddb
import pytest
from mmdb_writer import MMDBWriter

from crumby.errors import GeoDatabaseError
from crumby.ingest import geofile
from crumby.ingest.geofile import Source, install
from tests.conftest import LONDON, write_mmdb
from tests.downloads import Site, reply, serve

OLD = b"the file that was there"
ANYWHERE = date(2026, 11, 3)


site = pytest.fixture(serve, name="site")
other_site = pytest.fixture(serve, name="other_site")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "City.mmdb"
    path.write_bytes(OLD)
    return path


@pytest.fixture(scope="session")
def whole(mmdb: Path) -> bytes:
    return mmdb.read_bytes()


def tarred(body: bytes, name: str = "GeoLite2-City_20261120/GeoLite2-City.mmdb", mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for each, text in (("GeoLite2-City_20261120/COPYRIGHT.txt", b"(c)"), (name, body)):
            member = tarfile.TarInfo(each)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return packed.getvalue()


def damaged(body: bytes) -> bytes:
    """Change the middle third, and so the compressed stream but neither its header nor its end."""
    third = len(body) // 3
    return body[:third] + bytes(byte ^ 0xA5 for byte in body[third : 2 * third]) + body[2 * third :]


def short(body: bytes) -> bytes:
    return body[:-30]


def half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def refused(source: Source | Path, target: Path, message: str) -> None:
    """The installation fails with that message, and all is as it was before."""
    with pytest.raises(GeoDatabaseError, match=message):
        install(source, target)
    assert target.read_bytes() == OLD
    assert list(target.parent.glob(".*")) == []


def test_a_database_replaces_the_old_one(site: Site, target: Path, whole: bytes) -> None:
    told = install(site("/City.mmdb", whole), target)
    assert target.read_bytes() == whole
    assert str(told).startswith("GeoLite2-City of 20")
    assert told.size == len(whole)
    assert [path.name for path in target.parent.iterdir()] == ["City.mmdb"]


def test_a_server_of_another_account_can_read_it(site: Site, target: Path, whole: bytes) -> None:
    careful = os.umask(0o077)
    try:
        install(site("/City.mmdb", whole), target)
    finally:
        os.umask(careful)
    assert target.stat().st_mode & 0o777 == 0o644


def test_a_first_database_makes_its_folder(site: Site, tmp_path: Path, whole: bytes) -> None:
    install(site("/City.mmdb", whole), tmp_path / "new" / "folder" / "City.mmdb")
    assert (tmp_path / "new" / "folder" / "City.mmdb").read_bytes() == whole


@pytest.mark.parametrize("form", ["gz", "tar.gz", "tar", "tar.xz"])
def test_a_packed_database_is_unpacked(form: str, site: Site, target: Path, whole: bytes) -> None:
    mode = "w:" + form.removeprefix("tar").removeprefix(".")
    packed = gzip.compress(whole) if form == "gz" else tarred(whole, mode=mode)
    install(site(f"/download?suffix={form}", packed), target)
    assert target.read_bytes() == whole


def test_a_file_of_this_machine_is_installed_and_stays_where_it_is(tmp_path: Path, target: Path, whole: bytes) -> None:
    local = tmp_path / "download.tar.gz"
    local.write_bytes(tarred(whole))
    install(local, target)
    assert target.read_bytes() == whole
    assert local.exists()


def test_a_server_that_could_compress_on_the_way_is_asked_not_to(site: Site, target: Path, whole: bytes) -> None:
    def squeeze(handler: BaseHTTPRequestHandler) -> None:
        if "br" in handler.headers.get("Accept-Encoding", ""):
            reply(handler, brotli.compress(whole), Content_Encoding="br")
        else:
            reply(handler, whole)

    install(site("/City.mmdb", squeeze), target)
    assert target.read_bytes() == whole


def test_a_readers_open_file_is_not_written_over(site: Site, target: Path, whole: bytes) -> None:
    with target.open("rb") as reader:
        install(site("/City.mmdb", whole), target)
        assert reader.read() == OLD


def test_progress_tells_bytes_so_far_and_in_all(site: Site, target: Path, whole: bytes) -> None:
    told: list[tuple[int, int | None]] = []
    install(site("/City.mmdb", whole), target, lambda done, total: told.append((done, total)))
    assert told[-1] == (len(whole), len(whole))


def test_an_account_is_sent_as_basic_auth(site: Site, target: Path, whole: bytes) -> None:
    site.files["/City.mmdb"] = whole
    install(Source((site.url + "/City.mmdb",), auth=("42", "licence")), target)
    assert site.seen == [("/City.mmdb", "Basic " + base64.b64encode(b"42:licence").decode())]


def test_an_account_is_not_sent_on_to_another_server(site: Site, other_site: Site, target: Path, whole: bytes) -> None:
    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", other_site.url + "/signed")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    site.files["/City.mmdb"] = elsewhere
    other_site.files["/signed"] = whole
    install(Source((site.url + "/City.mmdb",), auth=("42", "licence")), target)
    assert target.read_bytes() == whole
    assert other_site.seen == [("/signed", None)]


def test_a_right_checksum_passes(site: Site, target: Path, whole: bytes) -> None:
    digest = hashlib.sha256(tarred(whole)).hexdigest()
    site("/sum", f"{digest}  GeoLite2-City_20261120.tar.gz\n".encode())
    source = site("/City.tar.gz", tarred(whole))
    install(Source(source.urls, checksum_url=site.url + "/sum"), target)
    assert target.read_bytes() == whole


@pytest.mark.parametrize(
    ("checksum", "message"),
    [
        (b"0" * 64 + b"  City.mmdb", "checksum"),
        (b"", "checksum"),
        (b"\xff\xfe", "checksum"),
        (None, "/sum answers 404"),
    ],
)
def test_a_wrong_checksum_is_refused(
    checksum: bytes | None, message: str, site: Site, target: Path, whole: bytes
) -> None:
    site("/sum", checksum)
    source = site("/City.mmdb", whole)
    refused(Source(source.urls, checksum_url=site.url + "/sum"), target, message)


def test_the_month_before_serves_until_this_months_file_is_out(
    site: Site, target: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geofile, "DBIP", site.url + "/dbip-city-lite-{month:%Y-%m}.mmdb.gz")
    site("/dbip-city-lite-2026-10.mmdb.gz", gzip.compress(whole))
    source = geofile.dbip(ANYWHERE)
    install(source, target)
    assert target.read_bytes() == whole
    assert [path for path, _ in site.seen] == [f"/dbip-city-lite-2026-{month}.mmdb.gz" for month in (11, 10)]


def test_january_falls_back_to_december() -> None:
    assert [url[-14:-8] for url in geofile.dbip(date(2027, 1, 31)).urls] == ["027-01", "026-12"]


def test_maxmind_is_asked_for_the_checksum_of_the_same_file() -> None:
    source = geofile.maxmind("42", "licence")
    assert source.auth == ("42", "licence")
    assert source.checksum_url == source.urls[0] + ".sha256"


def test_no_file_at_any_address_is_refused(site: Site, target: Path) -> None:
    urls = (site.url + "/this?license_key=canary", site.url + "/last?license_key=canary")
    refused(Source(urls), target, r"/last answers 404; is that the address of the file\?$")
    assert len(site.seen) == 2


def test_another_error_than_404_is_not_asked_twice(site: Site, target: Path) -> None:
    source = site("/this", lambda handler: handler.send_error(401))
    refused(Source((*source.urls, site.url + "/last")), target, "/this answers 401")
    assert len(site.seen) == 1


def test_a_body_that_ends_early_is_refused(site: Site, target: Path, whole: bytes) -> None:
    refused(site("/City.mmdb", lambda handler: reply(handler, whole[:-500], len(whole))), target, "/City.mmdb: ")


@pytest.mark.parametrize("packed", [gzip.compress, tarred], ids=["gz", "tar.gz"])
@pytest.mark.parametrize("spoil", [damaged, short, half])
def test_a_packed_file_that_is_damaged_or_cut_is_refused(
    packed: Any, spoil: Any, site: Site, target: Path, whole: bytes
) -> None:
    noise = whole + random.Random(1).randbytes(100_000)  # noqa: S311 - so that it does not compress to nothing
    refused(site("/City", spoil(packed(noise))), target, "what came")


@pytest.mark.parametrize("body", [b"", bytes(2000), gzip.compress(b""), tarred(b"")])
def test_what_is_no_database_is_refused(body: bytes, site: Site, target: Path) -> None:
    refused(site("/City.mmdb", body), target, "what came is no readable City database|no .mmdb in it")


def test_an_archive_without_a_database_is_refused(site: Site, target: Path) -> None:
    refused(site("/City.tar.gz", tarred(b"text", "README.txt")), target, r"no \.mmdb in it")


def test_a_link_in_an_archive_is_not_followed(site: Site, target: Path, mmdb: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        link = tarfile.TarInfo("City.mmdb")
        link.type, link.linkname = tarfile.SYMTYPE, str(mmdb)
        archive.addfile(link)
    refused(site("/City.tar.gz", packed.getvalue()), target, r"no \.mmdb in it")


def test_a_database_of_another_kind_is_refused(site: Site, target: Path, tmp_path: Path) -> None:
    path = tmp_path / "Country.mmdb"
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="GeoLite2-Country", languages=["en"])
    writer.to_db_file(str(path))
    refused(site("/City.mmdb", path.read_bytes()), target, "GeoLite2-Country database; Crumby needs a City one")


def endless(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then of a body that is said to be long."""
    reply(handler, b"x", 10**6)
    drip(handler, b"x")


def headers_without_end(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Never: ")
    drip(handler, b"x")


def drip(handler: BaseHTTPRequestHandler, drop: bytes) -> None:
    with suppress(OSError):  # whoever asked has left
        while True:
            handler.wfile.write(drop)
            time.sleep(0.02)


@pytest.mark.parametrize("trickle", [endless, headers_without_end])
def test_a_trickle_is_given_up_after_a_while(
    trickle: Any, site: Site, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: a bound for each silence alone."""
    monkeypatch.setattr(geofile, "LONGEST_S", 0.6)
    refused(site("/City.mmdb", trickle), target, "/City.mmdb has not sent all of it within 0.01 minutes; try again")


def reset(handler: BaseHTTPRequestHandler) -> None:
    reply(handler, b"x" * 1000, 10**6)
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def around(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (reset, "/City.mmdb: .*; try again later, or get the file by other means: `crumby geoip FILE`$"),
        (around, "/City.mmdb: Exceeded maximum allowed redirects.*; try again later"),
        (b"<!DOCTYPE html><title>Sign in</title>", "/City.mmdb is a web page and no database; is that the address"),
        (b"\xef\xbb\xbf\n <html>", "/City.mmdb is a web page and no database"),
        (401, "/City.mmdb answers 401; is the account's key right"),
        (403, "/City.mmdb answers 403; is the account's key right"),
        (404, "/City.mmdb answers 404; is that the address of the file"),
        (429, "/City.mmdb answers 429; try again later"),
        (500, "/City.mmdb answers 500; try again later"),
    ],
)
def test_what_is_no_file_is_named_with_what_to_do(answer: Any, message: str, site: Site, target: Path) -> None:
    """Planted: a remedy for none of them; a page that is tried as a database; redirects without an end."""
    given = (lambda handler: handler.send_error(answer)) if isinstance(answer, int) else answer
    refused(site("/City.mmdb", given), target, message)


def test_what_says_that_it_is_too_long_is_not_begun(site: Site, target: Path) -> None:
    """Planted: it is cut off where it has become too long."""
    refused(site("/City.mmdb", lambda handler: reply(handler, b"x", 2**40)), target, "sends more than 1073741824 bytes")


def test_what_a_killed_process_has_left_is_swept_away_and_nothing_else(tmp_path: Path, mmdb: Path) -> None:
    """Planted: a folder that another one fills in this moment is taken as well."""
    for name, hours in ((".geoip-left", 25), (".geoip-busy", 1), (".other", 99)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "download").touch()
        then = time.time() - hours * 3600
        os.utime(tmp_path / name, (then, then))
    install(mmdb, tmp_path / "City.mmdb")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".geoip-busy", ".other", "City.mmdb"]


def test_a_disk_that_is_full_is_the_one_named(
    tmp_path: Path, target: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: what came can't be unpacked."""
    local = tmp_path / "download.gz"
    local.write_bytes(gzip.compress(whole))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    refused(local, target, "City.mmdb can't be written: No space left on device")


def test_an_answer_without_end_is_cut_off(
    site: Site, target: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geofile, "MAX_BYTES", len(whole) - 1)
    refused(site("/City.mmdb", whole), target, f"/City.mmdb sends more than {len(whole) - 1} bytes")


@pytest.mark.parametrize("packed", [gzip.compress, tarred], ids=["gz", "tar.gz"])
def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(
    packed: Any, site: Site, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geofile, "MAX_BYTES", 100_000)
    refused(site("/City", packed(b"x" * 1_000_000)), target, "unpacks to more than 100000 bytes")


@pytest.mark.parametrize(
    "url", ["http://[bad", "http://", "http://127.0.0.1:0/x", "http://127.0.0.1:99999/", "http://a\0b"]
)
def test_an_address_that_cannot_be_asked_is_refused(url: str, target: Path) -> None:
    refused(Source((url,)), target, "http://")


def test_no_message_shows_what_opens_an_account(site: Site, target: Path) -> None:
    address = site.url.replace("//", "//me:canary@") + "/City.mmdb?license_key=canary"
    for source in (Source((address,)), Source((site("/sum", b"x").urls[0],), checksum_url=address)):
        with pytest.raises(GeoDatabaseError) as raised:
            install(source, target)
        assert "canary" not in str(raised.value)
        assert len(str(raised.value).splitlines()) == 1


def test_a_target_that_cannot_be_written_is_named(tmp_path: Path, mmdb: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "file" / "City.mmdb", tmp_path / "folder"):
        with pytest.raises(GeoDatabaseError, match=str(target)):
            install(mmdb, target)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def test_a_damaged_database_is_refused_and_raises_nothing_else(tmp_path: Path, whole: bytes) -> None:
    metadata = whole.rindex(b"MaxMind.com")
    dice = random.Random(2017)  # noqa: S311 - the same damage in each run
    outcomes = {True: 0, False: 0}
    for number in range(100):
        body = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            body[dice.randrange(metadata, len(whole))] = dice.randrange(256)
        path = tmp_path / f"{number}.mmdb"
        path.write_bytes(body)
        outcomes[is_refused(path)] += 1
    assert outcomes[True] > 50


def test_a_key_that_is_a_number_is_refused_and_does_not_end_the_process(tmp_path: Path, whole: bytes) -> None:
    """maxminddb's C reader (3.2.0 and before) takes the number for the address of the key's text."""
    assert b"\x44city" in whole
    (tmp_path / "City.mmdb").write_bytes(whole.replace(b"\x44city", b"\xc4city"))
    with pytest.raises(GeoDatabaseError, match="no readable City database"):
        geofile.verified(tmp_path / "City.mmdb")


def is_refused(path: Path) -> bool:
    try:
        geofile.verified(path)
    except GeoDatabaseError:
        return True
    return False


@pytest.mark.parametrize("part", ["continent", "country", "subdivisions", "location", "city"])
def test_a_database_whose_records_are_misshapen_is_refused(part: str, tmp_path: Path) -> None:
    path = tmp_path / "City.mmdb"
    write_mmdb(path, {"81.2.69.0/24": LONDON | {part: "text"}})
    with maxminddb.open_database(path) as reader:
        assert reader.get("81.2.69.144") is not None
    with pytest.raises(GeoDatabaseError, match="no readable City database"):
        geofile.verified(path)
