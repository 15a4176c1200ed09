"""Page views and events in the order of their time, whatever order their source has: sorted on the disk, by SQLite."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from crumby.importing.item import Found, Item

AT_ONCE: Final = 1000
MEMORY_KIB: Final = 16 * 1024  # of SQLite's, while it sorts

_written: Final = msgspec.msgpack.Encoder()
_read: Final = msgspec.msgpack.Decoder(Found)


def in_time(items: Iterator[Item], folder: Path | None = None) -> Iterator[Item]:
    """First all that has no time of its own, then the rest. `folder` is where the temporary file is."""
    with tempfile.NamedTemporaryFile(prefix="crumby-sort-", dir=folder) as file, closing(_opened(file.name)) as sorter:
        found: list[Found] = []
        for item in items:
            if isinstance(item, Found):
                found.append(item)
                if len(found) >= AT_ONCE:
                    _put(sorter, found)
            else:
                yield item
        _put(sorter, found)
        rows = sorter.execute("select item from items order by at, number")
        while some := list(islice(rows, AT_ONCE)):
            yield from (_read.decode(item) for (item,) in some)


def _opened(name: str) -> sqlite3.Connection:
    """In whatever thread its items are asked for: the importer's reads them one after the other."""
    sorter = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = off", "synchronous = off", f"cache_size = -{MEMORY_KIB}", "temp_store = file"):
        sorter.execute(f"pragma {pragma}").close()
    sorter.execute("create table items (number integer primary key, at text not null, item blob not null)")
    return sorter


def _put(sorter: sqlite3.Connection, found: list[Found]) -> None:
    rows = ((item.hit.datetime.isoformat(timespec="microseconds"), _written.encode(item)) for item in found)
    sorter.executemany("insert into items (at, item) values (?, ?)", rows)
    found.clear()
