"""Student's t without a statistics library: calibrating must work where only the program is installed."""

from __future__ import annotations

import math


def central_probability(t: float, df: int) -> float:
    """Probability that ``|T| < t`` for ``df`` degrees of freedom; ``t >= 0``.

    Source: M. Abramowitz and I. A. Stegun, *Handbook of Mathematical Functions*, 1964, 26.7.3 (odd) and 26.7.4 (even):
    finite sums, exact for whole ``df``.
    """
    angle = math.atan(t / math.sqrt(df))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = df % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(1 + odd, df, 2):
        total += term
        term *= square * k / (k + 1)
    return (angle + sine * total) * 2 / math.pi if odd else sine * total


def student_t_quantile(upper_tail: float, df: int) -> float:
    """The ``t`` that is exceeded with probability ``upper_tail`` (0 to 0.5, both excluded), by bisection.

    :raises ValueError: ``upper_tail`` or ``df`` is out of range.
    """
    if not 0 < upper_tail < 0.5 or df < 1:
        raise ValueError(f"upper_tail {upper_tail} and df {df} received, expected 0 < upper_tail < 0.5 and df >= 1")
    low, high = 0.0, 1.0
    while 1 - central_probability(high, df) > 2 * upper_tail:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if 1 - central_probability(middle, df) > 2 * upper_tail else (low, middle)
    return (low + high) / 2
