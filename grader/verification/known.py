"""Predictions of models that the grader's own reference answer trained: the same model need not predict again."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from grader.recorder.keys import data_digest, processor

VERSION = 2
"""Raised with what a model is told apart by (:class:`grader.verification.inputs.InputForm` above all): the grader's own
notebooks are then run once more, else nothing that they left would ever be found again."""
_PREFIX = "predictions-"


@dataclass(frozen=True, slots=True)
class KnownPredictions:
    """Predictions in ``folder``, which only the grader writes.

    :ivar adds: whether what is predicted now is kept: for models of the grader's own notebooks only.
    """

    folder: Path
    adds: bool = False

    def key(self, model: str, images: Mapping[str, npt.NDArray[np.uint8]], runtime: str, threads: int) -> str:
        """Name of one model's predictions.

        :param model: digest of its configuration, weights and form of input.
        """
        inputs = {name: data_digest(array) for name, array in images.items()}
        what = [VERSION, model, inputs, runtime, threads, *_conditions(runtime)]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def find(self, key: str) -> dict[str, npt.NDArray[np.int16]] | None:
        """Predicted classes by name of the images: int16, (n,)."""
        try:
            with np.load(self.folder / f"{_PREFIX}{key}.npz", allow_pickle=False) as stored:
                found = {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, KeyError, BadZipFile):
            return None
        return found if all(a.dtype == np.int16 and a.ndim == 1 for a in found.values()) else None

    def add(self, key: str, predictions: Mapping[str, npt.NDArray[np.int16]]) -> None:
        """Keeps them where this one adds; a full disk is no fault."""
        if not self.adds:
            return
        with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as part:
            np.savez(part, **predictions)  # type: ignore[arg-type]
            part.close()
            os.replace(part.name, self.folder / f"{_PREFIX}{key}.npz")  # noqa: PTH105 - also replaces on Windows


@functools.cache
def _conditions(runtime: str) -> tuple[str, ...]:
    return (*(version(name) for name in ("tensorflow", "tf_keras" if runtime == "keras2" else "keras")), processor())
