"""Brings an archive of a learning management system into a workspace, to be graded from there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from grader.config import Settings
from grader.errors import UsageError
from grader.intake import collect, parse_notebook, read_roster
from grader.intake.language import stamp
from grader.lms.moodle import Worksheet
from grader.model import Attempt, Text
from grader.pipeline.context import Context, open_context
from grader.pipeline.languages import kept_roster
from grader.pipeline.lateness import keep_handins
from grader.pipeline.submissions import keep_attempts
from grader.rubric import Course, late_terms
from grader.rubric.late import zone_of
from grader.store import StoredAttempt

SYSTEMS = ("moodle", "canvas", "gradescope", "nbgrader")


@dataclass(frozen=True)
class Imported:
    """What an archive brought. ``times``: attempts of which a system told when, or that it was late."""

    context: Context
    attempts: tuple[Attempt, ...]
    n_new: int
    times: int


def import_archive(
    settings: Settings,
    file: Path,
    assignment: str | None = None,
    *,
    worksheet: Path | None = None,
    tell: Callable[[Text], None] = lambda _: None,
) -> Imported:
    """Keeps every hand-in of ``file`` in the workspace, with who it is from and when, as far as anything tells.

    :param assignment: which it is for; ``None``: the one that the notebooks were handed out for.
    :param worksheet: Moodle's grading worksheet: numbers and addresses of the participants, and times.
    :raises UsageError: the file or the assignment is none.
    """
    roster = kept_roster(settings.workspace.resolve())
    sheet = Worksheet.read(worksheet) if worksheet else None
    if sheet is not None and roster is None:
        roster = read_roster(sheet.path)
    ident = assignment or _assignment_of(settings, file)
    context = open_context(settings, ident)
    attempts = collect([file], ident, roster, tell)
    if sheet is not None:
        attempts = [_timed(context, attempt, sheet) for attempt in attempts]
    known = {(a.digest, a.source, a.student) for a in context.gradebook.attempts(ident)}
    keep_attempts(context, attempts)
    n_new = sum((a.digest, a.source, a.student) not in known for a in attempts)
    return Imported(context, tuple(attempts), n_new, keep_handins(context, attempts))


def kept_attempts(context: Context) -> list[Attempt]:
    """Every attempt of the workspace, with its notebook, as it was received.

    :raises UsageError: there is none, or a file is gone from ``submissions/``.
    """
    stored = {(a.digest, a.source): a for a in context.gradebook.attempts(context.assignment.id)}
    if not stored:
        raise UsageError(
            f"{context.workspace} holds no attempt at {context.assignment.id}: name notebooks, a folder or a zip, "
            "or run 'grader import' first"
        )
    return [_attempt(context, entry) for entry in stored.values()]


def _attempt(context: Context, stored: StoredAttempt) -> Attempt:
    path = context.workspace / "submissions" / stored.digest.removeprefix("sha256:")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the file of {stored.source} is gone from {path.parent}: import it again") from error
    return Attempt(
        assignment=stored.assignment,
        digest=stored.digest,
        source=stored.source,
        content=content,
        student=stored.student,
        notebook=None if stored.unreadable else parse_notebook(content).notebook,
        language=stored.language,
        notes=stored.notes,
        conflicts=stored.conflicts,
        unreadable=stored.unreadable,
        handed_in_at=stored.handed_in_at,
    )


def _assignment_of(settings: Settings, file: Path) -> str:
    """The assignment of this course that most notebooks of ``file`` carry the stamp of, else the course's only one."""
    known = Course(settings.course).assignment_ids()
    notebooks = (attempt.notebook for attempt in collect([file], "") if attempt.notebook)
    stamps = Counter(str(stamp(notebook).get("assignment")) for notebook in notebooks)
    found = [ident for ident, _ in stamps.most_common() if ident in known]
    if found:
        return found[0]
    if len(known) == 1:
        return known[0]
    raise UsageError(f"no notebook in {file} says which assignment it is for: add --assignment {' or '.join(known)}")


def _timed(context: Context, attempt: Attempt, sheet: Worksheet) -> Attempt:
    """``attempt`` with the time of the worksheet's line for its student."""
    places = (context.course.root, context.workspace)
    ident, own = context.assignment.id, context.assignment.late
    terms = late_terms(ident, own, *places)
    zone = zone_of(ident, own, *places) or (terms.due.tzinfo if terms else None)
    line = sheet.line_of(attempt.source, attempt.student)
    at = sheet.submitted_at(line, zone) if line else None
    return replace(attempt, handed_in_at=at, told_by="Moodle") if at else attempt
