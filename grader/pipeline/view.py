"""The report of one attempt as of now, for pages that are not written to the disk."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from grader.errors import EvidenceError
from grader.evidence import Evidence, read_evidence
from grader.model import Result
from grader.pipeline.context import Context
from grader.reporting import Audience as Reader
from grader.reporting import ReportContext, Standing
from grader.reporting.report import report_parts
from grader.scoring import Audience, redact


def view_in(context: Context, language: str) -> ReportContext:
    """What pages in ``language`` need; in a language that the rubric lacks, its texts are English or the first's."""
    return context.report_context(language)


def evidence_of(context: Context, result: Result) -> Evidence | None:
    """What the run left behind; ``None`` where it is gone or damaged."""
    if result.evidence is None:
        return None
    try:
        return read_evidence(context.workspace / "evidence" / result.evidence)
    except (EvidenceError, OSError):
        return None


def parts_for(
    context: Context, result: Result, audience: Audience, language: str, standing: Standing | None = None
) -> dict[str, Any]:
    """What the templates of a report need, with what ``audience`` may see and nothing else.

    :param result: with edits applied.
    """
    is_staff = audience is Audience.STAFF
    public = {n: v for n, v in context.threshold_views.items() if context.rubric.thresholds[n].public}
    return report_parts(
        replace(result, score=redact(result.score, audience)),
        evidence_of(context, result),
        view_in(context, language),
        audience=Reader.STAFF if is_staff else Reader.STUDENT,
        thresholds=context.threshold_views if is_staff else public,
        images=context.test_set,
        standing=standing,
    )
