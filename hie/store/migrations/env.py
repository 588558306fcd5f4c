"""Alembic's entry: runs migrations on the URL that hie.store.database.migrate names."""

from alembic import context

from hie.store.database import open_writer

engine = open_writer(context.config.attributes["url"])
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
