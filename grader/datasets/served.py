"""Writes a data set as the files that Keras' own loader opens, so that a kernel can be served without the network."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from grader.datasets.catalogue import ROLES, Array
from grader.datasets.restricted_unpickle import write_batch

CIFAR10_FOLDER = "cifar-10-batches-py"
CIFAR10_SIZES = (50_000, 10_000)
_IDX_FILES = {
    "train-labels-idx1-ubyte.gz": "y_train",
    "train-images-idx3-ubyte.gz": "x_train",
    "t10k-labels-idx1-ubyte.gz": "y_test",
    "t10k-images-idx3-ubyte.gz": "x_test",
}


def write_served(module: str, arrays: Mapping[str, Array], directory: Path) -> None:
    """The files that ``keras.datasets.<module>.load_data`` asks ``get_file`` for, with those very names.

    ``fashion_mnist`` reads four gzipped idx files; ``cifar10`` pickled batches, of exactly 10,000 images each;
    ``mnist``, and any data set that Keras does not know, one npz. A ``cifar10`` of another size is an npz too, which
    the recorder knows how to serve. Same arrays, same bytes, apart from the time stamps in the npz.
    """
    directory.mkdir()
    if module == "cifar10" and (len(arrays["x_train"]), len(arrays["x_test"])) == CIFAR10_SIZES:
        write_cifar10(arrays, directory / CIFAR10_FOLDER)
        return
    if module == "fashion_mnist":
        for name, role in _IDX_FILES.items():
            _write_idx_gz(arrays[role], directory / name)
    else:
        np.savez(directory / f"{module}.npz", allow_pickle=False, **{role: arrays[role] for role in ROLES})


def write_cifar10(arrays: Mapping[str, Array], directory: Path) -> None:
    """Five ``data_batch_*`` and a ``test_batch``; images uint8, (n, 32, 32, 3)."""
    directory.mkdir()
    images = np.array_split(arrays["x_train"], 5)
    labels = np.array_split(arrays["y_train"], 5)
    names = [f"data_batch_{number}" for number in range(1, 6)]
    for name, x, y in zip(
        [*names, "test_batch"], [*images, arrays["x_test"]], [*labels, arrays["y_test"]], strict=True
    ):
        rows = np.ascontiguousarray(x.transpose(0, 3, 1, 2)).reshape(len(x), -1)
        write_batch(directory / name, rows, y.reshape(-1).tolist())


def _write_idx_gz(array: Array, path: Path) -> None:
    sizes = np.asarray(array.shape, ">i4").tobytes()
    # Stored, not compressed: every kernel of a class unpacks it again, and the file is on the local disk anyway.
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=0, fileobj=raw, mtime=0) as file:
        file.write(bytes((0, 0, 8, array.ndim)) + sizes)
        file.write(np.ascontiguousarray(array).data)
