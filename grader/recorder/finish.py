"""After the notebook: final names, and predictions of models that cannot be rebuilt elsewhere."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.recorder.inputs import prepare
from grader.recorder.keras_hooks import KerasHooks
from grader.recorder.session import Session, jsonable

NAMES_LIMIT = 500
PREDICTIONS_LIMIT_S = 150.0
"""Less than the parent waits for this kernel to finish: the probes come afterwards."""
_SMALL_TEXT = 200
_BATCH = 256


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
    """Predicts with each custom model as it was after each of its trainings, as far as there is time.

    :param inputs_file: npz of uint8 images without labels: ``official`` and ``held_out``, (n, h, w[, c]).
    """
    with np.load(inputs_file, allow_pickle=False) as data:
        inputs = {name: data[name] for name in data.files}
    ends = time.monotonic() + PREDICTIONS_LIMIT_S
    for fit, model, x in hooks.custom_fits.outside_in():
        if time.monotonic() > ends:
            hooks.custom_fits.leave_out(fit)
            continue
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
        outputs = _outputs(model, ready)
        classes[name] = outputs.reshape(len(images), -1).argmax(axis=1).astype(np.int16)
    path = session.settings.claims / f"{fit}.predicted.npz"
    with path.open("wb") as file:
        np.savez_compressed(file, **classes)  # type: ignore[arg-type]
    session.emit("custom_prediction", fit=fit, file=path.name)


def _outputs(model: Any, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What the network itself gives, (n, ...): ``predict`` may be a method of the student's own."""
    import tensorflow as tf

    forward = tf.function(lambda batch: model(batch, training=False), reduce_retracing=True, autograph=False)
    parts = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
    try:
        return np.concatenate([np.asarray(forward(tf.constant(part))) for part in parts])
    except Exception:  # what only runs as Python does
        return np.concatenate([np.asarray(model(part, training=False)) for part in parts])
