"""Training data that nothing can be learned from: the flaw is named, without trusting any accuracy."""

import numpy as np
import pytest
from checks_factory import cnn

TINY = {"min": 0.0, "max": 1 / 255, "mean": 0.0005, "std": 0.001, "flat": 0.0}
CONSTANT = {"min": 0.0, "max": 0.0, "mean": 0.0, "std": 0.0, "flat": 1.0}


@pytest.fixture
def shifted(attempt):
    return (attempt.labels + 1) % 10


class TestBaseModel:
    def found(self, attempt):
        return attempt.check()["base-model"]

    def test_right_labels_are_right(self, attempt):
        attempt.fit(cnn(), attempt.train, accuracy=0.98, labels=attempt.labels)
        assert self.found(attempt).message.id == "base-model/passed"

    def test_labels_of_other_images_cost_the_training_and_are_named(self, attempt, shifted):
        attempt.fit(cnn(), attempt.train, accuracy=0.98, labels=shifted)
        result = self.found(attempt)
        assert (result.message.id, result.credit) == ("base-model/labels", 0.5)
        assert result.measured["wrong"] == 1.0

    def test_a_third_of_the_labels_is_enough_though_the_network_recognises_the_rest(self, attempt, shifted):
        mixed = np.where(np.arange(len(shifted)) % 3 == 0, shifted, attempt.labels)
        attempt.fit(cnn(), attempt.train, accuracy=0.95, labels=mixed)
        result = self.found(attempt)
        assert result.measured["wrong"] == pytest.approx(1 / 3, abs=1e-3)

    def test_labels_that_are_no_numbers_of_classes_are_wrong_and_soft_ones_unknown(self, attempt):
        none = np.full(len(attempt.labels), -1)
        attempt.fit(cnn(), attempt.train, accuracy=0.1, labels=none, y={"kind": "array", "shape": [3000]})
        assert self.found(attempt).message.id == "base-model/labels"

    def test_soft_labels_cannot_be_told(self, attempt):
        none = np.full(len(attempt.labels), -1)
        attempt.fit(cnn(), attempt.train, accuracy=0.98, labels=none, y={"kind": "array", "shape": [3000, 10]})
        assert self.found(attempt).message.id == "base-model/passed"

    @pytest.mark.parametrize(("accuracy", "said"), [(0.1, "pixels-tiny"), (0.97, "passed")])
    def test_tiny_pixels_are_named_where_the_network_learned_nothing(self, attempt, accuracy, said):
        attempt.fit(cnn(), attempt.train, accuracy=accuracy, labels=attempt.labels, pixels=TINY)
        assert self.found(attempt).message.id == f"base-model/{said}"

    def test_constant_images_are_named_before_their_number(self, attempt):
        attempt.fit(cnn(), np.full(3000, 7, np.uint64), accuracy=0.1, pixels=CONSTANT)
        assert self.found(attempt).message.id == "base-model/pixels-constant"


class TestSmallDataModel:
    def said(self, attempt):
        return attempt.check().said("small-data-model")

    def test_shuffled_labels_are_half(self, attempt):
        labels = np.random.default_rng(1).permutation(attempt.labels[:600])
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.1, labels=labels)
        assert self.said(attempt) == "partial labels"

    def test_a_right_training_counts_though_an_experiment_with_wrong_labels_follows(self, attempt, shifted):
        attempt.fit(cnn(), attempt.train[:600], labels=attempt.labels[:600])
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.1, labels=shifted[:600])
        assert self.said(attempt) == "passed passed"

    def test_constant_images_are_named(self, attempt):
        attempt.fit(cnn(), np.full(600, 7, np.uint64), accuracy=0.1, pixels=CONSTANT)
        assert self.said(attempt) == "partial pixels-constant"
