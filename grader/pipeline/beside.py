"""What is known of an attempt beside its stored result: how late it is, and what it is similar to, as of now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from grader.model import Flag, Result
from grader.pipeline.context import Context
from grader.pipeline.lateness import LateBook
from grader.pipeline.similar import similar_flags
from grader.scoring import Audience


class Beside:
    """Of one assignment, read once for all its attempts.

    :raises GraderError: a file of deadlines, extensions, times or pairs is wrong.
    """

    def __init__(self, context: Context) -> None:
        self._late = LateBook(context)
        self._similar = similar_flags(context.workspace, context.assignment.id)

    def added(self, result: Result, student_key: str) -> Result:
        """``result``, edits applied, with its lateness and flags."""
        return self._late.applied(flagged(result, self._similar.get((result.digest, student_key), ())))

    def reader(self, at: datetime) -> Audience:
        """What students may see of their results at ``at``."""
        return Audience.STUDENT_AFTER_DUE if self._late.is_over(at) else Audience.STUDENT


def flagged(result: Result, flags: Iterable[Flag]) -> Result:
    """``result`` with more flags."""
    return replace(result, score=replace(result.score, flags=(*result.score.flags, *flags)))
