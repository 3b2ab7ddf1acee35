"""Attempts in a gradebook that nothing was run for."""

from dataclasses import replace

from grader.model import Attempt, CriterionScore, Execution, ExecutionOutcome, Outcome, Result, Student, Text
from grader.scoring.scores import summed


def full_marks(context, ident, graded_at=None, **first):
    """The result of an attempt at b2-1 with all points; ``first`` changes its first criterion."""
    digest = "sha256:" + ident.rjust(64, "0")
    attempt = Attempt("b2-1", digest, f"{ident}.ipynb", b"", Student(ident, f"Name {ident}"), None)
    context.gradebook.add_attempt(attempt)
    lines = [
        CriterionScore(c.id, c.points, c.points, Outcome.PASSED, c.visibility, Text("x"))
        for c in context.rubric.criteria
    ]
    lines[0] = replace(lines[0], **first)
    execution = Execution(ExecutionOutcome.OK)
    result = Result("b2-1", digest, attempt.source, attempt.student, execution, summed(lines, ()), graded_at=graded_at)
    context.gradebook.add_result(result)
    return result
