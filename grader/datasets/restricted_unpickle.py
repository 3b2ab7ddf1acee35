"""Opens and writes pickled data archives: the only place of the program that has to do with pickles.

Why that is safe here: the bytes are first matched against a digest that stands in the catalogue, so only known files
are ever opened; and even then nothing can be called but the functions with which numpy rebuilds an array. A student's
file never comes this way. Writing is for Keras' loader of CIFAR-10, which opens nothing but pickles.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.errors import DataError

_ALLOWED = frozenset(
    {
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("_codecs", "encode"),
    }
)


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """The allowed function; :raises DataError: any other."""
        if (module, name) not in _ALLOWED:
            raise DataError(f"a data archive asks for {module}.{name}; only numpy arrays are expected in it")
        if name == "_reconstruct":
            module = "numpy._core.multiarray"  # where numpy 2 keeps it; archives name numpy 1's place
        return super().find_class(module, name)


def unpickle_arrays(packed: bytes, expected_sha256: str, payload: bytes | None = None) -> Any:
    """What ``payload`` (``packed`` unpacked; by default ``packed`` itself) holds: numpy arrays in lists and tuples.

    :raises DataError: ``packed`` has another SHA-256, or the pickle holds something else than arrays.
    """
    received = hashlib.sha256(packed).hexdigest()
    if received != expected_sha256:
        raise DataError(
            f"a pickled archive is opened only when its SHA-256 is {expected_sha256}; this one has {received}"
        )
    return _loaded(packed if payload is None else payload)


def unpickle_batch(content: bytes) -> Any:
    """What a batch of CIFAR-10 holds: a dictionary. The caller has matched it, or the archive it is from, to a digest.

    :raises DataError: it holds something else than arrays and plain values.
    """
    return _loaded(content)


def write_batch(path: Path, data: npt.NDArray[np.uint8], labels: list[int]) -> None:
    """A batch as Keras' loader reads it: keys are bytes; the same values give the same file.

    Protocol 4 because the next one writes arrays in a way that Keras' own restricted reader refuses.

    :param data: uint8, (n, 3072).
    """
    path.write_bytes(pickle.dumps({b"data": np.ascontiguousarray(data), b"labels": labels}, protocol=4))


def _loaded(content: bytes) -> Any:
    try:
        return _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except DataError:
        raise
    except Exception as error:  # a pickle can fail in any way; all of them mean the same
        raise DataError(f"the pickled archive cannot be read: {type(error).__name__}: {error}") from error
