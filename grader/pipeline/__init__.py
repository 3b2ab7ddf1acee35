"""Knows the order: intake → execution → verification → checks → scoring → store → report. Nothing else does."""

from grader.pipeline.attempt import Graded, grade_attempt
from grader.pipeline.batch import Batch, grade_batch, regrade
from grader.pipeline.context import Context, open_context
from grader.pipeline.publish import publish

__all__ = ["Batch", "Context", "Graded", "grade_attempt", "grade_batch", "open_context", "publish", "regrade"]
