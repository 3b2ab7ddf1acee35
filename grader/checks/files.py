"""Weights that came from a file instead of a training, and whether what was saved is what was trained.

For any rubric: ``from grader.checks.files import brought_weights, started_from_file, is_from_elsewhere, is_trained``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from grader.checks.facts import TrainedFit
from grader.evidence import Evidence
from grader.evidence.events import LoadEvent, SaveEvent


def brought_weights(
    evidence: Evidence, fits: Iterable[TrainedFit] = (), models: Collection[str] | None = None
) -> tuple[LoadEvent, ...]:
    """Loads that changed a model's weights by a file that this run did not write itself, and that is not published.

    :param fits: trainings whose own results do not count, by whatever way they came into the file.
    :param models: ids of models to look at; all of them by default.
    """
    made_here = {fit.weights_digests[1] for fit in fits} - {None}
    return tuple(
        load
        for load in evidence.loads
        if (load.changed and not load.own and load.application is None and load.weights not in made_here)
        and (models is None or load.model in models)
    )


def started_from_file(fit: TrainedFit) -> LoadEvent | None:
    """The load that the training's weights began with (the first of its chain), where it was such a file."""
    before, _ = fit.chain[0].weights_digests
    brought = brought_weights(fit.evidence)
    return next((load for load in reversed(brought) if before is not None and load.weights == before), None)


def is_from_elsewhere(fit: TrainedFit) -> bool:
    """Whether it, or one it went on from, began with weights that no training of this run made, so that nobody knows of
    what they come: put there by something else than ``fit``, or read from such a file.
    """
    return fit.began_elsewhere or started_from_file(fit) is not None


def is_trained(save: SaveEvent, fit: TrainedFit) -> bool:
    """Whether what was saved are the weights that ``fit`` ended with; unknown weights are given the benefit.

    Weights that went through 16 bits or another format on their way are others: look at the file's purpose first.
    """
    _, after = fit.weights_digests
    return save.weights is None or after is None or save.weights == after
