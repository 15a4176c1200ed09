"""Database servers of a benchmark's own: with the memory that they have by themselves, and larger ones for reports.

Those of the tests have less.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.servers import PACKAGES, DatabaseServer, MariaDB, Postgres, find

DATABASES: Final = ("sqlite", "mariadb", "postgresql")
PROGRAMS: Final = {"mariadb": "mariadbd", "postgresql": "postgres"}


class OwnMariaDB(MariaDB):
    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=96M"]


class OwnPostgres(Postgres):
    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "-c", "shared_buffers=128MB"]


class LargeMariaDB(MariaDB):
    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "--innodb-buffer-pool-size=1G", "--innodb-log-file-size=256M"]


class LargePostgres(Postgres):
    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "-c", "shared_buffers=1GB", "-c", "max_wal_size=4GB"]


def installed(name: str) -> bool:
    return name not in PROGRAMS or find(PROGRAMS[name]) is not None


@contextlib.contextmanager
def database_server(name: str, *, large: bool = False) -> Iterator[DatabaseServer]:
    """`mariadb` or `postgresql`; its `database()` makes an empty one. `large`: with 1 GiB of memory for its pages."""
    if not installed(name):
        sys.exit(f"{PROGRAMS[name]} is not installed: apt-get install {PACKAGES[PROGRAMS[name]]}")
    kinds = {"mariadb": (OwnMariaDB, LargeMariaDB), "postgresql": (OwnPostgres, LargePostgres)}
    with kinds[name][large]() as server:
        yield server


@contextlib.contextmanager
def empty_database(name: str, folder: Path) -> Iterator[str]:
    """The URL of one."""
    if name == "sqlite":
        folder.mkdir(parents=True, exist_ok=True)
        yield f"sqlite:///{folder / 'crumby.db'}"
        return
    with database_server(name) as server:
        yield server.database()
