"""Writes what people read: a report per attempt (for its student, and for staff), the class dashboard, an index."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grader.config import Settings
from grader.errors import EvidenceError
from grader.evidence import Evidence, read_evidence
from grader.intake import Roster, read_roster
from grader.model import Outcome, Result, Status, Student
from grader.pipeline.context import Context
from grader.reporting import DashboardInfo, IndexEntry, dashboard, index, student_report
from grader.scoring import Audience, apply_edits, redact, result_row
from grader.store import Gradebook, StoredResult

_SAFE = re.compile(r"[^0-9A-Za-z_-]+")
_ROSTER = "roster.csv"


@dataclass(frozen=True)
class Published:
    """What was written. ``paths``: report of each attempt, by digest and source."""

    context: Context
    dashboard: Path
    reports_dir: Path
    results: dict[tuple[str, str], Result]
    paths: dict[tuple[str, str], Path]

    def row(self, result: Result) -> dict[str, Any]:
        """The attempt's object in the result file, with edits and the report's path."""
        final = self.results.get((result.digest, result.source), result)
        language = self.context.language_of(final.language)
        return result_row(final, self.context.rubric, self.context.catalogue(language))


def graded_assignments(settings: Settings) -> list[str]:
    """Assignments that the workspace's gradebook has attempts of."""
    path = settings.workspace.resolve() / "gradebook.sqlite"
    return Gradebook(path).assignments() if path.is_file() else []


def counting_results(context: Context) -> list[Result]:
    """Of each student the attempt that counts, edits applied."""
    return [_final(context, stored) for stored in context.gradebook.counting(context.assignment.id)]


def publish(context: Context, duration_s: float | None = None) -> Published:
    """Writes every report of the assignment and its dashboard; pages of a former run are replaced one by one.

    :param duration_s: wall time of the batch that was just graded, for the dashboard.
    """
    reports = context.workspace / "reports" / context.assignment.id
    staff = context.workspace / "dashboard" / context.assignment.id
    for folder in (reports, staff):
        folder.mkdir(parents=True, exist_ok=True)
    results: dict[tuple[str, str], Result] = {}
    paths: dict[tuple[str, str], Path] = {}
    for stored in context.gradebook.latest_results(context.assignment.id):
        result = _final(context, stored)
        key = (result.digest, result.source)
        results[key] = result
        paths[key] = context.workspace / str(result.report)
        _write_reports(context, result, reports, staff)
    page = context.workspace / "dashboard" / f"{context.assignment.id}.html"
    counting = [replace(r, report=f"{context.assignment.id}/{_name_of(r)}") for r in counting_results(context)]
    view = context.report_context(context.language_of(None))
    info = DashboardInfo(_now(), duration_s, link_prefix="", roster=_roster(context))
    _write(page, dashboard(counting, view, info))
    _write_index(context, counting)
    return Published(context, page, reports, results, paths)


def keep_roster(context: Context, file: Path) -> Roster:
    """Reads the class list and keeps it in the workspace, so that the dashboard knows who has not handed in."""
    roster = read_roster(file)
    part = context.workspace / "roster.part"
    part.write_bytes(file.read_bytes())
    part.replace(context.workspace / _ROSTER)
    return roster


def _roster(context: Context) -> Sequence[Student]:
    path = context.workspace / _ROSTER
    return tuple(read_roster(path).students) if path.is_file() else ()


def needs_attention(result: Result) -> bool:
    """Whether staff must act before this attempt can be graded: a fault of ours, or an unreadable file."""
    errored = any(line.outcome is Outcome.ERRORED for line in result.score.criteria)
    return errored or result.score.status is Status.NOT_GRADABLE


def _write_index(context: Context, counting: Sequence[Result]) -> None:
    language = context.language_of(None)
    title = context.assignment.title.get(language) or context.assignment.id
    entries = []
    for ident in context.gradebook.assignments():
        if ident == context.assignment.id:
            n_attention = sum(map(needs_attention, counting))
            entries.append(IndexEntry(title, f"{ident}.html", len(counting), n_attention, _now()))
        elif ident in context.course.assignment_ids():
            other = context.course.assignment(ident)
            results = [stored.result for stored in context.gradebook.counting(ident)]
            n_attention = sum(map(needs_attention, results))
            entries.append(IndexEntry(other.title.get(language) or ident, f"{ident}.html", len(results), n_attention))
    page = index(entries, context.catalogue(language), context.course.reports_dir, _now())
    _write(context.workspace / "dashboard" / "index.html", page)


def _final(context: Context, stored: StoredResult) -> Result:
    result = replace(stored.result, score=apply_edits(stored.result.score, stored.edits))
    return replace(result, report=f"reports/{context.assignment.id}/{_name_of(result)}")


def _name_of(result: Result) -> str:
    slug = _SAFE.sub("-", result.student.id or "").strip("-")[:60] or result.digest.removeprefix("sha256:")[:12]
    return f"{slug}.html" if result.attempt_number == 1 else f"{slug}-{result.attempt_number}.html"


def _evidence(context: Context, result: Result) -> Evidence | None:
    if result.evidence is None:
        return None
    try:
        return read_evidence(context.workspace / "evidence" / result.evidence)
    except (EvidenceError, OSError):
        return None


def _write_reports(context: Context, result: Result, reports: Path, staff: Path) -> None:
    view = context.report_context(context.language_of(result.language))
    evidence = _evidence(context, result)
    public = {n: v for n, v in context.threshold_views.items() if context.rubric.thresholds[n].public}
    for folder, audience, shown in (
        (reports, Audience.STUDENT, public),
        (staff, Audience.STAFF, context.threshold_views),
    ):
        page = student_report(
            replace(result, score=redact(result.score, audience)),
            evidence,
            view,
            audience=audience,
            thresholds=shown,
            images=context.test_set,
        )
        _write(folder / _name_of(result), page)


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, "utf-8")
    part.replace(path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
