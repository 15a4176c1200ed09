"""How far visits and events were pruned."""

from alembic import op

from crumby import tables

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    tables.pruned.create(op.get_bind(), checkfirst=True)
