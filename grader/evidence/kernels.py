"""What the weights of a first convolution tell about its training: changed, alive, and more structured than noise.

The arrays are the kernel's claims. That the re-measured accuracy comes from the very same file proves them: the
verifier predicts with these weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SIDE_LIMIT = 16
STRUCTURE_Z = 3.09
"""One in a thousand means of filters that are noise lies above so many standard deviations."""
_DEAD_SHARE = 1e-3
_IMAGES_AT_ONCE = 10

Floats = npt.NDArray[np.float64]


def first_kernel(
    arrays: Sequence[npt.NDArray[Any]],
) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None] | None:
    """Of a model's weights the first kernel of a 2-D convolution, (height, width, channels, filters), and its bias.

    The bias is ``None`` where the layer has none.
    """
    for place, array in enumerate(arrays):
        if array.ndim == 4 and max(array.shape[:2]) <= SIDE_LIMIT:
            after = arrays[place + 1] if place + 1 < len(arrays) else None
            has_bias = after is not None and after.shape == array.shape[3:]
            return array, after if has_bias else None
    return None


def moran(slices: npt.NDArray[Any]) -> Floats:
    """Moran's I of each two-dimensional slice with its upper, lower, left and right neighbours: how alike these are.

    ``I = (N / W) sum_ij w_ij (x_i - m)(x_j - m) / sum_i (x_i - m)^2`` with ``w_ij = 1`` for neighbours (P. A. P. Moran,
    "Notes on continuous stochastic phenomena", Biometrika 37, 1950). 1: neighbours are the same; below 0: they differ.

    :param slices: numbers, (n, height, width), at least 2 by 2.
    :returns: float64, (n,); NaN for a slice of one value.
    """
    x = np.asarray(slices, np.float64)
    x = x - x.mean(axis=(1, 2), keepdims=True)
    across = (x[:, :, 1:] * x[:, :, :-1]).sum(axis=(1, 2))
    down = (x[:, 1:] * x[:, :-1]).sum(axis=(1, 2))
    height, width = x.shape[1:]
    edges = height * (width - 1) + width * (height - 1)
    squares = np.square(x).sum(axis=(1, 2))
    with np.errstate(all="ignore"):
        index: Floats = np.where(squares > 0, (height * width / edges) * (across + down) / squares, np.nan)
    return index


def moran_of_noise(height: int, width: int) -> tuple[float, float]:
    """Mean and standard deviation of Moran's I where all weights are drawn independently from one normal distribution.

    ``E = -1 / (N - 1)`` holds for any independent draw, ``Var = (N^2 S1 - N S2 + 3 W^2) / ((N^2 - 1) W^2) - E^2`` for
    normal ones (A. D. Cliff and J. K. Ord, "Spatial Processes", 1981, chapter 2); for the uniform draw that Keras
    begins with it is 2 % too small at 5 by 5.
    """
    rows, columns = np.indices((height, width))
    degree = (rows > 0).astype(int) + (rows < height - 1) + (columns > 0) + (columns < width - 1)
    n, w = height * width, float(degree.sum())
    s1, s2 = 2 * w, 4 * float(np.square(degree).sum())
    mean = -1.0 / (n - 1)
    return mean, math.sqrt((n**2 * s1 - n * s2 + 3 * w**2) / ((n**2 - 1) * w**2) - mean**2)


@dataclass(frozen=True)
class FilterFacts:
    """A first convolution before and after one training.

    :ivar change: float64, (filters,): length of the difference over the length before, of each filter.
    :ivar weak: filters after it that are next to zero beside the others.
    :ivar moran_before, moran_after: mean of Moran's I over filters and input channels.
    :ivar noise: range that this mean has for noise, all but two in a thousand times.
    """

    change: Floats
    weak: int
    moran_before: float
    moran_after: float
    noise: tuple[float, float]

    @property
    def n_filters(self) -> int:
        """Filters of the layer."""
        return len(self.change)

    @property
    def structured(self) -> bool:
        """Whether neighbouring weights are more alike than noise makes them."""
        return self.moran_after > self.noise[1]


def filter_facts(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> FilterFacts | None:
    """Compares two kernels, numbers, (height, width, channels, filters).

    :returns: ``None`` where shapes differ, some number is not finite, or the window is smaller than 3 by 3.
    """
    if before.shape != after.shape or before.ndim != 4 or min(before.shape[:2]) < 3 or 0 in before.shape:
        return None
    old, new = (np.asarray(k, np.float64) for k in (before, after))
    if not (np.isfinite(old).all() and np.isfinite(new).all()):
        return None
    lengths = [np.sqrt(np.square(k).sum(axis=(0, 1, 2))) for k in (old, new, new - old)]
    change = lengths[2] / np.maximum(lengths[0], np.finfo(np.float64).tiny)
    height, width, channels, filters = old.shape
    means = [_mean(moran(k.reshape(height, width, channels * filters).transpose(2, 0, 1))) for k in (old, new)]
    mean, sd = moran_of_noise(height, width)
    reach = STRUCTURE_Z * sd / math.sqrt(channels * filters)
    weak = int((lengths[1] <= _DEAD_SHARE * max(float(np.median(lengths[1])), float(np.median(lengths[0])))).sum())
    return FilterFacts(change, weak, means[0], means[1], (mean - reach, mean + reach))


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else 0.0


def silent_filters(kernel: npt.NDArray[Any], bias: npt.NDArray[Any] | None, images: npt.NDArray[Any]) -> int:
    """Filters that are at no place of any image above zero: behind a ReLU they pass nothing on.

    :param kernel: (height, width, channels, filters). :param bias: (filters,). :param images: (n, h, w, channels), as
        the model was given them.
    """
    filters = np.asarray(kernel, np.float32)
    added = np.zeros(kernel.shape[3], np.float32) if bias is None else np.asarray(bias, np.float32)
    for start in range(0, len(images), _IMAGES_AT_ONCE):  # most answer to the first few images already
        some = np.asarray(images[start : start + _IMAGES_AT_ONCE], np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(some, kernel.shape[:2], axis=(1, 2))
        answers = np.tensordot(windows, filters, axes=((3, 4, 5), (2, 0, 1)))
        silent = answers.max(axis=(0, 1, 2)) + added <= 0
        filters, added = filters[..., silent], added[silent]
        if not len(added):
            break
    return len(added)
