"""Runs one notebook in a fresh kernel and leaves its evidence in a folder."""

from grader import schemas  # noqa: F401 - before anything imports nbformat
from grader.execution.kernel import warm_pool
from grader.execution.request import ExecutionRequest
from grader.execution.run import execute
from grader.execution.watch import Progress

__all__ = ["ExecutionRequest", "Progress", "execute", "warm_pool"]
