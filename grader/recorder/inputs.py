"""Brings test images into the form that a model was trained on, from what its training data looked like."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]


def prepare(
    images: Images, trained_shape: tuple[int | None, ...], low: float | None, high: float | None, negative: bool = False
) -> npt.NDArray[np.float32]:
    """``images`` (uint8, (n, h, w[, c])) scaled affinely from 0..255 to ``low``..``high`` and arranged.

    :param trained_shape: shape of the training data, rows first: see :func:`arranged`.
    :param negative: whether the training images were black where these are white.
    :returns: float32, (n, *trained_shape[1:]).
    :raises ValueError: the sizes do not fit.
    """
    wanted = tuple(int(n) for n in trained_shape[1:] if n is not None)
    if len(wanted) != len(trained_shape) - 1:
        raise _misfit(wanted, images)
    rows = arranged(images, wanted)
    values = (255 - rows if negative else rows).astype(np.float32)
    bottom, top = (0.0, 255.0) if low is None or high is None or not high > low else (float(low), float(high))
    return np.ascontiguousarray(bottom + (top - bottom) * (values / np.float32(255.0)), np.float32)


def arranged(images: Images, row_shape: tuple[int, ...]) -> Images:
    """``images`` (uint8, (n, h, w[, c])) as rows of ``row_shape``: uint8, (n, *row_shape).

    They are reshaped; where the rows are larger by the same even number on both sides, at most by half, they get a
    frame of zeros; a last axis of 3 where they have one channel takes the image three times.

    :raises ValueError: the sizes do not fit.
    """
    n, shape = len(images), images.shape[1:]
    if math.prod(row_shape) == math.prod(shape):
        return images.reshape(n, *row_shape)
    frame = _frame(shape, row_shape)
    sides = ((0, 0), (frame, frame), (frame, frame), *((0, 0),) * (len(shape) - 2))
    framed = np.pad(images, sides) if frame else images
    size = math.prod(framed.shape[1:])
    if math.prod(row_shape) == size:
        return framed.reshape(n, *row_shape)
    if row_shape[-1:] == (3,) and row_shape[:2] == framed.shape[1:3] and math.prod(row_shape) == 3 * size:
        return np.repeat(framed.reshape(n, *row_shape[:2], 1), 3, axis=3)
    raise _misfit(row_shape, images)


def _frame(shape: tuple[int, ...], row_shape: tuple[int, ...]) -> int:
    """Pixels on each side by which the rows are larger than the images; 0 where they are not, or not alike."""
    if len(shape) < 2 or len(row_shape) not in (2, 3):
        return 0
    wider, higher = row_shape[1] - shape[1], row_shape[0] - shape[0]
    return wider // 2 if wider == higher > 0 and wider % 2 == 0 and wider <= min(shape[:2]) // 2 else 0


def _misfit(wanted: tuple[int, ...], images: Images) -> ValueError:
    return ValueError(f"the model was trained on rows of shape {wanted}, the test images have {images.shape[1:]}")
