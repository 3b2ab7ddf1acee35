"""A course: one directory with ``assignments/``, ``rubrics/`` and ``reports/``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from grader.errors import CourseError, UnknownAssignment
from grader.rubric.records import Assignment, Rubric

_Record = TypeVar("_Record", Assignment, Rubric)


def bundled_course_dir() -> Path:
    """The course that comes with the program: inside the wheel, or the top of a source checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_course"
    return installed if installed.is_dir() else package.parent


def _load(path: Path, kind: type[_Record], **extra: Any) -> _Record:
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CourseError(f"{path} cannot be read: {error}") from error
    try:
        return msgspec.convert({**data, **extra}, kind, dec_hook=lambda _, value: Path(value))
    except msgspec.ValidationError as error:
        raise CourseError(f"{path}: {error}") from error


class Course:
    """Loads assignments and rubrics by id.

    :param root: directory with the three content folders; a folder that it lacks is taken from the bundled course.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or bundled_course_dir()).resolve()
        if not (self.root / "assignments").is_dir():
            raise CourseError(
                f"{self.root} is no course: expected a folder assignments/ in it; 'grader init' makes a course"
            )

    def assignment_ids(self) -> list[str]:
        """Ids of all assignments, sorted."""
        return sorted(p.parent.name for p in (self.root / "assignments").glob("*/assignment.toml"))

    def assignment(self, ident: str) -> Assignment:
        """:raises UnknownAssignment: there is none; :raises CourseError: its file is wrong."""
        directory = self.root / "assignments" / ident
        if ident not in self.assignment_ids():
            raise UnknownAssignment(f"no assignment {ident!r}; this course has: {', '.join(self.assignment_ids())}")
        return _load(directory / "assignment.toml", Assignment, id=ident, directory=str(directory))

    def rubric(self, ident: str) -> Rubric:
        """:raises CourseError: missing, or its file is wrong."""
        directory = self.root / "rubrics" / ident
        rubric = _load(directory / "rubric.toml", Rubric, assignment=ident, directory=str(directory))
        if len(set(rubric.ids)) != len(rubric.ids):
            raise CourseError(f"{directory / 'rubric.toml'}: criterion ids must differ, they are {rubric.ids}")
        unknown = {q.criterion for q in self.assignment(ident).questions} - set(rubric.ids)
        if unknown:
            raise CourseError(f"assignment {ident}: its questions name unknown criteria {sorted(unknown)}")
        return rubric

    @property
    def reports_dir(self) -> Path:
        """Templates, style sheet and message catalogues."""
        own = self.root / "reports"
        return own if own.is_dir() else bundled_course_dir() / "reports"

    @property
    def locale_dir(self) -> Path:
        """Message catalogues."""
        return self.reports_dir / "locale"
