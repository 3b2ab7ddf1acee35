"""What the filters of a first convolution became, in sentences for whoever reads the written answer about them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from grader.errors import EvidenceError
from grader.evidence import Fit
from grader.evidence.kernels import FilterFacts, filter_facts, first_kernel, silent_filters
from grader.recorder.inputs import prepare
from grader.reporting.context import TestSet
from grader.reporting.words import Words

IMAGES_TRIED = 100


class HasConvolutions(Protocol):
    """Evidence, or what stands in for it."""

    def convolutions(self, name: str) -> list[npt.NDArray[np.generic]]:
        """:raises EvidenceError: missing or malformed."""


def filter_sentences(words: Words, evidence: HasConvolutions, fit: Fit, images: TestSet | None) -> tuple[str, ...]:
    """How much the filters changed, whether all are alive, and whether they are more than noise; empty if unknown."""
    if fit.weights_before is None or fit.weights_after is None:
        return ()
    try:
        before, after = (first_kernel(evidence.convolutions(name)) for name in (fit.weights_before, fit.weights_after))
    except EvidenceError:
        return ()
    facts = filter_facts(before[0], after[0]) if before and after else None
    if facts is None:
        return ()
    silent = None
    if after is not None and images is not None and _sees_pixels_through_relu(fit):
        silent = _silent(after[0], after[1], fit, images)
    return (_change(words, facts), *_alive(words, facts, silent), _structure(words, facts))


def _sees_pixels_through_relu(fit: Fit) -> bool:
    first = fit.model.layers[0] if fit.model.layers else None
    return first is not None and first.class_name == "Conv2D" and first.config.get("activation") == "relu"


def _silent(kernel: np.ndarray, bias: np.ndarray | None, fit: Fit, images: TestSet) -> tuple[int, int] | None:
    """Filters that answer nowhere, and how many images they were tried on; ``None`` where these do not fit."""
    some = images.images[:IMAGES_TRIED]
    try:
        ready = prepare(some, fit.x.shape or (), fit.x.min, fit.x.max)
    except (ValueError, TypeError):
        return None
    ready = ready[..., None] if ready.ndim == 3 else ready
    if ready.ndim != 4 or ready.shape[3] != kernel.shape[2] or min(ready.shape[1:3]) < max(kernel.shape[:2]):
        return None
    return silent_filters(kernel, bias, ready), len(some)


def _change(words: Words, facts: FilterFacts) -> str:
    if not facts.change.any():
        return words.say("Training changed none of the {n} filters.", n=facts.n_filters)
    median, least = (words.percent(float(f(facts.change))) for f in (np.median, np.min))
    return words.say(
        "Training changed half of the {n} filters by {median} or more of their length, and each by at least {least}.",
        n=facts.n_filters,
        median=median,
        least=least,
    )


def _alive(words: Words, facts: FilterFacts, silent: tuple[int, int] | None) -> list[str]:
    said = []
    if facts.weak:
        said.append(words.say("{weak} of them are next to zero.", weak=facts.weak))
    if silent is not None and silent[0]:
        said.append(words.say("{silent} of them answer to none of {n} test images.", silent=silent[0], n=silent[1]))
    elif silent is not None:
        said.append(words.say("Each of them answers to some of {n} test images.", n=silent[1]))
    return said


def _structure(words: Words, facts: FilterFacts) -> str:
    low, high = facts.noise
    values = {"after": facts.moran_after, "before": facts.moran_before, "low": low, "high": high}
    seen = {name: f"{value:z.2f}".replace("-", "−") for name, value in values.items()}  # z: no minus before a zero
    if facts.structured:
        return words.say(
            "Neighbouring weights are more alike than in noise: Moran's I is {after}, before training it was {before} "
            "(noise: {low} to {high}).",
            **seen,
        )
    return words.say(
        "Neighbouring weights are no more alike than in noise: Moran's I is {after}, before training it was {before} "
        "(noise: {low} to {high}).",
        **seen,
    )
