"""What alembic runs a migration in: the connection, with its transaction, that the ledger has opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
