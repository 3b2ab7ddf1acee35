import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.recorder.inputs import prepare

IMAGES = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4) * 8
IMAGES[0, 0, :2] = 0, 255


@pytest.mark.parametrize(
    ("trained", "expected"),
    [
        ((600, 4, 4), (2, 4, 4)),
        ((600, 4, 4, 1), (2, 4, 4, 1)),
        ((600, 1, 4, 4), (2, 1, 4, 4)),
        ((600, 16), (2, 16)),
        ((600, 4, 4, 3), (2, 4, 4, 3)),
        ((None, 16), (2, 16)),
        ((600, 6, 6), (2, 6, 6)),
        ((600, 6, 6, 1), (2, 6, 6, 1)),
        ((600, 6, 6, 3), (2, 6, 6, 3)),
    ],
)
def test_images_take_the_shape_that_was_trained_on(trained, expected):
    made = prepare(IMAGES, trained, 0.0, 1.0)
    assert made.shape == expected
    assert made.dtype == np.float32


def test_colour_channels_are_the_image_three_times():
    made = prepare(IMAGES, (600, 4, 4, 3), 0.0, 255.0)
    assert all(np.array_equal(made[..., channel], IMAGES) for channel in range(3))


def test_rows_that_are_larger_all_round_get_a_frame_as_dark_as_can_be():
    made = prepare(IMAGES, (600, 6, 6, 1), -1.0, 1.0)[..., 0]
    assert np.array_equal(made[:, 1:-1, 1:-1], prepare(IMAGES, (600, 4, 4), -1.0, 1.0))
    made[:, 1:-1, 1:-1] = -1
    assert (made == -1).all()


def test_a_negative_is_bright_where_the_image_is_dark_and_so_is_its_frame():
    made = prepare(IMAGES, (600, 6, 6), 0.0, 1.0, negative=True)
    assert np.allclose(made[:, 1:-1, 1:-1], 1 - IMAGES / 255.0)
    assert (made[:, :, 0] == 1).all()


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-0.42, 2.82)])
def test_brightness_takes_the_range_that_was_trained_on(low, high):
    made = prepare(IMAGES, (600, 4, 4), low, high)
    assert made.min() == pytest.approx(low)
    assert made.max() == pytest.approx(high)


@pytest.mark.parametrize(
    ("low", "high"), [(None, None), (None, 1.0), (0.0, None), (1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0)]
)
def test_without_a_usable_range_images_stay_as_they_are(low, high):
    assert np.array_equal(prepare(IMAGES, (600, 4, 4), low, high), IMAGES)


@pytest.mark.parametrize(
    "trained", [(600, 28, 28), (600, 15), (600,), (600, 4, 3, 3), (600, None, 4), (600, 3)], ids=str
)
def test_a_shape_that_cannot_be_made_is_refused_with_both_shapes(trained):
    with pytest.raises(ValueError, match="trained on rows of shape"):
        prepare(IMAGES, trained, 0.0, 1.0)


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_scaling_keeps_which_image_is_brighter(low, span):
    made = prepare(IMAGES, (600, 16), low, low + span)
    assert (np.argsort(made[0], kind="stable") == np.argsort(IMAGES[0].ravel(), kind="stable")).all()
