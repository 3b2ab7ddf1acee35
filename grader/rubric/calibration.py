"""What right answers were seen to reach, and the thresholds that follow.

A threshold is the one-sided prediction bound of a further normal observation: with ``n`` values of mean ``m`` and
sample standard deviation ``s``, ``m - t(1 - p, n - 1) * s * sqrt(1 + 1/n)`` leaves a right answer below it with
probability ``p``. Small ``n`` widens it through both factors. Source: G. J. Hahn and W. Q. Meeker, *Statistical
Intervals*, Wiley 1991, section 4.8; it assumes that the values are independent and near normal (accuracies over
seeds are).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from grader.errors import CourseError
from grader.rubric.records import ThresholdRule


class Distribution(Struct, frozen=True, forbid_unknown_fields=True):
    """Values of one measure over independent seeds; ``t`` holds Student's quantiles by false-fail probability."""

    values: Annotated[tuple[float, ...], Meta(min_length=3)]
    student_t: dict[str, float]
    description: str = ""

    @property
    def n(self) -> int:
        """Number of values."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Arithmetic mean."""
        return math.fsum(self.values) / self.n

    @property
    def sd(self) -> float:
        """Sample standard deviation (n - 1)."""
        mean = self.mean
        return math.sqrt(math.fsum((v - mean) ** 2 for v in self.values) / (self.n - 1))

    def threshold(self, rule: ThresholdRule) -> float:
        """The bound of ``rule``; :raises CourseError: the quantile for its probability was not stored."""
        key = f"{rule.false_fail:g}"
        if key not in self.student_t:
            raise CourseError(
                f"calibration has no quantile for false_fail = {key}, it has {sorted(self.student_t)}: calibrate again"
            )
        width = self.student_t[key] * self.sd * math.sqrt(1 + 1 / self.n)
        return self.mean - width if rule.side == "lower" else self.mean + width


class Calibration(Struct, frozen=True, forbid_unknown_fields=True):
    """``calibration.json``: distributions for one data set, and where and when they were taken."""

    dataset: str
    dataset_digest: str
    date: str
    machine: str
    versions: dict[str, str]
    distributions: dict[str, Distribution]

    def threshold(self, rule: ThresholdRule) -> float:
        """The bound of ``rule``; :raises CourseError: there is no such distribution or quantile."""
        if rule.distribution not in self.distributions:
            raise CourseError(
                f"calibration has no distribution {rule.distribution!r}, it has {sorted(self.distributions)}: "
                "calibrate again"
            )
        return self.distributions[rule.distribution].threshold(rule)


def read_calibrations(path: Path) -> list[Calibration]:
    """All calibrations of one file: a JSON list, one object a data set; empty if there is no file.

    :raises CourseError: the file is malformed.
    """
    if not path.is_file():
        return []
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Calibration])
    except msgspec.DecodeError as error:
        raise CourseError(f"{path} is malformed: {error}: calibrate again") from error


def read_calibration(path: Path, dataset_digest: str | None = None) -> Calibration | None:
    """The calibration for one data set (the first, if none is named); ``None`` if there is none.

    :raises CourseError: the file is malformed.
    """
    return next((c for c in read_calibrations(path) if dataset_digest in (None, c.dataset_digest)), None)
