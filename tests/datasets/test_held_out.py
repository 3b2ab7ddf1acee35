"""The held-out variant is new, the same on every machine, and close enough to be recognised."""

import hashlib

import numpy as np

from grader.datasets import held_out_images


def strokes(n=40, size=28) -> np.ndarray:
    """A centred bar each: uint8, (n, size, size)."""
    images = np.zeros((n, size, size), np.uint8)
    images[:, 6:22, 12:16] = 255
    return images


def test_shape_and_type_stay_and_the_input_is_not_changed():
    for images in (strokes(), np.repeat(strokes()[..., None], 3, axis=-1)):
        before = images.copy()
        out = held_out_images(images, 1)
        assert out.shape == images.shape
        assert out.dtype == np.uint8
        assert np.array_equal(images, before)
    assert held_out_images(strokes(0), 1).shape == (0, 28, 28)


def test_the_seed_decides_and_no_image_stays_as_it_was():
    images = strokes()
    first = held_out_images(images, 1)
    assert np.array_equal(first, held_out_images(images, 1))
    assert not np.array_equal(first, held_out_images(images, 2))
    assert not np.any(np.all(first == images, axis=(1, 2)))
    assert len(np.unique(first, axis=0)) == len(first)


def test_the_images_are_the_same_to_the_last_bit_on_every_platform():
    digest = hashlib.sha256(held_out_images(strokes(), 20260410).tobytes()).hexdigest()
    assert digest == "ee3fc00a081aa09080b0fb495e64e51c76866f2f4f8ca3b560f94be6d88902b3"


def test_channels_move_together():
    out = held_out_images(np.repeat(strokes()[..., None], 3, axis=-1), 1)
    assert np.array_equal(out[..., 0], out[..., 2])
    assert np.array_equal(out[..., 0], held_out_images(strokes(), 1))


def test_images_stay_near_where_they_were():
    images = strokes(400)
    out = held_out_images(images, 3).astype(float)
    grid = np.arange(28)
    mass = out.sum(axis=(1, 2))
    rows = (out.sum(axis=2) * grid).sum(axis=1) / mass - 13.5
    columns = (out.sum(axis=1) * grid).sum(axis=1) / mass - 13.5
    assert 1.5 < np.abs(rows).max() < 2.2
    assert 1.5 < np.abs(columns).max() < 2.2
    original = images[0].sum()
    assert mass.min() < 0.95 * original
    assert 1.1 * original < mass.max() < 1.6 * original


def test_a_larger_set_begins_with_the_same_images():
    assert np.array_equal(held_out_images(strokes(1500), 5)[:40], held_out_images(strokes(40), 5))
