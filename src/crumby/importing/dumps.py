r"""Rows of an SQL dump, one after the other, as `mysqldump`, `mariadb-dump`, phpMyAdmin and `pg_dump` write it.

    INSERT INTO `visits` VALUES (1,'it\'s',_binary 'a\0',0x6869,NULL),     1   it's   a␀   hi   None
    COPY public.visits (id, title) FROM stdin;                             lines, columns parted by tabs, until \.
    INSERT INTO public.visits VALUES (1, 'it''s', '\x6869');               nothing is escaped but the quote

What is in a cell stays bytes: a binary column of MySQL is no text in any encoding, and a number is its digits. A table
that is not wanted is passed by at 150 MB/s or more. Of a statement of any length one row is in memory, no more.

Parsers of SQL that are well kept (sqlglot, sqlparse) take a statement as a whole and make a tree of it: of a dump's, a
gigabyte long, many gigabytes, at a hundredth of the pace.

    https://dev.mysql.com/doc/refman/8.4/en/string-literals.html
    https://mariadb.com/docs/server/clients-and-utilities/backup-restore-and-import-clients/mariadb-dump
    https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
    https://www.postgresql.org/docs/current/app-pgdump.html
"""

import codecs
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, Final, Literal, NamedTuple

from crumby.importing.source import ImportRefused

Dialect = Literal["mysql", "postgresql"]
Cell = bytes | None

CHUNK: Final = 256 * 1024  # bytes read at once
BEGINNING: Final = 64 * 1024  # bytes in which a statement says what it is, its columns' names with it
LONGEST: Final = 64 * 1024 * 1024  # bytes of a row; MySQL itself takes no more, unless it is told to
ARCHIVE: Final = b"PGDMP"  # how pg_dump's own format begins

SIGNS: Final[tuple[tuple[Dialect, re.Pattern[bytes]], ...]] = (
    (
        "postgresql",
        re.compile(rb"-- PostgreSQL database dump|^COPY \S+ .*FROM stdin;|^SELECT pg_catalog\.", re.MULTILINE),
    ),
    (
        "mysql",
        re.compile(rb"-- (?:MySQL|MariaDB|phpMyAdmin)|/\*M?!\d+|^(?:INSERT INTO|CREATE TABLE) .*`", re.MULTILINE),
    ),
)
ENCODINGS: Final = {  # as the servers call them, where Python does not
    "utf8mb4": "utf-8",
    "utf8mb3": "utf-8",
    "binary": "utf-8",
    "sql_ascii": "utf-8",
    "latin1": "cp1252",  # so MySQL means it; of PostgreSQL's see `_note_encoding`
}
ENCODING: Final = re.compile(rb"SET\s+(?:NAMES\s+|client_encoding\s*=\s*)'?(\w+)", re.IGNORECASE)

PART: Final = rb'(?:`(?:[^`]|``)+`|"(?:[^"]|"")+"|[\w$]+)'
NAME: Final = PART + rb"(?:\s*\.\s*" + PART + rb")*"
PARTS: Final = re.compile(PART)

# A text ends at a quote that no other follows, and that is not escaped. What has been taken is never given back (`++`,
# `*+`, `(?>…)`): a text of any length is gone over once. Before Python 3.11.5 `*+` is wrong of a group.
ESCAPED: Final = rb"'[^'\\]*+(?>(?:(?:\\.|'')[^'\\]*+)*)'"
PLAIN: Final = rb"'[^']*+(?>(?:''[^']*+)*)'"
QUOTED: Final = rb'"[^"\\]*+(?>(?:(?:\\.|"")[^"\\]*+)*)"'
TEXTS: Final[dict[Dialect, bytes]] = {
    "mysql": rb"(?:_\w+\s*|[nNxXbB])?" + ESCAPED,
    "postgresql": rb"(?:[eE]" + ESCAPED + rb"|[xXbB]?" + PLAIN + rb")",
}
WORD: Final = rb"[^\s'(),;][^'(),;]*+(?:\([^()']*\))?"  # a number, NULL, true, now()
PREFIXED: Final = re.compile(rb"(_\w+\s*|[eEnNxXbB])?'(.*)'(?:::[^']*)?", re.DOTALL)

ESCAPES: Final = re.compile(rb"\\(.)|''", re.DOTALL)
MEANT: Final = {b"0": b"\0", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a"}
COPIED: Final = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
COPY_MEANT: Final = MEANT | {b"f": b"\f", b"v": b"\v"}

BLANK: Final = re.compile(rb"(?:\s++|--[^\n]*+(?:\n|\Z)|/\*.*?\*/|;)", re.DOTALL)
HASH: Final = re.compile(rb"#[^\n]*+(?:\n|\Z)")
INSERT: Final = re.compile(
    rb"(?:INSERT|REPLACE)\s+(?:LOW_PRIORITY\s+|DELAYED\s+|IGNORE\s+)*(?:INTO\s+)?("
    + NAME
    + rb")\s*(?:\(([^()]*)\)\s*)?(?:OVERRIDING\s+\w+\s+VALUE\s+)?VALUES\s*",
    re.IGNORECASE,
)
COPY: Final = re.compile(
    rb"COPY\s+(" + NAME + rb")\s*(?:\(([^()]*)\)\s*)?FROM\s+stdin[^;\n]*;[^\n]*(?:\n|\Z)", re.IGNORECASE
)
CREATE: Final = re.compile(
    rb"CREATE\s+(?:TEMPORARY\s+|UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(" + NAME + rb")\s*(?=\()", re.IGNORECASE
)
DELIMITER: Final = re.compile(rb"DELIMITER\s+(\S+)[^\n]*\n", re.IGNORECASE)
COMMAND: Final = re.compile(rb"\\[^\n]*(?:\n|\Z)")  # of psql: \connect, \restrict
NO_COLUMN: Final[dict[Dialect, re.Pattern[bytes]]] = {  # where a name is quoted if it is one of these words
    "mysql": re.compile(
        rb"(?:PRIMARY|UNIQUE|KEY|INDEX|FULLTEXT|SPATIAL|CONSTRAINT|FOREIGN|CHECK|PERIOD FOR)\b", re.IGNORECASE
    ),
    "postgresql": re.compile(rb"(?:PRIMARY|UNIQUE|CONSTRAINT|FOREIGN|CHECK|LIKE)\b", re.IGNORECASE),
}


class Row(NamedTuple):
    table: str  # without its schema
    columns: tuple[str, ...]
    values: list[Cell]

    def cells(self) -> dict[str, Cell]:
        return dict(zip(self.columns, self.values, strict=True))


class Grammar:
    """What a dialect's rows and statements look like."""

    def __init__(self, dialect: Dialect) -> None:
        text = TEXTS[dialect]
        cell = rb"\s*(?:" + text + rb"(?:::[\w .\[\]\"]++)?|" + WORD + rb")\s*"
        plain = rb"[^'()eE]++|[eE]" if dialect == "postgresql" else rb"[^'()]++"
        calls = rb"\([^()']*+\)"
        self._cells = re.compile(cell, re.DOTALL)
        self.row = re.compile(
            rb"\s*\(((?>(?:" + text + rb"|" + plain + rb"|" + calls + rb")*))\)\s*(?:([,;])|(?=ON\s))", re.DOTALL
        )
        # Of a statement that is passed by, nothing is taken at whose end what was read ends: more may belong to it.
        words = rb"[^;'\"`/$\-eE]++|[eE](?!'|\Z)" if dialect == "postgresql" else rb"[^;'\"`/$\-]++"
        dollars = rb"\$(\w*)\$.*?\$\1\$|\$(?!\w*(?:\$|\Z))" if dialect == "postgresql" else rb"\$"
        quoted = rb"(?:" + text + rb"|" + QUOTED + rb"|`[^`]*+`)(?!\Z)"
        others = rb"--[^\n]*+\n|/\*.*?\*/|/(?!\*|\Z)|-(?!-|\Z)"
        self.run = re.compile(rb"(?>(?:" + b"|".join((words, quoted, others, dollars)) + rb")*)", re.DOTALL)
        self.mysql = dialect == "mysql"

    def values(self, row: bytes, columns: int) -> list[Cell]:
        """Where there are as many commas as columns, less one, none of them is in a text: that takes a tenth."""
        cells = row.split(b",")
        if len(cells) != columns:
            cells = self._cells.findall(row)
        value = self._value
        return [None if cell == b"NULL" else cell if cell.isdigit() else value(cell) for cell in cells]

    def _value(self, cell: bytes) -> Cell:
        cell = cell.strip()
        if cell.startswith(b"'") and cell.endswith(b"'"):
            return self._text(b"", cell[1:-1])
        found = PREFIXED.fullmatch(cell)
        return _word(cell) if not found else self._text((found[1] or b"").lower(), found[2])

    def _text(self, kind: bytes, text: bytes) -> bytes:
        if kind == b"x":
            return bytes.fromhex(text.decode("ascii"))
        if kind == b"b":
            return str(int(text or b"0", 2)).encode()
        if self.mysql or kind == b"e":
            return ESCAPES.sub(_meant, text) if b"\\" in text or b"''" in text else text
        return text.replace(b"''", b"'")


def dialect_of(head: bytes) -> Dialect | None:
    """Of a dump that begins so; None where it is no dump."""
    return next((dialect for dialect, sign in SIGNS if sign.search(head)), None)


def is_dump(head: bytes) -> bool:
    """Of SQL; or pg_dump's own format, which `Dump` refuses with the way out."""
    return head.startswith(ARCHIVE) or dialect_of(head) is not None


class Dump:
    """Of the tables that `wanted` says yes to. `name` is the file's, for messages."""

    def __init__(self, file: IO[bytes], name: str, wanted: Callable[[str], bool]) -> None:
        self._file, self._name, self._wanted = file, name, wanted
        self._buffer, self._at, self._ended, self._passed = b"", 0, False, 0
        self._columns: dict[str, tuple[str, ...]] = {}
        self.encoding = "utf-8"
        self._ensure(BEGINNING)
        if self._buffer.startswith(ARCHIVE):
            raise ImportRefused(
                f"{name}: this is pg_dump's own format; make SQL of it: `pg_restore --data-only -f dump.sql {name}`"
            )
        dialect = dialect_of(self._buffer)
        if not dialect:
            raise ImportRefused(f"{name}: this is no dump of MySQL, MariaDB or PostgreSQL")
        self.dialect: Dialect = dialect
        self._grammar = Grammar(dialect)

    def text(self, cell: Cell) -> str | None:
        """A cell as text, in the dump's encoding."""
        return None if cell is None else cell.decode(self.encoding, "replace")

    @property
    def position(self) -> int:
        """Bytes that were read of it."""
        return self._file.tell()

    def rows(self) -> Iterator[Row]:
        """Raises ImportRefused where it is cut off, or no SQL that a dump has."""
        while self._at_statement():
            if found := self._match(INSERT):
                yield from self._inserted(*self._heading(found))
            elif found := self._match(COPY):
                yield from self._copied(*self._heading(found))
            elif found := self._match(CREATE):
                self._columns[_name(found[1])] = _columns(self._statement(), self.dialect)
            elif found := self._match(DELIMITER):
                if found[1] != b";":
                    self._past(b"\nDELIMITER ;")
            elif not (self._buffer[self._at] == ord("\\") and self._match(COMMAND)):
                self._pass()

    def _at_statement(self) -> bool:
        """Past what lies between statements. Says whether there is one more."""
        while True:
            self._ensure(BEGINNING)
            found = self._match(BLANK) or (self._grammar.mysql and self._match(HASH)) or None
            if not found:
                self._note_encoding(self._buffer[self._at : self._at + 100])
                return self._at < len(self._buffer)
            if found[0].startswith(b"/*!"):
                self._note_encoding(found[0])

    def _note_encoding(self, statement: bytes) -> None:
        found = ENCODING.search(statement) if statement[:3].upper() in {b"SET", b"/*!"} else None
        if not found:
            return
        said = found[1].decode("ascii").lower()
        name = said if said.startswith("latin") and not self._grammar.mysql else ENCODINGS.get(said, said)
        try:
            self.encoding = codecs.lookup(name.replace("win", "cp")).name
        except LookupError:
            raise ImportRefused(
                f"{self._name}: its text is in {said}, which nobody here can read; "
                "dump again in UTF-8: --default-character-set=utf8mb4, or pg_dump --encoding=UTF8"
            ) from None

    def _heading(self, found: re.Match[bytes]) -> tuple[str, tuple[str, ...]]:
        table = _name(found[1])
        if found[2] is not None:
            return table, tuple(_unquoted(each) for each in PARTS.findall(found[2]))
        if table not in self._columns and self._wanted(table):
            raise self._refused(
                f"nothing says what the columns of {table} are called; dump it with their names: "
                "mysqldump --complete-insert, or pg_dump --column-inserts"
            )
        return table, self._columns.get(table, ())

    def _inserted(self, table: str, columns: tuple[str, ...]) -> Iterator[Row]:
        if not self._wanted(table):
            self._pass()
            return
        grammar, more = self._grammar, True
        while more:
            found = self._match(grammar.row)
            if not found:
                raise self._refused(self._cut(f"this is no row of {table}"))
            yield self._row(table, columns, grammar.values(found[1], len(columns)))
            more = found[2] == b","
            if found[2] is None:  # ON DUPLICATE KEY …
                self._pass()

    def _copied(self, table: str, columns: tuple[str, ...]) -> Iterator[Row]:
        if not self._wanted(table):
            self._at -= 1  # at the line's end, for there may be no line
            self._past(b"\n\\.")
            return
        while (line := self._line()) != b"\\.":
            values = [
                None if cell == b"\\N" else COPIED.sub(_copy_meant, cell) if b"\\" in cell else cell
                for cell in line.split(b"\t")
            ]
            yield self._row(table, columns, values)

    def _row(self, table: str, columns: tuple[str, ...], values: list[Cell]) -> Row:
        if len(values) != len(columns):
            raise self._refused(f"a row of {table} has {len(values)} values for {len(columns)} columns")
        return Row(table, columns, values)

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n", self._at)) < 0:
            if not self._more():
                raise self._refused(self._cut("the data has no end"))
        line, self._at = self._buffer[self._at : end], end + 1
        return line.removesuffix(b"\r")

    def _past(self, token: bytes) -> None:
        while (found := self._buffer.find(token, self._at)) < 0:
            self._at = max(len(self._buffer) - len(token), self._at)
            if not self._more():
                raise self._refused(self._cut("the data has no end"))
        self._at = found + len(token)

    def _pass(self) -> None:
        """Past the statement's end."""
        while True:
            self._at = self._run()
            if self._at < len(self._buffer) and self._buffer[self._at] == ord(";"):
                self._at += 1
                return
            if not self._more():
                raise self._refused(self._cut("the statement has no end"))

    def _statement(self) -> bytes:
        """What is left of it, which is short."""
        while (end := self._run()) >= len(self._buffer) or self._buffer[end] != ord(";"):
            if not self._more():
                raise self._refused(self._cut("the statement has no end"))
        text, self._at = self._buffer[self._at : end], end
        return text

    def _run(self) -> int:
        """How far the statement goes in what was read."""
        found = self._grammar.run.match(self._buffer, self._at)
        return found.end() if found else self._at

    def _match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Go past what matches here. A row is read on until it does; what a statement is, its beginning tells."""
        while True:
            found = pattern.match(self._buffer, self._at)
            if found and (found.end() < len(self._buffer) or self._ended):
                self._at = found.end()
                return found
            whole = pattern is not self._grammar.row and not found and not self._buffer.startswith(b"/*", self._at)
            if whole or not self._more():
                if found:
                    self._at = found.end()
                return found

    def _ensure(self, length: int) -> None:
        while len(self._buffer) - self._at < length and self._more():
            pass

    def _more(self) -> bool:
        """Read on; as much again as is waiting already, so that a long row is gone over a few times and not often."""
        waiting = len(self._buffer) - self._at
        if waiting > LONGEST:
            raise self._refused(
                f"a row is longer than {LONGEST >> 20} MiB, or this is no SQL; leave out the table that has it"
            )
        chunk = b"" if self._ended else self._file.read(max(CHUNK, waiting))
        self._ended = not chunk
        if chunk:
            self._passed += self._buffer.count(b"\n", 0, self._at)
            self._buffer, self._at = self._buffer[self._at :] + chunk, 0
        return not self._ended

    def _cut(self, why: str) -> str:
        return "it ends in the middle of a statement: the dump is not whole; make it again" if self._ended else why

    def _refused(self, why: str) -> ImportRefused:
        line = self._passed + self._buffer.count(b"\n", 0, self._at) + 1
        return ImportRefused(f"{self._name}, line {line}: {why}")


def _word(word: bytes) -> Cell:
    if word.upper() == b"NULL":
        return None
    if word[:2] in {b"0x", b"0X"}:
        with suppress(ValueError):
            return bytes.fromhex(word[2:].decode("ascii"))
    return word


def _meant(escape: re.Match[bytes]) -> bytes:
    return MEANT.get(escape[1], escape[1]) if escape[1] else b"'"


def _copy_meant(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes([int(escape[1], 8) & 0xFF])
    if escape[2]:
        return bytes([int(escape[2], 16)])
    return COPY_MEANT.get(escape[3], escape[3])


def _name(said: bytes) -> str:
    return _unquoted(PARTS.findall(said)[-1])


def _unquoted(part: bytes) -> str:
    if part[:1] in {b"`", b'"'}:
        part = part[1:-1].replace(part[:1] * 2, part[:1])
    return part.decode("utf-8", "replace")


COLUMN_TOKENS: Final = re.compile(rb"'(?:[^'\\]|\\.|'')*'|`[^`]*`|\"[^\"]*\"|[(),]|[^'`\"(),]+", re.DOTALL)


def _columns(definition: bytes, dialect: Dialect) -> tuple[str, ...]:
    """Their names, of what stands behind the table's: `(id int(11) comment 'a, b', key (id)) ENGINE=…`."""
    depth, said, found = 0, b"", []
    for token in COLUMN_TOKENS.findall(definition):
        depth += (token == b"(") - (token == b")")
        if depth == 0 or (token == b"," and depth == 1):
            found.append(said.strip())
            said = b""
        elif depth == 1 and token not in {b"(", b")"}:
            said += token
        if depth == 0:
            break
    no_column = NO_COLUMN[dialect]
    return tuple(_unquoted(PARTS.findall(each)[0]) for each in found if each and not no_column.match(each))
