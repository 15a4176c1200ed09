"""The tables of Crumby 0.7.1, where they are not there already."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    there = set(sa.inspect(op.get_bind()).get_table_names())
    for name, columns in tables().items():
        if name not in there:
            op.create_table(name, *columns)


def tables() -> dict[str, list[sa.Column[Any]]]:
    return {
        "calendar": [sa.Column("datetime", sa.DateTime, primary_key=True)],
        "events": [*page(), sa.Column("name", sa.Text), sa.Column("value", sa.Text)],
        "users": [
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("username", sa.String(75), unique=True),
            sa.Column("password", sa.String(60)),
        ],
        "visits": [
            *page(),
            sa.Column("doc_enc", sa.String(25)),
            sa.Column("referrer", sa.Text),
            sa.Column("_referrer", sa.Text),
            sa.Column("platform", sa.String(25)),
            sa.Column("browser", sa.String(25)),
            sa.Column("version", sa.String(25)),
            sa.Column("screen_res", sa.String(25)),
            sa.Column("screen_depth", sa.String(10)),
            sa.Column("continent", sa.String(3)),
            sa.Column("country", sa.String(3)),
            sa.Column("subdivision_1", sa.String(75)),
            sa.Column("subdivision_2", sa.String(75)),
            sa.Column("city", sa.String(75)),
            sa.Column("latitude", sa.Float),
            sa.Column("longitude", sa.Float),
            sa.Column("accuracy_radius", sa.Integer),
            sa.Column("time_zone", sa.String(50)),
            sa.Column("lang", sa.String(10)),
            sa.Column("_lang", sa.String(10)),
        ],
    }


def page() -> list[sa.Column[Any]]:
    """What visits and events have in common."""
    return [
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("ip", sa.String(39)),
        sa.Column("cid", sa.String(10)),
        sa.Column("datetime", sa.DateTime),
        sa.Column("doc_title", sa.Text),
        sa.Column("doc_uri", sa.Text),
    ]
