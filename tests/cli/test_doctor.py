"""`doctor`: each fault that it knows is named with its remedy, and a sound installation gets a clean bill."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.conftest import Ask
from tests.servers import MariaDB


class Bill(NamedTuple):
    status: int
    findings: dict[str, list[tuple[str, str]]]  # by subject: verdict, and what was said


@pytest.fixture
def bill(verb: Ask, home: Path, mmdb: Path) -> "Examine":
    """Give the doctor's word on an installation that is sound but for the given settings."""
    return Examine(verb, mmdb)


class Examine:
    def __init__(self, verb: Ask, mmdb: Path) -> None:
        self.verb = verb
        self.mmdb = mmdb

    def __call__(self, **settings: str) -> Bill:
        environ = {f"CRUMBY_{key.upper()}": value for key, value in settings.items()}
        answer = self.verb("doctor", "--json", **{"CRUMBY_GEOIP2_DATABASE_NAME": str(self.mmdb), **environ})
        findings: dict[str, list[tuple[str, str]]] = {}
        for finding in json.loads(answer.out):
            findings.setdefault(finding["subject"], []).append((finding["verdict"], finding["said"]))
        return Bill(answer.status, findings)


def test_a_sound_installation_gets_a_clean_bill(
    bill: Examine, verb: Ask, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 51, 3))
    verb("adduser", "ann", "a password that nobody guesses")
    status, findings = bill()
    assert status == 0
    assert {verdict for said in findings.values() for verdict, _ in said} == {"ok"}, findings
    assert set(findings) == {"crumby", "configuration", "database", "schema", "users", "disk", "places", "queries"}
    assert "doctor" not in str(list(home.iterdir()))


def test_a_person_reads_a_table(verb: Ask) -> None:
    answer = verb("doctor")
    assert answer.status == 0
    assert "is not there yet; `crumby run` makes it" in answer.out
    assert "`crumby geoip` gets one" in answer.out
    assert answer.err == ""


def test_it_makes_nothing(bill: Examine, home: Path) -> None:
    bill()
    assert list(home.iterdir()) == []


def test_a_schema_of_another_age_is_named(bill: Examine, verb: Ask, home: Path) -> None:
    verb("users")
    path = home / "crumby.db"
    for version, verdict, said in (("0001", "warning", "make a backup"), ("9999", "fault", "newer Crumby")):
        with sqlite3.connect(path) as connection:
            connection.execute("update alembic_version set version_num = ?", (version,))
        connection.close()
        ((told, why),) = bill().findings["schema"]
        assert told == verdict
        assert said in why


def test_a_disk_that_fills_up_is_named(bill: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    for mib, verdict in ((500, "warning"), (50, "fault")):
        free = usage._replace(free=mib * 1024**2)
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: free)
        status, findings = bill()
        assert findings["disk"][0][0] == verdict
        assert f"{mib} MiB free" in findings["disk"][0][1]
        assert status == (verdict == "fault")


def test_a_broken_query_and_a_missing_folder_are_faults(bill: Examine, home: Path) -> None:
    (home / "own" / "public").mkdir(parents=True)
    (home / "own" / "public" / "bad.sql").write_text("-- Bad\n--\n-- chart: nothing\nselect 1\n")
    status, findings = bill(queries=str(home / "own"))
    assert (status, findings["queries"][0][0]) == (1, "fault")
    assert "queries/public/bad.sql" in findings["queries"][0][1]
    assert "there is no folder" in bill(queries=str(home / "nowhere")).findings["queries"][0][1]


def test_a_config_that_others_can_read_is_named(bill: Examine, verb: Ask, home: Path) -> None:
    verb("init")
    path = home / "crumby.cfg"
    path.chmod(0o644)
    answer = bill.verb("doctor", "--json", CRUMBY_SETTINGS=str(path))
    assert f"chmod 600 {path}" in answer.out
    path.chmod(0o600)
    assert "chmod" not in bill.verb("doctor", "--json", CRUMBY_SETTINGS=str(path)).out


def test_a_proxy_without_secure_sessions_is_asked_about(bill: Examine) -> None:
    assert "SESSION_COOKIE_SECURE" in bill(proxy_count="1").findings["sessions"][0][1]
    assert "sessions" not in bill(proxy_count="1", session_cookie_secure="1").findings


def test_an_old_city_database_is_named(bill: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crumby.cli.doctor.GEO_AGE", -1)
    ((verdict, said),) = bill().findings["places"]
    assert (verdict, "geoip --upgrade" in said) == ("warning", True)


def test_a_server_that_is_away_or_careless_is_named(bill: Examine, home: Path) -> None:
    with MariaDB() as server:
        url = server.database()
        server.execute("set global innodb_flush_log_at_trx_commit = 0")
        status, findings = bill(sqlalchemy_database_uri=url)
        assert (status, findings["durability"][0][0]) == (0, "warning")
        assert "innodb_flush_log_at_trx_commit is 0" in findings["durability"][0][1]
        assert findings["spool"][0][0] == "ok"
        assert "cookie" not in str(findings), "the password is told"
    status, findings = bill(sqlalchemy_database_uri=url)
    assert (status, findings["database"][0][0]) == (1, "fault")


def test_what_waits_in_the_spool_is_named(bill: Examine, home: Path) -> None:
    path = home / "spool.db"
    with sqlite3.connect(path) as spool:
        spool.execute("create table hits (number integer)")
        spool.execute("create table refused (number integer)")
        spool.execute("insert into hits values (1), (2)")
        spool.execute("insert into refused values (3)")
    spool.close()
    settings = {"sqlalchemy_database_uri": "mysql://crumby@127.0.0.1:1/crumby", "spool": str(path)}
    said = bill(**settings).findings["spool"]
    assert [verdict for verdict, _ in said] == ["warning", "warning"]
    assert "wait for the database: 2;" in said[0][1]
    assert "refused: 1;" in said[1][1]
    path.write_bytes(b"no database" * 100)
    ((verdict, why),) = bill(**settings).findings["spool"]
    assert (verdict, "keep it" in why) == ("fault", True)
