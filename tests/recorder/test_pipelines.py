"""Pipelines of arrays that are set up once and left untuned train the very same weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import hashlib, importlib, json, sys
import numpy as np
import tensorflow as tf
from tensorflow.python.data.ops import iterator_ops
from grader.recorder.pipelines import feed_arrays_directly

keras = importlib.import_module(sys.argv[1])
rng = np.random.default_rng(0)
x, y = rng.random((50, 6), np.float32), rng.integers(0, 3, 50)
made, started = [], []
make = iterator_ops.OwnedIterator.__init__

def counted(this, *args, **kwargs):
    made.append(1)
    make(this, *args, **kwargs)

iterator_ops.OwnedIterator.__init__ = counted

def rows():
    started.append(1)
    yield from ((x[i : i + 10], y[i : i + 10]) for i in range(0, 50, 10))

class LeavesAtTheLastBatch(keras.callbacks.Callback):
    def on_test_batch_end(self, batch, logs=None):
        self.model.stop_evaluating = batch == 1

class StopsAtTheLastBatch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = batch == 6

def run():
    told, counts = [], []
    stream = tf.data.Dataset.from_generator(
        rows, output_signature=(tf.TensorSpec((None, 6), tf.float32), tf.TensorSpec((None,), tf.int64))
    )
    for given in (
        {"x": x, "y": y, "batch_size": 7, "validation_split": 0.2},
        {"x": x, "y": y, "batch_size": 10, "sample_weight": y + 0.5, "validation_data": (x, y)},
        {"x": x, "y": y, "batch_size": 8, "shuffle": "batch"},
        {"x": x, "y": y, "batch_size": 8, "steps_per_epoch": 2},
        {"x": x, "y": y, "validation_data": (x, y), "validation_batch_size": 25, "callbacks": [LeavesAtTheLastBatch()]},
        {"x": x, "y": y, "batch_size": 8, "callbacks": [StopsAtTheLastBatch()]},
        {"x": x, "y": y, "batch_size": 50, "validation_data": (x, y), "validation_batch_size": 50},
        {"x": stream},
    ):
        keras.utils.set_random_seed(5)
        stack = [keras.layers.Dense(9, activation="relu"), keras.layers.Dropout(0.3),
                 keras.layers.Dense(3, activation="softmax")]
        begun = given.get("batch_size") != 50  # else fit builds the model, from a batch that it takes beforehand
        model = keras.Sequential([keras.layers.Input((6,)), *stack] if begun else stack)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        made.clear()
        for _ in range(2):
            history = model.fit(epochs=3, verbose=0, **given).history
        counts.append(len(made))
        outcome = (history, model.evaluate(x, y, verbose=0), model.predict(x, verbose=0).tolist())
        weights = b"".join(w.tobytes() for w in model.get_weights())
        told.append(hashlib.sha256(weights + repr(outcome).encode()).hexdigest())
    return {"told": told, "made": counts, "started": len(started)}

before = run()
started.clear()
feed_arrays_directly(keras)
print(json.dumps([before, run()]))
"""


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def runs(request):
    """The name of the Keras, and what came of all trainings as Keras feeds them, and fed directly."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, request.param],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return request.param, *json.loads(done.stdout.splitlines()[-1])


def test_weights_histories_evaluations_and_predictions_are_the_same_to_the_bit(runs):
    _, before, after = runs
    assert after["told"] == before["told"]
    assert len(set(after["told"])) == len(after["told"])


def test_keras_3_sets_up_the_pipeline_of_arrays_once_an_epoch(runs):
    name, before, after = runs
    whole_epochs = slice(0, 3)
    if name == "keras":
        assert sum(after["made"][whole_epochs]) < 0.7 * sum(before["made"][whole_epochs])
    else:
        assert after["made"] == before["made"]


def test_a_generator_is_started_as_often_as_keras_starts_it(runs):
    _, before, after = runs
    assert after["started"] == before["started"] > 0
