"""`backup` and `restore`: any database in one file, and that file into any database."""

import asyncio
import fcntl
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from crumby.database import open_database
from crumby.migrations import HEAD, migrate
from crumby.settings import Settings
from crumby.tables import metadata, visits
from tests import servers
from tests.cli.conftest import Answer, Ask
from tests.cli.terminal import shown
from tests.cli.test_errors import one_line
from tests.legacy import crumby071

Rows = dict[str, list[dict[str, Any]]]

DATABASES = ("sqlite", "mariadb", "postgres")
AT = datetime(2026, 11, 22, 23, 59, 59, 999_999)  # noqa: DTZ001 - UTC throughout
SHARE = {
    "title": "„Ünïcode“ 🍪",
    "panels": '["public/pages"]',
    "filters": "page=%2F%C3%A4",
    "view": "",
    "expires": AT,
    "created": AT,
    "creator": "zoë",
}
TOTAL = {
    "origin": "plausible ü.example",
    "rollup": "pages",
    "day": 20260131,
    "prev_day": 1,
    "keys": '["/ü"]',
    "sums": '{"views": 12}',
}
IMPORT = {
    "input": "0f" * 32,
    "name": "plausible.zip",
    "source": "plausible",
    "mark": 2**40,
    "done": 1,
    "begun": AT,
    "changed": AT,
    "first": AT,
    "visits": 0,
    "events": 0,
    "totals": 1,
    "skipped": "{}",
}
TOKEN = {"name": "zoë's", "scope": "read", "expires": AT, "created": AT, "used": AT, "creator": "the terminal"}
FILLED: Rows = {
    "visits": [
        {"id": 1, "ip": "2001:db8::1", "cid": "c" * 32, "datetime": AT, "doc_title": "„Ünïcode“ 🍪 'x' \\ %s :y"},
        {"id": 2, "doc_uri": "https://example.com/" + "x" * 9000, "latitude": 51.514212345678, "longitude": -0.1},
        {"id": 9, "hit_id": bytes(range(16)), "accuracy_radius": 1000, "doc_title": ""},
    ],
    "events": [{"id": 4, "datetime": AT, "name": "Größe", "value": "\n\t", "hit_id": b"\xff" * 16}],
    "users": [{"id": 3, "username": "zoë", "password": "$argon2id$v=19$" + "x" * 80}],
    "calendar": [{"datetime": datetime(2026, 11, day)} for day in range(1, 30)],  # noqa: DTZ001
    "visitors": [{"cid": "c" * 32, "first": AT, "begun": AT, "last": AT, "session": 2**62, "seq": 3, "entry": "/ä"}],
    "refusals": [{"datetime": datetime(2026, 11, 22, 12, 15), "reason": "a robot", "hits": 7}],  # noqa: DTZ001
    "engagements": [{"id": 6, "visit_id": 9, "engaged": 5, "told": 1, "scroll": 90, "scrolled": 1, "finished": 1}],
    "strays": [{"cid": "c" * 32}],
    "shares": [SHARE | {"id": 5, "token": "aB_-" * 5 + "cD"}],
    "tokens": [TOKEN | {"id": 8, "hash": "0f" * 32}],
    "totals": [TOTAL | {"id": 11}],
    "imports": [IMPORT | {"id": 12}],
    "salts": [],
    "pruned": [],
    "sessions": [],
    "guesses": [],
    "setups": [],
}


def fill(url: str, rows: Rows) -> None:
    async def work(connection: AsyncConnection) -> None:
        for table in metadata.sorted_tables:
            for row in rows.get(table.name, []):
                await connection.execute(insert(table), row)

    asyncio.run(_with(url, work))


def held(url: str) -> Rows:
    """Every row, without what is null."""
    found: Rows = {}

    async def work(connection: AsyncConnection) -> None:
        for table in metadata.sorted_tables:
            result = await connection.execute(select(table).order_by(*table.primary_key))
            found[table.name] = [{k: v for k, v in row.items() if v is not None} for row in result.mappings()]

    asyncio.run(_with(url, work))
    return found


async def _with(url: str, work: Any) -> None:
    async with open_database(Settings(sqlalchemy_database_uri=url)) as database:
        await migrate(database.engine)
        async with database.engine.begin() as connection:
            await work(connection)


def run(url: str, statement: str) -> None:
    async def work(connection: AsyncConnection) -> None:
        await connection.execute(text(statement))

    asyncio.run(_with(url, work))


def done(answer: Answer) -> str:
    assert (answer.status, answer.err) == (0, "")
    return answer.out


@pytest.fixture
def into(request: pytest.FixtureRequest, home: Path) -> str:
    """The URL of an empty database, of the kind that is asked for."""
    if request.param == "sqlite":
        return f"sqlite:///{home / 'other.db'}"
    server: servers.DatabaseServer = request.getfixturevalue(request.param)
    return server.database()


@pytest.mark.parametrize(
    ("database_url", "into"), [(one, other) for one in DATABASES for other in DATABASES if one != other], indirect=True
)
def test_a_backup_of_any_database_restores_into_any_other(database_url: str, into: str, verb: Ask) -> None:
    fill(database_url, FILLED)
    said = done(verb("backup", "b.db", CRUMBY_SQLALCHEMY_DATABASE_URI=database_url))
    assert said.startswith("b.db holds 3 visits, 1 event and 1 user (")
    said = done(verb("restore", "b.db", CRUMBY_SQLALCHEMY_DATABASE_URI=into))
    assert said == "The database holds 3 visits, 1 event and 1 user, as b.db does\n"
    assert held(into) == FILLED == held(database_url)
    share, token = SHARE | {"token": "next"}, TOKEN | {"name": "next", "hash": ""}
    fill(into, {"visits": [{"cid": "next"}], "users": [{"username": "next"}], "shares": [share], "tokens": [token]})
    fill(into, {"totals": [TOTAL], "imports": [IMPORT | {"input": "next"}]})
    assert held(into)["visits"][-1] == {"id": 10, "cid": "next"}
    assert held(into)["shares"][-1] == share | {"id": 6}
    assert [held(into)[table][-1]["id"] for table in ("totals", "imports")] == [12, 13]
    assert held(into)["tokens"][-1] == token | {"id": 9}


def test_salts_and_sessions_are_in_no_backup(database_url: str, verb: Ask, home: Path) -> None:
    """Not even in what is free of the file. Seen to fail on a copy of the pages, and on one of the rows."""
    salt = bytes(range(100, 132))
    key = "5e" * 32
    session = {"hash": key, "user_id": 1, "mark": "3a" * 16, "begun": AT, "seen": AT}
    passing: Rows = {"salts": [{"day": "2026-11-22", "salt": salt}], "sessions": [session]}
    fill(database_url, passing)
    done(verb("backup", "b.db", CRUMBY_SQLALCHEMY_DATABASE_URI=database_url))
    kept = (home / "b.db").read_bytes()
    assert salt not in kept
    assert key.encode() not in kept
    assert {name: held(database_url)[name] for name in passing} == passing


def test_more_rows_than_a_step_has_are_restored(database_url: str, verb: Ask) -> None:
    many = {"visits": [{"id": number, "cid": str(number)} for number in range(1, 2502)]}

    async def work(connection: AsyncConnection) -> None:
        await connection.execute(insert(visits), many["visits"])

    asyncio.run(_with(database_url, work))
    done(verb("backup", "b.db", CRUMBY_SQLALCHEMY_DATABASE_URI=database_url))
    done(verb("restore", "--force", "b.db", CRUMBY_SQLALCHEMY_DATABASE_URI=database_url))
    assert held(database_url)["visits"] == many["visits"]


def test_a_backup_is_one_file_of_its_owner_alone(verb: Ask, home: Path) -> None:
    fill("sqlite:///~/crumby.db", FILLED)
    (home / "backups").mkdir()
    done(verb("backup", "backups/b.db"))
    assert [path.name for path in (home / "backups").iterdir()] == ["b.db"]
    path = home / "backups" / "b.db"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes()[18:20] == b"\1\1", "it needs a WAL beside it"


def test_a_backup_holds_what_is_in_the_wal_alone(verb: Ask, home: Path) -> None:
    """Seen to fail on a copy of the database's file."""
    fill("sqlite:///~/crumby.db", {})
    with closing(sqlite3.connect(home / "crumby.db")) as server:
        server.execute("pragma wal_autocheckpoint = 0")
        server.execute("insert into visits (id) values (1)")
        server.commit()
        done(verb("backup", "b.db"))
    assert held(f"sqlite:///{home / 'b.db'}")["visits"] == [{"id": 1}]


def test_programs_are_told_in_json(verb: Ask, home: Path) -> None:
    fill("sqlite:///~/crumby.db", FILLED)
    rows = {"visits": 3, "events": 1, "users": 1, "calendar": 29, "visitors": 1, "refusals": 1}
    rows |= {"engagements": 1, "strays": 1, "shares": 1, "tokens": 1}
    rows |= {"totals": 1, "imports": 1, "pruned": 0, "salts": 0, "sessions": 0, "guesses": 0, "setups": 0}
    facts = {"file": str(home / "b.db"), "schema": HEAD, "rows": rows}
    said = json.loads(done(verb("backup", "--json", "b.db")))
    size = (home / "b.db").stat().st_size
    assert said == {**facts, "bytes": size, "waiting": 0}
    assert json.loads(done(verb("restore", "--force", "--json", "b.db"))) == {**facts, "bytes": size, "cut": 0}


def test_a_file_that_is_there_is_kept_unless_forced(verb: Ask, home: Path) -> None:
    fill("sqlite:///~/crumby.db", FILLED)
    (home / "b.db").write_text("mine")
    assert "--force replaces it" in one_line(verb("backup", "b.db"))
    assert (home / "b.db").read_text() == "mine"
    done(verb("backup", "--force", "b.db"))
    assert held(f"sqlite:///{home / 'b.db'}") == FILLED
    assert {path.name for path in home.glob("b.db*")} == {"b.db"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("crumby.db", "is the database itself"),
        ("folder", "is a folder"),
        ("absent/b.db", "there is no folder absent"),
        ("open.db", "open.db-wal is there"),
    ],
)
def test_a_backup_is_not_written_where_it_would_do_harm(name: str, message: str, verb: Ask, home: Path) -> None:
    fill("sqlite:///~/crumby.db", FILLED)
    (home / "folder").mkdir()
    (home / "open.db-wal").write_text("of another database")
    assert message in one_line(verb("backup", "--force", name))
    assert held("sqlite:///~/crumby.db") == FILLED
    assert not list(home.glob("*.partial"))


def test_two_backups_into_one_file_do_not_mix(verb: Ask, home: Path) -> None:
    fill("sqlite:///~/crumby.db", FILLED)
    with (home / "b.db.partial").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "another backup is being written" in one_line(verb("backup", "b.db"))
    done(verb("backup", "b.db"))


def test_there_has_to_be_something_to_back_up(verb: Ask, home: Path) -> None:
    assert "nothing to back up" in one_line(verb("backup", "b.db"))
    with closing(sqlite3.connect(home / "crumby.db")) as other:
        other.execute("create table notes (id integer)")
    assert "it has no table visits" in one_line(verb("backup", "b.db"))
    assert {path.name for path in home.iterdir()} == {"crumby.db"}


@pytest.mark.parametrize("database_url", ["mariadb", "postgres"], indirect=True)
def test_a_server_of_an_older_schema_is_named_with_the_remedy(database_url: str, verb: Ask) -> None:
    fill(database_url, FILLED)
    run(database_url, "update alembic_version set version_num = '0001'")
    said = one_line(verb("backup", "b.db", CRUMBY_SQLALCHEMY_DATABASE_URI=database_url))
    assert "has schema 0001" in said
    assert "`crumby users` brings" in said


@pytest.mark.parametrize("uri", ["mysql://me:canary@127.0.0.1:{port}/x", "postgresql://me:canary@127.0.0.1:{port}/x"])
@pytest.mark.parametrize("name", ["backup", "restore"])
def test_a_server_that_is_away_is_named(name: str, uri: str, verb: Ask, home: Path) -> None:
    fill(f"sqlite:///{home / 'there.db'}", FILLED)
    file = {"backup": "b.db", "restore": "there.db"}[name]
    said = one_line(verb(name, file, CRUMBY_SQLALCHEMY_DATABASE_URI=uri.format(port=servers.free_port())))
    assert "127.0.0.1" in said
    assert "canary" not in said
    assert not list(home.glob("b.db*"))


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_a_broken_config_is_named(name: str, verb: Ask, home: Path) -> None:
    (home / "crumby.cfg").write_text("DOMAIN = unknown", "utf-8")
    assert "crumby.cfg, line 1" in one_line(verb(name, "b.db", CRUMBY_SETTINGS=str(home / "crumby.cfg")))


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
def test_hits_that_wait_in_the_spool_are_counted_out(database_url: str, verb: Ask, home: Path) -> None:
    fill(database_url, FILLED)
    with closing(sqlite3.connect(home / "crumby-spool.db")) as spool, spool:
        spool.execute("pragma journal_mode = wal")
        spool.execute("create table hits (number integer primary key)")
        spool.executemany("insert into hits values (?)", [(number,) for number in range(1200)])
    answer = verb("backup", "--json", "b.db", CRUMBY_SQLALCHEMY_DATABASE_URI=database_url)
    assert "1,200 acknowledged hits waited" in answer.err
    assert json.loads(answer.out)["waiting"] == 1200
    assert verb("backup", "c.db").err.startswith("crumby: there is no database"), "an embedded one has no spool"


def test_what_the_database_holds_is_kept_unless_forced(database_url: str, verb: Ask, home: Path) -> None:
    other: Rows = {name: [] for name in metadata.tables} | {"visits": [{"id": 5}]}
    fill(f"sqlite:///{home / 'b.db'}", other)
    fill(database_url, FILLED)
    environ = {"CRUMBY_SQLALCHEMY_DATABASE_URI": database_url}
    assert "holds 3 visits, 1 event and 1 user; --force replaces them" in one_line(verb("restore", "b.db", **environ))
    assert held(database_url) == FILLED
    done(verb("restore", "--force", "b.db", **environ))
    assert held(database_url) == other
    fill(database_url, {"visits": [{"cid": "next"}]})  # no id is given twice, be it one of a row that is gone
    assert held(database_url)["visits"][-1]["id"] > 5


def test_a_database_of_another_program_is_kept_unless_forced(verb: Ask, home: Path) -> None:
    fill(f"sqlite:///{home / 'b.db'}", FILLED)
    with closing(sqlite3.connect(home / "crumby.db")) as other:
        other.execute("create table notes (id integer)")
    assert "the table notes; --force" in one_line(verb("restore", "b.db"))


@pytest.mark.parametrize("words", [(), ("--force",)])
def test_a_database_that_a_server_has_open_is_not_replaced(words: tuple[str, ...], verb: Ask, home: Path) -> None:
    """Seen to fail on a restore that renames, and on one that takes no exclusive lock."""
    fill("sqlite:///~/crumby.db", FILLED)
    fill(f"sqlite:///{home / 'b.db'}", {"visits": [{"id": 5}]})
    with closing(sqlite3.connect(home / "crumby.db")) as server:
        server.execute("select * from visits").fetchall()  # and from now on it is idle
        assert "is in use, by a running Crumby most likely; stop it" in one_line(verb("restore", *words, "b.db"))
        assert server.execute("select count(*) from visits").fetchone() == (3,)
    assert held("sqlite:///~/crumby.db") == FILLED


def test_a_wal_of_the_replaced_database_is_not_taken_for_the_backups(verb: Ask, home: Path) -> None:
    """What a killed server leaves. Seen to fail on a restore that renames."""
    fill(f"sqlite:///{home / 'b.db'}", FILLED)
    fill("sqlite:///~/crumby.db", {})
    with closing(sqlite3.connect(home / "crumby.db")) as server:
        server.execute("pragma wal_autocheckpoint = 0")
        server.executemany("insert into visits (cid) values (?)", [("old",)] * 500)
        server.commit()
        for suffix in ("", "-wal"):
            shutil.copy(home / f"crumby.db{suffix}", home / f"killed.db{suffix}")
    url = f"sqlite:///{home / 'killed.db'}"
    done(verb("restore", "--force", "b.db", CRUMBY_SQLALCHEMY_DATABASE_URI=url))
    assert held(url) == FILLED


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("update alembic_version set version_num = '0999'")


def without_a_column(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("alter table visits drop column city")


def of_others(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as file:
        for table in ("visits", "events", "users"):
            file.execute(f"create table {table} (id integer)")


def with_a_lying_index(path: Path) -> None:
    """Every page is sound, but what the index says of the rows is not so."""
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("pragma writable_schema = on")
        file.execute(
            "update sqlite_master set sql = replace(sql, '(datetime)', '(doc_title)') where name = 'visits_datetime'"
        )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "there is no file b.db"),
        (lambda path: path.write_text("This is no database. " * 100), "b.db: file is not a database"),
        (lambda path: path.write_bytes(b""), "b.db is no database of Crumby's"),
        (lambda path: path.write_bytes(path.read_bytes()[:20_000]), "b.db"),
        (with_a_lying_index, "b.db is damaged"),
        (newer, "has schema 0999"),
        (without_a_column, "visits has no column city"),
        (of_others, f"b.db cannot be brought to schema {HEAD}"),
    ],
    ids=["absent", "text", "empty", "truncated", "a lying index", "newer", "no column", "of others"],
)
def test_a_file_that_is_no_sound_backup_changes_nothing(damage: Any, message: str, verb: Ask, home: Path) -> None:
    """Seen to fail without the check of the file's integrity."""
    fill("sqlite:///~/crumby.db", FILLED)
    done(verb("backup", "b.db"))
    damage(home / "b.db")
    assert message in one_line(verb("restore", "--force", "b.db"))
    assert held("sqlite:///~/crumby.db") == FILLED
    assert not list(home.glob(".crumby-restore-*"))


def test_a_database_is_not_restored_from_itself(verb: Ask) -> None:
    fill("sqlite:///~/crumby.db", FILLED)
    assert "is the database itself" in one_line(verb("restore", "--force", "crumby.db"))


@pytest.mark.parametrize("page_size", [1024, 4096])
def test_a_file_of_0_7_1_is_restored_and_brought_up_to_date(
    page_size: int, database_url: str, verb: Ask, home: Path
) -> None:
    """Seen to fail on a restore into an embedded database that stays in WAL mode."""
    with closing(sqlite3.connect(home / "old.db")) as file:
        file.execute(f"pragma page_size = {page_size}")
        file.execute("vacuum")
    crumby071.build(home / "old.db")
    before = (home / "old.db").read_bytes()
    fill(database_url, {"calendar": FILLED["calendar"]})
    done(verb("restore", "old.db", CRUMBY_SQLALCHEMY_DATABASE_URI=database_url))
    assert (home / "old.db").read_bytes() == before
    found = held(database_url)
    for table, rows in crumby071.contents(crumby071.LAST_DAY).items():
        old = [dict(zip(crumby071.COLUMNS[table], row, strict=True)) for row in rows]
        assert [{k: str(row[k]) for k in crumby071.COLUMNS[table] if k in row} for row in found[table]] == [
            {k: str(_instant(v) if k == "datetime" else v) for k, v in row.items() if v is not None} for row in old
        ]


def test_a_backup_from_before_sessions_restores_with_them(database_url: str, verb: Ask, home: Path) -> None:
    """Seen to fail on one that is copied column by column."""
    hits = [
        {"id": 1, "cid": "42", "datetime": AT, "doc_uri": "https://www.example.com/a"},
        {"id": 2, "cid": "42", "datetime": AT + timedelta(minutes=9), "doc_uri": "https://example.com/b"},
    ]
    fill(f"sqlite:///{home / 'b.db'}", {"visits": hits})
    with closing(sqlite3.connect(home / "b.db")) as file:
        for column in ("site", "page", "session", "seq", "gap", "entry"):
            file.execute(f"alter table visits drop column {column}")
        file.executescript("drop table visitors; drop table refusals; update alembic_version set version_num = '0002'")
    done(verb("restore", "b.db", CRUMBY_SQLALCHEMY_DATABASE_URI=database_url))
    found = held(database_url)
    names = ("site", "page", "seq", "gap", "entry")
    assert [[visit[name] for name in names] for visit in found["visits"]] == [
        ["example.com", "/a", 1, 0, "/a"],
        ["example.com", "/b", 2, 540, "/a"],
    ]
    (visitor,) = found["visitors"]
    assert (visitor["seq"], visitor["session"]) == (2, found["visits"][0]["session"])


def _instant(stamp: Any) -> datetime:
    return datetime.fromisoformat(stamp)


def test_a_backup_of_0_7_1_stays_one(verb: Ask, home: Path) -> None:
    crumby071.build(home / "crumby.db")
    before = (home / "crumby.db").read_bytes()
    assert json.loads(done(verb("backup", "--json", "b.db")))["schema"] == "0.7.1"
    assert (home / "crumby.db").read_bytes() == before
    with closing(sqlite3.connect(home / "b.db")) as file:
        assert file.execute("select count(*) from visits").fetchone() == (len(crumby071.VISITS),)


@pytest.mark.parametrize("database_url", ["mariadb", "postgres"], indirect=True)
def test_what_a_server_has_no_room_for_is_cut_and_counted(database_url: str, verb: Ask, home: Path) -> None:
    fill(f"sqlite:///{home / 'b.db'}", {"visits": [{"id": 1, "lang": "x" * 11, "doc_title": "a\0b"}]})
    answer = verb("restore", "--json", "b.db", CRUMBY_SQLALCHEMY_DATABASE_URI=database_url)
    (visit,) = held(database_url)["visits"]
    assert visit["lang"] == "x" * 10
    cut = 1 if visit["doc_title"] == "a\0b" else 2
    assert f"{cut} values were" in answer.err
    assert json.loads(answer.out)["cut"] == cut


def test_people_see_how_far_it_is(home: Path) -> None:
    fill("sqlite:///~/crumby.db", FILLED)
    said, told = shown("stderr", "backup", "b.db", TERM="xterm")
    assert "checking" in said
    assert told.startswith("b.db holds 3 visits")
