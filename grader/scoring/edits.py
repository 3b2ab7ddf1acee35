"""A person's points on top of the automatic ones."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from grader.model import CriterionScore, Outcome, Score, Text
from grader.scoring.points import exact, half_up
from grader.scoring.scores import summed

BY_PERSON = "Graded by a person: {reason}"
OUTGROWN = "A person gave {points} points, but this criterion is now worth {max_points}: a person must decide again."


class Edit(Protocol):
    """What an edit says. ``points`` ``None`` takes earlier edits of the criterion back."""

    @property
    def criterion(self) -> str:
        """Id of the criterion."""

    @property
    def points(self) -> float | None:
        """Points given."""

    @property
    def reason(self) -> str:
        """Why; students see it."""


def apply_edits(score: Score, edits: Iterable[Edit]) -> Score:
    """``score`` with the last edit of each criterion applied.

    The gradebook refuses an edit that does not fit when it is made. A rubric that changed since may have outgrown one:
    then nobody's points are guessed, and the criterion needs review. An edit of a criterion that is gone has no effect.

    :param edits: oldest first.
    """
    last = {e.criterion: e for e in edits}
    live = {ident: e for ident, e in last.items() if e.points is not None}
    if not any(c.id in live for c in score.criteria):
        return score
    lines = (_edited(c, live[c.id]) if c.id in live else c for c in score.criteria)
    return summed(lines, score.flags, score.reason)


def _edited(line: CriterionScore, edit: Edit) -> CriterionScore:
    given = edit.points
    if given is None or not math.isfinite(given) or not 0 <= given <= line.max_points:
        message = Text(OUTGROWN, {"points": given, "max_points": line.max_points})
        return replace(line, points=None, outcome=Outcome.NEEDS_REVIEW, message=message, hint=None)
    points = min(half_up(exact(given)), line.max_points)
    partial = Outcome.PARTIAL if points > 0 else Outcome.FAILED
    return replace(
        line,
        points=points,
        outcome=Outcome.PASSED if points == line.max_points else partial,
        message=Text(BY_PERSON, {"reason": edit.reason}),
        hint=None,
    )
