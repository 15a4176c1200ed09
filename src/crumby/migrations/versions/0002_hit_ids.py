"""Hit ids, room for longer cookies and hashes, UTF-8 everywhere, an index on the time.

SQLite checks no lengths and keeps text as it is, so there the columns stay as 0.7.1 declared them.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from crumby import tables

revision = "0002"
down_revision = "0001"

HITS = ("visits", "events")


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    if dialect == "mysql":
        _widen_mysql()
    elif dialect == "postgresql":
        _widen_postgresql()
    for table in HITS:
        _complete(table)


def _complete(table: str) -> None:
    """MySQL commits each statement, so a migration that was killed there finds a part of this done."""
    inspector = sa.inspect(op.get_bind())
    if "hit_id" not in {column["name"] for column in inspector.get_columns(table)}:
        op.add_column(table, sa.Column("hit_id", tables.hit_id()))
    indexes = {index["name"] for index in inspector.get_indexes(table)}
    if f"{table}_hit_id" not in indexes:
        op.create_index(f"{table}_hit_id", table, ["hit_id"], unique=True)
    if f"{table}_datetime" not in indexes:
        op.create_index(f"{table}_datetime", table, ["datetime"])


def _old() -> Iterator[tuple[str, list["sa.Column[Any]"]]]:
    """The tables of 0.7.1, and their columns as they are to be."""
    inspector = sa.inspect(op.get_bind())
    for table in ("calendar", "events", "users", "visits"):
        there = {column["name"] for column in inspector.get_columns(table)} - {"hit_id"}
        yield table, [column for column in tables.metadata.tables[table].columns if column.name in there]


def _widen_mysql() -> None:
    """One statement a table, since each rewrites it. `convert to` would turn text into mediumtext: name each column.

    A FLOAT that was stored as 51.5142 is a DOUBLE of 51.51420211791992. GeoLite2 had four decimals: they come back.
    """
    for table, columns in _old():
        changes = [f"modify {_declared(column)}" for column in columns if table != "calendar"]
        op.execute(f"alter table {table} " + ", ".join([*changes, "default character set utf8mb4 collate utf8mb4_bin"]))
    op.execute("update visits set latitude = round(latitude, 4), longitude = round(longitude, 4)")


def _declared(column: "sa.Column[Any]") -> str:
    dialect = op.get_bind().dialect
    declared = column.type.compile(dialect)
    if isinstance(column.type, sa.String):
        declared += " character set utf8mb4 collate utf8mb4_bin"
    key = " not null auto_increment" if column.primary_key else ""
    return f"{dialect.identifier_preparer.quote(column.name)} {declared}{key}"


def _widen_postgresql() -> None:
    for table, columns in _old():
        if table == "calendar":
            continue
        for column in columns:
            if isinstance(column.type, sa.String | sa.BigInteger):
                op.alter_column(table, column.name, type_=column.type)
        # It was made for an integer column, and would end where that did.
        op.execute(f"alter sequence {table}_id_seq as bigint")
