"""Tiny models written by hand: configs as Keras 3 serialises them, weights, evidence folders."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from grader.evidence import Array, Evidence, Fit
from grader.evidence.reader import Model
from grader.model import Execution, ExecutionOutcome

SIDE = 6


def layer(class_name: str, **config: Any) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "sequential", "layers": list(layers)},
        "registered_name": None,
    }


def dense_model(activation: Any = "softmax", **dense: Any) -> dict[str, Any]:
    """Takes SIDE x SIDE images and gives ten numbers."""
    return sequential(
        layer("InputLayer", batch_shape=[None, SIDE, SIDE], name="input"),
        layer("Flatten", name="flatten"),
        layer("Dense", name="dense", units=10, activation=activation, **dense),
    )


def images_and_labels(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Class ``k`` is pixel ``k`` lit; uint8, (n, SIDE, SIDE) and (n,)."""
    labels = np.arange(n) % 10
    images = np.zeros((n, SIDE * SIDE), np.uint8)
    images[np.arange(n), labels] = 255
    return images.reshape(n, SIDE, SIDE), labels.astype(np.uint8)


def perfect_weights() -> list[np.ndarray]:
    """Weights of :func:`dense_model` that recognise every image of :func:`images_and_labels`."""
    kernel = np.zeros((SIDE * SIDE, 10), np.float32)
    kernel[np.arange(10), np.arange(10)] = 5
    return [kernel, np.zeros(10, np.float32)]


@dataclass(frozen=True)
class Dataset:
    images: np.ndarray
    labels: np.ndarray
    name: str = "lit-pixels"
    digest: str = "1f17" * 16  # of this data alone: held-out variants are kept by it

    def array(self, role: str) -> np.ndarray:
        return {"x_test": self.images, "y_test": self.labels}[role]


def dataset(n: int = 40) -> Dataset:
    return Dataset(*images_and_labels(n))


def evidence(directory: Path, *fits: Fit, custom: Mapping[str, str] | None = None, runtime: str = "keras3") -> Evidence:
    return Evidence(
        directory=directory,
        execution=Execution(ExecutionOutcome.OK, runtime=runtime),
        fits=fits,
        custom_predictions=custom or {},
    )


def fit(
    directory: Path,
    ident: str = "fit-1",
    *,
    config: Any = None,
    weights: list[np.ndarray] | None = None,
    x: Array | None = None,
    **changes: Any,
) -> Fit:
    """A training whose config and weights lie in ``claims/``."""
    claims = directory / "claims"
    claims.mkdir(parents=True, exist_ok=True)
    (claims / f"{ident}.json").write_text(json.dumps(config if config is not None else dense_model()))
    arrays = {f"w{i:04d}": w for i, w in enumerate(perfect_weights() if weights is None else weights)}
    np.savez(claims / f"{ident}.npz", **arrays)
    model = Model(**{"id": "model-1", "kind": "sequential", "config": f"{ident}.json", **changes.pop("model", {})})
    seen = x or Array(kind="array", shape=(600, SIDE, SIDE), dtype="float32", min=0.0, max=1.0)
    settings: dict[str, Any] = {"ended": "completed", "weights_after": f"{ident}.npz", **changes}
    return Fit(id=ident, model=model, x=seen, y=Array(), **settings)


@pytest.fixture
def samples() -> ModuleType:
    """The functions above; with ``--import-mode=importlib`` test modules cannot import each other."""
    return sys.modules[__name__]


FAKE_CHILD = """
import json, sys
from pathlib import Path
import numpy as np

folder = Path(sys.argv[1]).parent
job = json.loads(Path(sys.argv[1]).read_text())
with open(folder.parent / "runs.log", "a") as log:
    log.write(",".join(str(m["id"]) for m in job["models"]) + "\\n")
{before}
(folder / "ready.json").write_text("{{}}")
for model in job["models"]:
    number = model["id"]
    inputs = np.load(folder / model["inputs"])
    outputs = inputs.reshape(len(inputs), -1)[:, :10].astype(np.float32)
    answer = {{"ok": True}}
    {each}
    np.save(folder / f"predictions-{{number}}.npy", outputs)
    (folder / f"answer-{{number}}.json").write_text(json.dumps(answer))
"""


@pytest.fixture
def fake_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a child without TensorFlow in place: it gives the first ten pixels as its outputs.

    ``before`` and ``each`` are statements that it does first, and for each model.
    """

    def install(before: str = "", each: str = "pass") -> None:
        path = tmp_path / "fake_child.py"
        path.write_text(FAKE_CHILD.format(before=before, each=each))
        monkeypatch.setattr("grader.verification.process.CHILD", path)

    return install
