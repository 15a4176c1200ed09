"""What a database forgets although it said that it was committed is told, with its remedy."""

import logging
from pathlib import Path

import pytest

from crumby import durability
from crumby.app import create_app
from crumby.database import open_database
from crumby.durability import has_wal_reset_bug, shortfalls
from crumby.migrations import migrate
from tests.conftest import MakeSettings
from tests.servers import MariaDB, Postgres, alive


@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
    ],
)
def test_the_versions_of_sqlite_with_the_wal_reset_bug(version: tuple[int, ...], *, has_it: bool) -> None:
    assert has_wal_reset_bug(version) is has_it


async def told(url: str, settings: MakeSettings, *, migrated: bool = True) -> list[str]:
    async with open_database(settings(sqlalchemy_database_uri=url)) as database:
        if migrated:
            await migrate(database.engine)
        return await shortfalls(database)


@pytest.mark.parametrize(("version", "count"), [((3, 51, 2), 1), ((3, 51, 3), 0)])
async def test_such_a_version_is_named_with_what_keeps_it_harmless(
    version: tuple[int, ...], count: int, sqlite_url: str, settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", version)
    said = await told(sqlite_url, settings)
    assert len(said) == count
    assert all("3.51.2 has the WAL-reset bug" in each and "crumby.db" in each for each in said)


async def test_the_log_says_so_at_the_start(
    settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 40, 1))
    with caplog.at_level(logging.WARNING, "crumby.durability"):
        async with alive(create_app(settings())):
            pass
    assert "SQLite 3.40.1 has the WAL-reset bug" in caplog.text


@pytest.mark.parametrize(
    ("mounts", "kind"),
    [
        ("/dev/sda / ext4 rw 0 0\nbox:/data /data nfs4 rw 0 0\n", "nfs4"),
        ("/dev/sda / ext4 rw 0 0\nbox:/data /data nfs4 rw 0 0\n/dev/sdb /data/crumby xfs rw 0 0\n", "xfs"),
        ("/dev/sda / ext4 rw 0 0\n/dev/sdb /dat nfs rw 0 0\n", "ext4"),
    ],
)
def test_a_file_is_on_the_mount_that_is_nearest(mounts: str, kind: str, tmp_path: Path) -> None:
    listed = tmp_path / "mounts"
    listed.write_text(mounts)
    assert durability._file_system(Path("/data/crumby/crumby.db"), listed) == kind


def test_a_system_that_does_not_list_its_mounts_is_passed_over(tmp_path: Path) -> None:
    assert durability._file_system(Path("/data/crumby.db"), tmp_path / "mounts") is None


async def test_a_far_file_system_is_named(
    sqlite_url: str, settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durability, "_file_system", lambda *_: "nfs4")
    assert any("lies on nfs4" in each for each in await told(sqlite_url, settings))


async def test_servers_are_durable_as_they_come(settings: MakeSettings, mariadb: MariaDB, postgres: Postgres) -> None:
    for server in (mariadb, postgres):
        url = server.database()
        assert await told(url, settings) == []
        server.drop(url)


async def test_mariadb_told_not_to_flush_is_named(settings: MakeSettings) -> None:
    with MariaDB() as server:
        url = server.database()
        server.execute("set global innodb_flush_log_at_trx_commit = 2")
        (said,) = await told(url, settings)
        assert said.startswith("innodb_flush_log_at_trx_commit is 2: ")
        assert said.endswith("set it to 1")


async def test_a_table_of_an_engine_without_commits_is_named(settings: MakeSettings, mariadb: MariaDB) -> None:
    url = mariadb.database()
    await told(url, settings)
    mariadb.execute("alter table events engine = MyISAM", url.rpartition("/")[2])
    (said,) = await told(url, settings, migrated=False)
    assert "the table events is of the engine MyISAM" in said
    mariadb.drop(url)


async def test_postgresql_told_not_to_flush_is_named(settings: MakeSettings, postgres: Postgres) -> None:
    url = postgres.database()
    name = url.rpartition("/")[2]
    await told(url, settings)
    postgres.execute(f"alter database {name} set synchronous_commit = off")
    postgres.execute("alter table visits set unlogged", name)
    said = await told(url, settings, migrated=False)
    assert [each.split(":")[0] for each in said] == ["synchronous_commit is off", "the table visits is unlogged"]
    postgres.drop(url)
