"""Links that show chosen panels to whoever has them."""

from alembic import op

from crumby import tables

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    tables.shares.create(op.get_bind(), checkfirst=True)  # one statement, its unique index within: there or not
