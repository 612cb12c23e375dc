"""What alembic runs a migration in: the connection, with its transaction, that the ledger has opened."""

from alembic import context

about = context.config.attributes
context.configure(connection=about["connection"], version_table=about["version_table"])
context.run_migrations()
