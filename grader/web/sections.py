"""Who is in which section of the class: a column of the class list that the workspace keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from grader.errors import UsageError
from grader.intake import read_roster
from grader.model import Student
from grader.people import id_key
from grader.pipeline.languages import ROSTER_FILE
from grader.store import student_key
from grader.tables import read_table

HEADERS = ("section", "class", "group", "クラス", "組", "班", "セクション", "班级", "группа")


@dataclass(frozen=True)
class Sections:
    """The class list. ``stamp`` differs when the file changed.

    :ivar students: everybody on the list. :ivar of_id: section by student number (see :func:`grader.people.id_key`).
    :ivar languages: those that the list names, by the student's key.
    """

    stamp: object = None
    students: tuple[Student, ...] = ()
    of_id: Mapping[str, str] = field(default_factory=dict)
    languages: Mapping[str, str] = field(default_factory=dict)

    def of(self, student: Student) -> str | None:
        """The section of ``student``; ``None`` where nobody knows."""
        return self.of_id.get(id_key(student.id or "")) if student.id else None

    @property
    def names(self) -> list[str]:
        """All sections, sorted."""
        return sorted(set(self.of_id.values()))


def read_sections(workspace: Path) -> Sections:
    """The class list of ``workspace``; empty where there is none, or it cannot be read."""
    path = workspace / ROSTER_FILE
    try:
        at = path.stat()
    except OSError:
        return Sections()
    return _read(path, (at.st_mtime_ns, at.st_size))


@lru_cache(maxsize=4)
def _read(path: Path, stamp: tuple[int, int]) -> Sections:
    try:
        roster = read_roster(path)
        table = read_table(path, "roster")
    except UsageError:
        return Sections(stamp)
    students = roster.students
    named = ((student_key(s, ""), roster.language_of(s)) for s in students)
    languages = {key: language for key, language in named if language}
    place = table.column(*HEADERS)
    if place is None:
        return Sections(stamp, students, languages=languages)
    known = {id_key(s.id): s for s in students if s.id}
    of_id: dict[str, str] = {}
    for row in table.rows:
        section = row[place].strip() if place < len(row) else ""
        ids = [key for cell in row if (key := id_key(cell)) in known]
        if section and ids:
            of_id[ids[0]] = section
    return Sections(stamp, students, of_id, languages)
