"""Writes a data set as the files that Keras' own loader opens, so that a kernel can be served without the network."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from grader.datasets.catalogue import ROLES, Array

_IDX_FILES = {
    "train-labels-idx1-ubyte.gz": "y_train",
    "train-images-idx3-ubyte.gz": "x_train",
    "t10k-labels-idx1-ubyte.gz": "y_test",
    "t10k-images-idx3-ubyte.gz": "x_test",
}


def write_served(module: str, arrays: Mapping[str, Array], directory: Path) -> None:
    """The files that ``keras.datasets.<module>.load_data`` asks ``get_file`` for, with those very names.

    ``fashion_mnist`` reads four gzipped idx files; ``mnist``, and any data set that Keras does not know, one npz.
    Same arrays, same bytes, apart from the time stamps in the npz.
    """
    directory.mkdir()
    if module == "fashion_mnist":
        for name, role in _IDX_FILES.items():
            _write_idx_gz(arrays[role], directory / name)
    else:
        np.savez(directory / f"{module}.npz", allow_pickle=False, **{role: arrays[role] for role in ROLES})


def _write_idx_gz(array: Array, path: Path) -> None:
    sizes = np.asarray(array.shape, ">i4").tobytes()
    # Stored, not compressed: every kernel of a class unpacks it again, and the file is on the local disk anyway.
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=0, fileobj=raw, mtime=0) as file:
        file.write(bytes((0, 0, 8, array.ndim)) + sizes)
        file.write(np.ascontiguousarray(array).data)
