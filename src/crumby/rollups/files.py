"""A rollup's file: what is counted by what, as a readable SELECT from what is new.

    -- Countries                                         the title
    -- Page views by the visitor's country.              the description
    --
    -- key: country(3)                                   columns that tell rows apart; (n): characters, 255 unless said
    -- sum: views, sessions                              columns that add up
    select
      country,
      day,
      {{ prev_day("country") }} as prev_day,
      sum(views) as views,
      sum(sessions) as sessions
    from hits
    group by 1, 2, 3

The answer has the key's columns, then day and prev_day, then the sums. `{{ prev_day() }}` is the day of the visitor's
last page view before, `{{ prev_day("country") }}` of the last one from the same country; 0 where there was none.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from crumby.dimensions.memory import STEADY
from crumby.errors import QueryFileError
from crumby.rollups.clock import Clock

FOLDER: Final = "rollups"
FORMAT: Final = 2  # of what the engine makes of a file; another one makes all of them anew
FILE_NAME: Final = re.compile("[a-z][a-z0-9_]{0,40}")  # with what goes before and after, a table's name everywhere
KEY: Final = re.compile(r"([a-z_][a-z0-9_]*)(?:\((integer|[0-9]{1,3})\))?")
NAME: Final = re.compile("[a-z_][a-z0-9_]*")
ENTRY: Final = re.compile(r"(key|sum):(.*)")
USUAL_LENGTH: Final = 255
DIGITS: Final = 10  # of each moment in `prevs`
PRINTED: Final = re.compile(r"\{[{%].*?[}%]\}", re.DOTALL)
PREV_DAY: Final = re.compile(r"""\{\{\s*prev_day\(\s*(?:"(\w+)"|'(\w+)')?\s*\)\s*\}\}""")


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    length: int | None = None  # characters of a text; None for a number


@dataclass(frozen=True)
class Rollup:
    """A file that can't be understood has an `error`, and no key and sums."""

    name: str
    path: Path
    title: str = ""
    description: str = ""
    keys: tuple[Key, ...] = ()
    sums: tuple[str, ...] = ()
    sql: str = ""
    error: str | None = None

    @property
    def shown(self) -> str:
        """The file as a message names it."""
        return f"queries/{FOLDER}/{self.path.name}"

    @property
    def day_table(self) -> str:
        return f"rollup_{self.name}_day"

    @property
    def month_table(self) -> str:
        return f"rollup_{self.name}_month"

    @property
    def return_table(self) -> str:
        """Who was there in an earlier month, by that day."""
        return f"rollup_{self.name}_return"

    @property
    def counted(self) -> str:
        """The sum that counts rows, and with `prev_day` visitors."""
        return "views" if "views" in self.sums else self.sums[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """Of its answer and its tables."""
        return (*(key.name for key in self.keys), "day", "prev_day", *self.sums)

    @cached_property
    def hash(self) -> str:
        """Of what makes its rows; prose makes none."""
        return _hash(FORMAT, STEADY, self.keys, self.sums, " ".join(self.sql.split()))

    @cached_property
    def shape(self) -> str:
        """Of its tables: rows of one that has another can't be kept."""
        return _hash(self.keys, self.sums)

    def select(self, clock: Clock) -> str:
        """Raises QueryFileError."""
        return PRINTED.sub(partial(_print, clock), self.sql)


def _print(clock: Clock, found: re.Match[str]) -> str:
    """What stands for `{{ … }}`. No template engine is needed for one word, nor its memory."""
    called = PREV_DAY.fullmatch(found[0])
    if not called:
        raise QueryFileError(f'it may say {{{{ prev_day("country") }}}} and its like, not {found[0][:60]}')
    dimension = called[1] or called[2]
    if not dimension:
        return "prev_day"
    if dimension == "page":
        return "page_prev_day"
    if dimension not in STEADY:
        raise QueryFileError(f"prev_day takes page, {', '.join(STEADY)} or nothing, not {dimension[:60]!r}")
    begins = STEADY.index(dimension) * DIGITS + 1
    number = "signed" if clock.dialect == "mysql" else "bigint"
    seconds = f"cast(substr(prevs, {begins}, {DIGITS}) as {number})"
    return f"case when prevs is null then prev_day else {clock.day_before(seconds)} end"


def _hash(*facts: object) -> str:
    return hashlib.blake2b(repr(facts).encode(errors="surrogatepass"), digest_size=16).hexdigest()


def load_rollup(path: Path) -> Rollup:
    """The rollup of a file; what is wrong with the file is in its `error`."""
    rollup = Rollup(path.stem, path)
    if not FILE_NAME.fullmatch(path.stem):
        wanted = "name it with small letters, digits and _, 41 at most; the first is a letter"
        return replace(rollup, error=f"{rollup.shown}: {wanted}")
    try:
        return _parse(rollup, path.read_text("utf-8-sig"))
    except (QueryFileError, OSError, ValueError) as error:
        return replace(rollup, error=f"{rollup.shown}: {error}")


def _parse(rollup: Rollup, source: str) -> Rollup:
    prose: list[str] = []
    fields: dict[str, list[str]] = {}
    lines = source.lstrip().splitlines()
    while lines and lines[0].lstrip().startswith("--"):
        line = lines.pop(0).strip().removeprefix("--").strip()
        entry = ENTRY.fullmatch(line)
        if entry:
            fields[entry[1]] = [word.strip() for word in entry[2].split(",") if word.strip()]
        elif line:
            prose.append(line)
    parsed = replace(
        rollup,
        title=(prose or [rollup.name])[0].rstrip("."),
        description=" ".join(prose[1:]),
        keys=tuple(map(_key, fields.get("key", []))),
        sums=tuple(map(_sum, fields.get("sum", []))),
        sql="\n".join(lines).strip().removesuffix(";"),
    )
    if not parsed.sums:
        raise QueryFileError("its header names nothing that adds up; write `-- sum: views, sessions`")
    twice = next((name for name in parsed.columns if parsed.columns.count(name) > 1), None)
    if twice:
        raise QueryFileError(f"its header names {twice!r} twice, or as Crumby does itself; name it otherwise")
    parsed.select(Clock("sqlite", "UTC", 1970, 1970))  # raises what is wrong with it
    return parsed


def _key(word: str) -> Key:
    found = KEY.fullmatch(word)
    if not found:
        raise QueryFileError(f"a key is written `country(3)`, or `hour(integer)` for a number, not {word[:60]!r}")
    if found[2] == "integer":
        return Key(found[1])
    return Key(found[1], int(found[2] or USUAL_LENGTH))


def _sum(word: str) -> str:
    if not NAME.fullmatch(word):
        raise QueryFileError(f"a sum is a column's name in small letters, not {word[:60]!r}")
    return word


class RollupFolders:
    """The rollups of some folders; a later one's replaces that of the same name. Only changed files are read again."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._loaded: dict[Path, tuple[tuple[int, ...], Rollup]] = {}

    def all(self) -> list[Rollup]:
        """By name."""
        found = {path.stem: path for folder in self._folders for path in _files(folder / FOLDER)}
        return [self._current(found[name]) for name in sorted(found)]

    def _current(self, path: Path) -> Rollup:
        try:
            status = path.stat()
        except OSError:
            return load_rollup(path)
        version = (status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)
        known = self._loaded.get(path)
        if known and known[0] == version:
            return known[1]
        rollup = load_rollup(path)
        self._loaded[path] = (version, rollup)
        return rollup


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.glob("*.sql")) if not path.name.startswith("."))


def words(sql: str) -> set[str]:
    """What a statement may name."""
    return set(re.findall("[a-z_][a-z0-9_]*", sql.lower()))
