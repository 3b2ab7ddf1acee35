"""The triggers that make tables append-only, in the words of SQLite and of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

_REFUSING = """
CREATE OR REPLACE FUNCTION grader_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
"""


def protect(tables: Iterable[str]) -> None:
    """Refuses changes and deletions in ``tables``; called by migrations."""
    from alembic import op

    if op.get_bind().dialect.name == "postgresql":
        op.execute(_REFUSING)
        for table in tables:
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION grader_append_only()"
            )
        return
    for table in tables:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


@contextmanager
def unprotected(connection: Connection) -> Iterator[None]:
    """The triggers are away in this transaction alone, for removing a person's rows."""
    if connection.dialect.name == "postgresql":
        names = [
            name
            for (name,) in connection.execute(
                text(
                    "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger "
                    "WHERE tgfoid = 'grader_append_only'::regproc"
                )
            )
        ]
        off = [f"ALTER TABLE {name} DISABLE TRIGGER {name}_append_only" for name in names]
        on = [statement.replace("DISABLE", "ENABLE") for statement in off]
    else:
        found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
        off, on = [f'DROP TRIGGER "{name}"' for name, _ in found], [sql for _, sql in found]
    for statement in off:
        connection.exec_driver_sql(statement)
    yield
    for statement in on:
        connection.exec_driver_sql(statement)
