"""Alembic runs this: it migrates on the connection that it is handed, inside the transaction that is already open."""

from __future__ import annotations

from alembic import context

from grader.store.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
