"""Opens a pickled data archive: the only place of the program where a pickle is read.

Why that is safe here: the bytes are first matched against a SHA-256 that stands in the catalogue, so only one known
file is ever opened; and even then nothing can be called but the functions with which numpy rebuilds an array. A
student's file never comes this way.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from typing import Any

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
    try:
        return _ArraysOnly(io.BytesIO(packed if payload is None else payload), encoding="latin1").load()
    except DataError:
        raise
    except Exception as error:  # a pickle can fail in any way; all of them mean the same
        raise DataError(f"the pickled archive cannot be read: {type(error).__name__}: {error}") from error
