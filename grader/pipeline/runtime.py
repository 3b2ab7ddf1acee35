"""Which generation of Keras a notebook runs on, and a second try on the other one where its idioms ask for that."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import msgspec

from grader.execution import ExecutionRequest, Progress, execute
from grader.model import Attempt, CellOutcome, Execution, Text

OTHER_RUN = "other-runtime"
# What Keras 3 says to code written for its predecessor.
_LEGACY_IDIOMS = re.compile(
    r"has never been called and thus has no defined (?:input|output)"
    r"|Argument\(s\) not recognized: \{'(?:lr|decay)'"
    r"|no attribute '(?:predict_classes|predict_proba|fit_generator|evaluate_generator|predict_generator)'"
    r"|no attribute '(?:input_shape|output_shape|input|output|inbound_nodes|get_weights_flat)'"
    r"|No module named '(?:tensorflow\.)?keras\.(?:layers\.core|layers\.convolutional|utils\.np_utils|backend\.common)"
    r"|No module named 'keras\.preprocessing"
)
_ASKS_FOR_LEGACY = re.compile(r"^\s*(?:import tf_keras|from tf_keras)|TF_USE_LEGACY_KERAS['\"]\s*\]\s*=", re.MULTILINE)


def first_runtime(attempt: Attempt) -> str:
    """``keras2`` for a notebook that asks for the legacy generation itself, else ``keras3``."""
    cells = (attempt.notebook or {}).get("cells", ())
    sources = [str(c.get("source", "")) for c in cells if c.get("cell_type") == "code"]
    legacy = any(_ASKS_FOR_LEGACY.search(source) for source in sources)
    return "keras2" if legacy and has_legacy_keras() else "keras3"


def has_legacy_keras() -> bool:
    """Whether ``tf_keras`` is installed."""
    return find_spec("tf_keras") is not None


def has_legacy_idiom(execution: Execution) -> bool:
    """Whether a cell failed on something that only the legacy generation knows."""
    failed = (c.error_value or "" for c in execution.cells if c.outcome is CellOutcome.ERROR)
    return any(_LEGACY_IDIOMS.search(value) for value in failed)


def execute_auto(
    attempt: Attempt,
    request: ExecutionRequest,
    directory: Path,
    *,
    tell: Callable[[Progress], None],
    cancelled: threading.Event | None,
) -> Execution:
    """Runs the notebook on the generation it seems written for; where that fails on a legacy idiom, on the other too.

    The run in which more cells ended well counts; the other one is kept in its folder ``other-runtime``.
    """
    request = replace(request, runtime=first_runtime(attempt))
    first = execute(attempt, request, directory, tell=tell, cancelled=cancelled)
    if request.runtime == "keras2" or not has_legacy_idiom(first) or not has_legacy_keras():
        return first
    aside = directory.with_name(f"{directory.name}.keras2")
    second = execute(attempt, replace(request, runtime="keras2"), aside, tell=tell, cancelled=cancelled)
    if _n_ok(second) <= _n_ok(first):
        aside.rename(directory / OTHER_RUN)
        return first
    directory.rename(aside / OTHER_RUN)
    shutil.rmtree(directory, ignore_errors=True)
    aside.rename(directory)
    return _noted(directory, first, second)


def _n_ok(execution: Execution) -> int:
    return sum(c.outcome is CellOutcome.OK for c in execution.cells)


def _noted(directory: Path, first: Execution, second: Execution) -> Execution:
    note = Text(
        "The notebook was run twice: on Keras 3 cells {cells} failed on an idiom of the Keras before it, so the run on "
        "that one counts. Both are kept.",
        {"cells": ", ".join(f"#{i + 1}" for i in first.failed_cells[:10])},
    )
    execution = replace(second, notes=(note, *second.notes))
    rewrite_execution(directory, execution)
    return execution


def rewrite_execution(directory: Path, execution: Execution) -> None:
    """Puts ``execution`` in the place of what the harness wrote."""
    path = directory / "execution.json"
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(execution))
    part.replace(path)
