"""The gradebook does the same on a PostgreSQL server as in a file; every test here runs on both."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from postgres_server import why_not
from sqlalchemy import text

from grader.config import load_settings
from grader.errors import StoreError, UsageError
from grader.model import Student
from grader.store import (
    EditConflict,
    Gradebook,
    How,
    Marking,
    Role,
    backup,
    existing_gradebook,
    find_student,
    forget,
    open_gradebook,
)

AYA = Student("21X4001", "相川 彩", "aya@example.ac.jp")
KEN = Student("21X4002", "木村 健")


@pytest.fixture
def book(location, clock):
    book = Gradebook(location, clock)
    yield book
    book.close()


def test_a_result_is_read_back_as_it_was_given(book, attempt, result):
    made = attempt("s01", AYA, source="日本語/é.ipynb")
    book.add_attempt(made)
    given = result(made, 1.25)
    book.add_result(given)
    book.add_result(given)
    (stored,) = book.latest_results("b2-1")
    assert stored.result == given
    assert [e.kind for e in book.history(stored.attempt_id)] == ["received", "result"]


def test_the_attempt_that_counts_is_the_last_or_the_chosen_one(book, graded, attempt):
    first, second = graded("a", AYA), graded("b", AYA)
    assert [s.attempt_id for s in book.counting("b2-1")] == [second]
    book.choose("b2-1", "id:21x4001", attempt("a").digest, "tanaka", "the right file")
    assert [s.attempt_id for s in book.counting("b2-1")] == [first]


def test_opening_again_keeps_what_is_there(book, graded, location):
    graded("a")
    again = Gradebook(location)
    assert len(again.latest_results("b2-1")) == 1
    again.close()


@pytest.mark.parametrize("table", ["attempts", "results", "edits", "choices", "releases", "audit", "markings"])
def test_no_row_can_be_changed_or_deleted(book, graded, attempt, table):
    ident = graded("a")
    book.add_edit(ident, "runs", 1.0, "ta", "r", how=How(0, Marking((1,), "own")))
    book.choose("b2-1", "id:a", attempt("a").digest, "ta", "r")
    book.desk.release("b2-1", "*", "student", "ta")
    book.accounts.note("ta", "did")
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET id = id"):
        with pytest.raises(StoreError, match="append-only"), book.database.writing() as session:
            session.execute(text(statement))
    assert len(book.latest_results("b2-1")) == 1


def test_of_two_who_saw_the_same_one_gets_through_and_the_other_is_told(book, graded):
    ident = graded("a")
    first = book.add_edit(ident, "runs", 1.0, "tanaka", "fair", how=How(0, Marking((), "fair")))
    with pytest.raises(EditConflict) as refused:
        book.add_edit(ident, "runs", 2.0, "suzuki", "full", how=How(0))
    assert (refused.value.last, refused.value.last.id) == (first, first.id)
    assert [e.author for e in book.latest_results("b2-1")[0].edits] == ["tanaka"]
    assert book.desk.markings([first.id]) == {first.id: Marking((), "fair")}
    book.add_edit(ident, "runs", 2.0, "suzuki", "full", how=How(first.id))
    assert [e.author for e in book.latest_results("b2-1")[0].edits] == ["tanaka", "suzuki"]


def test_of_many_at_the_very_same_time_exactly_one_gets_through(book, graded):
    ident, together = graded("a"), threading.Barrier(8)

    def give(k):
        together.wait(30)
        try:
            book.add_edit(ident, "runs", 1.0, f"ta{k}", "r", how=How(0))
        except EditConflict:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(give, range(8))) == 1
    assert len(book.latest_results("b2-1")[0].edits) == 1


def test_many_who_hand_in_at_the_same_time_lose_nothing(book, attempt, result):
    def hand_in(k):
        made = attempt(f"s{k % 10:02d}", content=f"{k % 20}")
        book.add_attempt(made)
        book.add_result(result(made, 1.0))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hand_in, range(40)))
    assert len(book.attempts("b2-1")) == len(book.latest_results("b2-1")) == 20
    assert book.integrity_check() == []


def test_an_edit_of_another_criterion_is_no_conflict(book, graded):
    ident = graded("a")
    book.add_edit(ident, "runs", 1.0, "tanaka", "fair")
    with pytest.raises(UsageError, match="no criterion"):
        book.add_edit(ident, "other", 1.0, "tanaka", "fair", how=How(0))


def test_the_stamp_of_an_assignment_differs_after_each_change_to_it_and_only_then(book, graded):
    stamps = [book.stamp("b2-1")]
    ident = graded("a")
    stamps.append(book.stamp("b2-1"))
    book.add_edit(ident, "runs", 1.0, "ta", "r")
    stamps.append(book.stamp("b2-1"))
    graded("b", assignment="other")
    assert book.stamp("b2-1") == stamps[-1]
    graded("c", points=2.0)
    stamps.append(book.stamp("b2-1"))
    forget(book, Student("a"))  # neither the newest attempt nor the newest result
    stamps.append(book.stamp("b2-1"))
    assert len(set(stamps)) == 5


def test_an_overview_reads_no_result_twice(book, graded, attempt, result):
    graded("a")
    graded("b")
    memory = {}
    first = book.overview("b2-1", memory)
    assert len(memory) == 2
    kept = {ident: found for ident, (_, found) in memory.items()}
    book.add_result(result(attempt("b"), 2.0))
    second = book.overview("b2-1", memory)
    assert [s.result.score.points for s in second.results] == [1.0, 2.0]
    assert second.results[0].result is kept[min(kept)]
    assert first.counting == second.counting


def test_one_person_is_forgotten_with_account_requests_and_marks_and_nobody_else(book, graded):
    aya, ken = graded("a", AYA), graded("k", KEN)
    for ident in (aya, ken):
        book.add_edit(ident, "runs", 1.0, "ta", "r", how=How(0, Marking((), "w")))
        book.desk.answer(book.desk.ask(ident, "runs", "please"), "no", False, "ta")
    for name, key in (("aya", "id:21x4001"), ("ken", "id:21x4002")):
        user = book.accounts.add(name, Role.STUDENT, (), key)
        book.accounts.start_session(user.id, name, "2999-01-01")
        book.accounts.note(name, "signed in")
    forgotten = forget(book, find_student(book, "21X4001"))
    assert (len(forgotten.files), forgotten.n_results, forgotten.n_edits) == (1, 1, 1)
    assert [u.name for u in book.accounts.all()] == ["ken"]
    assert [r.attempt_id for r in book.desk.requests()] == [ken]
    assert {line.who for line in book.accounts.log(10)[0]} == {"ken"}
    with pytest.raises(StoreError, match="append-only"), book.database.writing() as session:
        session.execute(text("DELETE FROM attempts"))


def test_the_setting_names_the_server(server, tmp_path):
    url = server.new_database()
    settings = load_settings({"workspace": tmp_path}, environ={"GRADER_DATABASE_URL": url})
    assert "postgresql" not in repr(settings)
    for found in (open_gradebook(settings), existing_gradebook(settings)):
        assert found.assignments() == []
        found.close()
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_named_without_its_password():
    if why_not():
        pytest.skip("the driver is there where PostgreSQL is")
    with pytest.raises(StoreError, match="GRADER_DATABASE_URL") as refused:
        Gradebook("postgresql://ann:secret@127.0.0.1:1/x?connect_timeout=2")
    assert "secret" not in str(refused.value)


def test_a_database_of_another_program_is_refused(server):
    import psycopg

    url = server.new_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE student (id int)")
    with pytest.raises(StoreError, match=r"no gradebook of this program.*student"):
        Gradebook(url)


def test_a_gradebook_on_a_server_is_copied_by_the_servers_tools(server, tmp_path):
    book = Gradebook(server.new_database())
    with pytest.raises(UsageError, match="server"):
        backup(book, tmp_path / "copy")
    book.close()


def test_the_migrations_make_the_tables_that_the_code_declares(server):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from grader.store.tables import Base

    book = Gradebook(server.new_database())
    with book.database.writing() as session:
        assert compare_metadata(MigrationContext.configure(session.connection()), Base.metadata) == []
    book.close()
