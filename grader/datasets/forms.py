"""Images of a data set in another form in which a network may be given them: a negative, framed, in three channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from grader.recorder.inputs import arranged
from grader.recorder.rows import row_digests

SAME_SHARE = 0.95
"""A few images may be of a student's own making; a training is one on known images all the same."""
_BLOCK_ROWS = 4096


def takes_form(image_shape: tuple[int, ...], row_shape: tuple[int, ...]) -> bool:
    """Whether :func:`grader.recorder.inputs.arranged` makes rows of ``row_shape`` of images of ``image_shape``."""
    try:
        arranged(np.zeros((0, *image_shape), np.uint8), row_shape)
    except ValueError:
        return False
    return True


def rows_in_form(images: npt.NDArray[Any], row_shape: tuple[int, ...], *, negative: bool) -> npt.NDArray[np.uint64]:
    """Digest of each image in that form: uint64, (n,).

    :param images: uint8, (n, h, w[, c]), of a data set that has black and white pixels.
    :raises ValueError: they cannot be given that shape.
    """
    found = []
    for start in range(0, len(images), _BLOCK_ROWS):  # in blocks: a whole split in three channels is large
        rows = arranged(np.asarray(images[start : start + _BLOCK_ROWS]), row_shape)
        found.append(row_digests(255 - rows if negative else rows, (0.0, 255.0)))
    return np.concatenate(found) if found else np.zeros(0, np.uint64)
