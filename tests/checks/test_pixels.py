"""Which ranges of pixels are odd, and which labels are not theirs."""

import numpy as np
import pytest

from grader.checks.facts import DataFacts
from grader.checks.pixels import Scaling
from grader.evidence import Array
from grader.recorder.arrays import spread


@pytest.mark.parametrize(
    ("scale", "flaw"),
    [
        (lambda x: x, None),
        (lambda x: x / 255, None),
        (lambda x: x / 127.5 - 1, None),
        (lambda x: (x - x.mean()) / x.std(), None),
        (lambda x: x > 127, None),
        (lambda x: x / 255 / 255, "tiny"),
        (lambda x: x * 255, "huge"),
        (lambda x: x * 0 + 3, "constant"),
        (lambda x: x.mean(axis=(1, 2), keepdims=True) + 0 * x, "constant"),
    ],
)
def test_usual_scalings_are_fine_and_spoiled_ones_are_named(scale, flaw):
    x = np.asarray(scale(np.random.default_rng(3).integers(0, 256, (50, 6, 6)).astype(np.float32)))
    facts = Array(kind="array", min=float(x.min()), max=float(x.max()), **spread(x))
    assert Scaling.of(facts).flaw == flaw


def test_nothing_known_is_no_flaw():
    assert Scaling.of(Array()).flaw is None


def test_mean_and_spread_are_those_of_numpy_over_several_blocks(monkeypatch):
    monkeypatch.setattr("grader.recorder.arrays._BLOCK_ROWS", 7)
    x = np.random.default_rng(4).normal(3, 2, (50, 4, 4))
    x[:5] = 1.5
    found = spread(x)
    assert found == pytest.approx({"mean": x.mean(), "std": x.std(), "flat": 0.1})


@pytest.mark.parametrize("value", [None, [1, 2, 3], np.zeros((0, 3)), "text"])
def test_what_is_no_table_of_rows_has_no_spread(value):
    assert spread(value) == {}


class TestWrongLabels:
    TRAIN = np.arange(100, 200, dtype=np.uint64)
    LABELS = np.arange(100, dtype=np.int64) % 10
    data = DataFacts("x", TRAIN, np.zeros(0, np.uint64), "", LABELS)

    def test_the_share_is_of_known_images_whatever_their_order(self):
        order = np.random.default_rng(1).permutation(100)
        assert self.data.wrong_labels(self.TRAIN[order], self.LABELS[order]) == 0.0
        labels = np.where(order < 25, (self.LABELS[order] + 1) % 10, self.LABELS[order])
        assert self.data.wrong_labels(self.TRAIN[order], labels) == pytest.approx(0.25)

    def test_an_image_that_the_split_holds_twice_may_have_either_label(self):
        train = np.array([7, 7, 8], np.uint64)
        data = DataFacts("x", train, train[:0], "", np.array([1, 2, 3]))
        assert data.wrong_labels(train, np.array([2, 1, 3])) == 0.0
        assert data.wrong_labels(train, np.array([3, 1, 3])) == pytest.approx(1 / 3)

    def test_unknown_images_and_missing_labels_cannot_be_told(self):
        assert self.data.wrong_labels(self.TRAIN + np.uint64(1000), self.LABELS) is None
        assert self.data.wrong_labels(self.TRAIN, self.LABELS[:0]) is None
        assert self.data.wrong_labels(self.TRAIN, np.full(100, -1)) is None
        assert self.data.wrong_labels(self.TRAIN[:0], self.LABELS[:0]) is None
        assert DataFacts("x", self.TRAIN, self.TRAIN[:0]).wrong_labels(self.TRAIN, self.LABELS) is None
