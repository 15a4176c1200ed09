"""MariaDB's Spider: `visits` and `events` on several servers, the shards, behind one, the head, that has all the rest.

    create server crumby_shard_1 …  ──► lay: the tables on each shard, and over them those of the head, by hit_id
    a batch ──► the head and the shards, in two phases ──► one of them dies between the two ──► mend

The operator names the shards on the head, after the database: `crumby_shard_1`, `crumby_shard_2` … Each is a host by a
name of its own, for Spider tells those that take part in a transaction by their hosts.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

from crumby.tables import events, visits

SHARDED: Final = (visits, events)
ASKED: Final = "show variables like 'spider_internal_xa'"
CONNECT_S: Final = 2  # to a shard that is away
ANSWER_S: Final = 60  # of a shard to what is no report: the rollups' longest, and `crumby forget`'s
HIT_S: Final = 10  # of a shard to a hit; its visitor is locked on the head meanwhile
# MySQL's numbers, and Spider's own, of a shard that is away or has gone, and of a transaction of this connection's
# number that is in doubt: whoever asks next is to have another connection.
LOST: Final = frozenset({1158, 1159, 1160, 1161, 1429, 1440, 12605, 12606, 12701})
NO_SUCH_SERVER: Final = 1477
ROLLED_BACK: Final = 1402
PREPARED: Final = (
    "create temporary table if not exists crumby_prepared (format int, gtrid int, bqual int, data varbinary(128))"
)
# Whoever commits is at a statement; a connection that is at none, or gone, has left its transaction to us.
IN_DOUBT: Final = """
    select x.format_id, x.gtrid_length, x.bqual_length, left(x.data, x.gtrid_length + x.bqual_length), trim(x.status)
    from mysql.spider_xa x
    where not exists (
      select 1 from information_schema.processlist p
      where p.command <> 'Sleep' and p.id <> connection_id()
        and p.id = conv(cast(left(x.data, x.gtrid_length) as char), 16, 10)
    )"""
FORGET: Final = (
    "delete from mysql.{} where format_id = :format and gtrid_length = :length and left(data, :whole) = :data"
)


class Doubt(NamedTuple):
    """A transaction that nobody ends any more: its parts are on the shards, prepared, and hold their locks."""

    format: int
    gtrid: bytes
    bqual: bytes
    status: str  # "NOT YET", "PREPARED", "COMMIT", "ROLLBACK"

    @property
    def is_decided(self) -> bool:
        return self.status == "COMMIT"

    @property
    def ending(self) -> str:
        """As was decided; where nothing was, nobody has been told that it is stored."""
        verb = "commit" if self.is_decided else "rollback"
        return f"xa {verb} x'{self.gtrid.hex()}', x'{self.bqual.hex()}', {self.format:d}"


def session(answer_s: float, *, locks: bool) -> Sequence[str]:
    """What a connection to a head is told, which may be a head of nothing.

    `locks`: what a statement reads for what it writes stays as it is. Hits need that. Rollups do not: their
    `insert … select` locks nothing on one server either, where it is read committed.
    """
    settings = {
        "internal_xa": 1,
        "selupd_lock_mode": int(locks),
        "conn_recycle_mode": 2,  # else each transaction connects to the shards anew
        # 10.11 hands `nullif` on with three arguments, which the shard refuses: groups are made on the head.
        "disable_group_by_handler": 1,
        "direct_aggregate": 0,
        "connect_timeout": CONNECT_S,
        "connect_retry_count": 0,
        "net_read_timeout": max(1, round(answer_s)),
        "net_write_timeout": max(1, round(answer_s)),
    }
    return [f"set session spider_{name} = {value}" for name, value in settings.items()]


def is_laid(connection: Connection) -> bool:
    """Whether `visits` lies on shards. It is asked once for each connection."""
    known: bool | None = connection.info.get("crumby_spider")
    if known is None:
        sql = (
            "select 1 from information_schema.tables "
            "where table_schema = database() and table_name = 'visits' and engine = 'SPIDER'"
        )
        known = connection.dialect.name == "mysql" and bool(connection.scalar(text(sql)))
        connection.info["crumby_spider"] = known
    return known


def lay(connection: Connection) -> None:
    """Make both tables, where the operator has named shards: first on these, so that a kill leaves nothing wrong."""
    if connection.dialect.name != "mysql" or not _is_head(connection):
        return
    shards = list(_shards(connection))
    if not shards:
        return
    connection.execute(text(IN_DOUBT))  # that it may not be asked is better heard now
    for table in SHARDED:
        made: list[DDLElement] = [CreateTable(table, if_not_exists=True), *map(CreateIndex, table.indexes)]
        first, *indexes = [str(each.compile(dialect=connection.dialect)).strip() for each in made]
        whole = _with_indexes(first, indexes)
        for shard in shards:
            _tell(connection, shard, whole)
        connection.exec_driver_sql(_on_the_head(table, whole, shards), execution_options={"no_parameters": True})
    connection.info.pop("crumby_spider", None)


def _with_indexes(create: str, indexes: Iterable[str]) -> str:
    """`create unique index a on t (b)` → `unique index a (b)`, within the statement that makes the table."""
    head, end, options = create.rpartition(")")
    inner = [each.removeprefix("CREATE ").replace(f" ON {each.split(' ON ')[1].split(' ')[0]}", "") for each in indexes]
    return f"{', '.join([head, *inner])}{end}{options}"


def _on_the_head(table: Table, whole: str, shards: Sequence[str]) -> str:
    """A unique key has to hold what the table is parted by, so the id is none.

    The head counts ids up by itself (`auto_increment_mode`). Else it asks each shard for its last row, and locks it,
    with every insert: whoever writes waits until the one before has committed.
    """
    columns = whole.replace("PRIMARY KEY (id)", "KEY (id)").replace("ENGINE=InnoDB", "ENGINE=SPIDER")
    parts = ", ".join(f"partition `{shard}` comment = 'srv \"{shard}\"'" for shard in shards)
    words = f'wrapper "mysql", table "{table.name}", auto_increment_mode "1"'
    return f"{columns} comment = '{words}' partition by key (hit_id) ({parts})"


def _is_head(connection: Connection) -> bool:
    engine = "select 1 from information_schema.engines where engine = 'SPIDER' and support in ('YES', 'DEFAULT')"
    return bool(connection.scalar(text(engine)))


def _shards(connection: Connection) -> Iterator[str]:
    """Their names. What is no server tells so, without a privilege to read the list of them, passwords and all."""
    database = connection.scalar(text("select database()"))
    number = 0
    while True:
        number += 1
        shard = f"{database}_shard_{number}"
        try:
            _tell(connection, shard, "select 1")
        except DBAPIError as error:
            if _number(error) == NO_SUCH_SERVER:
                return
            raise
        yield shard


def mend(connection: Connection) -> None:
    """End what is in doubt on the shards: all that the head has on record. Raises DBAPIError while one is away."""
    if not is_laid(connection):
        return
    shards = list(_shards(connection))
    doubts = [_doubt(*row) for row in connection.execute(text(IN_DOUBT))]
    for shard in shards if doubts else ():
        prepared = _prepared(connection, shard)
        for doubt in doubts:
            if (doubt.format, doubt.gtrid + doubt.bqual) in prepared:
                _end(connection, shard, doubt)
    for doubt in doubts:  # their traces on the head go last: what breaks off is begun again
        _forget(connection, doubt)


def _doubt(format_: int, gtrid: int, bqual: int, data: bytes, status: str) -> Doubt:
    return Doubt(format_, data[:gtrid], data[gtrid : gtrid + bqual], status)


def _prepared(connection: Connection, shard: str) -> set[tuple[int, bytes]]:
    """What waits on the shard for its end, of whomever it may be."""
    connection.execute(text(PREPARED))
    connection.execute(text("delete from crumby_prepared"))
    _tell(connection, shard, "xa recover", "crumby_prepared")
    return {(row.format, row.data) for row in connection.execute(text("select format, data from crumby_prepared"))}


def _end(connection: Connection, shard: str, doubt: Doubt) -> None:
    try:
        _tell(connection, shard, doubt.ending)
    except DBAPIError as error:
        if _number(error) != ROLLED_BACK or doubt.is_decided:
            raise


def _forget(connection: Connection, doubt: Doubt) -> None:
    data = doubt.gtrid + doubt.bqual
    values = {"format": doubt.format, "length": len(doubt.gtrid), "whole": len(data), "data": data}
    for traces in ("spider_xa_member", "spider_xa"):
        connection.execute(text(FORGET.format(traces)), values)


def _tell(connection: Connection, shard: str, sql: str, into: str = "") -> None:
    """The head knows where the shard is, and by what name and password. Rows go into a temporary table."""
    values = {"sql": sql, "into": into, "shard": f'srv "{shard}"'}
    connection.execute(text("select spider_direct_sql(:sql, :into, :shard)"), values)


def _number(error: DBAPIError) -> object:
    return error.orig.args[0] if error.orig and error.orig.args else None
