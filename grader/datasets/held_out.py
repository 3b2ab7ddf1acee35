"""A variant of the test images that no student can have seen: each moved, turned and made a little thicker or thinner.

A model that has learned the digits keeps nearly all its accuracy on it; one that only knows the test set does not.

Only additions, products, quotients, comparisons and roundings of float64 are used (the turning goes by the rational
parameter ``t = tan(angle / 2)``: ``cos = (1 - t²) / (1 + t²)``, ``sin = 2t / (1 + t²)``), all of which IEEE 754 defines
to the last bit, so that every platform makes the same images from the same seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

SHIFT_PX = 2.0
HALF_ANGLE_TANGENT = 0.08748866352592401  # tan(5°): turned by up to 10°
THICKEN, THIN = 0.6, 0.25
_CHUNK = 1000

_Float = npt.NDArray[np.float64]


def held_out_images(images: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """Each image shifted by up to ±2 px both ways, turned by up to ±10° about its centre, thickened or thinned.

    :param images: uint8, (n, height, width) or (n, height, width, channels).
    :param seed: non-negative; keep it secret to the course.
    :return: uint8, the same shape.
    """
    stack = images[..., None] if images.ndim == 3 else images
    draws = np.random.Generator(np.random.PCG64(seed)).random((len(stack), 4))
    out = np.empty_like(stack)
    for start in range(0, len(stack), _CHUNK):
        part = slice(start, start + _CHUNK)
        moved = _moved(stack[part].astype(np.float64), draws[part])
        weight = draws[part, 3] * (THICKEN + THIN) - THIN
        out[part] = np.rint(np.clip(_thickened(moved, weight), 0.0, 255.0)).astype(np.uint8)
    return out.reshape(images.shape)


def _moved(images: _Float, draws: _Float) -> _Float:
    """``images`` (n, h, w, c) turned and shifted, sampled bilinearly; outside of the frame it is 0."""
    n, height, width, _ = images.shape
    shift = (draws[:, :2] * 2.0 - 1.0) * SHIFT_PX
    t = (draws[:, 2] * 2.0 - 1.0) * HALF_ANGLE_TANGENT
    cos, sin = ((1.0 - t * t) / (1.0 + t * t))[:, None, None], (2.0 * t / (1.0 + t * t))[:, None, None]
    middle_y, middle_x = (height - 1) / 2.0, (width - 1) / 2.0
    dy = np.arange(height, dtype=np.float64)[None, :, None] - middle_y - shift[:, 0, None, None]
    dx = np.arange(width, dtype=np.float64)[None, None, :] - middle_x - shift[:, 1, None, None]
    y = cos * dy - sin * dx + middle_y
    x = sin * dy + cos * dx + middle_x
    # One ring of zeros around each image stands for everything outside of it.
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    flat = padded.reshape(-1, images.shape[3])
    y0, fy = _cell(y, height)
    x0, fx = _cell(x, width)
    first = np.arange(n, dtype=np.intp)[:, None, None] * ((height + 2) * (width + 2)) + y0 * (width + 2) + x0
    top = flat[first] * (1.0 - fx) + flat[first + 1] * fx
    below = flat[first + width + 2] * (1.0 - fx) + flat[first + width + 3] * fx
    blended: _Float = top * (1.0 - fy) + below * fy
    return blended


def _cell(position: _Float, size: int) -> tuple[npt.NDArray[np.intp], Any]:
    """Index in the padded frame of the pixel before ``position``, and the share of the one after: (n, h, w, 1)."""
    inside = np.clip(position + 1.0, 0.0, size + 1.0)
    before = np.minimum(np.floor(inside), float(size))
    return before.astype(np.intp), (inside - before)[..., None]


def _thickened(images: _Float, weight: _Float) -> _Float:
    """Blend with the grey dilation (weight above 0) or erosion (below 0) of a plus-shaped 3×3 neighbourhood."""
    largest, smallest = images.copy(), images.copy()
    for axis in (1, 2):
        for step in (-1, 1):
            neighbour = _stepped(images, step, axis)
            np.maximum(largest, neighbour, out=largest)
            np.minimum(smallest, neighbour, out=smallest)
    amount = weight[:, None, None, None]
    towards = np.where(amount > 0.0, largest, smallest)
    return images + np.abs(amount) * (towards - images)


def _stepped(images: _Float, step: int, axis: int) -> _Float:
    """``images`` moved by one pixel along ``axis``; the row that comes in repeats the border."""
    moved = np.roll(images, step, axis)
    edge: list[Any] = [slice(None)] * images.ndim
    edge[axis] = 0 if step > 0 else -1
    moved[tuple(edge)] = images[tuple(edge)]
    return moved
