"""Tokens that let programs in."""

from alembic import op

from crumby import tables

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    tables.tokens.create(op.get_bind(), checkfirst=True)  # one statement, its unique indexes within: there or not
