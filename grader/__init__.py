"""Grades TensorFlow/Keras notebook assignments: runs, records, re-measures, explains."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext grader`` in a notebook: from now on ``%grader check`` judges what has run."""
    from grader.notebook import load

    load(shell)


def check(*criteria: str) -> None:
    """Judges what has run in this kernel, as ``%grader check CRITERION ...`` does."""
    from grader.notebook import check as judge

    judge(*criteria)
