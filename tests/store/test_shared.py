"""What several servers share: tries to sign in, who reads what, pages to be written; in a file and on PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from grader.model import Student
from grader.store import Gradebook, How, Role, find_student, forget
from grader.store.shared import PRESENT_S, TRIES_S
from grader.store.tables import PresenceRow, SignInTryRow

AYA = Student("21X4001", "相川 彩", "aya@example.ac.jp")
KEN = Student("21X4002", "木村 健")


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now.isoformat(timespec="microseconds")

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def still():
    return Clock()


@pytest.fixture
def book(location, still):
    book = Gradebook(location, still)
    yield book
    book.close()


@pytest.fixture
def tries(book):
    return book.tries


def fail(tries, n, name="sensei", address="9.9.9.9"):
    return [tries.begin(name, address) for _ in range(n)]


def rows(book, table):
    with book.database.reading() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_after_five_tries_one_waits_until_the_first_of_them_counts_no_more(tries, still):
    assert fail(tries, 1) == [0.0]
    still.wait(60)
    assert fail(tries, 5) == [0.0] * 4 + [TRIES_S - 60]
    still.wait(TRIES_S - 60)
    assert fail(tries, 2) == [0.0, 60.0]


def test_one_who_waits_is_not_counted(book, tries):
    fail(tries, 20)
    assert rows(book, SignInTryRow) == 5


def test_another_server_counts_on_where_this_one_stopped(book, location, still, tries):
    fail(tries, 5)
    again = Gradebook(location, still)
    assert again.tries.begin("Sensei", "9.9.9.9") == TRIES_S
    assert again.tries.begin("tanaka", "9.9.9.9") == 0
    again.close()


def test_a_stranger_elsewhere_does_not_shut_the_owner_out_with_a_few_tries(tries):
    fail(tries, 5)
    assert tries.begin("Sensei", "9.9.9.9") > 0
    assert tries.begin("sensei", "10.0.0.1") == 0
    for k in range(44):
        assert tries.begin("sensei", f"9.9.8.{k}") == 0
    assert tries.begin("sensei", "10.0.0.1") > 0


def test_many_names_from_one_address_are_stopped_too(tries):
    assert [tries.begin(f"name{k}", "9.9.9.9") for k in range(100)] == [0.0] * 100
    assert tries.begin("another", "9.9.9.9") > 0
    assert tries.begin("another", "9.9.9.8") == 0


def test_whoever_got_in_starts_again_from_none_and_nobody_else(tries):
    fail(tries, 5)
    fail(tries, 5, "tanaka")
    tries.succeeded("SENSEI", "9.9.9.9")
    assert tries.begin("sensei", "9.9.9.9") == 0
    assert tries.begin("tanaka", "9.9.9.9") > 0


def test_of_many_at_the_very_same_time_five_get_a_try(tries):
    together = threading.Barrier(10)

    def one(_):
        together.wait(30)
        return tries.begin("sensei", "9.9.9.9")

    with ThreadPoolExecutor(10) as pool:
        waits = list(pool.map(one, range(10)))
    assert sorted(waits) == [0.0] * 5 + [TRIES_S] * 5


def test_old_tries_are_removed_and_there_are_never_more_than_are_kept(book, tries, still, monkeypatch):
    monkeypatch.setattr("grader.store.shared.TRIES_KEPT", 8)
    for k in range(12):
        tries.begin(f"name{k}", f"9.9.9.{k}")
    assert rows(book, SignInTryRow) == 8
    still.wait(TRIES_S)
    tries.begin("one", "9.9.9.9")
    assert rows(book, SignInTryRow) == 1


def test_a_long_name_or_address_is_cut_and_still_counted(tries):
    assert fail(tries, 6, "n" * 5000, "a" * 5000)[-1] > 0


def test_one_sees_who_else_reads_which_answer_lately(book, still):
    here, others = book.presence.here, book.presence.others
    here("tanaka", "b2-1", "filters", 4)
    here("tanaka", "b2-1", "filters", 7)
    here("tanaka", "b2-1", "comparison", 9)
    here("suzuki", "b2-1", "filters", 5)
    assert others("suzuki", "b2-1", "filters") == {"tanaka": 7}
    assert others("sensei", "b2-1", "filters") == {"suzuki": 5, "tanaka": 7}
    assert others("sensei", "conv-callback", "filters") == {}
    still.wait(PRESENT_S)
    assert others("sensei", "b2-1", "filters") == {}
    here("sensei", "b2-1", "filters", 1)
    assert rows(book, PresenceRow) == 1


def stale(book):
    return [(page.assignment, page.student_key) for page in book.stale_pages.all()]


def test_an_edit_or_a_choice_leaves_the_students_pages_to_be_written(book, graded, attempt):
    first = graded("a", AYA)
    graded("b", AYA)
    graded("k", KEN)
    assert stale(book) == []
    book.add_edit(first, "runs", 1.0, "ta", "r", how=How(0))
    assert stale(book) == [("b2-1", "id:21x4001")]
    book.stale_pages.written(book.stale_pages.all("b2-1"))
    assert stale(book) == []
    book.choose("b2-1", "id:21x4001", attempt("a").digest, "ta", "r")
    assert stale(book) == [("b2-1", "id:21x4001")]


def test_an_edit_that_is_refused_leaves_nothing_to_be_written(book, graded):
    ident = graded("a", AYA)
    with pytest.raises(Exception, match="no criterion"):
        book.add_edit(ident, "nothing", 1.0, "ta", "r")
    assert stale(book) == []


def test_a_page_that_changed_while_it_was_written_is_written_once_more(book, graded, still):
    ident = graded("a", AYA)
    book.add_edit(ident, "runs", 1.0, "ta", "r")
    seen = book.stale_pages.all("b2-1")
    still.wait(1)
    book.add_edit(ident, "runs", 2.0, "ta", "r")
    book.stale_pages.written(seen)
    (left,) = book.stale_pages.all("b2-1")
    assert (left.since, left.at) == (seen[0].since, still())


def test_what_is_on_all_pages_of_a_student_marks_all_of_them(book, graded):
    graded("a", AYA)
    graded("c", AYA, assignment="other")
    graded("k", KEN)
    book.stale_pages.mark_student("id:21x4001")
    assert stale(book) == [("b2-1", "id:21x4001"), ("other", "id:21x4001")]


def test_nothing_of_a_forgotten_person_is_left(book, graded):
    for name, who in (("aya", AYA), ("ken", KEN)):
        ident = graded(name, who)
        book.add_edit(ident, "runs", 1.0, "ta", "r")
        book.presence.here("ta", "b2-1", name, ident)
        book.accounts.add(name, Role.STUDENT, (), f"id:{who.id.lower()}")
        book.tries.begin(name, "9.9.9.9")
    forget(book, find_student(book, "21X4001"))
    assert stale(book) == [("b2-1", "id:21x4002")]
    assert set(book.presence.others("x", "b2-1", "ken")) == {"ta"}
    assert book.presence.others("x", "b2-1", "aya") == {}
    with book.database.reading() as session:
        assert list(session.scalars(text("SELECT name FROM sign_in_tries"))) == ["ken"]


def test_a_gradebook_of_the_version_before_is_brought_up_to_date(location, graded, book, still):
    ident = graded("a", AYA)
    with book.database.writing() as session:
        for table in ("sign_in_tries", "presence", "stale_pages"):
            session.execute(text(f"DROP TABLE {table}"))
        session.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    again = Gradebook(location, still)
    again.add_edit(ident, "runs", 1.0, "ta", "r")
    assert stale(again) == [("b2-1", "id:21x4001")]
    assert fail(again.tries, 6)[-1] > 0
    again.presence.here("ta", "b2-1", "runs", ident)
    assert again.presence.others("sensei", "b2-1", "runs") == {"ta": ident}
    again.close()
