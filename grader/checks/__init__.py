"""Runs a rubric (pytest functions) over the evidence of attempts. pytest lives in this room and nowhere else."""

from grader.checks.requests import Checked, CheckRequest
from grader.checks.room import Room
from grader.checks.run import run_checks

__all__ = ["CheckRequest", "Checked", "Room", "run_checks"]
