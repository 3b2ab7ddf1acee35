from __future__ import annotations

from types import SimpleNamespace

import pytest

from grader.model import Execution, ExecutionOutcome, Outcome, Status, Text
from grader.scoring import apply_edits, not_gradable_by_us, score


def _edit(criterion, points, reason="Well explained."):
    return SimpleNamespace(criterion=criterion, points=points, reason=reason)


@pytest.fixture
def graded(rubric, check, ran):
    return score(rubric, [check("runs", "failed"), check("late", "needs_review"), check("secret", "passed")], ran)


def test_no_edit_changes_nothing(graded):
    assert apply_edits(graded, []) == graded
    assert apply_edits(graded, [_edit("gone", 1.0)]) == graded


@pytest.mark.parametrize(("points", "outcome"), [(3.0, Outcome.PASSED), (1.5, Outcome.PARTIAL), (0.0, Outcome.FAILED)])
def test_a_persons_points_decide_the_outcome_and_close_the_review(graded, points, outcome):
    edited = apply_edits(graded, [_edit("late", points)])
    assert (edited.criteria[1].outcome, edited.criteria[1].points) == (outcome, points)
    assert (edited.status, edited.pending, edited.points) == (Status.GRADED, 0.0, 5.0 + points)
    assert edited.criteria[1].message.params["reason"] == "Well explained."
    assert edited.criteria[1].checks == graded.criteria[1].checks


def test_the_last_edit_of_a_criterion_wins(graded):
    edited = apply_edits(graded, [_edit("runs", 2.0), _edit("late", 1.0), _edit("runs", 0.5)])
    assert [c.points for c in edited.criteria] == [0.5, 1.0, 5.0]


def test_an_edit_without_points_takes_earlier_ones_back(graded):
    assert apply_edits(graded, [_edit("runs", 2.0), _edit("runs", None)]) == graded


def test_an_edit_is_rounded_by_the_same_rule(graded):
    assert apply_edits(graded, [_edit("runs", 0.125)]).criteria[0].points == 0.13


@pytest.mark.parametrize("points", [2.01, -0.5, float("nan")])
def test_an_edit_that_a_changed_rubric_has_outgrown_needs_review_again(graded, points):
    edited = apply_edits(graded, [_edit("runs", points)])
    assert (edited.criteria[0].outcome, edited.criteria[0].points) == (Outcome.NEEDS_REVIEW, None)
    assert edited.status is Status.NEEDS_REVIEW


def test_an_unreadable_attempt_becomes_graded_once_a_person_decided_every_criterion(rubric):
    unreadable = score(rubric, [], Execution(ExecutionOutcome.UNREADABLE))
    some = apply_edits(unreadable, [_edit("runs", 2.0)])
    assert (some.status, some.points, some.pending, some.reason) == (Status.NEEDS_REVIEW, 2.0, 8.0, unreadable.reason)
    every = apply_edits(unreadable, [_edit(i, 1.0) for i in rubric.ids])
    assert (every.status, every.points, every.reason) == (Status.GRADED, 3.0, None)


def test_a_fault_of_ours_can_be_settled_by_a_person(rubric):
    fault = not_gradable_by_us(rubric, Text("x"))
    assert apply_edits(fault, [_edit(i, 0.0) for i in rubric.ids]).status is Status.GRADED
