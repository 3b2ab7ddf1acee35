"""Removes one person's data from a workspace, and tells what cannot be removed from here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grader.config import Settings
from grader.errors import GraderError
from grader.evidence.compact import unused_blobs
from grader.intake import without_student
from grader.model import Result, Student
from grader.pipeline import clock
from grader.pipeline.context import open_context
from grader.pipeline.languages import ROSTER_FILE
from grader.pipeline.lateness import forget_lines
from grader.pipeline.publish import pdf_of, publish, report_paths
from grader.pipeline.runs import BLOBS_FOLDER, forget_use, outputs_file, runs_of
from grader.pipeline.similar import drop_similar
from grader.store import Forgotten, Gradebook, KeptFile, find_student, forget, open_gradebook

DELETIONS_FILE = "deletions.jsonl"
BACKUPS_FOLDER = "backups"


@dataclass(frozen=True)
class Forgetting:
    """What was done.

    :ivar removed: files and folders. :ivar backups: copies of the gradebook that still hold the person.
    :ivar unpublished: assignments whose pages could not be written again.
    """

    rows: Forgotten
    removed: tuple[Path, ...]
    backups: tuple[Path, ...]
    unpublished: tuple[str, ...]


def forget_student(settings: Settings, wanted: str) -> Forgetting:
    """Removes submissions, evidence, reports, roster line and gradebook rows of the student ``wanted``.

    Files go first and rows last, while the gradebook is locked: an interrupted removal can be run again. What went is
    counted in ``deletions.jsonl``, without saying who it was.

    :raises UsageError: nobody, or several people, are called so.
    """
    workspace = settings.workspace.resolve()
    book = open_gradebook(settings)
    student = find_student(book, wanted)
    key = wanted if student == Student() else None
    assignments = book.assignments()
    pages = _pages(workspace, book, assignments)
    removed: list[Path] = []

    def remove(files: Sequence[KeptFile], shared: frozenset[str]) -> None:
        paths = [path for file in files for path in pages.get(file, ())]
        paths += [path for file in files if file.digest not in shared for path in _files(workspace, file)]
        own = {file.digest for file in files} - shared
        paths += runs_of(workspace, own)
        removed.extend(path for path in dict.fromkeys(paths) if _remove(path))
        removed.extend(forget_lines(workspace, student, frozenset(own)))
        # The page quotes both of a pair: whoever needs it makes it again, without this student.
        for assignment in dict.fromkeys(file.assignment for file in files):
            removed.extend(drop_similar(workspace, assignment))
        forget_use(workspace, own)
        for path in unused_blobs(workspace / BLOBS_FOLDER):
            path.unlink(missing_ok=True)

    rows = forget(book, student, key, remove)
    book.close()
    _leave_roster(workspace / ROSTER_FILE, student)
    _note(workspace, rows, removed)
    backups = tuple(sorted((workspace / BACKUPS_FOLDER).glob("*.sqlite")))
    return Forgetting(rows, tuple(removed), backups, tuple(_published(settings, assignments)))


def _pages(workspace: Path, book: Gradebook, assignments: Iterable[str]) -> dict[KeptFile, tuple[Path, ...]]:
    """The reports of every attempt, for its student and for staff, and the PDF."""
    latest = (stored.result for assignment in assignments for stored in book.latest_results(assignment))
    return {KeptFile(r.assignment, r.digest, r.source): _files_of_report(workspace, r) for r in latest}


def _files_of_report(workspace: Path, result: Result) -> tuple[Path, ...]:
    own, staff = report_paths(workspace, result)
    return own, staff, pdf_of(own), pdf_of(own).with_name(pdf_of(own).name + ".part")


def _files(workspace: Path, file: KeptFile) -> list[Path]:
    name = file.digest.removeprefix("sha256:")
    evidence = (workspace / "evidence" / file.assignment).glob(f"{name}*")
    lock = workspace / "locks" / f"{file.assignment}-{name}.lock"
    return [workspace / "submissions" / name, outputs_file(workspace, file.digest), lock, *evidence]


def _remove(path: Path) -> bool:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
        return True
    there = path.exists() or path.is_symlink()
    path.unlink(missing_ok=True)
    return there


def _leave_roster(path: Path, student: Student) -> None:
    text = without_student(path, student) if path.is_file() else None
    if text is not None:
        part = path.with_suffix(".part")
        part.write_text(text, "utf-8")
        part.replace(path)


def _note(workspace: Path, rows: Forgotten, removed: Sequence[Path]) -> None:
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "attempts": len(rows.files),
        "results": rows.n_results,
        "edits": rows.n_edits,
        "choices": rows.n_choices,
        "files": len(removed),
    }
    with (workspace / DELETIONS_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _published(settings: Settings, assignments: Iterable[str]) -> Iterable[str]:
    """Writes every dashboard again; the assignments where that failed."""
    at = clock.now()
    for assignment in assignments:
        try:
            publish(open_context(settings, assignment), at=at)
        except GraderError:  # the course has lost it, or a file of it is broken: its old dashboard must not stay
            page = settings.workspace.resolve() / "dashboard" / f"{assignment}.html"
            page.unlink(missing_ok=True)
            yield assignment
