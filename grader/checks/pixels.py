"""Whether the numbers given to ``fit`` as images are such that a network can learn from them."""

from __future__ import annotations

from dataclasses import dataclass

from grader.evidence import Array

TINY_RANGE = 1 / 50
"""Pixels divided by 255 span 1, divided twice 1/255; images of one data set never span so little by themselves."""
HUGE_RANGE = 1_000.0
"""Raw pixels span 255; multiplied by 255 instead of divided they span 65,025."""
FLAT_SHARE = 0.5


@dataclass(frozen=True)
class Scaling:
    """Range and spread of the training inputs: claims; ``None`` where unknown.

    :ivar flat: share of the images that are one value all over, 0 to 1.
    """

    low: float | None = None
    high: float | None = None
    mean: float | None = None
    std: float | None = None
    flat: float | None = None

    @classmethod
    def of(cls, x: Array) -> Scaling:
        """Of what was given as x."""
        return cls(x.min, x.max, x.mean, x.std, x.flat)

    @property
    def range(self) -> float | None:
        """Largest value less the smallest."""
        return None if self.low is None or self.high is None else self.high - self.low

    @property
    def flaw(self) -> str | None:
        """``constant`` (there is nothing to see), ``tiny`` (divided by 255 twice), ``huge`` (multiplied), or ``None``.

        Any usual scaling is fine: 0 to 255, 0 to 1, -1 to 1, standardised, with or without outliers.
        """
        if self.range is None:
            return None
        if self.range == 0 or (self.flat or 0.0) > FLAT_SHARE:
            return "constant"
        if self.range < TINY_RANGE:
            return "tiny"
        return "huge" if self.range > HUGE_RANGE else None
