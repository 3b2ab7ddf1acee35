"""Why it is not known what a training learned from, so that a person looks at it.

For any rubric: ``from grader.checks.origins import why_unknown``.
"""

from __future__ import annotations

from grader.checks.facts import TrainedFit
from grader.checks.files import is_from_elsewhere
from grader.recorder.held import HELD

SOFT_LABELS = 0.01
"""Share of labels that may hold more than two different numbers: a correction of one's own, but no network's output."""


def why_unknown(fit: TrainedFit) -> str | None:
    """Key of a text, ``None`` where nothing is unknown.

    ``held-data``: a layer of the network holds images or the like. ``began-elsewhere``: see
    :func:`grader.checks.files.is_from_elsewhere`. ``soft-labels``: the labels are what another network, which knows
    more than these images, says of them.
    """
    if is_from_elsewhere(fit):
        return "held-data" if _holds_data_only(fit) else "began-elsewhere"
    return "soft-labels" if share_of_soft_labels(fit) > SOFT_LABELS else None


def _holds_data_only(fit: TrainedFit) -> bool:
    ids = {f.id for f in fit.chain}
    return {event.by for event in fit.evidence.moved if event.fit in ids} == {HELD}


def share_of_soft_labels(fit: TrainedFit) -> float:
    """Share of labels with more than two different numbers in one row, the largest of the trainings behind the weights.

    One-hot rows and smoothed ones hold two.
    """
    found = [f.given["soft"] for f in fit.chain if "soft" in f.given]
    return max((float((soft != 0).mean()) for soft in found if soft.size), default=0.0)
