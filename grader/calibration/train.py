"""Trains reference models in a process of its own, ``python -I train.py job.json``: see :mod:`grader.calibration.runs`.

The only file of the calibration that imports a framework; everything in the job is the course's own. Prints one JSON
object a line: first versions, then ``{"reference", "seed", "seconds"}`` for each finished training, whose weights are
then in ``<reference>-<seed>.npz`` (``w0000 w0001 …`` in Keras' ``get_weights`` order).
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def say(**facts: Any) -> None:
    """One line for the parent."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def build(keras: Any, task: dict[str, Any]) -> Any:
    """The model before its training; one on a base also writes its whole form to ``<reference>.config.json``."""
    model = keras.saving.deserialize_keras_object(task["config"], safe_mode=True)
    base = task["base"]
    if not base:
        return model
    form = model.input_shape[1:]
    below = getattr(keras.applications, base["application"])(include_top=False, weights=base["file"], input_shape=form)
    names = [layer.name for layer in below.layers]
    still = names.index(base["frozen_to"]) + 1 if base["frozen_to"] else 0
    for layer in below.layers[:still]:
        layer.trainable = False
    outputs = below.output
    for layer in model.layers:
        outputs = type(layer).from_config(layer.get_config())(outputs)
    whole = keras.Model(below.input, outputs)
    text = json.dumps(keras.saving.serialize_keras_object(whole))
    Path(f"{task['reference']}.config.json").write_text(text, "utf-8")
    return whole


def train(keras: Any, task: dict[str, Any]) -> list[Any]:
    """Weights after one training; the same for the same seed, whatever was trained before in this process."""
    import numpy as np

    keras.backend.clear_session()
    keras.utils.set_random_seed(task["seed"])
    model = build(keras, task)
    optimizer = keras.optimizers.get(task["optimizer"])
    optimizer.learning_rate = task["learning_rate"]
    loss = "categorical_crossentropy" if task["one_hot"] else "sparse_categorical_crossentropy"
    model.compile(optimizer=optimizer, loss=loss)
    x, y = (np.load(task[name], allow_pickle=False) for name in ("x", "y"))
    if task["one_hot"]:
        y = keras.utils.to_categorical(y)
    model.fit(
        x,
        y,
        batch_size=task["batch_size"],
        epochs=task["epochs"],
        validation_split=task["validation_split"] or None,
        verbose=0,
    )
    return list(model.get_weights())


def main(job_file: str) -> None:
    """Does the trainings of one job in order."""
    job = json.loads(Path(job_file).read_text("utf-8"))
    os.chdir(Path(job_file).resolve().parent)
    import keras
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    say(keras=keras.__version__, tensorflow=tf.__version__, numpy=np.__version__, python=sys.version.split()[0])
    for task in job["tasks"]:
        started = time.monotonic()
        arrays: dict[str, Any] = {f"w{i:04d}": w for i, w in enumerate(train(keras, task))}
        np.savez(f"{task['reference']}-{task['seed']}.npz", **arrays)
        say(reference=task["reference"], seed=task["seed"], seconds=round(time.monotonic() - started, 2))


if __name__ == "__main__":
    main(sys.argv[1])
