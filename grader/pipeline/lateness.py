"""Who handed in when, who has more time, and what the deadline of the day makes of a score.

Nothing of it is stored with a result: a deadline that moves, an extension or a corrected time counts at once, for every
page and export written after. Two CSV files in the workspace, which staff may edit; a later line replaces an earlier
one:

``extensions.csv``   student, assignment (empty: all), days, reason, author, at
``handins.csv``      assignment, attempt (digest; empty: all of them), student, handed_in_at, marked_late, told_by
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from grader.errors import UsageError
from grader.model import Attempt, Lateness, Result, Student
from grader.people import person_key, person_keys
from grader.pipeline.context import Context
from grader.pipeline.locks import locked
from grader.rubric import LateTerms, late_terms
from grader.rubric.late import zone_of
from grader.scoring import lateness
from grader.tables import Table, read_table, safe

EXTENSIONS_FILE = "extensions.csv"
HANDINS_FILE = "handins.csv"
STAFF = "staff"
_EXTENSION_COLUMNS = ("student", "assignment", "days", "reason", "author", "at")
_HANDIN_COLUMNS = ("assignment", "attempt", "student", "handed_in_at", "marked_late", "told_by")


@dataclass(frozen=True, slots=True)
class Handin:
    """When one attempt was handed in, as a system or a person told. ``at``: ISO 8601, as it was written."""

    attempt: str
    student: str
    at: str = ""
    marked_late: str = ""
    told_by: str = ""


class LateBook:
    """Deadline, extensions and times of one assignment, as they are now.

    :raises CourseError: ``late.toml`` is wrong. :raises UsageError: one of the two CSV files is.
    """

    def __init__(self, context: Context) -> None:
        ident, places = context.assignment.id, (context.course.root, context.workspace)
        self.terms: LateTerms | None = late_terms(ident, context.assignment.late, *places)
        self._zone = zone_of(ident, context.assignment.late, *places)
        self._extensions: dict[str, float] = {}
        self._handins: dict[tuple[str, str], Handin] = {}
        if self.terms is not None:
            for folder in places:
                self._extensions |= _extensions(folder / EXTENSIONS_FILE, ident)
            for one in read_handins(context.workspace, ident):
                key = one.attempt, person_key(one.student)
                if one.told_by == STAFF or key not in self._handins or self._handins[key].told_by != STAFF:
                    self._handins[key] = one

    def of(self, result: Result) -> Lateness | None:
        """How late ``result`` is and what that takes; ``None`` where the assignment has no deadline."""
        if self.terms is None:
            return None
        told = self._handin(result)
        moment = self._moment(told.at) if told else None
        if moment is None and self.terms.file_times and not (told and told.marked_late):
            moment = self._moment(result.handed_in_at or "")
        days = next((self._extensions[k] for k in person_keys(result.student) if k in self._extensions), 0.0)
        marked = told.marked_late if told and told.marked_late else None
        return lateness(self.terms, result.score, moment, extension_days=days, marked_by=marked)

    def is_over(self, at: datetime) -> bool:
        """Whether at ``at`` nobody has time left: not within the days of grace, nor with the longest extension.

        Never where there is no deadline.
        """
        if self.terms is None:
            return False
        last = self.terms.due + timedelta(days=max(self._extensions.values(), default=0.0))
        return at > last.astimezone(UTC) + timedelta(days=self.terms.grace_days)

    def applied(self, result: Result) -> Result:
        """``result`` with its lateness."""
        return replace(result, late=self.of(result))

    def _handin(self, result: Result) -> Handin | None:
        keys = [*person_keys(result.student), ""]
        found = [self._handins.get((attempt, key)) for attempt in (result.digest, "") for key in keys]
        told = [handin for handin in found if handin]
        return min(told, key=lambda h: (h.told_by != STAFF, not h.at), default=None)

    def _moment(self, text: str) -> datetime | None:
        try:
            moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=self._zone or UTC)


def extend(context: Context, student: str, days: float, *, author: str, reason: str) -> None:
    """Gives ``student`` (number or mail address) so many days more for the assignment; 0 takes it back.

    :raises UsageError: the days are no number of at least 0, or there is no student, author or reason.
    """
    if not (math.isfinite(days) and 0 <= days <= 3650):
        raise UsageError(f"an extension of {days} days received: expected a number of days from 0 to 3650")
    if not (student.strip() and author.strip() and reason.strip()):
        raise UsageError("an extension needs a student, an author and a reason: one of them is empty")
    at = datetime.now(UTC).isoformat(timespec="seconds")
    line = (student.strip(), context.assignment.id, f"{days:g}", reason.strip(), author.strip(), at)
    _append(context.workspace / EXTENSIONS_FILE, _EXTENSION_COLUMNS, [line])


def keep_handins(context: Context, attempts: Iterable[Attempt]) -> int:
    """Keeps what systems told of the attempts' times, for those of which one did; how many.

    A line of staff's (``told_by`` is ``staff``) is always taken before one of a system's.
    """
    lines = [
        (
            a.assignment,
            a.digest,
            _who(a.student),
            (a.told_by and a.handed_in_at) or "",
            a.marked_late or "",
            a.told_by or "",
        )
        for a in attempts
        if a.told_by or a.marked_late
    ]
    _append(context.workspace / HANDINS_FILE, _HANDIN_COLUMNS, lines)
    return len(lines)


def read_handins(workspace: Path, assignment: str) -> list[Handin]:
    """The lines of ``handins.csv`` for ``assignment``. :raises UsageError: it is no such file."""
    table = _table(workspace / HANDINS_FILE, "student", "handed_in_at")
    if table is None:
        return []
    lines = (_cells(table, row, _HANDIN_COLUMNS) for row in table.rows)
    return [Handin(*line[1:]) for line in lines if line[0] in ("", assignment)]


def forget_lines(workspace: Path, student: Student, digests: frozenset[str]) -> list[Path]:
    """Takes the lines of ``student``, and of attempts that only they handed in, out of both files: which changed."""
    changed = []
    for name in (EXTENSIONS_FILE, HANDINS_FILE):
        table = _table(workspace / name, "student")
        if table is None:
            continue
        place, attempt = table.column("student"), table.column("attempt")
        keys = set(person_keys(student))
        kept = [
            row
            for row in table.rows
            if person_key(_cell(row, place)) not in keys
            and not (attempt is not None and _cell(row, attempt) in digests)
        ]
        if len(kept) < len(table.rows):
            _write(workspace / name, [table.header, *kept])
            changed.append(workspace / name)
    return changed


def _who(student: Student) -> str:
    return student.id or student.email or student.name or ""


def _extensions(path: Path, assignment: str) -> dict[str, float]:
    """Days by student as it is compared; the last line counts, and one for this assignment before one for all."""
    table = _table(path, "student", "days")
    if table is None:
        return {}
    found: dict[str, tuple[bool, float]] = {}
    for row in table.rows:
        student, ident, days = _cells(table, row, ("student", "assignment", "days"))
        own = ident.strip() == assignment
        key = person_key(student)
        if (own or not ident.strip()) and key and (own or not found.get(key, (False, 0.0))[0]):
            found[key] = own, _days(path, days)
    return {key: days for key, (_, days) in found.items()}


def _days(path: Path, text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not (math.isfinite(days) and 0 <= days <= 3650):
        raise UsageError(f"{path}: {text!r} days received: expected a number from 0 to 3650")
    return days


def _table(path: Path, *needed: str) -> Table | None:
    if not path.is_file():
        return None
    table = read_table(path, "file")
    missing = [name for name in needed if table.column(name) is None]
    if missing:
        raise UsageError(f"{path}: its first line is {table.header}; expected columns {', '.join(needed)}")
    return table


def _cells(table: Table, row: Sequence[str], names: Iterable[str]) -> list[str]:
    return [_cell(row, table.column(name)) for name in names]


def _cell(row: Sequence[str], place: int | None) -> str:
    cell = row[place].strip() if place is not None and place < len(row) else ""
    return cell.removeprefix("'")  # of a text that would have been a formula


def _append(path: Path, columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    if not lines:
        return
    with locked(path.parent, path.stem):
        table = _table(path, "student")
        old = [_cells(table, row, columns) for row in table.rows] if table else []
        _write(path, [list(columns), *old, *(line for line in lines if list(line) not in old)])


def _write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([safe(cell) for cell in row] for row in rows)
    part.chmod(0o600)
    part.replace(path)
