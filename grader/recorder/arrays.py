"""Describes what was given to ``fit``, ``evaluate`` and ``predict`` as x and y."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.recorder.rows import ROWS_LIMIT, array_digest, row_digests

BYTES_LIMIT = 4 * 2**30
_BLOCK_ROWS = 4096


def as_array(value: Any) -> npt.NDArray[Any] | None:
    """``value`` as a numeric numpy array, (n, ...), if that is what it is (lists, tensors and data frames included)."""
    if value is None or isinstance(value, str | bytes | dict):
        return None
    if not isinstance(value, np.ndarray):
        if not (hasattr(value, "__array__") or isinstance(value, list | tuple)) or hasattr(value, "element_spec"):
            return None
        try:
            value = np.asarray(value)
        except Exception:
            return None
    array = np.asarray(value).view(np.ndarray)
    fits = array.ndim >= 1 and array.dtype.kind in "biuf" and array.nbytes <= BYTES_LIMIT
    return array if fits else None


def class_labels(y: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Class of each row: int64, (n,). Integers as they are, one-hot rows by their place, -1 where it is neither."""
    if y.ndim == 2 and y.shape[1] > 1:
        one_hot = (y.sum(axis=1) == 1) & (y.max(axis=1) == 1)
        return np.where(one_hot, y.argmax(axis=1), -1).astype(np.int64)
    flat = y.reshape(len(y), -1)[:, 0] if y.size else y.reshape(-1)
    with np.errstate(all="ignore"):  # a warning of ours would appear among the student's outputs
        whole = np.isfinite(flat) & (np.mod(flat, 1) == 0)
        return np.where(whole, flat, -1).astype(np.int64)


def describe(value: Any) -> dict[str, Any]:
    """Fields of :class:`grader.evidence.events.Array`, without row digests."""
    array = as_array(value)
    if array is not None:
        with np.errstate(all="ignore"):
            numbers = array.astype(np.float32, copy=False) if array.size else np.zeros(1, np.float32)
        return {
            "kind": "array",
            "shape": list(array.shape),
            "dtype": array.dtype.name,
            "digest": array_digest(array),
            "min": float(numbers.min()),
            "max": float(numbers.max()),
        }
    if value is None:
        return {"kind": "none"}
    kind = "dataset" if hasattr(value, "element_spec") else "generator"
    return {"kind": kind}


def spread(value: Any) -> dict[str, float]:
    """``mean``, ``std`` and ``flat`` of :class:`grader.evidence.events.Array`; nothing for what is no array of rows."""
    array = as_array(value)
    if array is None or array.ndim < 2 or not array.size:
        return {}
    total = squares = 0.0
    flat = 0
    for start in range(0, len(array), _BLOCK_ROWS):  # in blocks: a second copy of the data may be too much
        with np.errstate(all="ignore"):
            rows = array[start : start + _BLOCK_ROWS].reshape(-1, math.prod(array.shape[1:])).astype(np.float64)
            total, squares = total + float(rows.sum()), squares + float(np.square(rows).sum())
        flat += int((rows.min(axis=1) == rows.max(axis=1)).sum())
    mean = total / array.size
    return {"mean": mean, "std": math.sqrt(max(0.0, squares / array.size - mean**2)), "flat": flat / len(array)}


def save_rows(path: Path, x: Any, y: Any, digests: npt.NDArray[np.uint64] | None = None) -> str | None:
    """Writes row digests of ``x`` and classes of ``y`` as npz; the file's name, or ``None`` where there are none.

    :param digests: uint64, (n,), of ``x`` where they are known already.
    """
    array, labels = as_array(x), as_array(y)
    if array is None or not 0 < len(array) <= ROWS_LIMIT:
        return None
    arrays: dict[str, npt.NDArray[Any]] = {"rows": row_digests(array) if digests is None else digests}
    if labels is not None and len(labels) == len(array):
        arrays["labels"] = class_labels(labels)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return path.name


def save_weights(path: Path, weights: list[npt.NDArray[Any]]) -> str:
    """Writes arrays ``w0000 w0001 …`` in Keras' ``get_weights`` order as npz; the file's name."""
    with path.open("wb") as file:
        np.savez(file, **{f"w{i:04d}": np.asarray(w) for i, w in enumerate(weights)})  # type: ignore[arg-type]
    return path.name


def weights_digest(weights: Iterable[npt.NDArray[Any]]) -> str | None:
    """Digest of arrays in Keras' ``get_weights`` order with their types and shapes; ``None`` where there is none."""
    digest = hashlib.blake2b(digest_size=16)
    empty = True
    for weight in weights:
        array = np.ascontiguousarray(weight)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.data)
        empty = False
    return None if empty else digest.hexdigest()


_REPEATABLE = ("TensorSlice", "Tensor", "Range", "Batch", "ParallelBatch", "Prefetch", "Take", "Skip", "Options", "Zip")


def is_repeatable(dataset: Any) -> bool:
    """Whether going through ``dataset`` once more changes nothing: no shuffling, no function or file in between."""
    kind = type(dataset).__name__.strip("_").removesuffix("Dataset")
    return kind in _REPEATABLE and all(map(is_repeatable, dataset._inputs()))


def collect_dataset(dataset: Any, rows_limit: int = ROWS_LIMIT) -> tuple[Any, Any]:
    """X and y of a finite batched ``tf.data.Dataset``, or ``(None, None)``: generators are never consumed."""
    try:
        cardinality = int(dataset.cardinality())
        if not 0 < cardinality <= rows_limit:
            return None, None
        xs, ys, rows = [], [], 0
        for batch in dataset:
            if not isinstance(batch, tuple) or len(batch) < 2:
                return None, None
            xs.append(np.asarray(batch[0]))
            ys.append(np.asarray(batch[1]))
            rows += len(xs[-1])
            if rows > rows_limit:
                return None, None
        return np.concatenate(xs), np.concatenate(ys)
    except Exception:
        return None, None
