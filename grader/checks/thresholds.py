"""Thresholds by name: from the rubric's calibration, or from the numbers that a kit carries instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from grader.errors import CourseError
from grader.rubric import Rubric, read_calibration


@dataclass(frozen=True)
class Threshold:
    """A bound that follows from what right answers were seen to reach, and their range.

    :ivar n: how many right answers were measured. :ivar false_fail: probability that one more falls on the wrong side;
        both ``None`` in a kit.
    """

    value: float
    reference_min: float
    reference_max: float
    n: int | None = None
    false_fail: float | None = None

    def measured(self) -> dict[str, float]:
        """For a verdict's facts: the threshold and the range of the reference."""
        return {
            "threshold": self.value,
            "reference_min": self.reference_min,
            "reference_max": self.reference_max,
        }


class _Number(Struct, frozen=True):
    value: float
    reference_min: float
    reference_max: float


class _KitThresholds(Struct, frozen=True):
    thresholds: dict[str, _Number]


class Thresholds:
    """Callable: ``threshold("small-data-accuracy")``.

    :param dataset_digest: of the data set that models are measured on; a calibration holds for one data set.
    """

    def __init__(self, rubric: Rubric, dataset_digest: str) -> None:
        self._rubric = rubric
        self._digest = dataset_digest

    def __call__(self, name: str) -> Threshold:
        """The threshold of this name; :raises CourseError: there is none, or no calibration for this data set."""
        kit = self._rubric.directory / "thresholds.json"
        return self._from_kit(kit, name) if kit.is_file() else self._from_calibration(name)

    def find(self, name: str) -> Threshold | None:
        """The threshold of this name; ``None`` where nobody has calibrated it for this data set.

        :raises CourseError: the calibration or the kit is malformed.
        """
        kit = self._rubric.directory / "thresholds.json"
        if kit.is_file():
            return self._from_kit(kit, name) if name in self._kit(kit) else None
        calibration = read_calibration(self._rubric.directory / "calibration.json", self._digest)
        return self._from_calibration(name) if calibration and name in self._rubric.thresholds else None

    def _kit(self, path: Path) -> dict[str, _Number]:
        try:
            return msgspec.json.decode(path.read_bytes(), type=_KitThresholds).thresholds
        except msgspec.DecodeError as error:
            raise CourseError(f"{path.name} is malformed: {error}: get the kit again") from error

    def _from_kit(self, path: Path, name: str) -> Threshold:
        numbers = self._kit(path)
        if name not in numbers:
            raise CourseError(f"the kit has no threshold {name!r}, it has {sorted(numbers)}")
        return Threshold(numbers[name].value, numbers[name].reference_min, numbers[name].reference_max)

    def _from_calibration(self, name: str) -> Threshold:
        rule = self._rubric.thresholds.get(name)
        if rule is None:
            raise CourseError(f"rubric.toml has no threshold {name!r}, it has {sorted(self._rubric.thresholds)}")
        calibration = read_calibration(self._rubric.directory / "calibration.json", self._digest)
        if calibration is None:
            raise CourseError(
                f"{self._rubric.directory / 'calibration.json'} has nothing for data set {self._digest[:16]}: "
                f"run 'grader calibrate {self._rubric.assignment}'"
            )
        value = calibration.threshold(rule)
        reference = calibration.distributions[rule.distribution]
        return Threshold(value, min(reference.values), max(reference.values), reference.n, rule.false_fail)
