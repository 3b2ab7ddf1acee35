"""Thresholds by name: from the rubric's calibration, or from the numbers that a kit carries instead."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import Struct

from grader.errors import CourseError
from grader.rubric import Distribution, Rubric, ThresholdRule, read_calibration
from grader.rubric.calibration import DOUBT_SHARE

BEYOND = 0.5
"""Share of the best right answer's errors below which a person looks how it was done."""
HARDLY_ANY = 0.1
"""The same where a task is to be trained on all images and leaves the network open: none leaves so few."""


@dataclass(frozen=True)
class Threshold:
    """A bound that follows from what right answers were seen to reach, and their range.

    :ivar n: how many right answers were measured. :ivar false_fail: probability that one more falls on the wrong side;
        both ``None`` in a kit.
    :ivar side: ``lower`` (at least ``value``) or ``upper`` (at most).
    :ivar doubt: where the band of doubt beyond ``value`` ends: a value in it is trained again before it costs points;
        ``None``: there is no band.
    :ivar reference: what ``value`` follows from; ``None`` in a kit.
    """

    value: float
    reference_min: float
    reference_max: float
    n: int | None = None
    false_fail: float | None = None
    side: str = "lower"
    doubt: float | None = None
    reference: Distribution | None = field(default=None, repr=False)

    def holds(self, value: float) -> bool:
        """Whether ``value`` is good enough."""
        return value >= self.value if self.side == "lower" else value <= self.value

    def is_beyond(self, accuracy: float, share: float = BEYOND) -> bool:
        """Whether ``accuracy`` leaves fewer than ``share`` of the errors of the best right answer that was measured.

        No luck between seeds halves them: it was trained on other data, or better than the task asks for. Where a task
        is to be trained on all data and leaves the network open, better ones are many: take :data:`HARDLY_ANY`.
        """
        return self.side == "lower" and 1.0 - accuracy < share * (1.0 - self.reference_max)

    def in_doubt(self, value: float) -> bool:
        """Whether ``value`` misses the threshold by so little that chance may have done it."""
        if self.doubt is None or self.holds(value):
            return False
        return value >= self.doubt if self.side == "lower" else value <= self.doubt

    def one_in(self, value: float) -> int | None:
        """About one right answer in so many is as far off as ``value``, two digits of it.

        At most the number for the end of the band of doubt: no further is the normal curve trusted. ``None``: unknown,
        or ``value`` is good enough.
        """
        if self.reference is None or self.false_fail is None or self.holds(value):
            return None
        share = max(self.reference.share_beyond(value, self.side), DOUBT_SHARE * self.false_fail)
        return int(float(f"{1 / share:.1e}"))

    def measured(self, value: float | None = None) -> dict[str, float]:
        """For a verdict's facts: the threshold and the range of the reference; how rare ``value`` is, if it misses."""
        facts = {"threshold": self.value, "reference_min": self.reference_min, "reference_max": self.reference_max}
        rarity = None if value is None else self.one_in(value)
        return facts if rarity is None else {**facts, "one_in": rarity}


class _Number(Struct, frozen=True):
    value: float
    reference_min: float
    reference_max: float
    doubt: float | None = None


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
        one = numbers[name]
        rule = self._rubric.thresholds.get(name) or ThresholdRule("")
        return Threshold(one.value, one.reference_min, one.reference_max, side=rule.side, doubt=one.doubt)

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
        seen = calibration.of(rule)
        low, high, value = min(seen.values), max(seen.values), seen.threshold(rule)
        return Threshold(value, low, high, seen.n, rule.false_fail, rule.side, seen.doubt(rule), seen)
