"""A dump that the real tools made of a real table is read back equal, whatever they were told to write."""

import io
import re
import subprocess
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import crumby
from crumby.importing import dumps
from crumby.importing.dumps import CHUNK, Dump, Row, dialect_of
from crumby.importing.source import ImportRefused
from tests import servers

TEXTS: Final = (
    "plain",
    "",
    'it\'s "quoted" `so`',
    "back\\slash \\' \\N \\. \\\\",
    "two\nlines\r\nand\ta tab",
    "a,b);(c;d",
    "-- no comment /* nor this */ # nor that",
    "NULL",
    "'",
    "''",
    "😀 ünï\u2028cødé",
    "\\.",
    "$$ $tag$ $1",
    "%_ \x1a \x08",
    "x" * (2 * CHUNK),  # longer than what is read at once
)
BYTES: Final = (b"\x00\x01'\\\"\n\r\x1a\xff", b"", b"\xc3", b"0x41", bytes(range(256)))


def written() -> list[tuple[int, str | None, bytes | None, str | None]]:
    """Give a row of each text, and one of nulls: its number, a text, bytes, a number."""
    rows: list[tuple[int, str | None, bytes | None, str | None]] = [
        (number, text, BYTES[number % len(BYTES)], f"-{number}.5") for number, text in enumerate(TEXTS, start=1)
    ]
    return [*rows, (len(rows) + 1, None, None, None)]


def mysql_rows() -> str:
    def literal(value: str | bytes | None) -> str:
        if value is None:
            return "null"
        octets = value.encode() if isinstance(value, str) else value
        return f"{'_utf8mb4' if isinstance(value, str) else ''} x'{octets.hex()}'"

    return ", ".join(
        f"({number}, {literal(text)}, {literal(octets)}, {amount or 'null'})"
        for number, text, octets, amount in written()
    )


def postgres_rows() -> str:
    def text_literal(value: str | None) -> str:
        return "null" if value is None else f"convert_from(decode('{value.encode().hex()}', 'hex'), 'UTF8')"

    def bytes_literal(value: bytes | None) -> str:
        return "null" if value is None else f"decode('{value.hex()}', 'hex')"

    return ", ".join(
        f"({number}, {text_literal(text)}, {bytes_literal(octets)}, {amount or 'null'})"
        for number, text, octets, amount in written()
    )


@pytest.fixture
def in_mariadb(mariadb: servers.MariaDB) -> Iterator[str]:
    url = mariadb.database()
    name = url.rpartition("/")[2]
    mariadb.execute(
        "create table other (id int primary key, note text);\n"
        "insert into other values (1, 'INSERT INTO `awkward` VALUES (99);'), (2, 'it''s; not');\n"
        "create table awkward (`id` int primary key comment 'a, (b) ''c''', `key` longtext, `octets` longblob,"
        " `amount` decimal(9,1) default '0.0', key `k` (`amount`)) character set utf8mb4;\n"
        f"insert into awkward values {mysql_rows()};\n"
        "delimiter //\n"
        "create trigger t before insert on other for each row begin"
        " /* don't */ insert into awkward values (100, 'a', 'b', 1); set new.note = 'don''t'; end//\n"
        "create procedure p() begin select 'don''t'; insert into awkward values (100, 'a', 'b', 1); end//\n"
        "delimiter ;\n",
        name,
    )
    yield name
    mariadb.drop(url)


@pytest.fixture
def in_postgres(postgres: servers.Postgres) -> Iterator[str]:
    url = postgres.database()
    name = url.rpartition("/")[2]
    postgres.execute(
        "create table other (id int primary key, note text);\n"
        "insert into other values (1, E'COPY public.awkward FROM stdin;\\n\\\\.\\n'), (2, 'it''s; not');\n"
        'create table awkward (id int primary key, "key" text, octets bytea, amount numeric(9,1) default 0.0,'
        " constraint positive check (id > 0));\n"
        f"insert into awkward values {postgres_rows()};\n"
        "create function f() returns trigger language plpgsql as $$ begin"
        " insert into awkward values (100, 'don''t; $1 stop', null, 1); return new; end $$;\n",
        name,
    )
    yield name
    postgres.drop(url)


def read(path: Path, table: str = "awkward") -> list[Row]:
    with path.open("rb") as file:
        dump = Dump(file, path.name, lambda name: name == table)
        return list(dump.rows())


def told(rows: list[Row]) -> list[tuple[Any, ...]]:
    """Give them as `written` does."""

    def octets(cell: bytes | None) -> bytes | None:
        return bytes.fromhex(cell[2:].decode()) if cell and cell.startswith(b"\\x") else cell

    found = []
    for row in rows:
        cells = row.cells()
        assert list(cells) == ["id", "key", "octets", "amount"]
        number, key, amount = (
            None if cell is None else cell.decode() for cell in map(cells.get, ("id", "key", "amount"))
        )
        found.append((int(number or 0), key, octets(cells["octets"]), amount))
    return found


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--skip-extended-insert"],
        ["--hex-blob"],
        ["--complete-insert", "--skip-opt"],
        ["--compact"],
        ["--replace", "--skip-comments", "--routines"],
    ],
    ids=" ".join,
)
def test_a_dump_of_mariadb_is_read_back_equal(
    mariadb: servers.MariaDB, in_mariadb: str, tmp_path: Path, options: list[str]
) -> None:
    path = tmp_path / "dump.sql"
    program = servers.find("mariadb-dump")
    assert program
    words = ["--no-defaults", "--user=root", f"--socket={mariadb.folder / 'socket'}", f"--result-file={path}"]
    mariadb.run([program, *words, "--default-character-set=utf8mb4", *options, in_mariadb])
    assert dialect_of(path.read_bytes()[:CHUNK]) == "mysql"
    assert told(read(path)) == written()
    assert [row.cells()["note"] for row in read(path, "other")] == [b"INSERT INTO `awkward` VALUES (99);", b"it's; not"]


@pytest.mark.parametrize(
    "options",
    [[], ["--inserts"], ["--column-inserts", "--rows-per-insert=3"], ["--data-only"], ["--create"]],
    ids=" ".join,
)
def test_a_dump_of_postgresql_is_read_back_equal(
    postgres: servers.Postgres, in_postgres: str, tmp_path: Path, options: list[str]
) -> None:
    path = tmp_path / "dump.sql"
    words = [f"--host={postgres.folder}", f"--port={postgres.port}", "--username=crumby", "--encoding=UTF8"]
    made = subprocess.run(
        [postgres.programs / "pg_dump", *words, *options, in_postgres], check=True, capture_output=True
    ).stdout
    path.write_bytes(made)
    assert dialect_of(made) == "postgresql"
    assert told(read(path)) == written()
    assert [row.cells()["note"] for row in read(path, "other")][1] == b"it's; not"


def test_pg_dumps_own_format_is_refused_with_the_way_out(
    postgres: servers.Postgres, in_postgres: str, tmp_path: Path
) -> None:
    path = tmp_path / "umami.dump"
    words = [f"--host={postgres.folder}", f"--port={postgres.port}", "--username=crumby", "--format=custom"]
    made = subprocess.run([postgres.programs / "pg_dump", *words, in_postgres], check=True, capture_output=True).stdout
    path.write_bytes(made)
    with pytest.raises(ImportRefused, match=r"pg_restore --data-only -f dump\.sql umami\.dump"):
        read(path)


def dump(text: bytes, table: str = "t") -> list[dict[str, bytes | None]]:
    made = Dump(io.BytesIO(text), "dump.sql", lambda name: name == table)
    return [row.cells() for row in made.rows()]


def test_a_dump_is_in_the_encoding_that_it_says() -> None:
    for said, text in (
        (b"-- MySQL dump\n/*!40101 SET NAMES latin1 */;\n", "café €".encode("cp1252")),
        (b"-- PostgreSQL database dump\nSET client_encoding = 'LATIN1';\n", "café".encode("latin-1")),
        (b"-- MySQL dump\n/*!50503 SET NAMES utf8mb4 */;\n", "café €".encode()),
    ):
        made = Dump(io.BytesIO(said + b"INSERT INTO t (a) VALUES ('" + text + b"');\n"), "dump.sql", lambda _: True)
        (row,) = made.rows()
        assert (made.text(row.values[0]) or "").startswith("café")


def test_text_that_nobody_can_read_is_refused() -> None:
    with pytest.raises(ImportRefused, match=r"its text is in mule_internal.*--encoding=UTF8"):
        dump(b"-- PostgreSQL database dump\nSET client_encoding = 'MULE_INTERNAL';\nSELECT 1;\n")


def test_a_dump_that_is_cut_off_is_told_from_a_whole_one() -> None:
    """Seen to fail where a statement that never ends was passed by, as those of other tables are."""
    mysql = b"-- MySQL dump\nINSERT INTO `t` (`a`,`b`) VALUES (1,'it\\'s'),(2,'b'),(3,'c;d');\n"
    postgres = b"-- PostgreSQL database dump\nCOPY public.t (a, b) FROM stdin;\n1\tit's\n2\tb\n3\tc;d\n\\.\n"
    for whole, end in ((mysql, b";\n"), (postgres, b".\n")):
        assert [row["a"] for row in dump(whole)] == [b"1", b"2", b"3"]
        for length in range(whole.index(b"\n") + 3, whole.rindex(end)):
            with pytest.raises(ImportRefused, match=r"dump\.sql, line \d: it ends in the middle of a statement"):
                dump(whole[:length])


def test_columns_that_nothing_names_are_asked_for() -> None:
    with pytest.raises(ImportRefused, match="--complete-insert"):
        dump(b"-- MySQL dump\nINSERT INTO `t` VALUES (1);\n")


def test_a_row_of_another_length_is_refused_with_its_line() -> None:
    with pytest.raises(ImportRefused, match=r"line 3: a row of t has 1 values for 2 columns"):
        dump(b"-- MySQL dump\nCREATE TABLE `t` (`a` int, `b` int);\nINSERT INTO `t` VALUES (1);\n")


OTHERS: Final = {
    "mysql": rb"""-- MySQL dump
CREATE TABLE `o` (`a` text COMMENT 'it''s; -- not'); /* nor; 'this */
INSERT INTO `o` VALUES ('a''b;'),('\\\'; INSERT INTO `t` (`a`) VALUES (98); '),("d;"),(1-2/3) -- it's; one
; -- it's a comment;
INSERT INTO `t` (`a`) VALUES ('x''y'),('\'z\\');
INSERT INTO `o` VALUES ('','''');
""",
    "postgresql": rb"""-- PostgreSQL database dump
CREATE TABLE o (a text DEFAULT 'it''s; -- not'); /* nor; 'this */
CREATE FUNCTION f() AS $b$ don't; $c$; $$ $b$;
INSERT INTO o VALUES ('a''b;', E'a''\'; INSERT INTO t (a) VALUES (98); ', 'e', "d;", 1-2/3, $1); -- it's a comment;
COPY o (a) FROM stdin;
INSERT INTO t (a) VALUES (99);
\.
INSERT INTO t (a) VALUES ('x''y'), (E'\'z\\');
INSERT INTO o VALUES ('','''');
""",
}


@pytest.mark.parametrize("dialect", OTHERS)
def test_it_is_all_one_where_what_is_read_at_once_ends(monkeypatch: pytest.MonkeyPatch, dialect: str) -> None:
    """Seen to fail where a text ended with what was read, and the next quote that belonged to it began another."""
    monkeypatch.setattr(dumps, "BEGINNING", 30)
    for chunk in range(1, 200):
        monkeypatch.setattr(dumps, "CHUNK", chunk)
        assert dump(OTHERS[dialect]) == [{"a": b"x'y"}, {"a": b"'z\\"}], chunk


def test_a_statement_of_any_length_takes_little_memory() -> None:
    """Seen to fail where the buffer kept what was passed."""

    class Endless(io.RawIOBase):
        """Twelve MiB of rows in one statement, made as they are read."""

        left = 12 << 20
        row = b"(1,'" + b"abc" * 300 + b"\\''),\n"

        def read(self, size: int = -1) -> bytes:
            if self.left == 12 << 20:
                self.left -= 1
                return b"-- MySQL dump\nINSERT INTO `u` (`a`,`b`) VALUES "
            if self.left <= 0:
                return b""
            rows = max(1, size // len(self.row))
            self.left -= rows * len(self.row)
            return (
                self.row * rows
                if self.left > 0
                else self.row * rows + b"(2,'end');\nINSERT INTO `t` (`a`) VALUES (1);\n"
            )

        def tell(self) -> int:
            return 0

    for table, rows in (("t", 1), ("u", 10_000)):
        made = Dump(Endless(), "dump.sql", lambda name, table=table: name == table)  # type: ignore[misc, arg-type]
        tracemalloc.start()
        count = sum(1 for _ in made.rows())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count >= rows
        assert peak < 8 * CHUNK


def test_what_is_no_sql_is_given_up_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        def __init__(self) -> None:
            self.given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"-- MySQL dump\nINSERT INTO `t` (a) VALUES ('" if self.given == size else b"x" * size

    monkeypatch.setattr(dumps, "LONGEST", 4 << 20)
    with pytest.raises(ImportRefused, match="a row is longer than 4 MiB"):
        list(Dump(Endless(), "dump.sql", lambda _: True).rows())  # type: ignore[arg-type]


def test_no_pattern_keeps_what_a_group_took_by_its_quantifier() -> None:
    """Before Python 3.11.5 `(…)*+` may match what it should not, and end too early. Seen to fail with one such."""
    sources = Path(crumby.__file__).parent.rglob("*.py")
    lines = [f"{path.name}: {line.strip()}" for path in sources for line in path.read_text("utf-8").splitlines()]
    assert [line for line in lines if re.search(r"""\br?b?r["'].*\)(?:[*+?]|\{[\d,]+\})\+""", line)] == []
