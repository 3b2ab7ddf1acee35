"""What systems that list tests need to know of one criterion, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grader.messages import Catalogue
from grader.model import Outcome, Result, Visibility
from grader.rubric import Rubric

_NOT_DECIDED = frozenset({Outcome.NEEDS_REVIEW, Outcome.ERRORED})


@dataclass(frozen=True, slots=True)
class Line:
    """One criterion. :ivar passed: ``None`` while nobody has decided. :ivar points: ``None`` while there are none."""

    id: str
    title: str
    points: float | None
    max_points: float
    passed: bool | None
    message: str
    visibility: Visibility


def lines_of(result: Result, rubric: Rubric, catalogue: Catalogue) -> Iterator[Line]:
    """The criteria of ``result`` in the language of ``catalogue``."""
    titles = rubric.texts_in(catalogue.language)
    for c in result.score.criteria:
        said = [catalogue.render(text) for text in (c.message, c.hint)]
        passed = None if c.points is None or c.outcome in _NOT_DECIDED else c.outcome is Outcome.PASSED
        title = titles.get(f"{c.id}/title") or c.id
        yield Line(c.id, title, c.points, c.max_points, passed, "\n".join(filter(None, said)), c.visibility)


def summary(result: Result, catalogue: Catalogue) -> str:
    """What is to be said of the whole: why it could not be graded, what is open, what lateness took."""
    said = [catalogue.render(result.score.reason)]
    if result.score.pending and result.score.points is not None:
        open_points = f"{result.score.pending:g}"
        said.append(catalogue.gettext("{n} more points are open: staff look at them").replace("{n}", open_points))
    if result.late is not None:
        said.append(catalogue.render(result.late.note))
    return "\n".join(filter(None, said))
