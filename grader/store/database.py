"""The SQLite file: opening it, its schema version, transactions, and errors in words.

Why these settings: WAL lets the dashboard read while grading writes. ``synchronous=FULL`` costs one fsync a commit
(milliseconds, against seconds of grading) and keeps a teacher's edit that was confirmed just before a power cut.
``BEGIN IMMEDIATE`` takes the write lock at the start, where waiting is possible; a transaction that upgrades from
reading to writing fails at once instead (https://www.sqlite.org/lang_transaction.html).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from grader.errors import StoreError
from grader.store.tables import SCHEMA_VERSION

BUSY_TIMEOUT_S = 30
_PRAGMAS = (
    f"busy_timeout = {BUSY_TIMEOUT_S * 1000}",
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "recursive_triggers = ON",  # without it INSERT OR REPLACE deletes a row unseen by the append-only triggers
)


class Database:
    """One gradebook file, made if it is not there, and brought to this program's schema.

    :raises StoreError: it cannot be opened, is no gradebook, or was made by a newer grader.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _make_private(path)
        self._reader = _engine(path)
        self._writer = self._reader.execution_options(write=True)
        with self._words(), self._writer.begin() as connection:
            _migrate(connection, path)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent view. :raises StoreError: the file cannot be read."""
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
        except (SQLAlchemyError, sqlite3.Error) as error:
            cause = getattr(error, "orig", None) or error
            raise StoreError(f"gradebook {self.path}: {cause}{_advice(str(cause))}") from error


def database_path(location: Path | str) -> Path:
    """The file of ``location``: a path, or a URL ``sqlite:///PATH``. :raises StoreError: another kind of URL."""
    text = str(location)
    if isinstance(location, str) and text.startswith("sqlite:///"):
        text = text.removeprefix("sqlite:///")
    if not text or ":memory:" in text or "://" in text:
        raise StoreError(f"gradebook {location!s}: expected the path of a file, or sqlite:///PATH")
    return Path(text)


def _advice(cause: str) -> str:
    known = {
        "not a database": ": the file is something else or damaged; restore it from a backup or use another workspace",
        "malformed": ": the file is damaged; restore it from a backup",
        "locked": f": another program held it for more than {BUSY_TIMEOUT_S} s; close that and try again",
        "readonly": ": it is read-only; make the file and its folder writable",
        "unable to open": ": expected a file in a folder that you may read and write",
        "full": ": the disk is full; make room and try again",
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


def _engine(path: Path) -> Engine:
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


def _version(connection: Connection, path: Path) -> str | None:
    """Schema version of the file, ``None`` for an empty one. :raises StoreError: it holds something else."""
    tables = {name for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return None
    if not {"alembic_version", "attempts", "results"} <= tables:
        raise StoreError(f"{path} is no gradebook of this program, it has tables {sorted(tables)}: use another file")
    return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())


def _migrate(connection: Connection, path: Path) -> None:
    version = _version(connection, path)
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
            f"gradebook {path} has schema version {version}, this grader knows versions up to {SCHEMA_VERSION}: "
            "it was written by a newer grader; install that one"
        )
    command.upgrade(config, "head")
