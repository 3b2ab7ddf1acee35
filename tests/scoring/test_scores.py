from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.errors import CourseError
from grader.model import (
    CheckResult,
    Execution,
    ExecutionOutcome,
    Flag,
    FlagKind,
    Outcome,
    Status,
    Text,
    Visibility,
)
from grader.rubric import Criterion, Rubric
from grader.scoring import not_gradable_by_us, score


def test_an_attempt_with_all_checks_passed_is_graded_with_all_points(rubric, check, ran):
    found = score(rubric, [check(i, "passed") for i in rubric.ids], ran)
    assert (found.status, found.points, found.pending, found.max_points) == (Status.GRADED, 10.0, 0.0, 10.0)
    assert {c.outcome for c in found.criteria} == {Outcome.PASSED}


@pytest.mark.parametrize(
    ("outcomes", "expected", "points"),
    [
        (["passed", "passed"], Outcome.PASSED, 10.0),
        (["passed", "failed"], Outcome.PARTIAL, 5.0),
        (["passed", "blocked"], Outcome.PARTIAL, 5.0),
        (["partial", "failed"], Outcome.PARTIAL, 2.5),
        (["failed", "blocked"], Outcome.FAILED, 0.0),
        (["blocked", "blocked"], Outcome.BLOCKED, 0.0),
        (["passed", "errored"], Outcome.ERRORED, None),
        (["failed", "errored"], Outcome.ERRORED, None),
        (["needs_review", "errored"], Outcome.ERRORED, None),
        (["passed", "needs_review"], Outcome.NEEDS_REVIEW, None),
        (["blocked", "needs_review"], Outcome.NEEDS_REVIEW, None),
    ],
)
def test_the_outcome_of_a_criterion_follows_from_its_checks(one, check, ran, outcomes, expected, points):
    line = score(one(), [check("runs", o) for o in outcomes], ran).criteria[0]
    assert (line.outcome, line.points) == (expected, points)


def test_a_fault_of_ours_withholds_the_points_and_never_becomes_a_zero(rubric, check, ran):
    found = score(rubric, [check("runs", "errored"), check("late", "failed"), check("secret", "passed")], ran)
    assert (found.status, found.points, found.pending) == (Status.NEEDS_REVIEW, 5.0, 2.0)


def test_a_criterion_that_no_check_reported_on_is_our_fault(rubric, check, ran):
    found = score(rubric, [check("runs", "passed"), check("late", "passed")], ran)
    line = found.criteria[2]
    assert (line.outcome, line.points, found.pending) == (Outcome.ERRORED, None, 5.0)
    assert "fault on our side" in line.message.id


@pytest.mark.parametrize("fields", [{"credit": 1.5}, {"credit": math.nan}, {"weight": -1.0}, {"weight": math.inf}])
def test_numbers_that_cannot_be_right_are_our_fault_and_kept_for_staff(one, check, ran, fields):
    line = score(one(), [check("runs", "failed", detail="trace", **fields)], ran).criteria[0]
    assert (line.outcome, line.points) == (Outcome.ERRORED, None)
    assert "expected 0" in line.checks[0].detail
    assert "trace" in line.checks[0].detail


def test_checks_without_any_weight_cannot_give_points(one, check, ran):
    assert score(one(), [check("runs", "passed", weight=0.0)], ran).criteria[0].outcome is Outcome.ERRORED


def test_a_check_of_weight_zero_takes_no_points(one, check, ran):
    line = score(one(), [check("runs", "passed"), check("runs", "failed", weight=0.0)], ran).criteria[0]
    assert (line.outcome, line.points) == (Outcome.PASSED, 10.0)


def test_a_check_without_credit_waits_for_a_person(one, check, ran):
    assert score(one(), [check("runs", "passed", credit=None)], ran).criteria[0].outcome is Outcome.NEEDS_REVIEW


def test_passed_with_less_than_full_credit_is_partial(one, check, ran):
    assert score(one(), [check("runs", "passed", credit=0.5)], ran).criteria[0].outcome is Outcome.PARTIAL


def test_the_most_serious_message_is_shown_and_all_checks_are_kept(one, check, ran):
    results = [
        check("runs", "passed", measured={"a": 1, "b": 1}),
        check("runs", "failed", message=Text("first"), hint=Text("try"), measured={"b": 2}),
        check("runs", "failed", message=Text("second"), measured={"b": 3}),
    ]
    line = score(one(), results, ran).criteria[0]
    assert (line.message.id, line.hint.id) == ("first", "try")
    assert line.measured == {"a": 1, "b": 2}
    assert line.checks == tuple(results)


@pytest.mark.parametrize("order", [["errored", "failed", "partial", "blocked", "needs_review", "passed"]])
def test_messages_are_ranked_by_how_serious_they_are(one, check, ran, order):
    for i in range(len(order)):
        shown = score(one(), [check("runs", o) for o in reversed(order[i:])], ran).criteria[0].message.id
        assert shown == f"{order[i]} message"


def test_an_unreadable_file_is_not_gradable_and_gets_no_zero(rubric, check):
    unreadable = Execution(ExecutionOutcome.UNREADABLE, notes=(Text("The file is empty."),))
    found = score(rubric, [], unreadable)
    assert (found.status, found.points, found.pending) == (Status.NOT_GRADABLE, None, 10.0)
    assert found.reason == Text("The file is empty.")
    assert {(c.outcome, c.points) for c in found.criteria} == {(Outcome.BLOCKED, None)}
    assert score(rubric, [], unreadable, reason=Text("Why.")).reason == Text("Why.")
    assert score(rubric, [], replace(unreadable, notes=())).reason.id


def test_a_crash_of_the_harness_leaves_every_point_open(rubric):
    found = not_gradable_by_us(rubric, Text("Out of disk."))
    assert (found.status, found.points, found.pending) == (Status.NEEDS_REVIEW, 0.0, 10.0)
    assert {c.outcome for c in found.criteria} == {Outcome.ERRORED}
    assert found.reason == Text("Out of disk.")


def test_only_visible_criteria_count_in_the_students_own_check(rubric, check, ran):
    found = score(rubric, [check("runs", "passed"), check("secret", "failed")], ran, visible={Visibility.PUBLIC})
    assert [c.id for c in found.criteria] == ["runs"]
    assert (found.points, found.max_points) == (2.0, 2.0)


def test_a_check_for_an_unknown_criterion_is_refused(rubric, check, ran):
    with pytest.raises(CourseError, match="nowhere"):
        score(rubric, [check("nowhere", "passed")], ran)


def test_a_criterion_of_no_points_that_errored_still_needs_review(one, check, ran):
    assert score(one(0.0), [check("runs", "errored")], ran).status is Status.NEEDS_REVIEW


def test_flags_take_no_points(one, check, ran):
    flag = Flag(FlagKind.TAMPERING, Text("x"))
    found = score(one(), [check("runs", "passed")], ran, flags=[flag])
    assert (found.points, found.flags) == (10.0, (flag,))


_checks = st.builds(
    CheckResult,
    check=st.just("t"),
    criterion=st.sampled_from(["c0", "c1", "c2"]),
    outcome=st.sampled_from(Outcome),
    credit=st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 1),
    message=st.just(Text("m")),
    weight=st.floats(0, 100) | st.floats(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 3000), min_size=3, max_size=3), st.lists(_checks, max_size=8))
def test_points_and_pending_always_add_up(ran, cents, results):
    criteria = tuple(Criterion(id=f"c{i}", points=c / 100, title={"en": "t"}) for i, c in enumerate(cents))
    found = score(Rubric(assignment="demo", version="1", criteria=criteria), results, ran)
    given_points = [c.points for c in found.criteria if c.points is not None]
    assert found.points == round(sum(given_points), 2)
    assert found.max_points == sum(cents) / 100
    assert found.points + found.pending <= found.max_points + 1e-9
    assert all(p == round(p, 2) and p >= 0 for p in given_points)
    assert (found.status is Status.NEEDS_REVIEW) == any(c.points is None for c in found.criteria)
    undecided = {Outcome.ERRORED, Outcome.NEEDS_REVIEW}
    assert all((c.points is None) == (c.outcome in undecided) for c in found.criteria)
