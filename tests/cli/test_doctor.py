"""`doctor`: each fault that it knows is named with its remedy, and a sound installation gets a clean bill."""

import json
import os
import shutil
import sqlite3
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from crumby.ingest.script import Script
from tests.cli.conftest import Ask
from tests.downloads import Handler, Site, serve
from tests.servers import MariaDB, Postgres, find, free_port, require

site = pytest.fixture(serve, name="site")

Settings = Mapping[str, str]
GOOD = {"secret_key": "aB3dE5gH7jK9mN1pQ3sT5vW7"}


class Bill(NamedTuple):
    status: int
    findings: dict[str, list[tuple[str, str]]]  # by subject: verdict, and what was said with its remedy


@pytest.fixture
def bill(verb: Ask, home: Path, mmdb: Path, monkeypatch: pytest.MonkeyPatch) -> "Examine":
    """Give the doctor's word on an installation that is sound but for the given settings."""
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 51, 3))
    return Examine(verb, mmdb)


class Examine:
    def __init__(self, verb: Ask, mmdb: Path) -> None:
        self.verb = verb
        self.mmdb = mmdb

    def __call__(self, *words: str, **settings: str) -> Bill:
        environ = {f"CRUMBY_{key.upper()}": value for key, value in settings.items()}
        answer = self.verb("doctor", "--json", *words, **{"CRUMBY_GEOIP2_DATABASE_NAME": str(self.mmdb), **environ})
        findings: dict[str, list[tuple[str, str]]] = {}
        for finding in json.loads(answer.out):
            said = f"{finding['said']}; {finding['remedy']}"
            findings.setdefault(finding["subject"], []).append((finding["verdict"], said))
            assert bool(finding["remedy"]) == (finding["verdict"] != "ok"), finding
        assert answer.status == any(verdict == "fault" for said in findings.values() for verdict, _ in said)
        return Bill(answer.status, findings)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an installation with a user, a hundred visits and their rollups."""
    folder = tmp_path_factory.mktemp("made")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CRUMBY_")},
        "HOME": str(folder),
    }
    for words in (["demo", "--visits", "100"], ["adduser", "ann"], ["rollup"]):
        subprocess.run(
            [sys.executable, "-m", "crumby", *words],
            env=environ,
            input=b"a password that nobody guesses\n",
            check=True,
            capture_output=True,
        )
    return folder


@pytest.fixture
def sound(made: Path, home: Path) -> Path:
    """Give the home of such a one."""
    shutil.copytree(made, home, dirs_exist_ok=True)
    return home


def test_a_sound_installation_gets_a_clean_bill(bill: Examine, sound: Path) -> None:
    status, findings = bill(**GOOD)
    assert status == 0
    assert {verdict for said in findings.values() for verdict, _ in said} == {"ok"}, findings
    subjects = {"crumby", "configuration", "database", "schema", "users", "disk", "places", "queries", "tracker"}
    assert set(findings) == subjects


def test_a_person_reads_a_table(verb: Ask) -> None:
    answer = verb("doctor")
    assert answer.status == 0
    assert "is not there yet; `crumby run` makes it" in answer.out
    assert "→ `crumby geoip --upgrade` gets one" in answer.out
    assert answer.err == ""


def test_it_makes_nothing(bill: Examine, home: Path) -> None:
    bill()
    assert list(home.iterdir()) == []


# What is planted, how, and what the doctor says of it: the subject, whether it is a fault, and a word of the remedy.


def others_may_read(name: str) -> Callable[[Path], Settings]:
    def plant(home: Path) -> Settings:
        (home / name).touch()
        (home / name).chmod(0o644)
        return {}

    return plant


def in_the_database(*statements: str) -> Callable[[Path], Settings]:
    def plant(home: Path) -> Settings:
        with closing(sqlite3.connect(home / "crumby.db")) as database, database:
            for statement in statements:
                database.execute(statement)
        return {}

    return plant


def with_settings(**settings: str) -> Callable[[Path], Settings]:
    return lambda home: {key: value.replace("HOME", str(home)) for key, value in settings.items()}


def a_file(name: str, text: str, **settings: str) -> Callable[[Path], Settings]:
    def plant(home: Path) -> Settings:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
        return {key: value.replace("HOME", str(home)) for key, value in settings.items()}

    return plant


def all_but_the_first(home: Path) -> Settings:
    """As if the rollups had been made when the first visit was the only one."""
    with closing(sqlite3.connect(home / "crumby-rollups.db")) as rollups, rollups:
        rollups.execute("update rollup_state set visits = 1")
    return in_the_database("insert into visits (id, ip, cid, datetime) values (20000, '192.0.2.1', 'x', '2026-01-01')")(
        home
    )


def a_failing_refresh(home: Path) -> Settings:
    (home / "City.mmdb.lock").write_text("3")
    shutil.copy(home / "whole.mmdb", home / "City.mmdb")
    return {"geoip2_database_name": str(home / "City.mmdb"), "geoip2_refresh_days": "7"}


TOMORROW = "'" + str(datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)) + "'"
AWAY = "mysql://crumby@127.0.0.1:1/crumby"
PLANTED = {
    "a folder that is not there": (
        with_settings(sqlalchemy_database_uri="sqlite:////absent/crumby.db"), "configuration", "fault", "make it first",
    ),
    "a weak secret": (with_settings(secret_key="changeme changeme"), "secret", "warning", "16 random characters"),
    "a database that others read": (others_may_read("crumby.db"), "permissions", "warning", "chmod 600"),
    "a secret that others read": (others_may_read("crumby.secret"), "permissions", "warning", "chmod 600"),
    "a config that others read": (
        a_file("crumby.cfg", "PROXY_COUNT = 0\n", settings="HOME/crumby.cfg"), "permissions", "warning", "chmod 600",
    ),
    "anybody as a proxy": (with_settings(trusted_proxies="0.0.0.0/0"), "proxies", "warning", "your own proxies alone"),
    "cookies over HTTP": (with_settings(proxy_count="1"), "sessions", "warning", "SESSION_COOKIE_SECURE = True"),
    "no proxy where there is one": (
        in_the_database("update visits set ip = '203.0.113.1'"), "proxies", "fault", "PROXY_COUNT",
    ),
    "proxies of two in a container's network": (
        in_the_database("update visits set ip = '172.17.0.' || (id % 2)"), "proxies", "warning", "PROXY_COUNT",
    ),
    "a schema of a newer Crumby": (
        in_the_database("update alembic_version set version_num = '9999'"), "schema", "fault", "upgrade",
    ),
    "a schema of an older one": (
        in_the_database("update alembic_version set version_num = '0001'"), "schema", "warning", "make a backup",
    ),
    "nobody who can sign in": (in_the_database("delete from users"), "users", "warning", "crumby adduser"),
    "a database that is none": (a_file("crumby.db", "no database" * 100), "database", "fault", "crumby restore"),
    "a server that is away": (
        with_settings(sqlalchemy_database_uri=AWAY), "database", "fault", "hits wait in the spool",
    ),
    "visits of tomorrow": (
        in_the_database(f"update visits set datetime = {TOMORROW} where id = 1"), "clock", "warning", "timedatectl",
    ),
    "visits that should have gone": (with_settings(retention_days="30"), "retention", "warning", "crumby prune"),
    "rollups that are behind": (all_but_the_first, "rollups", "warning", "crumby rollup"),
    "a spool where nobody can write": (
        with_settings(sqlalchemy_database_uri=AWAY, spool="/proc/spool.db"), "spool", "fault", "SPOOL",
    ),
    "a spool that is none": (
        a_file("spool.db", "no database" * 100, spool="HOME/spool.db", sqlalchemy_database_uri=AWAY), "spool", "fault",
        "keep it",
    ),
    "no City database": (with_settings(geoip2_database_name="/absent"), "places", "warning", "crumby geoip --upgrade"),
    "a refresh that fails": (a_failing_refresh, "places", "warning", "says what is wrong"),
    "a broken query": (
        a_file("own/public/bad.sql", "-- Bad\n--\n-- chart: nothing\nselect 1\n", queries="HOME/own"), "queries",
        "fault", "crumby query --check",
    ),
    "a folder of queries that is not there": (
        with_settings(queries="/absent"), "queries", "fault", "leave QUERIES out",
    ),
    "a domain that nobody has": (with_settings(domain="crumby.invalid"), "tracker", "fault", "DNS"),
    "a domain where nobody listens": (
        lambda _home: {"domain": f"127.0.0.1:{free_port()}"}, "tracker", "fault", "is Crumby up",
    ),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_found_with_its_remedy(planted: str, bill: Examine, sound: Path, mmdb: Path) -> None:
    """Seen to fail on each of them left unplanted."""
    plant, subject, verdict, remedy = PLANTED[planted]
    shutil.copy(mmdb, sound / "whole.mmdb")
    status, findings = bill(**{**GOOD, **plant(sound)})
    found = {each for each in findings[subject] if each[0] == verdict and remedy in each[1]}
    assert found, findings
    assert status == (verdict == "fault" or subject == "database")
    beside = {key for key, said in findings.items() if key != subject and any(each == "fault" for each, _ in said)}
    assert beside <= {"database"}, "of one fault it makes others"


def test_a_disk_that_fills_up_is_named(bill: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    for mib, verdict in ((500, "warning"), (50, "fault")):
        free = usage._replace(free=mib * 1024**2)
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: free)
        status, findings = bill()
        assert findings["disk"][0][0] == verdict
        assert f"{mib} MiB free" in findings["disk"][0][1]
        assert status == (verdict == "fault")


def test_a_sqlite_with_the_bug_is_named(bill: Examine, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 40, 1))
    ((verdict, said),) = bill(**GOOD).findings["durability"]
    assert (verdict, "no other program write" in said) == ("warning", True)


def test_an_old_city_database_is_named(bill: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crumby.cli.doctor.places.GEO_AGE", -1)
    ((verdict, said),) = bill().findings["places"]
    assert (verdict, "geoip --upgrade" in said) == ("warning", True)


def test_addresses_that_are_kept_in_part_or_not_at_all_are_no_proxys(bill: Examine, sound: Path) -> None:
    """Half an office has one, masked. Planted: it is not asked whether they are whole."""
    in_the_database("update visits set ip = '81.2.69.0'")(sound)
    assert "proxies" in bill(**GOOD).findings
    for storage in ("masked", "none"):
        assert "proxies" not in bill(**GOOD, ip_storage=storage).findings
    in_the_database("update visits set ip = '10.0.0.0'")(sound)
    assert "proxies" in bill(**GOOD, ip_storage="masked").findings
    assert "proxies" not in bill(**GOOD, ip_storage="none").findings


def test_a_server_that_is_careless_is_named(bill: Examine, mariadb: MariaDB) -> None:
    url = mariadb.database()
    before = mariadb.execute("select @@global.innodb_flush_log_at_trx_commit").strip()
    mariadb.execute("set global innodb_flush_log_at_trx_commit = 0")
    try:
        status, findings = bill(sqlalchemy_database_uri=url)
    finally:
        mariadb.execute(f"set global innodb_flush_log_at_trx_commit = {before}")
        mariadb.drop(url)
    assert (status, findings["durability"][0][0]) == (0, "warning")
    assert "innodb_flush_log_at_trx_commit is 0" in findings["durability"][0][1]
    assert findings["durability"][0][1].endswith("; set it to 1")
    assert findings["spool"][0][0] == "ok"
    assert "clock" not in findings
    assert "cookie" not in str(findings), "the password is told"


@pytest.mark.parametrize(("server", "ours", "which"), [("mariadb", "-1h", "ahead of"), ("postgres", "+1h", "behind")])
def test_a_server_with_another_time_is_named(
    server: str, ours: str, which: str, request: pytest.FixtureRequest, crumby: Ask
) -> None:
    """By libfaketime it is ours that differs. Planted: no look at the server's."""
    require("faketime")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    database: MariaDB | Postgres = request.getfixturevalue(server)
    url = database.database()
    answer = crumby(
        "doctor", "--json", CRUMBY_SQLALCHEMY_DATABASE_URI=url, LD_PRELOAD=str(library), FAKETIME=ours,
    )  # fmt: skip
    database.drop(url)
    (clock,) = [each for each in json.loads(answer.out) if each["subject"] == "clock"]
    assert clock["verdict"] == "warning"
    assert f"clock is 3,600 s {which} this machine's" in clock["said"]


def test_what_waits_in_the_spool_is_named(bill: Examine, home: Path) -> None:
    path = home / "spool.db"
    with closing(sqlite3.connect(path)) as spool, spool:
        spool.execute("create table hits (number integer)")
        spool.execute("create table refused (number integer)")
        spool.execute("insert into hits values (1), (2)")
        spool.execute("insert into refused values (3)")
    said = bill(sqlalchemy_database_uri=AWAY, spool=str(path)).findings["spool"]
    assert [verdict for verdict, _ in said] == ["warning", "warning"]
    assert "wait for the database: 2;" in said[0][1]
    assert "refused: 1;" in said[1][1]


# The script, fetched from DOMAIN


def script(domain: str) -> bytes:
    return Script(domain).packed().bodies["identity"]


def test_the_script_where_domain_says_is_found(bill: Examine, site: Site) -> None:
    """On this machine, where no TLS is asked for."""
    domain = site.url.removeprefix("http://")
    site("/cmb.js", script(domain))
    assert bill(domain=domain).findings["tracker"] == [("ok", f"{site.url}/cmb.js is this Crumby's script; ")]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"<html>Welcome to nginx</html>", "not with Crumby's script"),
        (script("other.example"), "of a Crumby with another DOMAIN"),
        (None, "answers 404"),
    ],
)
def test_what_is_not_this_crumbys_script_is_named(body: bytes | None, word: str, bill: Examine, site: Site) -> None:
    """Planted: any answer will do; any script will."""
    site("/cmb.js", body)
    ((verdict, said),) = bill(domain=site.url.removeprefix("http://")).findings["tracker"]
    assert (verdict, word in said) == ("fault", True), said


def test_a_script_that_comes_without_tls_is_a_fault_where_cookies_need_it(bill: Examine, site: Site) -> None:
    domain = site.url.removeprefix("http://")
    site("/cmb.js", script(domain))
    ((verdict, said),) = bill(domain=domain, session_cookie_secure="1").findings["tracker"]
    assert (verdict, "does not speak TLS" in said) == ("fault", True), said


@contextmanager
def with_tls(folder: Path) -> Iterator[int]:
    """A site whose certificate nobody has signed."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Fresh", (Handler,), {"files": {}, "seen": []})) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # of the handshake that is given up
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.skipif(not find("openssl"), reason="there is no openssl")
def test_a_certificate_that_browsers_refuse_is_named(bill: Examine, tmp_path: Path) -> None:
    """Planted: no certificate is looked at."""
    with with_tls(tmp_path) as port:
        ((verdict, said),) = bill(domain=f"localhost:{port}").findings["tracker"]
    assert (verdict, "do not take the certificate" in said) == ("fault", True), said


def test_offline_it_asks_nobody(bill: Examine, site: Site) -> None:
    """Planted: it does."""
    findings = bill("--offline", domain=site.url.removeprefix("http://")).findings
    assert "tracker" not in findings
    assert site.seen == []


def test_a_configuration_that_cannot_be_read_is_named_as_any_verb_does(verb: Ask) -> None:
    answer = verb("doctor", "--json", CRUMBY_DOMIAN="x")
    assert (answer.status, answer.out) == (1, "")
    assert "did you mean DOMAIN?" in json.loads(answer.err)["detail"]
