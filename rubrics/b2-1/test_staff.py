"""Checks of B2-1 that stay with staff."""

from __future__ import annotations

import helpers_public_b2_1 as b2
import pytest

REVIEW_MARGIN = 0.05
"""A model of another structure than the reference's may lose a little more: a person looks before a point is lost."""


@pytest.mark.criterion("held-out")
@pytest.mark.visibility("staff")
def test_it_recognises_images_that_nobody_has_seen(say, submission, data, threshold):
    valid = [f for f in b2.valid_small(submission.fits, data) if f.measured_accuracy is not None]
    if not valid:
        say.blocked("no-model")
    fit = max(enumerate(valid), key=lambda pair: (pair[1].measured_accuracy, pair[0]))[1]
    held_out = fit.measurement.held_out_accuracy
    if held_out is None:
        raise RuntimeError(f"{fit.id} has no accuracy on the held-out images")
    bound = threshold("held-out-drop")
    drop = fit.measured_accuracy - held_out
    seen = {
        "test_accuracy": fit.measured_accuracy,
        "held_out_accuracy": held_out,
        "drop": drop,
        **bound.measured(),
        "cell": fit.cell,
    }
    if drop <= bound.value:
        say.passed(**seen)
    if drop <= bound.value + REVIEW_MARGIN:
        say.needs_review("larger-drop", **seen)
    say.failed("far-larger-drop", **seen)
