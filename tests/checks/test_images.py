"""Images that are known in another form than they were handed out in."""

import numpy as np
import pytest

from grader.checks.facts import DataFacts
from grader.recorder.rows import row_digests


def images(seed, n=40):
    made = np.random.default_rng(seed).integers(0, 256, (n, 6, 6), np.uint8)
    made[0, 0, :2] = 0, 255
    return made


def facts(name, seed, **more):
    splits = {"train": images(seed), "test": images(seed + 1)}
    digests = {split: row_digests(array) for split, array in splits.items()}
    return DataFacts(name, **digests, images=splits, **more)


CLOTHES = facts("clothes", 7)
DIGITS = facts("digits", 3, others=(CLOTHES,))
X = images(3) / 255.0
FRAMED = np.pad(X, ((0, 0), (1, 1), (1, 1)))


@pytest.mark.parametrize("given", [X, 1 - X, FRAMED, 1 - FRAMED, np.repeat(X[..., None], 3, axis=-1)])
def test_a_form_that_can_be_told_has_the_digests_of_the_images_as_handed_out(given):
    rows = DIGITS.as_handed_out(row_digests(given), (40, *given.shape[1:]))
    assert np.array_equal(rows, DIGITS.train)


def test_test_images_and_those_of_another_data_set_are_told_as_well():
    negative = 255 - DIGITS.images["test"]
    assert DIGITS.share(DIGITS.as_handed_out(row_digests(negative), negative.shape), "test") == 1.0
    negative = 255 - CLOTHES.images["train"]
    assert np.array_equal(DIGITS.as_handed_out(row_digests(negative), negative.shape), CLOTHES.train)


@pytest.mark.parametrize(
    "given",
    [
        (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-3),
        X - X.mean(axis=0),
        np.random.default_rng(1).random(X.shape),
        np.repeat(np.repeat(X, 2, axis=1), 2, axis=2),
        np.zeros_like(X),
    ],
)
def test_what_cannot_be_told_stays_as_it_is(given):
    rows = row_digests(given)
    assert DIGITS.as_handed_out(rows, (40, *given.shape[1:])) is rows
    assert not DIGITS.recognises(rows)


def test_a_half_of_known_images_among_others_is_not_that_form():
    rows = row_digests(np.concatenate([(1 - X)[:20], np.random.default_rng(1).random((20, 6, 6))]))
    assert DIGITS.as_handed_out(rows, (40, 6, 6)) is rows


@pytest.mark.parametrize("shape", [None, (), (40,), (40, None, 6)])
def test_without_a_shape_nothing_is_tried(shape):
    rows = row_digests(1 - X)
    assert DIGITS.as_handed_out(rows, shape) is rows


def test_what_may_fill_rows_of_a_shape():
    assert DIGITS.may_fill((40, 8, 8, 1))
    assert DIGITS.may_fill((None, None, None, 1))
    assert DIGITS.may_fill(None)
    assert not DIGITS.may_fill((40, 64, 64, 1))
    assert DataFacts("x", DIGITS.train, DIGITS.test).may_fill((40, 64, 64, 1))
