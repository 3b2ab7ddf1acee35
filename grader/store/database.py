"""The database: opening it, its schema version, transactions, and errors in words. SQLite, or PostgreSQL.

Why these settings of SQLite: WAL lets the dashboard read while grading writes. ``synchronous=FULL`` costs one fsync a
commit (milliseconds, against seconds of grading) and keeps a teacher's edit that was confirmed just before a power cut.
``BEGIN IMMEDIATE`` takes the write lock at the start, where waiting is possible; a transaction that upgrades from
reading to writing fails at once instead (https://www.sqlite.org/lang_transaction.html). On PostgreSQL an advisory lock
gives the same: one writer at a time, which every transaction that reads before it writes relies on.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, inspect, text
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from grader.errors import StoreError, UsageError
from grader.store.tables import SCHEMA_VERSION

BUSY_TIMEOUT_S = 30
_WRITERS = 0x67726164  # number of the advisory lock: "grad"
_PRAGMAS = (
    f"busy_timeout = {BUSY_TIMEOUT_S * 1000}",
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "recursive_triggers = ON",  # without it INSERT OR REPLACE deletes a row unseen by the append-only triggers
)


class Database:
    """One gradebook, made if it is not there, and brought to this program's schema.

    :param location: path of a file, or a URL ``sqlite:///PATH`` or ``postgresql://USER@HOST/NAME``.
    :ivar name: what errors call it; without a password.
    :raises StoreError: it cannot be opened, is no gradebook, or was made by a newer grader.
    """

    def __init__(self, location: Path | str) -> None:
        self.url = database_url(location)
        self.name = str(self.url.database) if self.is_file else self.url.render_as_string(hide_password=True)
        if self.is_file:
            _make_private(self.path)
        self._reader = _sqlite(self.path) if self.is_file else _postgresql(self.url)
        self._writer = self._reader.execution_options(write=True)
        with self._words(), self._writer.begin() as connection:
            _migrate(connection, self.name)

    @property
    def is_file(self) -> bool:
        """Whether it is a file, and not on a server."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def path(self) -> Path:
        """The file. :raises UsageError: it is on a server."""
        if not self.is_file:
            raise UsageError(f"gradebook {self.name} is on a server and no file: use the server's own tools for this")
        return Path(str(self.url.database))

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent view. :raises StoreError: it cannot be read."""
        with self._words(), Session(self._reader) as session, session.begin():
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One write transaction, all or nothing; others wait. :raises StoreError: it cannot be written."""
        with self._words(), Session(self._writer) as session, session.begin():
            yield session

    def close(self) -> None:
        """Closes all connections."""
        self._reader.dispose()

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, UnicodeEncodeError) as error:
            cause = str(getattr(error, "orig", None) or error).strip()
            raise StoreError(f"gradebook {self.name}: {cause}{_advice(cause)}") from error


def database_url(location: Path | str) -> URL:
    """The URL of ``location``. :raises StoreError: it is neither a file nor a PostgreSQL server."""
    words = str(location)
    if isinstance(location, str) and words.startswith(("postgresql:", "postgres:", "postgresql+psycopg:")):
        try:
            return make_url(words).set(drivername="postgresql+psycopg")
        except (ArgumentError, ValueError) as error:
            raise StoreError("the URL of the gradebook is malformed: expected postgresql://USER@HOST/NAME") from error
    if isinstance(location, str) and words.startswith("sqlite:///"):
        words = words.removeprefix("sqlite:///")
    if not words or ":memory:" in words or "://" in words:
        shown = words.split("://")[0] + "://…" if "@" in words else words
        raise StoreError(
            f"gradebook {shown}: expected the path of a file, sqlite:///PATH or postgresql://USER@HOST/NAME"
        )
    return URL.create("sqlite", database=words)


def _advice(cause: str) -> str:
    known = {
        "not a database": ": the file is something else or damaged; restore it from a backup or use another workspace",
        "malformed": ": the file is damaged; restore it from a backup",
        "locked": f": another program held it for more than {BUSY_TIMEOUT_S} s; close that and try again",
        "lock timeout": f": another program held it for more than {BUSY_TIMEOUT_S} s; close that and try again",
        "readonly": ": it is read-only; make the file and its folder writable",
        "unable to open": ": expected a file in a folder that you may read and write",
        "full": ": the disk is full; make room and try again",
        "connection failed": ": is the server running, and is the address in GRADER_DATABASE_URL right?",
    }
    return next((advice for part, advice in known.items() if part in cause), "")


def _make_private(path: Path) -> None:
    """Makes the file for its owner only; SQLite gives the files beside it the same mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise StoreError(f"gradebook {path}: {error}: expected a file in a folder that you may write to") from error


def _sqlite(path: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path.resolve())), connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin by itself: the listener below does
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgresql(url: URL) -> Engine:
    """:raises UsageError: its driver is not installed."""
    try:
        engine = create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": BUSY_TIMEOUT_S})
    except ModuleNotFoundError as error:
        raise UsageError("a gradebook on PostgreSQL needs: pip install 'keras-grader[postgres]'") from error

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        if connection.get_execution_options().get("write", False):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_TIMEOUT_S}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

    return engine


def _version(connection: Connection, name: str) -> str | None:
    """Schema version of the gradebook, ``None`` for an empty one. :raises StoreError: it holds something else."""
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if not {"alembic_version", "attempts", "results"} <= tables:
        raise StoreError(f"{name} is no gradebook of this program, it has tables {sorted(tables)}: use another file")
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def _migrate(connection: Connection, name: str) -> None:
    version = _version(connection, name)
    if version == SCHEMA_VERSION:
        return
    # Only here: it takes a tenth of a second to import, and a gradebook that is up to date has no need of it.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    known = [s.revision for s in ScriptDirectory.from_config(config).walk_revisions()]
    if version is not None and version not in known:
        raise StoreError(
            f"gradebook {name} has schema version {version}, this grader knows versions up to {SCHEMA_VERSION}: "
            "it was written by a newer grader; install that one"
        )
    command.upgrade(config, "head")
