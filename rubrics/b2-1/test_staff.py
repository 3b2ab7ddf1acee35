"""Checks of B2-1 that stay with staff."""

from __future__ import annotations

import helpers_public_b2_1 as b2
import pytest

from grader.checks.prepared import leave_prepared_otherwise
from grader.checks.unmeasured import explain_unmeasured, left_out
from grader.checks.unseen import leave_unseen_training

HALF_CREDIT_ACCURACY = 0.5
"""A network that recognises less has little to lose on other images; one that always says the same loses nothing."""
REVIEW_MARGIN = 0.05
"""A model of another structure than the reference's may lose a little more: a person looks before a point is lost."""


@pytest.mark.criterion("held-out")
@pytest.mark.visibility("staff")
def test_it_recognises_images_that_nobody_has_seen(say, submission, data, threshold, settle):
    fit = best(submission, data)
    if fit is None:
        for other in filter(left_out, b2.valid_small(submission.fits, data)):
            explain_unmeasured(say, other)
        leave_prepared_otherwise(say, b2.valid_small(submission.fits, data), data)
        leave_unseen_training(say, submission)
        say.blocked("no-model")
    if fit.measured_accuracy < HALF_CREDIT_ACCURACY:
        leave_prepared_otherwise(say, b2.valid_small(submission.fits, data), data)
        say.blocked("guesses", test_accuracy=fit.measured_accuracy, cell=fit.cell)
    held_out = fit.measurement.held_out_accuracy
    if held_out is None:
        raise RuntimeError(f"{fit.id} has no accuracy on the held-out images")
    bound = threshold("held-out-drop")
    seen = {"test_accuracy": fit.measured_accuracy, "held_out_accuracy": held_out, "cell": fit.cell}
    if drop_of(submission, data) > bound.value:
        leave_prepared_otherwise(say, [fit], data)
    settled = settle(bound, "drop", lambda run: drop_of(run, data), **seen)
    seen |= settled.measured
    if settled.holds:
        say.passed(**seen)
    if settled.value <= bound.value + REVIEW_MARGIN:
        say.needs_review("larger-drop", **seen)
    say.failed("far-larger-drop", **seen)


def best(run, data):
    """The best of a run's networks on 600 images; nothing where none could be measured."""
    valid = [f for f in b2.valid_small(run.fits, data) if f.measured_accuracy is not None]
    return max(enumerate(valid), key=lambda pair: (pair[1].measured_accuracy, pair[0]), default=(0, None))[1]


def drop_of(run, data):
    """How much less a run's best network recognises of the held-out images than of the official ones."""
    fit = best(run, data)
    if fit is None or fit.measurement.held_out_accuracy is None:
        return None
    return fit.measured_accuracy - fit.measurement.held_out_accuracy
