"""Totals of days without visits, and how far imports were read."""

from alembic import op

from crumby import tables

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """MySQL commits each statement: a table may be there already, without its index."""
    for table in (tables.totals, tables.imports):
        table.create(op.get_bind(), checkfirst=True)
        for index in table.indexes:
            index.create(op.get_bind(), checkfirst=True)
