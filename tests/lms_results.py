"""Results of a small class with awkward names, for the exports."""

from __future__ import annotations

from dataclasses import replace

from grader.model import (
    CriterionScore,
    Execution,
    ExecutionOutcome,
    Lateness,
    Outcome,
    Result,
    Score,
    Status,
    Student,
    Text,
    Visibility,
)
from grader.rubric import Criterion, Rubric

RUBRIC = Rubric(
    assignment="demo",
    version="1",
    criteria=(
        Criterion(id="runs", points=5.0, title={"en": "It <runs> & ends", "ja": "最後まで動く"}),
        Criterion(id="essay", points=3.0, title={"en": "Essay"}),
        Criterion(id="secret", points=2.0, title={"en": "Secret"}, visibility=Visibility.STAFF),
    ),
)
AWKWARD = (
    Student("21X4001", "山田, 太郎", "taro@example.ac.jp"),
    Student("21X4002", 'O"Neil "Ann"', "ann@example.ac.jp"),
    Student("21X4003", "=1+1", "Eve@Example.ac.jp"),
    Student("21X4004", "two\nlines", None),
    Student("21X4005", "Ёлкин Пётр", "p@example.ac.jp"),
)


def result(student: Student, points=4.5, *, open_points=0.0, late=0.0, **more) -> Result:
    """``points`` for ``runs``; ``open_points``: the essay is still to be read; ``late``: points taken."""
    essay = None if open_points else 3.0
    lines = (
        CriterionScore("runs", points, 5.0, Outcome.PARTIAL, Visibility.PUBLIC, Text("Cell {n} failed.", {"n": "<3>"})),
        CriterionScore(
            "essay",
            essay,
            3.0,
            Outcome.NEEDS_REVIEW if open_points else Outcome.PASSED,
            Visibility.AFTER_DUE,
            Text("to be read"),
        ),
        CriterionScore("secret", 0.0, 2.0, Outcome.FAILED, Visibility.STAFF, Text("the hidden answer is 42")),
    )
    earned = points + (essay or 0.0)
    status = Status.NEEDS_REVIEW if open_points else Status.GRADED
    lateness = Lateness(
        "2026-11-20T23:59:00+09:00",
        "2026-11-22T00:00:00+00:00",
        2,
        0.0,
        10.0,
        late,
        earned - late,
        Text("Handed in late (days: {days}): nothing is taken.", {"days": 2}),
    )
    made = Result(
        assignment="demo",
        digest="sha256:" + (student.id or "0")[-1] * 64,
        source=f"class/{student.id}.ipynb",
        student=student,
        execution=Execution(ExecutionOutcome.OK, duration_s=12.34),
        score=Score(status, earned, open_points, 10.0, lines),
        graded_at="2026-11-21T10:02:00+00:00",
        handed_in_at="2026-11-20T10:00:00+00:00",
        report=f"reports/demo/{student.id}.html",
        late=lateness if late else None,
    )
    return replace(made, **more)


def unreadable(student: Student) -> Result:
    reason = Text("The file could not be read as a notebook.")
    lines = tuple(CriterionScore(c.id, None, c.points, Outcome.BLOCKED, c.visibility, reason) for c in RUBRIC.criteria)
    score = Score(Status.NOT_GRADABLE, None, 10.0, 10.0, lines, (), reason)
    return result(student, score=score, execution=Execution(ExecutionOutcome.UNREADABLE))


def klass() -> list[Result]:
    """One of each kind."""
    graded, late, formula, still_open, broken = AWKWARD
    return [
        result(graded),
        result(late, 5.0, late=0.8),
        result(formula, 0.0),
        result(still_open, 3.25, open_points=3.0),
        unreadable(broken),
    ]
