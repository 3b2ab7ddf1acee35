"""What right answers were seen to reach, and the thresholds that follow.

A threshold is the one-sided prediction bound of a further normal observation: with ``n`` values of mean ``m`` and
sample standard deviation ``s``, ``m - t(1 - p, n - 1) * s * sqrt(1 + 1/n)`` leaves a right answer below it with
probability ``p``. Small ``n`` widens it through both factors. Source: G. J. Hahn and W. Q. Meeker, *Statistical
Intervals*, Wiley 1991, section 4.8; it assumes that the values are independent and near normal (accuracies over
seeds are).

Beyond a threshold lies its *band of doubt*, down to the same bound for ``DOUBT_SHARE * p``: a value there is trained
again under further seeds before it costs points. A value beyond the band is one that fewer than one right answer in
``1 / (DOUBT_SHARE * p)`` falls to (100,000 by default), and is not tried again. So far out the values need not be
normal any more; an error there costs a few trainings, or spares them, and few values make the band wide in any case.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from grader.errors import CourseError
from grader.rubric.records import ThresholdRule
from grader.rubric.student_t import student_t_quantile, upper_tail

DOUBT_SHARE = 0.01
"""A right answer falls beyond the band of doubt this many times as often as beyond the threshold."""


class Distribution(Struct, frozen=True, forbid_unknown_fields=True):
    """Values of one measure over independent seeds.

    ``student_t`` holds quantiles of Student's t by tail probability, as they were used; others are computed.
    """

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
        """The bound of ``rule``."""
        return self._bound(rule.false_fail, rule.side)

    def doubt(self, rule: ThresholdRule) -> float:
        """Where the band of doubt beyond the bound of ``rule`` ends."""
        return self._bound(DOUBT_SHARE * rule.false_fail, rule.side)

    def _bound(self, tail: float, side: str) -> float:
        stored = self.student_t.get(f"{tail:g}")
        t = student_t_quantile(tail, self.n - 1) if stored is None else stored
        width = t * self.sd * math.sqrt(1 + 1 / self.n)
        return self.mean - width if side == "lower" else self.mean + width

    def share_beyond(self, value: float, side: str) -> float:
        """Share of right answers that fall at least as far off as ``value``, on that side (a share of one half is the
        mean itself).
        """
        off = self.mean - value if side == "lower" else value - self.mean
        width = self.sd * math.sqrt(1 + 1 / self.n)
        if width == 0:
            return 1.0 if off <= 0 else 0.0
        return upper_tail(off / width, self.n - 1)


class Calibration(Struct, frozen=True, forbid_unknown_fields=True):
    """``calibration.json``: distributions for one data set, and where and when they were taken."""

    dataset: str
    dataset_digest: str
    date: str
    machine: str
    versions: dict[str, str]
    distributions: dict[str, Distribution]

    def threshold(self, rule: ThresholdRule) -> float:
        """The bound of ``rule``; :raises CourseError: there is no such distribution."""
        return self.of(rule).threshold(rule)

    def of(self, rule: ThresholdRule) -> Distribution:
        """The distribution that ``rule`` names; :raises CourseError: there is none."""
        if rule.distribution not in self.distributions:
            raise CourseError(
                f"calibration has no distribution {rule.distribution!r}, it has {sorted(self.distributions)}: "
                "calibrate again"
            )
        return self.distributions[rule.distribution]


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
