"""What records refer to by an id, on the disk until it is asked for: their sessions, pages, browsers.

All of it is put aside first, then asked for, however much it is: a few MiB of memory hold what was asked for last.
"""

import sqlite3
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Self

import msgspec

AT_ONCE: Final = 5000
REMEMBERED: Final = 4096  # answers
CACHE_KIB: Final = 8 * 1024  # SQLite's

_written: Final = msgspec.msgpack.Encoder().encode
_read: Final = msgspec.msgpack.Decoder().decode


class Aside:
    """A kind and a key have one value, the last that was put, or several. Used as a context, it leaves nothing."""

    def __init__(self) -> None:
        self._table = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # a file without a name
        for pragma in ("journal_mode = off", "synchronous = off", "temp_store = file", f"cache_size = -{CACHE_KIB}"):
            self._table.execute(f"pragma {pragma}").close()
        self._table.execute("create table aside (kind text, key, value blob)")
        self._waiting: list[tuple[str, str | int, bytes]] = []
        self.get: Callable[[str, str | int], Any] = lru_cache(maxsize=REMEMBERED)(self._get)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close()

    def put(self, kind: str, key: str | int, value: Any) -> None:
        self._waiting.append((kind, key, _written(value)))
        if len(self._waiting) >= AT_ONCE:
            self._write()

    def ready(self) -> None:
        """All is put."""
        self._write()
        self._table.execute("create index sought on aside (kind, key)")

    def all(self, kind: str, key: str | int) -> list[Any]:
        rows = self._table.execute("select value from aside where kind = ? and key = ? order by rowid", (kind, key))
        return [_read(value) for (value,) in rows]

    def _get(self, kind: str, key: str | int) -> Any:
        found = self.all(kind, key)
        return found[-1] if found else None

    def _write(self) -> None:
        self._table.execute("begin")
        self._table.executemany("insert into aside values (?, ?, ?)", self._waiting)
        self._table.execute("commit")
        self._waiting.clear()
