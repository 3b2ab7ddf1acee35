from __future__ import annotations

import math
from dataclasses import replace

import pytest

from grader.errors import StoreError, UsageError
from grader.model import Student, Text
from grader.store import Role
from grader.store.student import results_of

ANN = Student(id="21X4001", name="Ann")


def test_a_result_is_read_back_as_it_was_given(book, attempt, result):
    made = attempt(handed_in_at="2026-01-01T00:00:00+00:00")
    book.add_attempt(made)
    given = result(made)
    book.add_result(given)
    (stored,) = book.latest_results("b2-1")
    assert stored.result == given
    assert stored.student_key == "id:s01"
    assert stored.edits == ()


def test_an_attempt_is_read_back_as_it_was_given(book, attempt):
    given = attempt(
        conflicts=(Text("two names"),), notes=(Text("n"),), unreadable=Text("cut {at}", {"at": 3}), language="ja"
    )
    book.add_attempt(given)
    (stored,) = book.attempts("b2-1")
    for name in ("assignment", "digest", "source", "student", "conflicts", "notes", "unreadable", "language"):
        assert getattr(stored, name) == getattr(given, name)
    assert (stored.graded, stored.number) == (False, 1)


def test_the_same_file_of_the_same_student_is_the_same_attempt(book, attempt):
    assert book.add_attempt(attempt()) == book.add_attempt(attempt())
    assert len(book.attempts("b2-1")) == 1


def test_two_students_with_the_very_same_file_are_two_attempts(book, graded):
    graded("a", content="same")
    graded("b", content="same")
    assert [s.student_key for s in book.counting("b2-1")] == ["id:a", "id:b"]


def test_the_same_file_for_another_assignment_is_another_attempt(book, attempt):
    book.add_attempt(attempt())
    book.add_attempt(attempt(assignment="conv-callback"))
    assert book.assignments() == ["b2-1", "conv-callback"]
    assert len(book.attempts("b2-1")) == 1


def test_a_result_without_its_attempt_is_refused(book, attempt, result):
    with pytest.raises(StoreError, match="add_attempt"):
        book.add_result(result(attempt()))


def test_the_latest_result_of_an_attempt_is_shown_and_earlier_ones_are_kept(book, attempt, result, graded):
    ident = graded(points=1.0)
    book.add_result(result(attempt(), 2.0, rubric_version="2"))
    (stored,) = book.latest_results("b2-1")
    assert (stored.result.score.points, stored.result.rubric_version) == (2.0, "2")
    assert [e.points for e in book.history(ident) if e.kind == "result"] == [1.0, 2.0]


def test_a_number_that_is_not_finite_is_kept_as_unknown(book, attempt, result):
    made = attempt()
    book.add_attempt(made)
    given = result(made)
    book.add_result(replace(given, execution=replace(given.execution, duration_s=math.nan)))
    assert book.latest_results("b2-1")[0].result.execution.duration_s is None


def test_the_attempt_handed_in_last_counts_whatever_the_order_of_grading(book, graded):
    late = graded("late", ANN, handed_in_at="2026-01-03T00:00:00+00:00")
    graded("early", ANN, handed_in_at="2026-01-02T23:59:59Z")
    (counting,) = book.counting("b2-1")
    assert counting.attempt_id == late
    assert counting.result.attempt_number == 2
    assert [s.result.attempt_number for s in book.latest_results("b2-1")] == [2, 1]


def test_times_of_other_time_zones_are_compared_as_moments(book, graded):
    graded("a", ANN, handed_in_at="2026-01-02T08:00:00+09:00")
    utc = graded("b", ANN, handed_in_at="2026-01-02T00:00:00+00:00")
    assert book.counting("b2-1")[0].attempt_id == utc


def test_without_a_time_of_handing_in_the_order_of_adding_decides(book, graded):
    graded("a", ANN)
    second = graded("b", ANN, handed_in_at="some day")
    assert book.counting("b2-1")[0].attempt_id == second


def test_an_attempt_whose_grading_was_interrupted_does_not_count_yet(book, graded, attempt):
    first = graded("a", ANN)
    book.add_attempt(attempt("b", ANN))
    assert book.counting("b2-1")[0].attempt_id == first
    assert [a.graded for a in book.attempts("b2-1")] == [True, False]


def test_attempts_of_nobody_known_each_stand_alone(book, graded):
    graded("a", Student())
    graded("b", Student())
    assert len(book.counting("b2-1")) == 2


def test_a_person_can_choose_which_attempt_counts_until_another_file_comes(book, graded, attempt):
    first = graded("a", ANN)
    graded("b", ANN)
    book.choose("b2-1", "id:21x4001", attempt("a").digest, "ta", "The second one was a test.")
    assert book.counting("b2-1")[0].attempt_id == first
    third = graded("c", ANN)
    assert book.counting("b2-1")[0].attempt_id == third
    book.choose("b2-1", "id:21x4001", attempt("a").digest, "ta", "Still the first.")
    assert book.counting("b2-1")[0].attempt_id == first
    assert [e.reason for e in book.history(first) if e.kind == "choice"] == [
        "The second one was a test.",
        "Still the first.",
    ]


def test_only_an_attempt_of_that_student_can_be_chosen(book, graded, attempt):
    graded("a", ANN)
    graded("b")
    with pytest.raises(UsageError, match="has no attempt"):
        book.choose("b2-1", "id:21x4001", attempt("b").digest, "ta", "why")


def test_edits_are_kept_with_author_reason_and_time_oldest_first(book, graded):
    ident = graded()
    book.add_edit(ident, "runs", 2.0, "ta", "Fair.")
    book.add_edit(ident, "runs", None, "prof", "Back.")
    (stored,) = book.latest_results("b2-1")
    assert [(e.criterion, e.points, e.author, e.reason) for e in stored.edits] == [
        ("runs", 2.0, "ta", "Fair."),
        ("runs", None, "prof", "Back."),
    ]
    assert stored.edits[0].at < stored.edits[1].at
    assert stored.result.score.points == 1.0
    assert [e.kind for e in book.history(ident)] == ["received", "result", "edit", "edit"]


def test_edits_survive_a_new_grading(book, attempt, result, graded):
    book.add_edit(graded(), "runs", 2.0, "ta", "Fair.")
    book.add_result(result(attempt(), 0.0))
    assert len(book.latest_results("b2-1")[0].edits) == 1


@pytest.mark.parametrize(
    ("criterion", "points", "author", "reason"),
    [
        ("runs", 2.5, "ta", "r"),
        ("runs", -1.0, "ta", "r"),
        ("runs", math.nan, "ta", "r"),
        ("gone", 1.0, "ta", "r"),
        ("runs", 1.0, " ", "r"),
        ("runs", 1.0, "ta", ""),
    ],
)
def test_an_edit_that_does_not_fit_is_refused_and_not_kept(book, graded, criterion, points, author, reason):
    ident = graded()
    with pytest.raises(UsageError, match="expected"):
        book.add_edit(ident, criterion, points, author, reason)
    assert book.latest_results("b2-1")[0].edits == ()


def test_what_has_no_result_cannot_be_edited(book, attempt):
    with pytest.raises(UsageError, match="no result"):
        book.add_edit(book.add_attempt(attempt()), "runs", 1.0, "ta", "r")
    with pytest.raises(UsageError, match="no attempt 99"):
        book.add_edit(99, "runs", 1.0, "ta", "r")
    with pytest.raises(UsageError, match="no attempt 99"):
        book.history(99)


def test_a_student_who_became_known_later_keeps_the_attempt_with_its_edits(book, graded):
    unknown = graded("a", Student())
    book.add_edit(unknown, "runs", 2.0, "ta", "Fair.")
    known = graded("a", ANN)
    (stored,) = book.counting("b2-1")
    assert (stored.attempt_id, stored.student_key, len(stored.edits)) == (known, "id:21x4001", 1)
    graded("a", Student())
    assert [s.result.student for s in book.counting("b2-1")] == [ANN]
    assert {e.kind for e in book.history(unknown)} == {"received", "result", "edit"}


def test_the_same_file_under_another_path_by_nobody_known_belongs_to_the_student_it_is_known_for(book, graded):
    graded("a", Student(), source="old/a.ipynb")
    graded("a", ANN, source="new/a.ipynb")
    assert [s.student_key for s in book.counting("b2-1")] == ["id:21x4001"]
    graded("a", Student(id="other"), source="third/a.ipynb")
    assert len(book.counting("b2-1")) == 3  # now nobody can tell whose the first one was


def test_a_choice_made_before_the_student_was_known_still_holds(book, graded, attempt):
    first = graded("a", Student(name="Ann"))
    graded("b", Student(name="Ann"))
    book.choose("b2-1", "name:ann", attempt("a").digest, "ta", "why")
    graded("a", ANN)
    graded("b", ANN)
    (counting,) = book.counting("b2-1")
    assert counting.result.digest == attempt("a").digest
    assert counting.attempt_id != first


def test_a_new_gradebook_is_sound_and_so_is_a_used_one(book, graded):
    assert book.integrity_check() == []
    book.add_edit(graded(), "runs", 2.0, "ta", "Fair.")
    assert book.integrity_check() == []


def test_a_result_that_says_nothing_new_is_not_kept_twice(book, attempt, result):
    one = attempt()
    ident = book.add_attempt(one)
    for points in (1.0, 1.0, 2.0, 2.0, 1.0):
        book.add_result(result(one, points=points))
    assert [e.points for e in book.history(ident) if e.kind == "result"] == [1.0, 2.0, 1.0]


def test_a_choice_of_one_student_leaves_the_view_of_another_alone(book, graded):
    graded("a")
    b = graded("b")
    digest = book.attempts("b2-1")[0].digest
    book.choose("b2-1", "id:a", digest, "ta", "the right file")
    results, counting = results_of(book, "b2-1", "id:b")
    assert ([one.attempt_id for one in results], counting) == ([b], {b})


@pytest.mark.parametrize(("name", "other"), [("tanaka", "Tanaka"), ("Ирина", "ирина"), ("Élodie", "élodie")])
def test_a_user_is_found_whatever_the_case_of_the_letters(book, name, other):
    made = book.accounts.add(name, Role.INSTRUCTOR)
    assert [book.accounts.named(n) for n in (name, other)] == [made, made]
    with pytest.raises(UsageError, match="already"):
        book.accounts.add(other, Role.TA, ("A",))
