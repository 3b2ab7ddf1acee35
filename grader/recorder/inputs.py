"""Brings test images into the form that a model was trained on, from what its training data looked like."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def prepare(
    images: npt.NDArray[np.uint8], trained_shape: tuple[int | None, ...], low: float | None, high: float | None
) -> npt.NDArray[np.float32]:
    """``images`` (uint8, (n, h, w[, c])) scaled affinely from 0..255 to ``low``..``high`` and reshaped.

    :param trained_shape: shape of the training data, rows first; a last axis of 3 where the images have one channel
        takes the image three times.
    :returns: float32, (n, *trained_shape[1:]).
    :raises ValueError: the sizes do not fit.
    """
    wanted = tuple(int(n) for n in trained_shape[1:] if n is not None)
    values = images.astype(np.float32)
    bottom, top = (0.0, 255.0) if low is None or high is None or not high > low else (float(low), float(high))
    values = bottom + (top - bottom) * (values / np.float32(255.0))
    size = math.prod(images.shape[1:])
    if len(wanted) == len(trained_shape) - 1 and math.prod(wanted) == size:
        return np.ascontiguousarray(values.reshape(len(images), *wanted), np.float32)
    if wanted[-1:] == (3,) and math.prod(wanted) == 3 * size and wanted[:2] == images.shape[1:3]:
        return np.ascontiguousarray(np.repeat(values.reshape(*images.shape[:3], 1), 3, axis=3), np.float32)
    raise ValueError(f"the model was trained on rows of shape {wanted}, the test images have {images.shape[1:]}")
