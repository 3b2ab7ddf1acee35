"""After the notebook: final names, and predictions of models that cannot be rebuilt elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.recorder.inputs import prepare
from grader.recorder.keras_hooks import KerasHooks
from grader.recorder.session import Session, jsonable

NAMES_LIMIT = 500
_SMALL_TEXT = 200


def write_names(session: Session, namespace: dict[str, Any]) -> None:
    """``names.json``: type, shape and small scalars of the global names that the notebook left."""
    names: dict[str, Any] = {}
    for name, value in list(namespace.items()):
        if name.startswith("_") or name in ("In", "Out", "exit", "quit", "get_ipython", "open"):
            continue
        if isinstance(value, ModuleType) or len(names) >= NAMES_LIMIT:
            continue
        names[name[:200]] = _fact(value)
    text = json.dumps(names, ensure_ascii=False, allow_nan=False)
    (session.settings.claims / "names.json").write_text(text, "utf-8")


def _fact(value: Any) -> dict[str, Any]:
    fact: dict[str, Any] = {"type": type(value).__name__[:200]}
    if isinstance(value, FunctionType | type):
        return fact
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape):
        fact["shape"] = list(shape)
    if (
        isinstance(value, bool | int | float)
        or (isinstance(value, str) and len(value) <= _SMALL_TEXT)
        or (isinstance(value, np.generic) and value.ndim == 0)
    ):
        fact["value"] = jsonable(value)
    return fact


def predict_custom(session: Session, hooks: KerasHooks, inputs_file: Path) -> None:
    """Predicts with each custom model as it was after each of its trainings.

    :param inputs_file: npz of uint8 images without labels: ``official`` and ``held_out``, (n, h, w[, c]).
    """
    with np.load(inputs_file, allow_pickle=False) as data:
        inputs = {name: data[name] for name in data.files}
    for fit, model, x in hooks.custom_fits:
        now = model.get_weights()
        try:
            with np.load(session.settings.claims / f"{fit}.after.npz", allow_pickle=False) as stored:
                model.set_weights([stored[key] for key in sorted(stored.files)])
            _predict_one(session, model, fit, x, inputs)
        except Exception as error:
            session.note("custom-prediction-failed", f"{fit}: {type(error).__name__}: {error}")
        finally:
            model.set_weights(now)


def _predict_one(session: Session, model: Any, fit: str, x: dict[str, Any], inputs: dict[str, Any]) -> None:
    classes: dict[str, npt.NDArray[np.int16]] = {}
    for name, images in inputs.items():
        ready = prepare(images, tuple(x["shape"]), x.get("min"), x.get("max"))
        outputs = np.asarray(model.predict(ready, batch_size=256, verbose=0))
        classes[name] = outputs.reshape(len(images), -1).argmax(axis=1).astype(np.int16)
    path = session.settings.claims / f"{fit}.predicted.npz"
    with path.open("wb") as file:
        np.savez_compressed(file, **classes)  # type: ignore[arg-type]
    session.emit("custom_prediction", fit=fit, file=path.name)
