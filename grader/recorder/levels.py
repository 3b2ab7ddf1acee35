"""At which value of which log a callback stops: found from what it does, not from its source.

Each log is set to a value that no training wants (``bad``: no accuracy, a large loss) or that every training wants
(``good``). A log whose change from one to the other changes whether the callback stops is one that it watches, and the
level follows by bisection, down to two neighbouring floating-point numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Logs = dict[str, float]
Stops = Callable[[Logs], bool]
STANDARD_NAMES = ("accuracy", "acc", "loss", "val_accuracy", "val_acc", "val_loss")
LARGE_LOSS = 20.0
BEYOND = 1_000.0
_STEPS = 90


@dataclass(frozen=True)
class Level:
    """Fields of :class:`grader.evidence.events.LevelEvent`."""

    metric: str | None = None
    direction: str | None = None
    low: float | None = None
    high: float | None = None
    at_level_stops: bool | None = None
    joint: bool = False
    always: bool = False
    never: bool = False
    error: str | None = None


def rises(name: str) -> bool:
    """Whether a training wants this log to grow."""
    folded = name.lower().removeprefix("val_")
    return not any(word in folded for word in ("loss", "error", "mae", "mse", "entropy", "divergence"))


def bad(name: str) -> float:
    """A value that no training wants."""
    return 0.0 if rises(name) else LARGE_LOSS


def good(name: str) -> float:
    """The best value there is."""
    return 1.0 if rises(name) else 0.0


def beyond(name: str) -> float:
    """Better than the best: reached by a level in percent, or by one that no training attains."""
    return BEYOND if rises(name) else -BEYOND


def infer(stops: Stops, names: Sequence[str]) -> list[Level]:
    """The levels of one callback, at least one entry; ``stops`` tells whether a run with these logs ends early."""
    worst, best = {n: bad(n) for n in names}, {n: good(n) for n in names}
    furthest = {n: beyond(n) for n in names}
    for base, other in ((worst, best), (best, worst), (worst, furthest), (best, furthest)):
        found = _levels(stops, base, other)
        if found:
            return found
    at_worst, at_best = stops(worst), stops(best)
    if at_worst != at_best:
        return [Level(error="it does not stop by any one value of the logs")]
    middle = {n: 0.5 if rises(n) else 1.0 for n in names}
    if stops(middle) != at_best:
        return [Level(error="it stops in the middle of a range only")]
    return [Level(always=at_best, never=not at_best)]


def _levels(stops: Stops, base: Logs, other: Logs) -> list[Level]:
    """Levels of the logs that matter alone while all others stay as in ``base``."""
    at_base = stops(base)
    changing = [n for n in base if stops({**base, n: other[n]}) != at_base]
    # Where one bad value keeps it from stopping, all of the watched values have to pass.
    joint = at_base and len(changing) > 1 and all(base[n] == good(n) for n in changing)
    return [_bisect(stops, base, name, other[name], joint) for name in changing]


def _bisect(stops: Stops, base: Logs, name: str, end: float, joint: bool) -> Level:
    start = base[name]
    start_stops = stops(base)
    for _ in range(_STEPS):
        middle = (start + end) / 2
        if middle in (start, end):
            break
        if stops({**base, name: middle}) == start_stops:
            start = middle
        else:
            end = middle
    stopping, going = (start, end) if start_stops else (end, start)
    return Level(
        metric=name,
        direction="above" if stopping > going else "below",
        low=min(start, end),
        high=max(start, end),
        at_level_stops=_at_level(stopping, going),
        joint=joint,
    )


def _at_level(stopping: float, going: float) -> bool | None:
    """Of two neighbouring numbers a person wrote the one with fewer digits; whether that one stops."""
    stopping_digits, going_digits = len(repr(stopping)), len(repr(going))
    if not math.isclose(stopping, going, rel_tol=1e-9, abs_tol=1e-9) or stopping_digits == going_digits:
        return None
    return stopping_digits < going_digits
