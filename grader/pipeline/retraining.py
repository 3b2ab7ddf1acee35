"""Runs a notebook again under further seeds, where a check found a value too near its threshold to decide."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from grader.evidence.reader import read_execution
from grader.evidence.tries import TRIES, tries_of
from grader.execution import ExecutionRequest
from grader.model import Budget, CheckResult, Execution, Result, Text, Visibility
from grader.pipeline.context import Context
from grader.rubric import Rubric

FURTHER_TRIES = 2
"""With the first run three values: the fewest whose median is none of the extremes."""
SEED_OFFSET = 1_000_003
_SEED_LIMIT = 2**32

Run = Callable[[ExecutionRequest, Path], None]
"""Executes and re-measures the attempt, as the request says, into a folder."""


def wants_tries(context: Context, result: Result, directory: Path) -> bool:
    """Whether a check asks for further tries and this run may make them: once an attempt, for all checks together."""
    if context.public_only or context.budget is not Budget.FULL or tries_of(directory):
        return False
    return any(check.retrain for line in result.score.criteria for check in line.checks)


def make_tries(context: Context, first: Execution, directory: Path, run: Run) -> None:
    """Runs the notebook of the evidence in ``directory`` under the next seeds, into ``tries/1`` and ``tries/2`` of it.

    The runtime is that of the first run. Seeds that the notebook fixes itself are moved, else it would only repeat
    itself. Either all tries are there afterwards or none. They stay as long as the first run does.
    """
    request = context.execution_request()
    request = replace(request, runtime=first.runtime or request.runtime)
    partial = directory / f".{TRIES}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for number in range(1, FURTHER_TRIES + 1):
            seed = (first.seed + number) % _SEED_LIMIT
            run(replace(request, seed=seed, seed_shift=number * SEED_OFFSET), partial / str(number))
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(directory / TRIES, ignore_errors=True)
    partial.rename(directory / TRIES)


def with_tries_noted(
    execution: Execution, directory: Path, rubric: Rubric, results: Sequence[CheckResult]
) -> Execution:
    """``execution`` with a sentence on its further tries, if there are any; values of what staff alone see left out.

    :raises EvidenceError: a try's ``execution.json`` is missing or malformed.
    """
    seeds = [str(read_execution(folder).seed) for folder in tries_of(directory)]
    if not seeds:
        return execution
    public = (r for r in results if rubric.criterion(r.criterion).visibility is Visibility.PUBLIC)
    values = [_listed(r) for r in public if "tries" in r.measured]
    note = Text(
        "The notebook was run again under the seeds {seeds}, as a value was in doubt.", {"seeds": ", ".join(seeds)}
    )
    if values:
        note = Text(
            "The notebook was run again under the seeds {seeds}, as a value was in doubt. First run and further ones: "
            "{values}. The median decides.",
            {"seeds": ", ".join(seeds), "values": "; ".join(dict.fromkeys(values))},
        )
    return replace(execution, notes=(*execution.notes, note))


def _listed(result: CheckResult) -> str:
    values = (one["value"] for one in result.measured["tries"])
    return ", ".join("–" if value is None else f"{value:.3f}" for value in values)
