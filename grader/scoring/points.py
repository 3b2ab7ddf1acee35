"""Arithmetic of points. There is one rounding rule, and it is here.

The points of a criterion are rounded half up to two decimals; nothing else is rounded. A score is the exact sum of its
rounded criteria, so that the lines of a report add up to the total that it shows. A float stands for the decimal number
that Python prints for it: 0.1 is one tenth, and 0.125 of a point is exactly half way.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from fractions import Fraction

_TYPED = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)")


def typed_points(text: str) -> float:
    """The number that a person typed as points, with a decimal point or comma, in digits of any width.

    :raises ValueError: it is none.
    """
    plain = unicodedata.normalize("NFKC", text).strip().replace("\N{MINUS SIGN}", "-")
    if not _TYPED.fullmatch(plain):
        raise ValueError(f"expected a number of points such as 3.5, received {text!r}")
    return float(plain.replace(",", "."))


def exact(value: float) -> Fraction:
    """The decimal number that Python prints for ``value``, which is finite."""
    return Fraction(repr(float(value)))


def half_up(value: Fraction) -> float:
    """``value`` (not negative) with two decimals, halves upwards."""
    return float(Fraction(math.floor(value * 100 + Fraction(1, 2)), 100))


def share_of(max_points: float, weighted_credits: Iterable[tuple[float, float]]) -> float:
    """``max_points`` times the weighted mean of the credits, rounded, and never above ``max_points``.

    :param weighted_credits: pairs (weight, credit); weights at least 0 with a sum above 0, credits in 0 to 1.
    """
    pairs = [(exact(weight), exact(credit)) for weight, credit in weighted_credits]
    earned = exact(max_points) * sum(w * c for w, c in pairs) / sum(w for w, _ in pairs)
    return min(half_up(earned), max_points)


def total(points: Iterable[float]) -> float:
    """The exact sum: ten times 0.1 is 1.0."""
    return float(sum((exact(p) for p in points), Fraction(0)))
