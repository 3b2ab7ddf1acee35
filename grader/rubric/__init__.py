"""Courses, assignments and rubrics: what is handed out and how it is graded, loaded from TOML and validated."""

from grader.rubric.calibration import Calibration, Distribution, read_calibration
from grader.rubric.course import Course, bundled_course_dir
from grader.rubric.records import Assignment, Criterion, Rubric, ThresholdRule, WrittenQuestion

__all__ = [
    "Assignment",
    "Calibration",
    "Course",
    "Criterion",
    "Distribution",
    "Rubric",
    "ThresholdRule",
    "WrittenQuestion",
    "bundled_course_dir",
    "read_calibration",
]
