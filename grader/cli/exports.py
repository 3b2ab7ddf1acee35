"""What ``grader export`` writes, format by format."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from grader.errors import UsageError
from grader.lms.canvas import from_gradebook, from_roster
from grader.lms.github import output_line
from grader.lms.grades import Filled, Grades
from grader.lms.grades_csv import csv_bytes
from grader.lms.gradescope import autograder_zip, results_json
from grader.lms.junit import junit_xml
from grader.lms.lti import lti_scores
from grader.lms.moodle import Worksheet
from grader.model import Result, Text
from grader.people import person_key, person_keys
from grader.pipeline import Context, open_context
from grader.pipeline.publish import counting_results, graded_assignments
from grader.rubric import bundled_course_dir
from grader.scoring import Audience, redact

if TYPE_CHECKING:
    from rich.console import Console

    from grader.config import Settings

FAILED = Text(
    "This could not be graded automatically. Hand in exactly one notebook; if you did, staff will look at it, and it "
    "costs you no points."
)
_NAMES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of ``grader export``."""

    form: str
    out: Path | None = None
    assignment: str | None = None
    worksheet: Path | None = None
    lms_id: int | None = None
    column: str | None = None
    with_open: bool = False
    scale: bool = False
    student: str | None = None
    autograder: Path | None = None


def run_export(settings: Settings, wanted: Wanted, out: Console) -> None:
    """Writes the export; what is left out of it is told.

    :raises UsageError: no such format, an option is missing, or a file from the other system does not fit.
    """
    if wanted.form not in _EXPORTS:
        raise UsageError(f"cannot export {wanted.form!r}; expected one of {', '.join(_EXPORTS)}")
    if wanted.autograder is not None:
        context = open_context(settings, wanted.assignment or _only(graded_assignments(settings)))
        _write(wanted.out, _autograder(context, wanted))
        return
    context = open_context(settings, wanted.assignment or _only(graded_assignments(settings)))
    results = counting_results(context)
    if wanted.student is not None:
        key = person_key(wanted.student)
        results = [r for r in results if key in person_keys(r.student)]
        if len(results) != 1:
            raise UsageError(f"{wanted.student!r} fits {len(results)} results that count, expected one")
    _EXPORTS[wanted.form](context, results, wanted, out)


def _only(assignments: Sequence[str]) -> str:
    if len(assignments) != 1:
        have = ", ".join(assignments) or "none"
        raise UsageError(f"name one assignment with --assignment; this workspace has {have}")
    return assignments[0]


def _csv(context: Context, results: list[Result], wanted: Wanted, _: Console) -> None:
    _write(wanted.out, csv_bytes(results, context.rubric, context.catalogue(context.language_of(None))))


def _canvas(context: Context, results: list[Result], wanted: Wanted, out: Console) -> None:
    grades = Grades(results, with_open=wanted.with_open, scale=wanted.scale)
    titles = [context.assignment.id, *context.assignment.title.values()]
    if wanted.worksheet is not None:
        named = [wanted.column] if wanted.column else titles
        filled = from_gradebook(grades, wanted.worksheet, named, wanted.lms_id)
    elif wanted.lms_id is not None:
        filled = from_roster(grades, context.assignment.title.get("en", context.assignment.id), wanted.lms_id)
    else:
        raise UsageError(
            "canvas needs --worksheet (the gradebook that Canvas exported) or --lms-id (the assignment's number, at "
            "the end of its address): without it Canvas would make a new assignment"
        )
    _fill(filled, wanted, out)


def _moodle(_: Context, results: list[Result], wanted: Wanted, out: Console) -> None:
    if wanted.worksheet is None:
        raise UsageError("moodle needs --worksheet: download the grading worksheet of the assignment and name it")
    grades = Grades(results, with_open=wanted.with_open, scale=wanted.scale)
    _fill(Worksheet.read(wanted.worksheet).filled(grades, wanted.column), wanted, out)


def _fill(filled: Filled, wanted: Wanted, out: Console) -> None:
    _write(wanted.out, filled.content)
    out.print(f"{filled.n_written} grades written", markup=False)
    _tell(out, "not in the list of the other system", filled.not_found)
    _tell(out, "left out, as points are still open (--with-open takes them in)", filled.left_out)


def _tell(out: Console, what: str, names: Sequence[str]) -> None:
    if names:
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        out.print(f"{what}: {', '.join(names[:_NAMES_SHOWN])}{more}", markup=False, style="yellow")


def _junit(context: Context, results: list[Result], wanted: Wanted, _: Console) -> None:
    _write(wanted.out, junit_xml(results, context.rubric, context.catalogue(context.language_of(None))))


def _lti(context: Context, results: list[Result], wanted: Wanted, out: Console) -> None:
    scores = lti_scores(results, context.catalogue(context.language_of(None)), wanted.worksheet)
    _write(wanted.out, scores.content)
    _tell(out, "not in the list of the platform, or known by name only", scores.not_found)


def _gradescope(context: Context, results: list[Result], wanted: Wanted, _: Console) -> None:
    def content(result: Result) -> bytes:
        shown = _redacted(result, Audience.STUDENT_AFTER_DUE)
        language = context.language_of(result.language, result.student)
        found = results_json(shown, context.rubric, context.catalogue(language))
        return (json.dumps(found, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()

    _each(results, wanted, ".json", content)


def _github(context: Context, results: list[Result], wanted: Wanted, _: Console) -> None:
    def content(result: Result) -> bytes:
        shown = _redacted(result, Audience.STUDENT)
        language = context.language_of(result.language, result.student)
        return output_line(shown, context.rubric, context.catalogue(language))

    _each(results, wanted, ".txt", content)


def _redacted(result: Result, audience: Audience) -> Result:
    return replace(result, score=redact(result.score, audience))


def _each(results: list[Result], wanted: Wanted, suffix: str, content: Callable[[Result], bytes]) -> None:
    """One result into the file, several into a folder, each under the name of its report."""
    if not results:
        raise UsageError("there is no result to export: grade something first")
    if len(results) == 1:
        _write(wanted.out, content(results[0]))
        return
    if wanted.out is None or wanted.out.suffix or wanted.out.is_file():
        raise UsageError(
            f"{len(results)} results count, and {wanted.form} has a file for each: name a folder with --out, or one "
            "student with --student"
        )
    wanted.out.mkdir(parents=True, exist_ok=True)
    for result in results:
        name = Path(str(result.report)).stem
        _write(wanted.out / f"{name}{suffix}", content(result))


def _autograder(context: Context, wanted: Wanted) -> bytes:
    if wanted.form != "gradescope" or wanted.autograder is None:
        raise UsageError(f"--autograder is for gradescope, not for {wanted.form}: leave it out")
    assignment, settings = context.assignment, context.settings
    own = context.course.root if context.course.root != bundled_course_dir() else None
    datasets = tuple(dict.fromkeys((assignment.dataset, *assignment.datasets)))
    failed = context.catalogue(context.language_of(None)).render(FAILED)
    return autograder_zip(assignment.id, wanted.autograder, datasets, failed, course=own, sandbox=settings.sandbox)


def _write(path: Path | None, content: bytes) -> None:
    """Complete or not there; a device as it is (``/dev/stdout``)."""
    if path is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    elif path.exists() and not path.is_file():
        path.write_bytes(content)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_bytes(content)
        part.replace(path)


_EXPORTS: dict[str, Callable[[Context, list[Result], Wanted, Console], None]] = {
    "csv": _csv,
    "canvas": _canvas,
    "moodle": _moodle,
    "gradescope": _gradescope,
    "junit": _junit,
    "lti": _lti,
    "github": _github,
}
FORMATS = tuple(_EXPORTS)
