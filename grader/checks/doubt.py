"""Settles a value that misses its threshold by so little that chance may have done it."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from grader.checks.facts import Submission
from grader.checks.thresholds import Threshold
from grader.checks.verdicts import Say
from grader.model import Text

IN_DOUBT = Text(
    "The value measured is {value:.3f}. It misses the line to pass ({threshold:.3f}) by so little that chance may have "
    "done it: about 1 in {one_in:,} right answers is this far off. It is decided once 'grader grade' has run the "
    "notebook again under other seeds."
)
CLOSE = Text(
    "The value measured is {value:.3f}. It misses the line to pass ({threshold:.3f}) by so little that chance may have "
    "done it, so it is not decided here. When your work is graded, the notebook is run again under other seeds before "
    "this costs points."
)
UNSETTLED = Text(
    "The value measured is {value:.3f}. It misses the line to pass ({threshold:.3f}) by so little that chance may have "
    "done it. The notebook was run again under other seeds, but nothing could be measured there. A person will look."
)


@dataclass(frozen=True)
class Settled:
    """What a value is worth.

    :ivar value: the median, where there were further tries. :ivar measured: facts for a verdict.
    """

    holds: bool
    value: float
    measured: dict[str, Any]


class Settle:
    """The fixture ``settle``.

    Of all tries the *median* decides. The first one is looked at again only because it was low, so that a mean would
    pass this bad luck on, and the best of three would give a wrong answer three chances. To pass, the median of three
    asks both further tries to hold; a right answer, of which 1 in 1,000 is below the threshold by chance, then fails
    once in about 500,000 times.

    :param further: whether the notebook may be run again (not in a student's own check).
    """

    def __init__(self, say: Say, submission: Submission, further: bool) -> None:
        self._say = say
        self._submission = submission
        self._further = further

    def __call__(
        self, bound: Threshold, name: str, measure: Callable[[Submission], float | None], /, **seen: Any
    ) -> Settled:
        """The value against ``bound``; in doubt without further tries, the check ends as *needs review*.

        :param name: of the value among the facts (``test_accuracy``).
        :param measure: gives the value of one run, ``None`` where it was not measured.
        :param seen: other facts for a verdict that ends the check here.
        :raises ValueError: the first run has no value.
        """
        first = measure(self._submission)
        if first is None:
            raise ValueError(f"{name} of the first run is None: a check settles what was measured")
        tries: list[tuple[int, float | None]] = [(self._submission.execution.seed, first)]
        if not bound.in_doubt(first):
            return self._settled(bound, name, tries)
        seen |= {name: first, **bound.measured(first)}
        text = {"value": first, "threshold": bound.value, "one_in": bound.one_in(first)}
        if not self._further:
            self._say.needs_review(replace(CLOSE, params=text), **seen)
        if not self._submission.tries:
            self._say.retrain(replace(IN_DOUBT, params=text), **seen)
        tries += [(t.execution.seed, measure(t)) for t in self._submission.tries]
        if all(value is None for _, value in tries[1:]):
            self._say.needs_review(replace(UNSETTLED, params=text), **seen, tries=_told(tries))
        return self._settled(bound, name, tries)

    def _settled(self, bound: Threshold, name: str, tries: list[tuple[int, float | None]]) -> Settled:
        value = statistics.median(value for _, value in tries if value is not None)
        measured = {name: value, **bound.measured(value)}
        return Settled(bound.holds(value), value, measured | ({"tries": _told(tries)} if len(tries) > 1 else {}))


def _told(tries: list[tuple[int, float | None]]) -> list[dict[str, Any]]:
    return [{"seed": seed, "value": value} for seed, value in tries]
