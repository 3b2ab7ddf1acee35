"""Runs one notebook as the grader does, and reads what it left."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from grader.execution import ExecutionRequest, execute, warm_pool
from grader.model import Attempt, Execution, Student
from grader.sandbox.choose import choose, trial
from grader.warm import WarmPool

SANDBOXES = [name for name in ("namespaces", "bwrap") if trial(name).works]
if "namespaces" in SANDBOXES and warm_pool(1, None) is not None:
    SANDBOXES.append("warm")  # namespaces, in a kernel forked from a warm process: what `grader grade` does


@functools.cache
def shared_pool() -> WarmPool | None:
    """One warm process for all attacks."""
    pool = warm_pool(1, None)
    if pool is not None:
        atexit.register(pool.close)
    return pool


def attempt_of(sources: Sequence[str], **metadata: Any) -> Attempt:
    """An attempt at nothing in particular."""
    cells = [nbformat.v4.new_code_cell(source, id=f"c{i}") for i, source in enumerate(sources)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    content = json.dumps(notebook).encode()
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    return Attempt("b2-1", digest, "attack.ipynb", content, Student("21X0000"), json.loads(content))


def request_of(sandbox: str, **changes: Any) -> ExecutionRequest:
    """Short limits, in ``sandbox``."""
    limits = {"time_limit_s": 60.0, "memory_limit_mib": 1024, "cell_time_limit_s": 20.0}
    warm = {"warm": shared_pool()} if sandbox == "warm" else {}
    walls = choose("namespaces" if sandbox == "warm" else sandbox)
    return ExecutionRequest(**{**limits, "sandbox": walls, **warm, **changes})


def run_notebook(folder: Path, sources: Sequence[str], sandbox: str, **changes: Any) -> Path:
    """The evidence folder of a run."""
    directory = folder / "evidence"
    execute(attempt_of(sources), request_of(sandbox, **changes), directory)
    return directory


def run_for_execution(folder: Path, sources: Sequence[str], sandbox: str, **changes: Any) -> Execution:
    """The record of a run."""
    return execute(attempt_of(sources), request_of(sandbox, **changes), folder / "evidence")


def outputs(evidence: Path) -> list[str]:
    """What each cell printed."""
    executed = json.loads((evidence / "executed.ipynb").read_text("utf-8"))
    return ["".join("".join(o.get("text", "")) for o in cell["outputs"]) for cell in executed["cells"]]


def tree(folder: Path) -> list[Path]:
    """Every file below."""
    return [p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()]
