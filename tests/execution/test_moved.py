"""Weights that something else than ``fit`` has changed, seen in a real kernel with real Keras."""

import pytest

from grader.evidence import read_evidence

pytestmark = pytest.mark.slow

SETUP = """
import numpy as np, tensorflow as tf
from tensorflow import keras
x, y = np.random.rand(64, 4).astype("float32"), np.arange(64) % 2

def build():
    made = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    made.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made

def lazy():
    made = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
    made.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made
"""
HONEST = """
first = build()
begun = first.get_weights()
first.fit(x, y, epochs=1, verbose=0)
first.evaluate(x, y, verbose=0)
first.fit(x, y, epochs=1, verbose=0)
first.set_weights(begun)
first.fit(x, y, epochs=2, verbose=0, callbacks=[keras.callbacks.EarlyStopping("loss", restore_best_weights=True)])
second = build()
second.set_weights(first.get_weights())
second.fit(x, y, epochs=1, verbose=0)
first.save_weights("w.weights.h5")
third = build()
third.load_weights("w.weights.h5")
third.fit(x, y, epochs=1, verbose=0)
fourth = lazy()
fourth.fit(x, y, epochs=1, verbose=0)
"""
LOOP = """
looped = build()
for _ in range(3):
    looped.train_on_batch(x, y)
"""
TAPE = """
taped = build()
with tf.GradientTape() as tape:
    loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, taped(x, training=True)))
for variable, gradient in zip(taped.trainable_variables, tape.gradient(loss, taped.trainable_variables)):
    variable.assign_sub(gradient)
"""
BROUGHT = """
helper = lazy()
for _ in range(3):
    helper.train_on_batch(x, y)
brought = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, activation="softmax")])
brought.set_weights(helper.get_weights())
brought.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
del helper
brought.fit(x, y, epochs=1, verbose=0)
"""


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_trainings_files_and_weights_put_back_are_no_movement(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, HONEST), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    assert len(evidence.fits) == 6
    assert evidence.moved == ()
    assert not [note for note in evidence.notes if note.kind == "recorder-fault"]


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_loops_tapes_and_brought_weights_are_seen(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, LOOP, TAPE, BROUGHT), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    (fit,) = evidence.fits
    begun = [event for event in evidence.moved if event.fit == fit.id]
    assert [event.model for event in begun] == [fit.model.id]
    after = {event.model for event in evidence.moved if event.fit is None}
    assert len(after) == 2
    assert fit.model.id not in after
