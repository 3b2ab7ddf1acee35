"""One attempt as an object of the result file: strict JSON (no NaN), sentences in one language.

It holds nothing that differs between two runs of the same file by the clock alone, but for the duration and the peak
memory of the execution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

from grader.messages import Catalogue
from grader.model import CriterionScore, Execution, Lateness, Result, Text
from grader.rubric import Rubric

SCHEMA_VERSION = 1


def result_row(result: Result, rubric: Rubric, catalogue: Catalogue) -> dict[str, Any]:
    """``result`` as an object of the result file. Titles come from ``rubric``; an unknown criterion shows its id."""
    score = result.score
    student = result.student
    titles = rubric.texts_in(catalogue.language)
    row = {
        "schema": SCHEMA_VERSION,
        "assignment": result.assignment,
        "source": result.source,
        "student": {"id": student.id, "name": student.name, "email": student.email},
        "attempt": result.digest,
        "attempt_number": result.attempt_number,
        "handed_in_at": result.handed_in_at,
        "language": result.language,
        "status": score.status,
        "reason": catalogue.render(score.reason) or None,
        "score": score.points,
        "score_pending": score.pending,
        "max_score": score.max_points,
        "late": _late(result.late, catalogue),
        "final": result.final,
        "runtime": result.execution.runtime,
        "budget": result.execution.budget,
        "execution": _execution(result.execution, catalogue),
        "criteria": [_criterion(c, titles.get(f"{c.id}/title") or c.id, catalogue) for c in score.criteria],
        "flags": [{"kind": f.kind, "message": catalogue.render(f.message)} for f in score.flags],
        "notes": [catalogue.render(t) for t in result.notes],
        "conflicts": [catalogue.render(t) for t in result.conflicts],
        "rubric_version": result.rubric_version,
        "grader_version": result.grader_version,
        "evidence": result.evidence,
        "report": result.report,
    }
    return {key: plain(value, catalogue) for key, value in row.items()}


def _late(late: Lateness | None, catalogue: Catalogue) -> dict[str, Any] | None:
    if late is None:
        return None
    return {
        "due": late.due,
        "handed_in_at": late.handed_in_at,
        "days_late": late.days_late,
        "extension_days": late.extension_days,
        "percent": late.percent,
        "penalty": late.penalty,
        "message": catalogue.render(late.note),
    }


def _execution(execution: Execution, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "outcome": execution.outcome,
        "duration_s": execution.duration_s,
        "failed_cells": list(execution.failed_cells),
        "peak_memory_mib": execution.peak_memory_mib,
        "replayed_fits": execution.replayed_fits,
        "trained_fits": execution.trained_fits,
        "notes": [catalogue.render(t) for t in execution.notes],
        "seed": execution.seed,
        "sandbox": execution.sandbox,
    }


def _criterion(line: CriterionScore, title: str, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "id": line.id,
        "title": title,
        "points": line.points,
        "max_points": line.max_points,
        "outcome": line.outcome,
        "visibility": line.visibility,
        "message": catalogue.render(line.message) or title,
        "hint": catalogue.render(line.hint) or None,
        "measured": dict(line.measured),
    }


def plain(value: Any, catalogue: Catalogue) -> Any:
    """``value`` as strict JSON data: a number that is not finite is ``None``, an array a list, anything else a text."""
    if isinstance(value, Text):
        return catalogue.render(value)
    if isinstance(value, Enum):
        return plain(value.value, catalogue)
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return plain(value.tolist(), catalogue)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain(v, catalogue) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [plain(v, catalogue) for v in items]
    return str(value)
