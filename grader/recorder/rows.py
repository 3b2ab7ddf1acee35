"""Row digests that do not depend on how the rows were scaled or reshaped.

Used in the student's kernel (what went into ``fit``) and in the grader (what the data set holds), so that test images
in the training data, or a data set other than the first 600, show whatever ``/ 255`` or ``reshape`` was applied.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt

ROWS_LIMIT = 200_000


def span_of(x: npt.NDArray[Any]) -> tuple[float, float]:
    """Least and largest finite number of ``x``; what is none counts as 0."""
    values = _finite(np.asarray(x))
    return float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))


def canonical(x: npt.NDArray[Any], span: tuple[float, float] | None = None) -> npt.NDArray[np.uint8]:
    """``x`` stretched to 0..255 over its finite range and rounded: uint8, (n, row size).

    :param span: the range, where ``x`` is a part of what was given.
    """
    array = np.asarray(x)
    flat = array.reshape(len(array), math.prod(array.shape[1:]))
    if flat.dtype == np.uint8 and (span or (int(flat.min(initial=255)), int(flat.max(initial=0)))) == (0, 255):
        return flat
    values = _finite(flat)
    low, high = span or span_of(values)
    width = high - low
    if not np.isfinite(width) or width <= 0:
        return np.zeros(flat.shape, np.uint8)
    stretched: npt.NDArray[np.uint8] = np.rint((values - low) * (255.0 / width)).clip(0, 255).astype(np.uint8)
    return stretched


def _finite(x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    with np.errstate(all="ignore"):  # a warning of ours would appear among the student's outputs
        return np.nan_to_num(x.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def row_digests(x: npt.NDArray[Any], span: tuple[float, float] | None = None) -> npt.NDArray[np.uint64]:
    """Digest of each row's canonical form: uint64, (n,). ``x``: numeric, (n, ...); ``span``: see :func:`canonical`."""
    rows = np.ascontiguousarray(canonical(x, span))
    digests = bytearray(8 * len(rows))
    for i, row in enumerate(rows):
        digests[8 * i : 8 * i + 8] = hashlib.blake2b(row, digest_size=8).digest()
    return np.frombuffer(bytes(digests), np.uint64)


def array_digest(x: npt.NDArray[Any]) -> str:
    """Digest of the bytes, shape and dtype of an array: 32 hexadecimal digits."""
    array = np.ascontiguousarray(x)
    digest = hashlib.blake2b(f"{array.dtype.str}{array.shape}".encode(), digest_size=16)
    digest.update(array.data)
    return digest.hexdigest()
