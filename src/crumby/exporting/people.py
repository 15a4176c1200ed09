"""Who did something of what was chosen: their cids, which may be millions, in a file of SQLite's without a name."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

from crumby.dimensions.session import NOBODY

SOME: Final = 500  # that the database is asked for at a time


class People:
    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._file.execute("create table people (cid text primary key) without rowid")
        self._file.execute("begin")

    def came(self, cids: Iterable[str | None]) -> None:
        known = [(cid,) for cid in set(cids) if cid and cid not in NOBODY and cid.isprintable()]
        self._file.executemany("insert or ignore into people values (?)", known)

    def pages(self) -> Iterator[list[str]]:
        """In their order."""
        cids = self._file.execute("select cid from people order by cid")
        while some := cids.fetchmany(SOME):
            yield [cid for (cid,) in some]

    def close(self) -> None:
        self._file.close()
