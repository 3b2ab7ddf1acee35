"""Turns what the checks of one attempt found into a score."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from grader.errors import CourseError
from grader.model import (
    CheckResult,
    CriterionScore,
    Execution,
    ExecutionOutcome,
    Flag,
    Outcome,
    Score,
    Status,
    Text,
    Visibility,
)
from grader.rubric import Criterion, Rubric
from grader.scoring.points import share_of, total

_MOST_SERIOUS_FIRST = (
    Outcome.ERRORED,
    Outcome.FAILED,
    Outcome.PARTIAL,
    Outcome.BLOCKED,
    Outcome.NEEDS_REVIEW,
    Outcome.PASSED,
)

CHECK_FAULT = Text(
    "This could not be checked because of a fault on our side. It costs you no points: staff will look at it."
)
NO_CHECK = Text("No check reported on this criterion, which is a fault on our side. Staff will look at it.")
UNREADABLE = Text("The file could not be read as a notebook.")


def score(
    rubric: Rubric,
    results: Sequence[CheckResult],
    execution: Execution,
    *,
    flags: Iterable[Flag] = (),
    visible: Collection[Visibility] | None = None,
    reason: Text | None = None,
) -> Score:
    """The score of one attempt.

    An unreadable file is not gradable: its score and all points are ``None``, and stay open until a person decides or
    the student hands in a readable file. Anything else is graded, or needs review while some criterion has no points.

    :param visible: score only criteria of these visibilities (the student's own check); ``None``: all.
    :param reason: why the file is unreadable; by default the first note of the execution.
    :raises CourseError: a check names a criterion that the rubric does not have.
    """
    _refuse_unknown(rubric, results)
    criteria = _visible(rubric, visible)
    if execution.outcome is ExecutionOutcome.UNREADABLE:
        why = reason or next(iter(execution.notes), UNREADABLE)
        lines = (_open(c, Outcome.BLOCKED, why) for c in criteria)
        return replace(summed(lines, flags, why), status=Status.NOT_GRADABLE, points=None)
    return summed((_line(c, [r for r in results if r.criterion == c.id]) for c in criteria), flags)


def not_gradable_by_us(
    rubric: Rubric,
    reason: Text,
    *,
    flags: Iterable[Flag] = (),
    visible: Collection[Visibility] | None = None,
) -> Score:
    """The score of an attempt that the harness failed on: every criterion errored, every point pending."""
    return summed((_open(c, Outcome.ERRORED, reason) for c in _visible(rubric, visible)), flags, reason)


def summed(lines: Iterable[CriterionScore], flags: Iterable[Flag], reason: Text | None = None) -> Score:
    """The lines with their sums. It needs review while a line has no points; ``reason`` goes once none is open."""
    criteria = tuple(lines)
    pending = [c for c in criteria if c.points is None]
    return Score(
        status=Status.NEEDS_REVIEW if pending else Status.GRADED,
        points=total(c.points for c in criteria if c.points is not None),
        pending=total(c.max_points for c in pending),
        max_points=total(c.max_points for c in criteria),
        criteria=criteria,
        flags=tuple(flags),
        reason=reason if pending else None,
    )


def _visible(rubric: Rubric, visible: Collection[Visibility] | None) -> list[Criterion]:
    return [c for c in rubric.criteria if visible is None or c.visibility in visible]


def _refuse_unknown(rubric: Rubric, results: Iterable[CheckResult]) -> None:
    for result in results:
        if result.criterion not in rubric.ids:
            raise CourseError(
                f"check {result.check} is for criterion {result.criterion!r}, rubric {rubric.assignment} has "
                f"{', '.join(rubric.ids)}: correct its marker or add the criterion to rubric.toml"
            )


def _open(criterion: Criterion, outcome: Outcome, message: Text) -> CriterionScore:
    return CriterionScore(criterion.id, None, criterion.points, outcome, criterion.visibility, message)


def _line(criterion: Criterion, reported: Sequence[CheckResult]) -> CriterionScore:
    checks = tuple(_sound(r) for r in reported)
    if not checks:
        return _open(criterion, Outcome.ERRORED, NO_CHECK)
    if not any(c.weight > 0 for c in checks):
        return replace(_open(criterion, Outcome.ERRORED, CHECK_FAULT), checks=checks)
    points = None
    if not any(c.outcome in (Outcome.ERRORED, Outcome.NEEDS_REVIEW) for c in checks):
        points = share_of(criterion.points, ((c.weight, c.credit or 0.0) for c in checks))
    shown = min(checks, key=lambda c: _MOST_SERIOUS_FIRST.index(c.outcome))
    merged = {key: value for c in (*checks, shown) for key, value in c.measured.items()}
    return CriterionScore(
        criterion.id,
        points,
        criterion.points,
        _outcome(checks),
        criterion.visibility,
        shown.message,
        shown.hint,
        merged,
        checks,
    )


def _sound(check: CheckResult) -> CheckResult:
    """``check``, or a fault of ours where its numbers cannot be right: a bug in a rubric costs a student nothing."""
    credit = check.credit
    if not (math.isfinite(check.weight) and check.weight >= 0):
        fault = f"weight {check.weight}: expected 0 or more"
    elif credit is not None and not 0 <= credit <= 1:
        fault = f"credit {credit}: expected 0 to 1"
    elif credit is None and check.outcome in (Outcome.PASSED, Outcome.PARTIAL, Outcome.FAILED):
        return replace(check, outcome=Outcome.NEEDS_REVIEW)
    else:
        return check
    detail = "\n".join(filter(None, (f"{check.check} reported {fault}", check.detail)))
    return replace(check, outcome=Outcome.ERRORED, credit=None, weight=1.0, message=CHECK_FAULT, detail=detail)


def _outcome(checks: Sequence[CheckResult]) -> Outcome:
    """Outcome of a criterion; a check of weight 0 is for information, it counts only when it errored or is open."""
    found = {c.outcome for c in checks}
    for undecided in (Outcome.ERRORED, Outcome.NEEDS_REVIEW):
        if undecided in found:
            return undecided
    counted = [c for c in checks if c.weight > 0]
    if all(c.outcome is Outcome.PASSED and c.credit == 1 for c in counted):
        return Outcome.PASSED
    if all(c.outcome is Outcome.BLOCKED for c in counted):
        return Outcome.BLOCKED
    return Outcome.PARTIAL if any(c.credit for c in counted) else Outcome.FAILED
