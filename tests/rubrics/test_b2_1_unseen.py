"""Weights that something else than ``fit`` changed: what they were trained on is unknown, so a person decides."""

import numpy as np
import pytest
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


@pytest.mark.parametrize(("by", "key"), [("train_step", "began-elsewhere"), ("held data", "held-data")])
def test_a_step_of_its_own_and_a_layer_that_holds_images_leave_the_points_to_a_person(attempt, by, key):
    fit = attempt.fit(cnn(), attempt.train[:600], accuracy=0.9)
    attempt.events.append({"event": "moved", "model": "model-1", "fit": fit, "by": by, "cell": 0})
    found = attempt.check()
    assert found.said("small-data-model") == f"needs_review {key}"
    assert found.said("small-data-accuracy") == f"needs_review {key}"


def later(attempt, fit, rows):
    path = attempt.directory / "claims" / f"{fit}.rows.npz"
    np.savez(path, **np.load(path), later=np.sort(rows))


def test_600_other_images_in_every_epoch_are_not_600(attempt):
    """``shuffle(60_000).take(600)`` draws anew each time."""
    later(attempt, attempt.fit(cnn(), attempt.train[:600]), attempt.train[600:1500])
    found = attempt.check()
    assert found.said("small-data-model") == "failed other-size"
    assert found["small-data-model"].measured["rows"] == 1500


def test_test_images_of_later_epochs_are_test_images(attempt):
    later(attempt, attempt.fit(cnn(), attempt.train[:600]), attempt.test[:40])
    found = attempt.check()
    assert found.said("small-data-model") == "failed test-images"
    assert [flag.kind.value for flag in found.flags] == ["trained_on_test_data"]


def test_images_that_are_nobodys_in_later_epochs_leave_it_to_a_person(attempt):
    later(attempt, attempt.fit(cnn(), attempt.train[:600]), np.arange(5000, dtype=np.uint64))
    assert attempt.check().said("small-data-model") == "needs_review unknown-images"


def test_far_fewer_errors_than_any_right_answer_are_looked_at(attempt):
    attempt.fit(cnn(), attempt.train[:600], accuracy=0.986, held_out=0.9)
    found = attempt.check()
    assert found.said("small-data-accuracy") == "needs_review beyond"
    assert found["small-data-accuracy"].measured["test_accuracy"] == 0.986


def test_a_good_network_is_not_under_suspicion(attempt):
    attempt.fit(cnn(), attempt.train[:600], accuracy=0.93, held_out=0.8)
    assert attempt.check().said("small-data-accuracy") == "passed passed"


def test_an_ordinary_result_beside_a_far_better_one_decides(attempt):
    attempt.fit(cnn(), attempt.train[:600], accuracy=0.89)
    attempt.fit(cnn(), attempt.train[:600], accuracy=0.986)
    assert attempt.check().said("small-data-accuracy") == "passed passed"


def soft(share):
    """Soft labels of 600 images, that share of them."""
    return {"labels": np.full(600, -1), "soft": np.arange(600) < 600 * share, "y": {"shape": [600, 10]}}


def test_labels_that_another_network_gave_leave_the_points_to_a_person(attempt):
    attempt.fit(cnn(), attempt.train[:600], accuracy=0.9, **soft(1.0))
    found = attempt.check()
    assert found.said("small-data-model") == "needs_review soft-labels"
    assert found.said("small-data-accuracy") == "needs_review soft-labels"


def test_a_few_mixed_labels_do_not(attempt):
    attempt.fit(cnn(), attempt.train[:600], **soft(0.01))
    found = attempt.check()
    assert found.said("small-data-model") == "passed passed"
    assert found.said("small-data-accuracy") == "passed passed"


def test_a_training_that_goes_on_from_such_labels_is_left_as_well(attempt):
    attempt.fit(cnn(), attempt.train[:600], epochs=25, **soft(1.0))
    attempt.fit(cnn(), attempt.train[:600], epochs=25, initial=attempt.final)
    assert attempt.check().said("small-data-model") == "needs_review soft-labels"


def test_a_try_with_noisy_test_images_beside_the_plain_one_is_no_claim(attempt):
    fit = attempt.fit(cnn(), attempt.train[:600], accuracy=0.88)
    attempt.evaluate(fit, 0.49, images=400)
    assert [flag.kind.value for flag in attempt.check().flags] == ["claim_differs"]
    attempt.evaluate(fit, 0.88, images=400)
    assert attempt.check().flags == []
