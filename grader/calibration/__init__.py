"""Trains the reference answers of an assignment under many seeds, so that thresholds follow from what was measured."""

from grader.calibration.measure import calibrate, rubric_directory, write_calibration
from grader.calibration.plan import Plan, Reference, read_plan
from grader.calibration.quantile import student_t_quantile

__all__ = [
    "Plan",
    "Reference",
    "calibrate",
    "read_plan",
    "rubric_directory",
    "student_t_quantile",
    "write_calibration",
]
