"""Copies of the gradebook, and removing one person for good."""

import sqlite3

import pytest

from grader.errors import StoreError, UsageError
from grader.model import Student
from grader.store import Gradebook, backup, find_student, forget

AYA = Student("21X4001", "相川 彩", "aya@example.ac.jp")
KEN = Student("21X4002", "木村 健")


@pytest.fixture
def filled(book, attempt, result):
    for student, content in ((AYA, "a"), (KEN, "b"), (KEN, "a")):
        one = attempt(f"{student.id}-{content}", student, content=content)
        ident = book.add_attempt(one)
        book.add_result(result(one))
        book.add_edit(ident, "runs", 1.5, "tanaka", "looked at it")
        book.choose("b2-1", f"id:{student.id.lower()}", one.digest, "tanaka", "this one")
    return book


def rows(path, table):
    with sqlite3.connect(path) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def test_a_backup_is_the_whole_gradebook_and_private(filled, tmp_path):
    copy = backup(filled, tmp_path / "backups" / "copy.sqlite")
    assert copy.stat().st_mode & 0o077 == 0
    for table in ("attempts", "results", "edits", "choices"):
        assert rows(copy, table) == rows(filled.path, table) != []
    assert Gradebook(copy).integrity_check() == []
    assert [p.name for p in copy.parent.iterdir() if not p.name.endswith(("-wal", "-shm"))] == ["copy.sqlite"]


def test_a_backup_never_replaces_a_file(filled, tmp_path):
    target = tmp_path / "copy.sqlite"
    target.write_text("precious")
    with pytest.raises(UsageError, match="there already"):
        backup(filled, target)
    assert target.read_text() == "precious"


def test_a_backup_can_be_taken_while_another_connection_writes(filled, tmp_path):
    with sqlite3.connect(filled.path, isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO edits SELECT 99, attempt_id, criterion, 0, author, reason, at FROM edits LIMIT 1")
        copy = backup(filled, tmp_path / "copy.sqlite")
        writer.execute("ROLLBACK")
    assert len(rows(copy, "edits")) == 3


def test_a_backup_into_an_impossible_place_says_so(filled, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="expected a folder"):
        backup(filled, tmp_path / "file" / "copy.sqlite")


def test_one_person_is_forgotten_and_nobody_else(filled):
    forgotten = forget(filled, AYA)
    assert (len(forgotten.files), forgotten.n_results, forgotten.n_edits, forgotten.n_choices) == (1, 1, 1, 1)
    assert {a.student.id for a in filled.attempts("b2-1")} == {KEN.id}
    assert len(filled.latest_results("b2-1")) == 2
    assert filled.integrity_check() == []


def test_nothing_of_a_forgotten_person_is_left_in_the_bytes_of_the_file(filled):
    assert b"aya@example" in filled.path.read_bytes() + _beside(filled.path)
    forget(filled, AYA)
    assert b"aya@example" not in filled.path.read_bytes() + _beside(filled.path)


def _beside(path):
    return b"".join(p.read_bytes() for p in path.parent.glob(f"{path.name}-*"))


def test_rows_are_as_protected_as_before_after_somebody_was_forgotten(filled):
    forget(filled, AYA)
    with sqlite3.connect(filled.path) as connection, pytest.raises(sqlite3.Error, match="append-only"):
        connection.execute("DELETE FROM attempts")
    assert len(rows(filled.path, "attempts")) == 2


def test_a_file_that_another_student_handed_in_too_is_named_as_shared(filled, attempt):
    given = []
    forgotten = forget(
        filled, AYA, first=lambda files, shared: given.extend(f for f in files if f.digest not in shared)
    )
    assert forgotten.shared == {attempt(content="a").digest}
    assert given == []


def test_files_are_given_before_the_rows_go_and_a_failure_there_keeps_the_rows(filled):
    def fails(files, shared):
        assert {f.assignment for f in files} == {"b2-1"}
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        forget(filled, KEN, first=fails)
    assert len(filled.attempts("b2-1")) == 3


def test_the_same_file_from_before_the_student_was_known_goes_too(book, attempt):
    unknown = attempt("early", Student(), content="x")
    book.add_attempt(unknown)
    book.add_attempt(attempt("early", AYA, content="x"))
    forget(book, AYA)
    assert rows(book.path, "attempts") == []


def test_somebody_of_whom_only_the_same_name_is_known_is_left_alone_and_named(book, attempt):
    namesake = attempt("n", Student(None, AYA.name))
    book.add_attempt(attempt("a", AYA))
    book.add_attempt(namesake)
    forgotten = forget(book, AYA)
    assert forgotten.namesakes == (namesake.digest,)
    assert [a.digest for a in book.attempts("b2-1")] == [namesake.digest]


@pytest.mark.parametrize("wanted", ["21X4001", "２１ｘ４００１", "AYA@example.ac.jp", "相川 彩"])
def test_a_student_is_found_by_number_address_or_name(filled, wanted):
    assert find_student(filled, wanted) == AYA


def test_a_name_that_two_people_bear_is_refused(book, attempt):
    book.add_attempt(attempt("a", Student("1", "Kim")))
    book.add_attempt(attempt("b", Student("2", "Kim")))
    with pytest.raises(UsageError, match="fits 2 people"):
        find_student(book, "Kim")


def test_nobody_of_that_name_is_said(filled):
    with pytest.raises(UsageError, match="nobody"):
        find_student(filled, "21X9999")


def test_an_attempt_of_nobody_known_is_found_by_its_digest(book, attempt):
    one = attempt("x", Student())
    book.add_attempt(one)
    assert find_student(book, one.digest) == Student()
    assert len(forget(book, Student(), one.digest).files) == 1
