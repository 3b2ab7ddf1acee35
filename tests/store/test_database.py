from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from grader.errors import StoreError
from grader.store import Gradebook
from grader.store.tables import SCHEMA_VERSION, Base

TABLES = ("attempts", "results", "edits", "choices")


@pytest.fixture
def full(book, graded, attempt):
    """A gradebook with a row in each table."""
    book.add_edit(graded("a"), "runs", 2.0, "ta", "Fair.")
    book.choose("b2-1", "id:a", attempt("a").digest, "ta", "why")
    return book


def _execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize("table", TABLES)
def test_no_row_can_be_changed_or_deleted_even_from_outside(full, table):
    for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}"):
        with pytest.raises(sqlite3.DatabaseError, match="append-only"):
            _execute(full.path, statement)


def test_no_row_can_be_replaced_through_the_gradebooks_own_connections(full):
    statement = "INSERT OR REPLACE INTO edits SELECT id, attempt_id, criterion, 0, author, reason, at FROM edits"
    with pytest.raises(StoreError, match="append-only"), full._database.writing() as session:
        session.execute(text(statement))
    assert full.latest_results("b2-1")[0].edits[0].points == 2.0


def test_the_settings_of_a_connection_are_as_documented(book):
    with book._database.reading() as session:
        found = {p: session.scalar(text(f"PRAGMA {p}")) for p in ("journal_mode", "foreign_keys", "synchronous")}
        assert found == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2}
        assert session.scalar(text("PRAGMA busy_timeout")) == 30_000


def test_a_reference_to_a_missing_attempt_is_refused(book):
    with pytest.raises(StoreError, match="FOREIGN KEY"), book._database.writing() as session:
        session.execute(text("INSERT INTO edits VALUES (1, 99, 'runs', 1, 'ta', 'r', 'now')"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_the_file_is_for_its_owner_only(full):
    files = list(full.path.parent.glob("gradebook.sqlite*"))
    assert len(files) > 1
    assert {f.stat().st_mode & 0o777 for f in files} == {0o600}
    full.close()
    full.path.chmod(0o644)
    Gradebook(full.path).close()
    assert full.path.stat().st_mode & 0o777 == 0o600


def test_the_migrations_make_the_tables_that_the_code_declares(book):
    engine = create_engine(f"sqlite:///{book.path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
        assert context.get_current_heads() == (SCHEMA_VERSION,)
    engine.dispose()


def test_opening_again_keeps_what_is_there(full):
    full.close()
    again = Gradebook(f"sqlite:///{full.path}")
    assert len(again.latest_results("b2-1")) == 1
    again.close()


def test_a_gradebook_of_a_newer_grader_is_refused_and_left_alone(full):
    full.close()
    _execute(full.path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"version 9999.*newer"):
        Gradebook(full.path)
    with closing(sqlite3.connect(full.path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)


def test_an_upgrade_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "gradebook.sqlite"
    upgrade = command.upgrade

    def fail(*args):
        upgrade(*args)
        raise RuntimeError("power cut")

    monkeypatch.setattr(command, "upgrade", fail)
    with pytest.raises(RuntimeError):
        Gradebook(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_a_data_base_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.db"
    _execute(path, "CREATE TABLE student (id)")
    with pytest.raises(StoreError, match=r"no gradebook of this program.*student"):
        Gradebook(path)
    with closing(sqlite3.connect(path)) as connection:
        assert [n for (n,) in connection.execute("SELECT name FROM sqlite_master")] == ["student"]


def test_a_file_that_is_no_data_base_is_refused_with_advice(tmp_path):
    path = tmp_path / "gradebook.sqlite"
    path.write_text("hello " * 1000, "utf-8")
    with pytest.raises(StoreError, match="something else or damaged"):
        Gradebook(path)


@pytest.mark.parametrize("location", ["sqlite://", ":memory:", "sqlite:///:memory:", "mysql://h/db", ""])
def test_a_location_that_is_no_file_is_refused(location):
    with pytest.raises(StoreError, match="expected the path of a file"):
        Gradebook(location)


def test_a_folder_in_its_place_is_refused(tmp_path):
    with pytest.raises(StoreError, match="gradebook"):
        Gradebook(tmp_path)


def test_a_damaged_record_is_found_by_the_integrity_check(full):
    full.close()
    _execute(full.path, "DROP TRIGGER results_no_update")
    _execute(full.path, "UPDATE results SET score = '{'")
    again = Gradebook(full.path)
    (fault,) = again.integrity_check()
    again.close()
    assert fault.startswith("result 1: ")


def test_several_threads_write_at_the_same_time_and_nothing_is_lost(book, attempt, result):
    start = threading.Barrier(4)

    def work(worker: int) -> None:
        start.wait()
        for i in range(5):
            made = attempt(f"s{worker}-{i}")
            book.add_attempt(made)
            book.add_result(result(made))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(book.counting("b2-1")) == 20


def test_threads_that_add_the_same_attempt_get_the_same_one(book, attempt):
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: book.add_attempt(attempt()), range(12)))) == 1


_WRITER = """
import sys
from grader.model import Attempt, Student
from grader.store import Gradebook
book = Gradebook(sys.argv[1])
for i in range(10):
    name = f"{sys.argv[2]}-{i}"
    book.add_attempt(Attempt("b2-1", "sha256:" + name, name, b"", Student(id=name), None))
"""


def test_two_processes_make_and_fill_one_gradebook_together(tmp_path):
    path = tmp_path / "new" / "gradebook.sqlite"
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, path, str(n)]) for n in range(2)]
    assert [w.wait(60) for w in writers] == [0, 0]
    book = Gradebook(path)
    assert len(book.attempts("b2-1")) == 20
    assert book.integrity_check() == []
    book.close()


def test_a_reader_sees_the_state_before_an_unfinished_write(full, attempt):
    other = Gradebook(full.path)
    with full._database.writing() as session:
        session.execute(text("INSERT INTO edits VALUES (77, 1, 'runs', 1, 'ta', 'r', 'now')"))
        assert len(other.latest_results("b2-1")[0].edits) == 1
    assert len(other.latest_results("b2-1")[0].edits) == 2
    other.close()
