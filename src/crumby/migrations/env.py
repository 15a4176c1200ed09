"""Alembic runs this file for each command; the connection comes from `crumby.migrations`."""

from alembic import context

from crumby.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
