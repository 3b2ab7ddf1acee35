"""Which grades go out, on which scale, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grader.errors import UsageError
from grader.model import Result, Status, Student


@dataclass(frozen=True, slots=True)
class Grade:
    """The grade of one student, after what lateness takes."""

    student: Student
    source: str
    points: float

    @property
    def label(self) -> str:
        """Who it is, for a message to staff."""
        return self.student.id or self.student.name or self.student.email or self.source


@dataclass(frozen=True, slots=True)
class Filled:
    """A file for another system.

    :ivar n_written: grades in it. :ivar not_found: students who are not in the system's own list.
    :ivar left_out: students whose points are still open.
    """

    content: bytes
    n_written: int
    not_found: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class Grades:
    """Grades of a class.

    :param results: one a student, edits and lateness applied.
    :param with_open: also those of which points are still open, with what is certain so far.
    :param scale: convert to another maximum, instead of refusing it.
    """

    def __init__(self, results: Sequence[Result], *, with_open: bool = False, scale: bool = False) -> None:
        self._scale = scale
        self.max_points = results[0].score.max_points if results else 0.0
        known, left_out = [], []
        for result in results:
            final = result.final
            wanted = result.score.status is Status.GRADED or (with_open and result.score.status is Status.NEEDS_REVIEW)
            if final is not None and wanted:
                known.append(Grade(result.student, result.source, final))
            else:
                left_out.append(Grade(result.student, result.source, 0.0).label)
        self.known, self.left_out = tuple(known), tuple(left_out)

    def scaled(self, grade: Grade, maximum: float | None, where: str) -> float:
        """The points on a scale that ends at ``maximum`` (``None``: nobody says).

        :raises UsageError: it is another scale than the rubric's, and nobody asked to convert.
        """
        if maximum is None or maximum == self.max_points:
            return grade.points
        if not self._scale or maximum <= 0 or self.max_points <= 0:
            raise UsageError(
                f"{where} grades out of {maximum:g}, the rubric out of {self.max_points:g}: "
                "make them alike there, or add --scale to convert"
            )
        return int(grade.points * maximum / self.max_points * 100 + 0.5) / 100
