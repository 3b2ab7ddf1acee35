import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.recorder.rows import array_digest, canonical, row_digests


def images(n=12, seed=0):
    """Grey images that reach from 0 to 255: uint8, (n, 6, 5)."""
    made = np.random.default_rng(seed).integers(0, 256, (n, 6, 5), dtype=np.uint8)
    made[0, 0, :2] = 0, 255
    return made


ORIGINAL = images()


@pytest.mark.parametrize(
    "transform",
    [
        lambda x: x / 255.0,
        lambda x: (x / 255.0).astype(np.float32),
        lambda x: x.astype("float32") / 255,
        lambda x: x.astype(np.float64) / 127.5 - 1,
        lambda x: (x - x.mean()) / x.std(),
        lambda x: x.reshape(len(x), -1),
        lambda x: x[..., np.newaxis] / 255.0,
        lambda x: x.reshape(len(x), 1, 6, 5),
        lambda x: x.astype(np.int64),
        np.asfortranarray,
        lambda x: x[::-1][::-1],
        lambda x: x.astype(np.float16),
        lambda x: x * 3.7 + 12,
    ],
)
def test_scaling_and_reshaping_leave_the_digests_alone(transform):
    assert np.array_equal(row_digests(transform(ORIGINAL)), row_digests(ORIGINAL))


@given(st.floats(0.001, 1000), st.floats(-100, 100))
@settings(max_examples=40, deadline=None)
def test_any_affine_scaling_leaves_the_digests_alone(factor, shift):
    assert np.array_equal(row_digests(ORIGINAL * factor + shift), row_digests(ORIGINAL))


def test_one_pixel_changes_the_digest_of_its_row_only():
    changed = ORIGINAL.copy()
    changed[3, 2, 2] ^= 16
    assert (row_digests(changed) != row_digests(ORIGINAL)).tolist() == [i == 3 for i in range(12)]


def test_digests_do_not_depend_on_the_other_rows():
    order = np.r_[0, 5:12]
    assert np.array_equal(row_digests(ORIGINAL[order]), row_digests(ORIGINAL)[order])


def test_equal_rows_have_equal_digests():
    twice = np.concatenate([ORIGINAL, ORIGINAL])
    digests = row_digests(twice)
    assert np.array_equal(digests[:12], digests[12:])
    assert len(set(digests.tolist())) == 12


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 4)),
        np.full((2, 2), 7, np.uint8),
        np.full((2, 3), np.nan),
        np.array([[np.inf, -np.inf], [np.nan, 0]]),
        np.zeros((0, 28, 28), np.uint8),
        np.zeros((4, 0)),
        np.array([True, False, True]),
        np.array([[1e308, -1e308]]),
        np.arange(5),
    ],
    ids=lambda a: f"{a.dtype}{a.shape}",
)
def test_degenerate_arrays_have_a_canonical_form(array):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it would appear among the student's outputs
        made = canonical(array)
    assert made.dtype == np.uint8
    assert len(row_digests(array)) == len(array)


def test_what_is_not_finite_counts_as_nothing():
    broken = ORIGINAL / 255.0
    broken[4, 0, 0] = np.nan
    assert np.array_equal(np.delete(row_digests(broken), 4), np.delete(row_digests(ORIGINAL), 4))


def test_the_digest_of_an_array_tells_shape_and_type_apart():
    assert array_digest(ORIGINAL) == array_digest(ORIGINAL.copy())
    assert array_digest(ORIGINAL) == array_digest(np.asfortranarray(ORIGINAL))
    different = {array_digest(a) for a in (ORIGINAL, ORIGINAL.reshape(12, 30), ORIGINAL.view(np.int8), ORIGINAL[:11])}
    assert len(different) == 4
