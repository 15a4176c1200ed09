"""`crumby geoip`: from where, to where. What it refuses, and that nothing is lost by that, is in test_geofile."""

import base64
import gzip
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crumby.ingest import geofile
from tests.cli.conftest import Ask
from tests.conftest import write_mmdb
from tests.downloads import Site, serve

site = pytest.fixture(serve, name="site")


@pytest.fixture
def publishers(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Stand in for both publishers, who are not to be asked by each run of the tests."""
    monkeypatch.setattr(geofile, "DBIP", site.url + "/dbip-{month:%Y-%m}.mmdb.gz")
    monkeypatch.setattr(geofile, "MAXMIND", site.url + "/maxmind?suffix=tar.gz")
    return site


def test_a_database_comes_into_this_folder(verb: Ask, home: Path, site: Site, mmdb: Path) -> None:
    answer = verb("geoip", *site("/City.mmdb.gz", gzip.compress(mmdb.read_bytes())).urls)
    assert answer.status == 0
    assert answer.err == ""
    assert answer.out.startswith("GeoLite2-City of ")
    assert answer.out.splitlines()[0].endswith(f" is at {home / 'GeoLite2-City.mmdb'}")
    assert (home / "GeoLite2-City.mmdb").read_bytes() == mmdb.read_bytes()


def test_a_file_of_this_machine_will_do(verb: Ask, home: Path, mmdb: Path) -> None:
    (home / "mine.mmdb").write_bytes(mmdb.read_bytes())
    assert verb("geoip", "~/mine.mmdb").status == 0
    assert (home / "GeoLite2-City.mmdb").read_bytes() == mmdb.read_bytes()


@pytest.mark.parametrize("option", ["-upgrade", "--upgrade"])
def test_an_upgrade_replaces_the_configured_file(
    option: str, verb: Ask, home: Path, tmp_path: Path, mmdb: Path
) -> None:
    configured = tmp_path / "elsewhere.mmdb"
    configured.write_bytes(b"the old one")
    answer = verb("geoip", option, str(mmdb), CRUMBY_GEOIP2_DATABASE_NAME=str(configured))
    assert answer.status == 0
    assert configured.read_bytes() == mmdb.read_bytes()
    assert list(home.iterdir()) == []


def test_without_an_account_it_is_db_ips_of_this_month_and_says_whom_to_credit(
    verb: Ask, publishers: Site, home: Path
) -> None:
    path = f"/dbip-{datetime.now(UTC):%Y-%m}.mmdb.gz"
    write_mmdb(home / "dbip.mmdb", {}, "DBIP-City-Lite (compat=City)")
    publishers(path, gzip.compress((home / "dbip.mmdb").read_bytes()))
    answer = verb("geoip")
    assert answer.status == 0
    assert [asked for asked, _ in publishers.seen] == [path]
    assert answer.out.endswith("asks for: IP geolocation by DB-IP, https://db-ip.com\n")


@pytest.mark.parametrize("prefix", ["", "CRUMBY_"], ids=["the environment", "the configuration"])
def test_with_an_account_it_is_maxminds_held_to_its_checksum(
    prefix: str, verb: Ask, publishers: Site, mmdb: Path
) -> None:
    """Planted: an account of the configuration that nobody reads."""
    publishers("/maxmind?suffix=tar.gz", mmdb.read_bytes())
    publishers("/maxmind?suffix=tar.gz.sha256", hashlib.sha256(mmdb.read_bytes()).hexdigest().encode())
    account = {f"{prefix}MAXMIND_ACCOUNT_ID": "42", f"{prefix}MAXMIND_LICENSE_KEY": "canary"}
    answer = verb("geoip", **account)
    assert answer.status == 0
    basic = "Basic " + base64.b64encode(b"42:canary").decode()
    assert publishers.seen == [("/maxmind?suffix=tar.gz", basic), ("/maxmind?suffix=tar.gz.sha256", basic)]
    assert "canary" not in answer.out + answer.err


def test_a_source_of_the_configuration_is_taken_where_none_is_said(verb: Ask, publishers: Site, mmdb: Path) -> None:
    """Before an account of the configuration, and after one that is said. Planted: DB-IP whatever is configured."""
    source = publishers("/own.mmdb", mmdb.read_bytes()).urls[0]
    account = {"CRUMBY_MAXMIND_ACCOUNT_ID": "42", "CRUMBY_MAXMIND_LICENSE_KEY": "key"}
    assert verb("geoip", CRUMBY_GEOIP2_SOURCE=source, **account).status == 0
    assert verb("geoip", str(mmdb), CRUMBY_GEOIP2_SOURCE=source).status == 0
    assert [asked for asked, _ in publishers.seen] == ["/own.mmdb"]
    verb("geoip", CRUMBY_GEOIP2_SOURCE=source, MAXMIND_ACCOUNT_ID="42", MAXMIND_LICENSE_KEY="key")
    assert [asked for asked, _ in publishers.seen] == ["/own.mmdb", "/maxmind?suffix=tar.gz"]


def test_a_program_is_told_what_came_in_json(verb: Ask, home: Path, mmdb: Path) -> None:
    answer = verb("geoip", "--json", str(mmdb))
    facts = json.loads(answer.out)
    assert datetime.fromisoformat(facts.pop("built")).tzinfo
    assert facts == {
        "path": str(home / "GeoLite2-City.mmdb"),
        "kind": "GeoLite2-City",
        "bytes": mmdb.stat().st_size,
        "credit": {
            "words": "This product includes GeoLite Data created by MaxMind",
            "link": "https://www.maxmind.com",
        },
    }
    assert verb("geoip", "--json", "/absent").status == 1


@pytest.mark.parametrize(
    ("words", "environ", "message"),
    [
        (["/absent/City.mmdb"], {}, "there is no file /absent/City.mmdb"),
        ([], {"MAXMIND_ACCOUNT_ID": "42"}, "MaxMind takes both: MAXMIND_ACCOUNT_ID and MAXMIND_LICENSE_KEY"),
        ([], {"MAXMIND_LICENSE_KEY": "canary"}, "MaxMind takes both: MAXMIND_ACCOUNT_ID and MAXMIND_LICENSE_KEY"),
    ],
)
def test_a_source_that_is_none_is_refused(words: list[str], environ: dict[str, str], message: str, verb: Ask) -> None:
    assert verb("geoip", *words, **environ) == (1, "", f"crumby: {message}\n")


def test_a_failed_download_is_one_line_and_leaves_the_folder_as_it_was(verb: Ask, home: Path, site: Site) -> None:
    (home / "GeoLite2-City.mmdb").write_bytes(b"the old one")
    answer = verb("geoip", f"{site.url}/absent.mmdb?license_key=canary")
    assert (answer.status, answer.out) == (1, "")
    assert answer.err == f"crumby: {site.url}/absent.mmdb answers 404; is that the address of the file?\n"
    assert [path.read_bytes() for path in home.iterdir()] == [b"the old one"]
