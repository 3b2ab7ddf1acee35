"""In which language somebody wants to read: what they chose themselves, else what the class list says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from grader.intake import Roster, read_roster
from grader.messages import LANGUAGES
from grader.model import Student
from grader.pipeline.locks import locked
from grader.store import Gradebook, student_key

ROSTER_FILE = "roster.csv"


@dataclass(frozen=True)
class Languages:
    """Of the people of a workspace. :ivar chosen: in the staff application, by the student's key."""

    roster: Roster | None = None
    chosen: dict[str, str] = field(default_factory=dict)

    def of(self, student: Student) -> str | None:
        """``ja en zh ru``, ``None`` where nobody has chosen."""
        own = self.chosen.get(student_key(student, ""))
        return own or (self.roster.language_of(student) if self.roster else None)


def read_languages(workspace: Path, book: Gradebook) -> Languages:
    """What is known by now. :raises UsageError: the class list of the workspace is none any more."""
    chosen = {key: language for key, language in book.accounts.languages().items() if language in LANGUAGES}
    return Languages(kept_roster(workspace), chosen)


def store_roster(workspace: Path, file: Path) -> Roster:
    """Keeps the class list in the workspace, for all that tells of it. :raises UsageError: it is none."""
    roster = read_roster(file)
    workspace.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(workspace, "roster"):
        part = workspace / "roster.part"
        part.write_bytes(file.read_bytes())
        part.replace(workspace / ROSTER_FILE)
    return roster


def kept_roster(workspace: Path) -> Roster | None:
    """The class list that the workspace keeps, if there is one. :raises UsageError: it is none any more."""
    path = workspace / ROSTER_FILE
    return read_roster(path) if path.is_file() else None
