"""Pages, sources, devices, sessions and visits before with each hit, older ones as well; visitors; what was refused."""

import sqlalchemy as sa
from alembic import context, op

from crumby import tables
from crumby.migrations.backfill import fill

revision = "0003"
down_revision = "0002"

OF_BOTH = ("site", "page", "session")
OF_A_SESSION = ("entry", "source", "channel", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
NEW = {
    "visits": (
        *(*OF_BOTH, "seq", "gap", *OF_A_SESSION, "device", "engaged", "scroll"),
        *("prev", "page_prev", "prevs", "prev_page", "first"),
    ),
    "events": (*OF_BOTH, "prev", "value_prev", "page_prev"),
}


def upgrade() -> None:
    connection = op.get_bind()
    for table, columns in NEW.items():
        _add(table, columns)
    for new in (tables.visitors, tables.engagements, tables.strays, tables.refusals):
        new.create(connection, checkfirst=True)
    fill(connection, context.config.attributes["tell"])


def _add(table: str, columns: tuple[str, ...]) -> None:
    """One statement, for MySQL may rewrite the table with each. It also commits each: a part may be done already."""
    dialect = op.get_bind().dialect
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
    missing = [tables.metadata.tables[table].c[name] for name in columns if name not in there]
    if dialect.name != "mysql":
        for column in missing:
            op.add_column(table, sa.Column(column.name, column.type))
    elif missing:
        changes = [f"add column {_declared(column, dialect)}" for column in missing]
        op.execute(f"alter table {table} {', '.join(changes + _roomy(table))}")


def _declared(column: "sa.Column[str]", dialect: sa.Dialect) -> str:
    return f"{dialect.identifier_preparer.quote(column.name)} {column.type.compile(dialect)}"


def _roomy(table: str) -> list[str]:
    """A format that keeps long text beside the row: those of older servers have 768 bytes of each in its 8,126."""
    kind = op.get_bind().scalar(
        sa.text("select row_format from information_schema.tables where table_schema = database() and table_name = :t"),
        {"t": table},
    )
    return ["row_format = dynamic"] if str(kind).lower() in {"compact", "redundant"} else []
