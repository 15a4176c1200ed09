"""Sessions that the server keeps, guesses that it counts, links that make the first user, and second factors."""

import sqlalchemy as sa
from alembic import op

from crumby import tables

revision = "0007"
down_revision = "0006"

NEW = ("totp", "totp_used")


def upgrade() -> None:
    """MySQL commits each statement: a part may be done already."""
    for table in (tables.sessions, tables.guesses, tables.setups):
        table.create(op.get_bind(), checkfirst=True)
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("users")}
    for name in NEW:
        if name not in there:
            op.add_column("users", sa.Column(name, tables.users.c[name].type))
