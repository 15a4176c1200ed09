"""A Galera cluster: several servers that are one database, of which each knows its own locks alone.

What a node commits the others have agreed to; they may not show it for some milliseconds (`CAUSAL`). Of two nodes that
change the same row at once the second is told so when it commits: as a deadlock, of which nothing is stored. So a turn
that is the whole cluster's is a row: whoever's change of it is committed has it, until it is given back or over.
"""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

# A statement that begins a transaction sees all that was committed, on whichever node: reads, changes and inserts.
CAUSAL: Final = "set session wsrep_sync_wait = 7"
ASKED: Final = "show variables like 'wsrep_on'"
# MySQL's numbers of a row that is there, of a lock that was waited for too long, of a deadlock.
REFUSED: Final = frozenset({1062, 1205, 1213})
OUT: Final = 1047  # of a node that is not in the cluster, or not yet
TURNS: Final = (
    "create table if not exists turns "
    "(name varchar(64) primary key, holder varchar(32) not null, until bigint not null)"
    " engine = InnoDB default charset = utf8mb4 collate = utf8mb4_bin"
)


def is_there(connection: Connection) -> bool:
    """Whether the server is a node of one. It is asked once for each connection."""
    known: bool | None = connection.info.get("crumby_cluster")
    if known is None:
        row = connection.exec_driver_sql(ASKED).fetchone() if connection.dialect.name == "mysql" else None
        known = connection.info["crumby_cluster"] = bool(row and row[1] == "ON")
    return known


def crossed(error: DBAPIError) -> bool:
    """Whether another was there first, and nothing else is wrong."""
    return bool(error.orig and error.orig.args and error.orig.args[0] in REFUSED)


def undo(connection: Connection) -> None:
    """A transaction that another node's has undone says so at the next word, be it `rollback`."""
    try:
        connection.rollback()
    except DBAPIError as error:
        if not crossed(error):
            raise


class Turn:
    """One at a time in the cluster. Whoever dies loses it after some seconds."""

    def __init__(self, connection: Connection, name: str, lease_s: int) -> None:
        self._connection = connection
        self._name = f"crumby_turn {name}"
        self._values = {"name": name, "holder": secrets.token_hex(16), "lease": lease_s}

    def take(self) -> bool:
        """Commits; whether it is ours now."""
        self._prepare()
        return self._do(
            "update turns set holder = :holder, until = unix_timestamp() + :lease "
            "where name = :name and until <= unix_timestamp()"
        )

    def renew(self, connection: Connection) -> bool:
        """The same for one that is ours, on another connection."""
        done = connection.execute(
            text("update turns set until = unix_timestamp() + :lease where name = :name and holder = :holder"),
            self._values,
        ).rowcount
        connection.commit()
        return done == 1

    def ends(self) -> bool:
        """Give it back with the transaction that is under way → whether it was ours to the end."""
        ending = text("update turns set until = 0 where name = :name and holder = :holder")
        return self._connection.execute(ending, self._values).rowcount == 1

    def give_back(self) -> None:
        """By itself, where that transaction came to nothing."""
        self._do("update turns set until = 0 where name = :name and holder = :holder")

    def _prepare(self) -> None:
        """Its row, once for each connection. MySQL's driver would log each that is there already."""
        if self._name in self._connection.info:
            return
        there = text("select 1 from information_schema.tables where table_schema = database() and table_name = 'turns'")
        if not self._connection.scalar(there):
            self._connection.execute(text(TURNS))
        if not self._connection.scalar(text("select 1 from turns where name = :name"), self._values):
            self._do("insert into turns values (:name, '', 0)")
        self._connection.info[self._name] = True

    def _do(self, sql: str) -> bool:
        try:
            done = self._connection.execute(text(sql), self._values).rowcount
            self._connection.commit()
        except DBAPIError as error:
            if not crossed(error):
                raise
            undo(self._connection)
            return False
        return done == 1


@contextlib.contextmanager
def given_back(turn: Turn, connection: Connection) -> Iterator[None]:
    """Whatever becomes of the work."""
    try:
        yield
    except BaseException:
        if not connection.invalidated:
            undo(connection)
            turn.give_back()
        raise
