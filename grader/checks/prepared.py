"""Trainings on images that were prepared in a way that is not known, so that no accuracy of ours is comparable.

For any rubric: ``from grader.checks.prepared import is_prepared_otherwise, leave_prepared_otherwise``. Its texts have
``common/prepared-otherwise`` and ``common/prepared-otherwise-untried``.
"""

from __future__ import annotations

from collections.abc import Iterable

from grader.checks.facts import DataFacts, TrainedFit
from grader.checks.verdicts import Say
from grader.model import Zone


def is_prepared_otherwise(fit: TrainedFit, data: DataFacts | None) -> bool:
    """Whether the model may expect other images than it was measured with again, or could not be measured for that.

    Its training images are none that are known (standardised pixel by pixel, turned, resized …), or the test images do
    not fit. What holds one value only can have been no image, however it was prepared.
    """
    if data is None or fit.scaling.flaw == "constant":
        return False
    if not len(fit.unique_rows):
        return not data.may_fill(fit.fit.x.shape or fit.model.input_shape)
    own_zone = fit.measurement is not None and fit.measurement.zone is Zone.STUDENT
    return not data.recognises(fit.unique_rows) or (own_zone and fit.in_another_form)


def own_accuracy(fit: TrainedFit, data: DataFacts | None) -> float | None:
    """What the notebook's last ``evaluate`` on as many images as the test split has gave, 0 to 1: a claim."""
    values = [value for _, value in fit.evaluated_on_all(data)]
    return values[-1] if values else None


def leave_prepared_otherwise(say: Say, fits: Iterable[TrainedFit], data: DataFacts | None) -> None:
    """Ends the check as *needs review* where one of ``fits`` is such: call it before an accuracy costs points."""
    found = [f for f in fits if is_prepared_otherwise(f, data)]
    if not found:
        return
    tried = [f for f in found if own_accuracy(f, data) is not None]
    if tried:
        claimed = own_accuracy(tried[-1], data)
        say.needs_review("common/prepared-otherwise", cell=tried[-1].cell, claimed=claimed)
    say.needs_review("common/prepared-otherwise-untried", cell=found[-1].cell)
