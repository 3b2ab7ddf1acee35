"""Images that were prepared otherwise than by a scale: what we measure again is not comparable, and costs nothing."""

import numpy as np
import pytest
from checks_factory import bpnn, cnn

from grader.datasets import DataStore, find_dataset, load_catalogue
from grader.model import Measurement, Zone
from grader.recorder.rows import row_digests

SHARED = "common/prepared-otherwise"
NOISE = np.arange(600, dtype=np.uint64)
"""Digests that no image of the data set has."""
CONSTANT = {"min": 0.5, "max": 0.5, "mean": 0.5, "std": 0.0, "flat": 1.0}


@pytest.fixture
def x(attempt):
    spec = find_dataset(load_catalogue(attempt.course), "mnist")
    return np.asarray(DataStore(attempt.course / "data").get(spec).array("x_train"))[:600] / 255.0


def both(attempt, rows, *, cnn_accuracy, bpnn_accuracy, evaluated=0.86, **pixels):
    """A CNN and a BPNN on these, each evaluated by the notebook on all test images."""
    for layers, accuracy in ((cnn(), cnn_accuracy), (bpnn(), bpnn_accuracy)):
        fit = attempt.fit(layers, rows, accuracy=accuracy, held_out=0.05, pixels=pixels)
        attempt.evaluate(fit, evaluated, images=len(attempt.test))
    return attempt.check()


class TestImagesThatCannotBeTold:
    def test_no_point_is_lost_and_no_flag_raised_where_the_measured_accuracy_is_another(self, attempt):
        found = both(attempt, NOISE, cnn_accuracy=0.7, bpnn_accuracy=0.1)
        assert found.said("small-data-model") == "needs_review unknown-images"
        for criterion in ("small-data-accuracy", "held-out", "bpnn-comparison"):
            assert (found[criterion].outcome, found[criterion].message.id) == ("needs_review", SHARED), criterion
            assert found[criterion].measured == {"claimed": 0.86}
        assert found.flags == []

    def test_nor_where_nothing_of_it_is_left(self, attempt):
        found = both(attempt, NOISE, cnn_accuracy=0.006, bpnn_accuracy=0.0)
        for criterion in ("small-data-accuracy", "held-out", "bpnn-comparison"):
            assert found[criterion].message.id == SHARED
        assert found.flags == []

    def test_images_of_another_size_are_not_measured_and_cost_nothing(self, attempt):
        fit = attempt.fit(cnn(), NOISE)
        attempt.unmeasured("The model was trained on inputs of another shape.")
        attempt.evaluate(attempt.fit(bpnn(), attempt.train[:600], accuracy=0.85), 0.85)
        found = attempt.check()
        for criterion in ("small-data-accuracy", "held-out", "bpnn-comparison"):
            assert (found[criterion].outcome, found[criterion].message.id) == ("needs_review", f"{SHARED}-untried")
        assert fit

    def test_a_data_set_without_rows_is_known_by_the_shape_that_the_model_takes(self, attempt):
        attempt.fit(cnn(), 600)  # 28 x 28; the test images are 4 x 4
        attempt.unmeasured("The model was trained on inputs of another shape.")
        assert attempt.check()["small-data-accuracy"].message.id == f"{SHARED}-untried"

    def test_a_measured_accuracy_that_is_high_enough_counts(self, attempt):
        attempt.fit(cnn(), NOISE, accuracy=0.88, held_out=0.68)
        found = attempt.check()
        assert found.said("small-data-accuracy") == "passed passed"
        assert found.said("held-out") == "passed passed"

    def test_a_base_model_is_left_to_a_person_where_it_seems_to_guess(self, attempt):
        attempt.fit(cnn(20), np.arange(len(attempt.train), dtype=np.uint64), accuracy=0.2)
        assert attempt.check()["base-model"].message.id == f"{SHARED}-untried"


class TestImagesThatCanBeTold:
    def shape(self, x):
        return {"shape": list(x.shape), "min": 0.0, "max": 1.0}

    @pytest.mark.parametrize(
        "prepare",
        [lambda x: 1 - x, lambda x: np.pad(x, ((0, 0), (1, 1), (1, 1))), lambda x: np.repeat(x[..., None], 3, axis=3)],
    )
    def test_a_negative_a_frame_and_three_channels_are_the_600_images(self, attempt, x, prepare):
        given = prepare(x)
        attempt.fit(cnn(), row_digests(given), labels=attempt.labels[:600], pixels=self.shape(given))
        attempt.evaluate(attempt.fit(bpnn(), attempt.train[:600], accuracy=0.85), 0.85)
        found = attempt.check()
        assert found.said("small-data-model") == "passed passed"
        assert found.said("small-data-accuracy") == "passed passed"
        assert found.said("bpnn-comparison") == "passed trained"

    def test_their_labels_are_looked_up_as_well(self, attempt, x):
        shuffled = np.random.default_rng(1).permutation(attempt.labels[:600])
        attempt.fit(cnn(), row_digests(1 - x), accuracy=0.1, labels=shuffled, pixels=self.shape(x))
        found = attempt.check()
        assert found.said("small-data-model") == "partial labels"
        assert found.said("small-data-accuracy") == "failed far-below"

    def test_a_network_that_learned_nothing_from_them_loses_its_points(self, attempt, x):
        found = both(attempt, row_digests(1 - x), cnn_accuracy=0.1, bpnn_accuracy=0.1, evaluated=0.1, **self.shape(x))
        assert found.said("small-data-accuracy") == "failed far-below"
        assert found.said("bpnn-comparison") == "partial guesses"
        assert found.said("held-out") == "blocked guesses"

    def test_a_network_of_its_own_making_was_not_shown_such_images_again(self, attempt, x):
        fit = attempt.fit(cnn(), row_digests(1 - x), pixels=self.shape(x))
        attempt.measurements[-1] = Measurement(fit, 0.02, 0.02, n_examples=len(attempt.test), zone=Zone.STUDENT)
        attempt.evaluate(fit, 0.87, images=len(attempt.test))
        found = attempt.check()
        assert found["small-data-accuracy"].message.id == SHARED
        assert found["held-out"].message.id == SHARED
        assert found.flags == []


class TestWhatStaysCaught:
    def test_plain_images_and_a_low_accuracy(self, attempt):
        found = both(attempt, attempt.train[:600], cnn_accuracy=0.7, bpnn_accuracy=0.1)
        assert found.said("small-data-accuracy") == "partial below"
        assert found.said("bpnn-comparison") == "partial guesses"
        assert len(found.flags) == 1

    def test_noise_gets_no_point_without_a_person_who_is_told_what_evaluate_gave(self, attempt):
        found = both(attempt, NOISE, cnn_accuracy=0.1, bpnn_accuracy=0.1, evaluated=0.1)
        for criterion in ("small-data-model", "small-data-accuracy", "held-out", "bpnn-comparison"):
            assert found[criterion].outcome == "needs_review"
        assert found["small-data-accuracy"].measured == {"claimed": 0.1}

    def test_constant_pixels(self, attempt):
        found = both(attempt, np.full(600, 7, np.uint64), cnn_accuracy=0.1, bpnn_accuracy=0.1, **CONSTANT)
        assert found.said("small-data-accuracy") == "failed far-below"
        assert found.said("bpnn-comparison") == "partial guesses"
