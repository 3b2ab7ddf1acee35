"""Student's t without a statistics library: calibrating must work where only the program is installed."""

from __future__ import annotations

import math
from functools import lru_cache


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


def upper_tail(t: float, df: int) -> float:
    """Probability that ``T > t`` for ``df`` degrees of freedom; true to about 1e-15."""
    beyond = max(0.0, 1 - central_probability(abs(t), df)) / 2
    return beyond if t >= 0 else 1 - beyond


@lru_cache(maxsize=256)
def student_t_quantile(tail: float, df: int) -> float:
    """The ``t`` that is exceeded with probability ``tail`` (0 to 0.5, both excluded), by bisection.

    :raises ValueError: ``tail`` or ``df`` is out of range.
    """
    if not 0 < tail < 0.5 or df < 1:
        raise ValueError(f"tail {tail} and df {df} received, expected 0 < tail < 0.5 and df >= 1")
    low, high = 0.0, 1.0
    while 1 - central_probability(high, df) > 2 * tail:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if 1 - central_probability(middle, df) > 2 * tail else (low, middle)
    return (low + high) / 2
