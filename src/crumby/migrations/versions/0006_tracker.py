"""What events are told with, what pages are marked with, and salts for visitors who bring no name."""

import sqlalchemy as sa
from alembic import op

from crumby import tables

revision = "0006"
down_revision = "0005"

NEW = {"visits": ("tag",), "events": ("properties", "tag")}


def upgrade() -> None:
    tables.salts.create(op.get_bind(), checkfirst=True)
    for table, columns in NEW.items():
        _add(table, columns)


def _add(table: str, columns: tuple[str, ...]) -> None:
    """At the end of the row, which no database rewrites a table for. MySQL commits each: a part may be done already."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
    for name in columns:
        if name not in there:
            op.add_column(table, sa.Column(name, tables.metadata.tables[table].c[name].type))
