"""The verifier's child: rebuilds models from checked configs and weights, and predicts. It never sees a label.

Run as ``python -I child.py job.json`` by :mod:`grader.verification.process`, in a scratch folder of its own; imports
nothing of ``grader``. Paths in the job are names in that folder::

    {"runtime": "keras3", "memory_limit_mib": 4096, "threads": 1, "sandboxed": false,
     "models": [{"id": 0, "config": "config-0.json", "weights": "weights-0.npz", "inputs": "inputs-0.npy"}]}

``ready.json`` appears once the framework is imported, then for each model ``predictions-0.npy`` (float32,
(n, n_classes)) and ``answer-0.json``: ``{"ok": true}`` or ``{"error": KIND, "detail": TEXT}``, KIND being one of
``ERROR_KINDS``.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

ERROR_KINDS = ("rebuild", "weights", "inputs", "output", "memory", "predict")
BATCH_SIZE = 250
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000


def brief(message: object) -> str:
    """A framework's message without colours and the dump of arguments that Keras 3 appends."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(message)).split("Arguments received by")[0]
    return " ".join(plain.split())[:300]


class Problem(Exception):
    """Why one model gave no predictions."""

    def __init__(self, kind: str, detail: object) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = brief(detail)


def limit_memory(memory_limit_mib: int) -> None:
    """Caps private memory, where the system can (``RLIMIT_DATA``; Linux counts anonymous mappings in it since 4.7)."""
    try:
        import resource
    except ImportError:
        return
    for name, value in (("RLIMIT_DATA", memory_limit_mib * 2**20), ("RLIMIT_CORE", 0)):
        try:
            hard = resource.getrlimit(getattr(resource, name))[1]
            resource.setrlimit(getattr(resource, name), (value, hard))
        except (OSError, ValueError, AttributeError):
            continue


def cut_network() -> bool:
    """Moves this process into an empty network namespace, where the system allows it; whether it did."""
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0)
    except (OSError, AttributeError):
        return False


def import_keras(runtime: str, threads: int) -> Any:
    """The Keras that the student used, set to the same arithmetic every time."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if runtime == "keras2":
        import tf_keras

        return tf_keras
    import keras

    return keras


def rebuild(keras: Any, config: dict[str, Any], weights: list[Any], row_shape: tuple[int, ...]) -> Any:
    """A model of ``config`` that holds ``weights``.

    :raises Problem: it cannot be rebuilt, or the weights are not its own.
    """
    try:
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
        if not model.built:
            model.build((None, *row_shape))
        expected = [tuple(w.shape) for w in model.weights]
    except MemoryError:
        raise
    except Exception as error:
        raise Problem("rebuild", f"{type(error).__name__}: {error}") from error
    received = [w.shape for w in weights]
    if received != expected:
        raise Problem("weights", f"received shapes {received}, expected {expected}")
    model.set_weights(weights)
    return model


def predict(model: Any, inputs: Any) -> Any:
    """Outputs for ``inputs`` (float32, (n, ...)): float32, (n, n_classes).

    :raises Problem: the inputs do not fit, or the outputs are not one number for each of two or more classes.
    """
    import numpy as np
    import tensorflow as tf

    if len(getattr(model, "inputs", None) or [0]) != 1:
        raise Problem("inputs", f"{len(model.inputs)} inputs")
    # Model.predict takes half as long again: it feeds the same function through a tf.data pipeline.
    forward = tf.function(lambda rows: model(rows, training=False), reduce_retracing=True, autograph=False)
    parts = []
    for start in range(0, len(inputs), BATCH_SIZE):
        try:
            outputs = forward(tf.constant(inputs[start : start + BATCH_SIZE]))
        except ValueError as error:
            raise Problem("inputs", error) from error
        if not hasattr(outputs, "shape"):
            raise Problem("output", f"a {type(outputs).__name__}")
        parts.append(np.asarray(outputs, np.float32))
    return per_class(np.concatenate(parts), len(inputs))


def per_class(outputs: Any, n_rows: int) -> Any:
    """``outputs`` as (n_rows, n_classes), axes of length 1 left out; :raises Problem: they have another form."""
    shape = outputs.shape
    if len(shape) < 2 or shape[0] != n_rows or max(shape[1:]) < 2 or outputs.size != n_rows * max(shape[1:]):
        raise Problem("output", ("n", *shape[1:]))
    return outputs.reshape(n_rows, -1)


def answer(keras: Any, item: dict[str, Any]) -> dict[str, Any]:
    """Predicts with one model and saves what it gave; the answer for the parent."""
    import numpy as np

    try:
        inputs = np.load(item["inputs"], mmap_mode="r", allow_pickle=False)
        config = json.loads(Path(item["config"]).read_text("utf-8"))
        with np.load(item["weights"], allow_pickle=False) as stored:
            weights = [stored[name] for name in sorted(stored.files)]
        outputs = predict(rebuild(keras, config, weights, inputs.shape[1:]), inputs)
        np.save(f"predictions-{item['id']}.npy", outputs, allow_pickle=False)
    except Problem as problem:
        return {"error": problem.kind, "detail": problem.detail}
    except MemoryError:
        return {"error": "memory", "detail": ""}
    except Exception as error:
        kind = "memory" if "ResourceExhausted" in type(error).__name__ else "predict"
        return {"error": kind, "detail": brief(f"{type(error).__name__}: {error}")}
    return {"ok": True}


def write(name: str, value: dict[str, Any]) -> None:
    """Writes JSON so that the parent never sees half of it."""
    Path(name + ".part").write_text(json.dumps(value), "utf-8")
    Path(name + ".part").replace(name)


def main(arguments: list[str]) -> None:
    """Answers one job, whose file is the first argument."""
    job_file = arguments[0]
    job = json.loads(Path(job_file).read_text("utf-8"))
    os.chdir(Path(job_file).resolve().parent)
    limit_memory(job["memory_limit_mib"])
    isolated = bool(job.get("sandboxed")) or cut_network()
    keras = import_keras(job["runtime"], job["threads"])
    write("ready.json", {"version": str(keras.__version__), "network": not isolated})
    for item in job["models"]:
        write(f"answer-{item['id']}.json", answer(keras, item))
        keras.backend.clear_session()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # all answers are written; taking TensorFlow apart would cost another half second
