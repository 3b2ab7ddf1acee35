"""Shows results to people: a report per student, a class dashboard, lines for a terminal; templates: ``reports/``."""

from grader.reporting.context import Audience, ReportContext, TestSet, ThresholdView
from grader.reporting.dashboard import (
    DashboardInfo,
    IndexEntry,
    attention_reasons,
    dashboard,
    index,
    newest_graded_at,
)
from grader.reporting.report import ShownEvidence, Standing, student_report
from grader.reporting.terminal import Line, plain, result_lines, summary_lines

__all__ = [
    "Audience",
    "DashboardInfo",
    "IndexEntry",
    "Line",
    "ReportContext",
    "ShownEvidence",
    "Standing",
    "TestSet",
    "ThresholdView",
    "attention_reasons",
    "dashboard",
    "index",
    "newest_graded_at",
    "plain",
    "result_lines",
    "student_report",
    "summary_lines",
]
