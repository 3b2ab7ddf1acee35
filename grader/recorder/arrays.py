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


def plain(value: Any) -> Any:
    """``value``, arrays of a class of one's own (also in a tuple) as what they hold: their methods may give other data
    when Keras converts them.
    """
    if isinstance(value, tuple | list) and any(isinstance(item, np.ndarray) for item in value):
        return type(value)(map(plain, value)) if type(value) in (tuple, list) else tuple(map(plain, value))
    if isinstance(value, np.ndarray):
        return value if type(value) in (np.ndarray, np.memmap) else value.view(np.ndarray)
    kinds = {cls.__name__ for cls in type(value).__mro__ if cls.__module__.startswith("pandas.")}
    if kinds & {"DataFrame", "Series"} and not type(value).__module__.startswith("pandas."):
        return np.asarray(value)
    return value


def class_labels(y: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Class of each row: int64, (n,). Integers as they are, one-hot rows by their place, -1 where it is neither."""
    y = y.reshape(len(y), math.prod(y.shape[1:])) if y.ndim > 2 else y
    if y.ndim == 2 and y.shape[1] > 1:
        one_hot = (y.sum(axis=1) == 1) & (y.max(axis=1) == 1)
        return np.where(one_hot, y.argmax(axis=1), -1).astype(np.int64)
    flat = y.reshape(len(y), -1)[:, 0] if y.size else y.reshape(-1)
    with np.errstate(all="ignore"):  # a warning of ours would appear among the student's outputs
        whole = np.isfinite(flat) & (np.mod(flat, 1) == 0)
        return np.where(whole, flat, -1).astype(np.int64)


def soft_rows(y: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    """Which rows of (n, k) labels hold more than two different values: bool, (n,); ``None`` where no row does.

    One-hot rows, and those that label smoothing gives, hold two. A network's output holds as many as there are classes.
    """
    soft = np.zeros(len(y), np.bool_)
    width = math.prod(y.shape[1:])
    for start in range(0, len(y) if width > 2 else 0, _BLOCK_ROWS):
        with np.errstate(all="ignore"):  # values are the same up to a ten-thousandth of the row's range
            rows = y[start : start + _BLOCK_ROWS].reshape(-1, width).astype(np.float64)
            low, high = rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)
            slack = 1e-4 * (high - low)
            soft[start : start + _BLOCK_ROWS] = ((rows > low + slack) & (rows < high - slack)).any(axis=1)
    return soft if soft.any() else None


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


def _only(y: Any) -> Any:
    """The one array of labels in a list or mapping, as Keras takes them for a network of one output; else ``y``."""
    items = list(y.values()) if isinstance(y, dict) else y
    if not isinstance(items, list | tuple) or len(items) != 1:
        return y
    return items[0] if getattr(items[0], "ndim", 0) else y  # a list of numbers, or of rows, is an array itself


def save_rows(path: Path, x: Any, y: Any, digests: npt.NDArray[np.uint64] | None = None) -> str | None:
    """Writes row digests of ``x`` and classes of ``y`` as npz; the file's name, or ``None`` where there are none.

    Where labels are soft (:func:`soft_rows`), it has ``soft`` too.

    :param digests: uint64, (n,), of ``x`` where they are known already.
    """
    array, labels = as_array(x), as_array(_only(y))
    if array is None or not 0 < len(array) <= ROWS_LIMIT:
        return None
    arrays: dict[str, npt.NDArray[Any]] = {"rows": row_digests(array) if digests is None else digests}
    if labels is not None and len(labels) == len(array):
        arrays["labels"] = class_labels(labels)
        if (soft := soft_rows(labels)) is not None:
            arrays["soft"] = soft
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return path.name


def add_rows(path: Path, later: npt.NDArray[np.uint64]) -> None:
    """Writes digests of rows that came later, uint64, (n,), to those in ``path``."""
    with np.load(path, allow_pickle=False) as stored:
        known = dict(stored)
    with path.open("wb") as file:
        np.savez_compressed(file, **known, later=later)


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
