"""Which training went on from which: told by the weights themselves."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from grader.checks.facts import DataFacts, TrainedFit
from grader.errors import EvidenceError
from grader.evidence import Evidence, Fit
from grader.recorder import arrays

_Weights = list[npt.NDArray[np.generic]]

FEWEST = 64
"""Numbers in an array of weights that two trainings do not both arrive at by chance."""
_COMPARED = 16_384
"""Numbers compared: the recorder has compared whole arrays with what was drawn or trained (grader.recorder.moved)."""


def read_fits(evidence: Evidence, data: DataFacts | None = None) -> tuple[TrainedFit, ...]:
    """All trainings in order, each knowing the ones it went on from.

    That is the one which ended with these very weights; else, the last one that made some of its arrays (a layer taken
    over, frozen or not) from data of the same shape: a head that was trained on features knows no images; where weights
    are unknown, the last one of the same model.
    """
    trained: list[TrainedFit] = []
    ends: dict[str, TrainedFit] = {}
    latest: dict[str, TrainedFit] = {}
    made: dict[str, TrainedFit] = {}
    for fit in evidence.fits:
        begun, ended = weights(evidence, fit.weights_before), weights(evidence, fit.weights_after)
        before, after = arrays.weights_digest(begun), arrays.weights_digest(ended)
        parts = _parts(begun)
        if before is None:
            previous = latest.get(fit.model.id)
        else:
            takers = (made[part] for part in parts if part in made)
            previous = ends.get(before) or _latest((f for f in takers if _row_size(f.fit) == _row_size(fit)), trained)
        current = TrainedFit(fit, evidence, previous.chain if previous else (), (before, after), data)
        trained.append(current)
        if fit.epochs_run:
            latest[fit.model.id] = current
            if after is not None and after != before:
                ends[after] = current
                made |= dict.fromkeys(_parts(ended) - parts, current)
    return tuple(trained)


def weights(evidence: Evidence, name: str | None) -> _Weights:
    """Arrays of a weights file; none where it is missing or unreadable."""
    if name is None:
        return []
    try:
        return evidence.weights(name)
    except EvidenceError:
        return []


def _row_size(fit: Fit) -> int | None:
    return math.prod(n or 0 for n in fit.x.shape[1:]) if fit.x.shape else None


def _latest(fits: Iterable[TrainedFit], order: list[TrainedFit]) -> TrainedFit | None:
    found = {fit.id for fit in fits}
    return next((fit for fit in reversed(order) if fit.id in found), None)


def _parts(weights: _Weights) -> set[str]:
    """A digest of each array that can be told from others: large enough, and not all the same number."""
    parts = set()
    for array in weights:
        numbers = array.reshape(-1)[:_COMPARED]
        if array.size >= FEWEST and (numbers != numbers[0]).any():
            parts.add(f"{array.shape}{arrays.weights_digest([numbers])}")
    return parts
