"""Counts over a class, with pandas. Imported by the dashboard only; pandas itself only when a function is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from grader.model import Outcome, Result, Status

Frame: TypeAlias = Any
"""A pandas DataFrame, one row a result: ``points pending final`` and one column a criterion with its outcome."""


def frame(results: Sequence[Result]) -> Frame:
    """The results as a table."""
    import pandas as pd

    rows = [
        {
            "points": r.score.points,
            "pending": r.score.pending,
            "final": r.score.status is Status.GRADED,
            **{f"c:{c.id}": c.outcome.value for c in r.score.criteria},
        }
        for r in results
    ]
    table = pd.DataFrame(rows, columns=None if rows else ["points", "pending", "final"])
    table["points"] = pd.to_numeric(table["points"])
    return table


def outcome_counts(table: Frame, criteria: Sequence[str]) -> Mapping[str, Mapping[Outcome, int]]:
    """How often each criterion had each outcome."""
    return {
        ident: {Outcome(value): int(n) for value, n in table[f"c:{ident}"].dropna().value_counts().items()}
        if f"c:{ident}" in table
        else {}
        for ident in criteria
    }


def median_points(table: Frame) -> float | None:
    """Median of the points that are certain; ``None`` for an empty class."""
    points = table["points"].dropna()
    return float(points.median()) if len(points) else None


def distribution(table: Frame, max_points: float, n_bins: int) -> tuple[list[int], list[int]]:
    """Scores in ``n_bins`` equal bins from 0 to ``max_points``: final ones, and those with points still open."""
    import pandas as pd

    scored = table.dropna(subset=["points"])
    edges = [max_points * i / n_bins for i in range(n_bins)] + [float("inf")]
    bins = pd.cut(scored["points"], edges, right=False, labels=False)
    is_open = scored["pending"].astype(float) > 0
    counts = [bins[chosen].value_counts() for chosen in (~is_open, is_open)]
    final, pending = ([int(c.get(i, 0)) for i in range(n_bins)] for c in counts)
    return final, pending
