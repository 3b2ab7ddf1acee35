"""Weights that something else than ``fit`` changed: what they were trained on is unknown, so a person decides."""

import numpy as np
from checks_factory import bpnn, cnn

from grader.recorder.arrays import weights_digest


def moved(attempt, fit=None):
    cell = attempt.code("for x, y in batches: model.train_on_batch(x, y)")
    attempt.events.append({"event": "moved", "model": "model-1", "fit": fit, "cell": cell})


def test_weights_brought_into_the_600_image_model_leave_its_points_to_a_person(attempt):
    fit = attempt.fit(cnn(), attempt.train[:600], accuracy=0.964)
    moved(attempt, fit)
    found = attempt.check()
    assert found.said("small-data-model") == "needs_review began-elsewhere"
    assert found.said("small-data-accuracy") == "needs_review began-elsewhere"
    assert found["small-data-accuracy"].measured["test_accuracy"] == 0.964


def test_weights_that_were_read_from_a_file_are_as_unknown(attempt):
    initial = np.arange(3, dtype=np.float32)
    cell = attempt.code("cnn.load_weights('made_of_a_long_string.weights.h5')")
    attempt.events.append(
        {
            "event": "load",
            "model": "model-1",
            "file": "x.weights.h5",
            "weights": weights_digest([initial]),
            "cell": cell,
        }
    )
    attempt.fit(cnn(), attempt.train[:600], accuracy=0.964, initial=initial)
    found = attempt.check()
    assert found.said("small-data-model") == "needs_review began-elsewhere"
    assert found.said("small-data-accuracy") == "needs_review began-elsewhere"


def test_such_a_training_lifts_no_honest_one_over_the_line(attempt):
    moved(attempt, attempt.fit(cnn(), attempt.train[:600], accuracy=0.964))
    attempt.fit(cnn(), attempt.train[:600], accuracy=0.6)
    assert attempt.check().said("small-data-accuracy") == "partial below"


def test_a_training_that_goes_on_from_such_weights_is_left_as_well(attempt):
    moved(attempt, attempt.fit(cnn(), attempt.train[:600], epochs=25))
    attempt.fit(cnn(), attempt.train[:600], epochs=25, initial=attempt.final)
    assert attempt.check().said("small-data-model") == "needs_review began-elsewhere"


def test_an_honest_training_beside_it_still_counts(attempt):
    moved(attempt, attempt.fit(cnn(), attempt.train[:600], accuracy=0.964))
    attempt.fit(cnn(), attempt.train[:600])
    found = attempt.check()
    assert found.said("small-data-model") == "passed passed"
    assert found.said("small-data-accuracy") == "passed passed"


def test_a_loop_of_ones_own_is_no_missing_training(attempt):
    """All that ``fit`` would have recorded is unknown: neither right nor wrong."""
    moved(attempt)
    found = attempt.check()
    for criterion in ("base-model", "small-data-model", "small-data-accuracy", "bpnn-comparison"):
        assert found[criterion].outcome == "needs_review", criterion
    assert found["small-data-model"].cell == 0


def test_without_such_a_change_a_missing_training_is_the_students(attempt):
    attempt.fit(bpnn(), attempt.train[:600])
    assert attempt.check().said("small-data-model") == "failed no-convolution"
