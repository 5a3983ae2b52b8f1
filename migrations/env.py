"""Alembic's environment: `storage.upgrade` hands over a connection, in whose transaction everything happens."""

from alembic import context

from storage import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
