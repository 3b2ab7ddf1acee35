import numpy as np
import pytest

from grader.datasets.forms import rows_in_form, takes_form
from grader.recorder.rows import row_digests

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 6, 6), np.uint8)
IMAGES[0, 0, :2] = 0, 255
X = IMAGES[..., None] / 255.0


@pytest.mark.parametrize(
    ("given", "negative"),
    [
        (X, False),
        (1 - X, True),
        (255 - IMAGES, True),
        (1 - 2 * X, True),
        (np.pad(X, ((0, 0), (1, 1), (1, 1), (0, 0))), False),
        (1 - np.pad(X, ((0, 0), (1, 1), (1, 1), (0, 0))), True),
        (np.repeat(X, 3, axis=-1), False),
        (np.repeat(1 - np.pad(X, ((0, 0), (1, 1), (1, 1), (0, 0))), 3, axis=-1), True),
    ],
)
def test_what_a_student_makes_of_the_images_has_the_digests_of_that_form(given, negative):
    form = rows_in_form(IMAGES, given.shape[1:], negative=negative)
    assert np.array_equal(form, row_digests(given))
    assert not np.isin(rows_in_form(IMAGES, given.shape[1:], negative=not negative), form).any()


@pytest.mark.parametrize("row", [(12, 12), (8, 7), (7, 7), (6, 6, 2), (4, 4), (64,)])
def test_shapes_that_only_resizing_or_guessing_could_make_are_none(row):
    assert not takes_form((6, 6), row)
    with pytest.raises(ValueError, match="trained on rows of shape"):
        rows_in_form(IMAGES, row, negative=False)


@pytest.mark.parametrize("row", [(6, 6), (6, 6, 1), (36,), (8, 8), (8, 8, 1), (6, 6, 3), (8, 8, 3)])
def test_reshaping_framing_and_tripling_make_these(row):
    assert takes_form((6, 6), row)
    assert takes_form((6, 6, 1), row)


def test_a_colour_image_gets_a_frame_in_all_its_channels():
    colours = np.stack([IMAGES] * 3, axis=-1)
    framed = np.pad(colours, ((0, 0), (1, 1), (1, 1), (0, 0)))
    assert np.array_equal(rows_in_form(colours, (8, 8, 3), negative=False), row_digests(framed))


def test_no_images_have_no_digests():
    assert rows_in_form(IMAGES[:0], (6, 6), negative=True).shape == (0,)
