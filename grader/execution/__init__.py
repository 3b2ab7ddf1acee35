"""Runs one notebook in a fresh kernel and leaves its evidence in a folder."""

from grader.execution.run import ExecutionRequest, execute
from grader.execution.watch import Progress

__all__ = ["ExecutionRequest", "Progress", "execute"]
