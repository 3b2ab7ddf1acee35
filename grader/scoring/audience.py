"""What of a score an audience may see."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from grader.model import CriterionScore, FlagKind, Outcome, Score, Text, Visibility


class Audience(StrEnum):
    """Who reads: a student before or after the due date, or staff."""

    STUDENT = "student"
    STUDENT_AFTER_DUE = "student_after_due"
    STAFF = "staff"


_SEES = {
    Audience.STUDENT: {Visibility.PUBLIC},
    Audience.STUDENT_AFTER_DUE: {Visibility.PUBLIC, Visibility.AFTER_DUE},
    Audience.STAFF: set(Visibility),
}

# A suspicion is a person's to judge first, and `similar` tells of somebody else's work.
_STAFF_FLAGS = {FlagKind.TAMPERING, FlagKind.STALE_OUTPUTS, FlagKind.SIMILAR}

HIDDEN = {
    Visibility.AFTER_DUE: Text("What was checked here is shown after the due date."),
    Visibility.STAFF: Text("What was checked here is shown to staff only."),
}


def redact(score: Score, audience: Audience) -> Score:
    """``score`` as ``audience`` may see it; staff see all.

    Every line keeps its points, so that they still add up. A line that is not for students says no more than that; of
    the others students do not see tracebacks, nor the messages of checks that a fault of ours stopped.
    """
    if audience is Audience.STAFF:
        return score
    lines = tuple(_shown(c) if c.visibility in _SEES[audience] else _hidden(c) for c in score.criteria)
    flags = tuple(f for f in score.flags if f.kind not in _STAFF_FLAGS)
    return replace(score, criteria=lines, flags=flags)


def _hidden(line: CriterionScore) -> CriterionScore:
    return replace(line, message=HIDDEN[line.visibility], hint=None, measured={}, checks=())


def _shown(line: CriterionScore) -> CriterionScore:
    checks = tuple(replace(c, detail=None) for c in line.checks if c.outcome is not Outcome.ERRORED)
    return replace(line, checks=checks)
