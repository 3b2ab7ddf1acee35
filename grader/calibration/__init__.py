"""Trains the reference answers of an assignment under many seeds, so that thresholds follow from what was measured."""

from grader.calibration.check import ThresholdCheck, check_thresholds
from grader.calibration.measure import calibrate, rubric_directory, write_calibration
from grader.calibration.plan import Plan, Reference, read_plan

__all__ = [
    "Plan",
    "Reference",
    "ThresholdCheck",
    "calibrate",
    "check_thresholds",
    "read_plan",
    "rubric_directory",
    "write_calibration",
]
