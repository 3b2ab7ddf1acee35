"""Writes what people read: a report per attempt (for its student, and for staff), the class dashboard, an index."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from grader.config import Settings
from grader.errors import CourseError, StoreError
from grader.messages import GRADER_FAILED
from grader.model import Outcome, Result, Status, Student
from grader.pipeline import clock
from grader.pipeline.beside import Beside, flagged
from grader.pipeline.context import Context
from grader.pipeline.languages import kept_roster
from grader.pipeline.locks import locked
from grader.pipeline.pages import Pages
from grader.pipeline.similar import similar_flags, similar_page
from grader.pipeline.view import evidence_of
from grader.pipeline.writers import Piece, write_all
from grader.reporting import Audience as Reader
from grader.reporting import (
    DashboardInfo,
    IndexEntry,
    ReportContext,
    ShownEvidence,
    Standing,
    attention_reasons,
    dashboard,
    index,
    newest_graded_at,
    student_report,
)
from grader.scoring import Audience, apply_edits, redact, result_row
from grader.store import StoredResult, existing_gradebook
from grader.store.student import results_of

_SAFE = re.compile(r"[^0-9A-Za-z_-]+")
_STAND_IN = (
    '<!doctype html><html><meta charset="utf-8">'
    """<meta http-equiv="Content-Security-Policy" content="default-src 'none'"><title>-</title><p>{words}</p></html>"""
)


@dataclass(frozen=True)
class LastRun:
    """Wall time of a batch, and how many notebooks were executed in it; ``None`` where nobody knows."""

    duration_s: float | None = None
    n_executed: int | None = None


@dataclass(frozen=True)
class Published:
    """What was written. ``paths``: report of each attempt, by digest and source; ``faults``: tracebacks of ours."""

    context: Context
    dashboard: Path
    reports_dir: Path
    results: dict[tuple[str, str], Result]
    paths: dict[tuple[str, str], Path]
    faults: tuple[str, ...] = ()

    def row(self, result: Result) -> dict[str, Any]:
        """The attempt's object in the result file, with edits and the report's path."""
        final = self.results.get((result.digest, result.source), result)
        language = self.context.language_of(final.language, final.student)
        return result_row(final, self.context.rubric, self.context.catalogue(language))


def graded_assignments(settings: Settings) -> list[str]:
    """Assignments that the workspace's gradebook has attempts of."""
    book = existing_gradebook(settings)
    return book.assignments() if book else []


def counting_results(context: Context) -> list[Result]:
    """Of each student the attempt that counts, edits applied."""
    beside = Beside(context)
    return [_final(beside, stored) for stored in context.gradebook.counting(context.assignment.id)]


def publish(
    context: Context, last_run: LastRun | None = None, *, again: bool = False, at: datetime | None = None
) -> Published:
    """Writes the reports of the assignment and its dashboard; pages of a former run are replaced one by one.

    A report that would say what it says already is left alone.

    :param last_run: the batch that was just graded, if notebooks were executed for it. The dashboard shows it until the
        next one.
    :param again: write every report.
    :param at: what students may see by then is shown to them; ``None``: by now.
    """
    at = at or clock.now()
    with locked(context.workspace, "pages"):  # of two graders the one that reads the gradebook last also writes last
        return _write_pages(context, last_run, again, at)


def _write_pages(context: Context, last_run: LastRun | None, again: bool, at: datetime) -> Published:
    reports, staff = _folders(context)
    results: dict[tuple[str, str], Result] = {}
    paths: dict[tuple[str, str], Path] = {}
    faults: list[str] = []
    stale = context.gradebook.stale_pages.all(context.assignment.id)  # before reading what the pages will show
    found = context.gradebook.overview(context.assignment.id)
    latest = found.results
    counting = [stored for stored in latest if stored.attempt_id in found.counting]
    standings = _standings(latest, counting)
    pages, beside = Pages.read(context, staff, again=again), Beside(context)
    work: list[Piece] = []
    reader = beside.reader(at)
    for stored in latest:
        result = _final(beside, stored)
        piece = result, standings.get(stored.student_key), (reports, staff), reader
        key = (result.digest, result.source)
        results[key] = result
        paths[key] = context.workspace / str(result.report)
        if not pages.is_current(context, piece, report_paths(context.workspace, result)):
            work.append(piece)
    for (result, *_), fault in zip(work, write_all(context, write_reports, work), strict=True):
        if fault is not None:
            faults.append(f"report of {result.source}: {fault}")
            pages.forget(_name_of(result))
            _write_stand_in(context, result, (reports, staff))
    pages.keep()
    page = write_dashboard(context, counting, last_run)
    with suppress(StoreError):  # they are written once more, then
        context.gradebook.stale_pages.written(stale)
    return Published(context, page, reports, results, paths, tuple(faults))


def write_student(context: Context, key: str) -> list[Path]:
    """Writes the student's pages of all attempts of one student; nobody else is looked at.

    :param key: as :func:`grader.store.student_key` makes it.
    """
    folders = _folders(context)
    with locked(context.workspace, "pages"):
        stored, ids = results_of(context.gradebook, context.assignment.id, key)
        standings = _standings(stored, [one for one in stored if one.attempt_id in ids])
        beside, written = Beside(context), []
        reader, pages = beside.reader(clock.now()), Pages.read(context, folders[1], again=False)
        pages.written |= pages.known
        for one in stored:
            result = _final(beside, one)
            piece = result, standings.get(key), folders, reader
            files = report_paths(context.workspace, result)
            pages.is_current(context, piece, files)  # the next one who writes pages knows what these show
            write_reports(context, *piece)
            written.append(files[0])
        pages.keep()
    return written


def _folders(context: Context) -> tuple[Path, Path]:
    """For students' pages, and for staff's; made where they are missing."""
    folders = (
        context.workspace / "reports" / context.assignment.id,
        context.workspace / "dashboard" / context.assignment.id,
    )
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return folders


def write_dashboard(context: Context, stored: Sequence[StoredResult], last_run: LastRun | None = None) -> Path:
    """Writes the class dashboard, whose path is returned, and the index of assignments.

    :param stored: the results that count.
    """
    page = context.workspace / "dashboard" / f"{context.assignment.id}.html"
    beside = Beside(context)
    counting = [replace(r, report=f"{r.assignment}/{_name_of(r)}") for r in (_final(beside, s) for s in stored)]
    view = context.report_context(context.language_of(None))
    run = _last_run(context, last_run)
    similar = similar_page(context.workspace, context.assignment.id)
    info = DashboardInfo(
        run.duration_s,
        run.n_executed,
        link_prefix="",
        roster=_roster(context),
        similar=similar.name if similar.is_file() else "",
    )
    _write(page, dashboard(counting, view, info))
    _write_index(context, counting)
    return page


def _roster(context: Context) -> Sequence[Student]:
    roster = kept_roster(context.workspace)
    return roster.students if roster else ()


def _last_run(context: Context, run: LastRun | None) -> LastRun:
    """``run``, kept from now on; without one that which was kept, if its file says so."""
    path = context.workspace / "dashboard" / f"{context.assignment.id}.json"
    if run is not None:
        _write(path, json.dumps(asdict(run)) + "\n")
        return run
    try:
        kept = json.loads(path.read_text("utf-8"))
        duration_s, n_executed = kept["duration_s"], kept["n_executed"]
    except (OSError, ValueError, TypeError, KeyError):
        return LastRun()
    sound = type(duration_s) in (int, float) and math.isfinite(duration_s) and type(n_executed) is int
    return LastRun(duration_s, n_executed) if sound else LastRun()


def _standings(latest: Sequence[StoredResult], counting: Sequence[StoredResult]) -> dict[str, Standing]:
    """Of each student with several graded attempts, how many and which one counts."""
    numbers = Counter(stored.student_key for stored in latest)
    return {
        stored.student_key: Standing(
            numbers[stored.student_key], stored.result.attempt_number, quote(_name_of(stored.result))
        )
        for stored in counting
        if numbers[stored.student_key] > 1
    }


def cannot_be_graded_yet(result: Result) -> bool:
    """Whether this attempt lacks a grade that reading answers would not give it: a fault of ours, an unreadable file.

    The commands' exit code follows it. What staff should look at is more (:func:`grader.reporting.attention_reasons`).
    """
    errored = any(line.outcome is Outcome.ERRORED for line in result.score.criteria)
    return errored or result.score.status is Status.NOT_GRADABLE


def _write_index(context: Context, counting: Sequence[Result]) -> None:
    view = context.report_context(context.language_of(None))
    entries = []
    for ident in context.gradebook.assignments():
        if ident == context.assignment.id:
            entries.append(_entry(view, counting))
        elif ident in context.course.assignment_ids():
            similar = similar_flags(context.workspace, ident)
            results = [
                flagged(_edited(stored), similar.get((stored.result.digest, stored.student_key), ()))
                for stored in context.gradebook.counting(ident)
            ]
            entries.append(_entry_of_another(context, ident, results, view))
    page = index(entries, view.catalogue, context.course.reports_dir)
    _write(context.workspace / "dashboard" / "index.html", page)


def _entry(view: ReportContext, results: Sequence[Result]) -> IndexEntry:
    n_attention = sum(bool(attention_reasons(view, result)) for result in results)
    ident = view.assignment.id
    title = view.assignment.title.get(view.words.language) or ident
    return IndexEntry(title, f"{ident}.html", len(results), n_attention, newest_graded_at(results))


def _entry_of_another(context: Context, ident: str, results: Sequence[Result], view: ReportContext) -> IndexEntry:
    """Its rubric may be broken, which is no reason to leave this assignment without pages."""
    course = context.course
    try:
        another = ReportContext(course.rubric(ident), course.assignment(ident), view.catalogue, view.reports_dir)
        return _entry(another, results)
    except CourseError:
        return IndexEntry(ident, f"{ident}.html", len(results), None, newest_graded_at(results))


def _edited(stored: StoredResult) -> Result:
    return replace(stored.result, score=apply_edits(stored.result.score, stored.edits))


def _final(beside: Beside, stored: StoredResult) -> Result:
    result = beside.added(_edited(stored), stored.student_key)
    return replace(result, report=f"reports/{result.assignment}/{_name_of(result)}")


def _name_of(result: Result) -> str:
    ident = result.student.id or ""
    slug = _SAFE.sub("-", ident).strip("-")[:60] or result.digest.removeprefix("sha256:")[:12]
    if ident and (slug != ident or "-" in ident):  # the page of "7-2" is not that of the second attempt of "7"
        slug += "-" + hashlib.sha256(ident.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{slug}.html" if result.attempt_number == 1 else f"{slug}-{result.attempt_number}.html"


def report_paths(workspace: Path, result: Result) -> tuple[Path, Path]:
    """An attempt's pages: for its student, and for staff."""
    name = _name_of(result)
    return workspace / "reports" / result.assignment / name, workspace / "dashboard" / result.assignment / name


def write_reports(
    context: Context, result: Result, standing: Standing | None, folders: tuple[Path, Path], reader: Audience
) -> None:
    """The student's page, as ``reader`` sees it, into the first of ``folders``, staff's into the second.

    A PDF of a page that says something else now goes.
    """
    view = context.report_context(context.language_of(result.language, result.student))
    found = evidence_of(context, result)
    evidence = ShownEvidence(found) if found else None
    public = {n: v for n, v in context.threshold_views.items() if context.rubric.thresholds[n].public}
    for folder, audience, sees, shown in (
        (folders[0], Reader.STUDENT, reader, public),
        (folders[1], Reader.STAFF, Audience.STAFF, context.threshold_views),
    ):
        page = student_report(
            replace(result, score=redact(result.score, sees)),
            evidence,
            view,
            audience=audience,
            thresholds=shown,
            images=context.test_set,
            standing=standing,
        )
        path = folder / _name_of(result)
        if not shows(path, page):
            pdf_of(path).unlink(missing_ok=True)
        _write(path, page)


def _write_stand_in(context: Context, result: Result, folders: tuple[Path, Path]) -> None:
    """A page of one sentence where the report failed."""
    words = escape(context.catalogue(context.language_of(result.language, result.student)).render(GRADER_FAILED))
    for folder in folders:
        path = folder / _name_of(result)
        pdf_of(path).unlink(missing_ok=True)
        _write(path, _STAND_IN.format(words=words))


def pdf_of(page: Path) -> Path:
    """Where the PDF of a report lies; where there is one, it was made of the page as it is."""
    return page.with_suffix(".pdf")


def shows(path: Path, page: str) -> bool:
    """Whether ``path`` says ``page``, to the byte."""
    try:
        return path.read_bytes() == page.encode()
    except OSError:
        return False


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, "utf-8")
        part.replace(path)
    except BaseException:  # a full disk, say: half a file helps nobody
        part.unlink(missing_ok=True)
        raise
