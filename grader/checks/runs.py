"""The check that every rubric has, each under a criterion of its own: the notebook runs from top to bottom."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

from grader.checks.facts import NotebookCell, Submission
from grader.checks.verdicts import Say
from grader.model import CellOutcome, ExecutionOutcome

_LENGTHS = re.compile(
    r"dimension|\bshapes?\b|\blengths?\b|\bsizes?\b|broadcast|out of (?:range|bounds)|\belements?\b|inhomogeneous",
    re.IGNORECASE,
)
_UNDEFINED = re.compile(r"name '(\w+)' is not defined")

_ENDED = {ExecutionOutcome.KERNEL_DIED: "kernel-ended", ExecutionOutcome.MEMORY: "out-of-memory"}


def every_cell_runs(say: Say, submission: Submission, notebook: Sequence[NotebookCell]) -> NoReturn:
    """Credit for the share of code cells that ran.

    Its texts: ``passed``, ``errors``, ``timeout``, ``kernel-ended``, ``out-of-memory``, ``no-code``, and for the quick
    budget ``undecided-quick`` and ``undecided-capped``. They may name ``{cells}``, ``{ran}``, ``{first}`` and
    ``{error}``.
    """
    code = [c for c in notebook if c.kind == "code" and c.outcome is not CellOutcome.EMPTY]
    if not code:
        say.failed("no-code")
    broken = [c for c in code if c.outcome is not CellOutcome.OK]
    if not broken:
        say.passed(cells=len(code))
    excused = cut_short(submission, broken)
    own = [c for c in broken if c not in excused]
    first = (own or broken)[0]
    seen = {"ran": len(code) - len(broken), "cells": len(code), "first": name_of(first)}
    outcome = submission.execution.outcome
    if not own:
        say.needs_review("undecided-capped", cell=first.index, error=first.error_name or "?", **seen)
    if outcome is ExecutionOutcome.BUDGET:
        say.needs_review("undecided-quick", cell=first.index, **seen)
    share = 1 - len(own) / len(code)
    if outcome in _ENDED:
        say.partial(min(0.5, share), _ENDED[outcome], cell=first.index, **seen)
    counts = Counter(c.outcome for c in own)
    if counts[CellOutcome.TIMEOUT] or outcome is ExecutionOutcome.TIMEOUT:
        say.partial(min(0.5, share), "timeout", cell=first.index, **seen)
    say.partial(min(0.75, share), "errors", cell=first.index, error=first.error_name or "?", **seen)


def name_of(cell: NotebookCell) -> str:
    """What a person calls the cell: its label, else its place counted from 1."""
    return f"[{cell.label}]" if cell.label else f"#{cell.index + 1}"


def cut_short(submission: Submission, broken: Sequence[NotebookCell]) -> list[NotebookCell]:
    """Cells that may have failed only because the quick budget cut a training short.

    They come after such a training and complain about a length (ten epochs were to be drawn, two were run), or miss a
    name that stands in a cell which did. A cell whose own ``fit`` failed is none of them.
    """
    fits = submission.fits if submission.quick else ()
    ended = [f for f in fits if f.fit.capped and f.fit.ended in ("completed", "stopped")]
    first = min((f.cell for f in ended if f.cell is not None), default=None)
    if first is None:
        return []
    failed = {f.cell for f in fits if f.fit.ended == "error"}
    found: list[NotebookCell] = []
    for cell in broken:
        after = cell.index >= first and cell.index not in failed and cell.outcome is CellOutcome.ERROR
        if after and (_is_about_length(cell) or _misses_name(cell, found)):
            found.append(cell)
    return found


def _is_about_length(cell: NotebookCell) -> bool:
    value = cell.error_value or ""
    match cell.error_name:
        case "IndexError":
            return True
        case "KeyError":
            return value.strip().lstrip("-").isdigit()  # an epoch, by its number
        case _:
            return cell.error_name == "ValueError" and _LENGTHS.search(value) is not None


def _misses_name(cell: NotebookCell, excused: Sequence[NotebookCell]) -> bool:
    missing = _UNDEFINED.search(cell.error_value or "") if cell.error_name == "NameError" else None
    return missing is not None and any(re.search(rf"\b{missing[1]}\b", other.source) for other in excused)
