"""Courses, assignments and rubrics: what is handed out and how it is graded, loaded from TOML and validated."""

from grader.rubric.calibration import Calibration, Distribution, read_calibration
from grader.rubric.course import Course, bundled_course_dir
from grader.rubric.late import LATE_FILE, LateRules, LateTerms, late_terms
from grader.rubric.records import Assignment, Criterion, Rubric, ThresholdRule, WrittenQuestion

__all__ = [
    "LATE_FILE",
    "Assignment",
    "Calibration",
    "Course",
    "Criterion",
    "Distribution",
    "LateRules",
    "LateTerms",
    "Rubric",
    "ThresholdRule",
    "WrittenQuestion",
    "bundled_course_dir",
    "late_terms",
    "read_calibration",
]
