"""What a notebook replaces under the recorder, seen in a real kernel with real Keras."""

import pytest

from grader.evidence import read_evidence

pytestmark = pytest.mark.slow

SETUP = """
import numpy as np, tensorflow as tf
from tensorflow import keras
from tensorflow.keras.datasets import mnist
x, y = np.random.rand(64, 4).astype("float32"), np.arange(64) % 2

def build(cls=keras.Sequential):
    made = cls([keras.layers.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    made.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made
"""
HONEST = """
import builtins, time
from IPython.display import display
old_load, old_print = np.load, builtins.print
np.load = lambda *a, **k: old_load(*a, allow_pickle=True, **k)
builtins.print = lambda *a, **k: old_print("log:", *a, **k)
plain = keras.Sequential.summary
keras.Sequential.summary = lambda self, *a, **k: plain(self)

class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.out = keras.layers.Dense(2, activation="softmax")
    def call(self, inputs):
        return self.out(inputs)
    def train_step(self, data):
        return super().train_step(data)
    def fit(self, *args, **kwargs):
        return super().fit(*args, **kwargs)

class Stop(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 1

own = Own()
own.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
own.fit(x, y, epochs=3, verbose=0, callbacks=[Stop()])
model = build()
model.fit(x, y, epochs=2, verbose=0)
model.evaluate(x, y, verbose=0)
!true
"""
ATTACKS = [
    "keras.Model.evaluate = lambda self, *a, **k: [0.01, 0.99]",
    "keras.Sequential.predict = lambda self, data, **k: np.eye(2)[y]",
    "model = build()\nmodel.evaluate = lambda *a, **k: [0.01, 0.99]",
    "mnist.load_data = lambda: ((x, y), (x, y))",
    "np.asarray = lambda *a, **k: np.zeros(3)",
    "import grader.recorder.training as training\ntraining.Training.epoch = lambda *a: None",
    "__import__('grader').recorder.active.session.emit = lambda *a, **k: None",
    "keras.callbacks.CallbackList.on_epoch_end = lambda self, epoch, logs=None: None",
    "import os\nhandle = open(__import__('grader').recorder.active.session.events_path, 'a')\n"
    'handle.write(\'{"event": "note", "kind": "x"}\\n\')\nhandle.close()',
    "get_ipython().events.register('post_run_cell', lambda r: setattr(r, 'error_in_exec', None))\n1 / 0",
    "get_ipython().showtraceback = lambda *a, **k: None",
]
SEEN = {
    "Model.evaluate": 1,
    "Sequential.predict": 2,
    "evaluate of one model": 3,
    "mnist.load_data": 4,
    "numpy.asarray": 5,
    "training.Training.epoch": 6,
    "Session.emit": 7,
    "CallbackList.on_epoch_end": 8,
    "events.jsonl": 9,
    "the error of a cell": 11,
    "the shell.showtraceback": 11,
}


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_each_replaced_function_is_named_with_the_cell_that_did_it(run, notebook, tmp_path, served_mnist, runtime):
    run(notebook(SETUP, *ATTACKS), runtime=runtime, datasets=served_mnist)
    found = {event.what: event.cell for event in read_evidence(tmp_path / "evidence").tampering}
    assert found == SEEN


INNER = """
dense = keras.layers.Dense.call
keras.layers.Dense.call = lambda self, inputs: dense(self, inputs)
keras.callbacks.ProgbarLogger.on_train_end = lambda self, logs=None: self.model.set_weights(self.model.get_weights())
model = build()
model.fit(x, y, epochs=1, verbose=0)
"""


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_any_method_of_keras_that_is_replaced_before_a_training_is_named(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, INNER), runtime=runtime)
    found = {event.what for event in read_evidence(tmp_path / "evidence").tampering}
    assert found == {"Dense.call", "ProgbarLogger.on_train_end"}


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_subclasses_callbacks_and_patches_in_good_faith_are_left_alone(run, notebook, tmp_path, served_mnist, runtime):
    run(notebook(SETUP, HONEST, "mnist.load_data()"), runtime=runtime, datasets=served_mnist)
    evidence = read_evidence(tmp_path / "evidence")
    assert [fit.epochs_run for fit in evidence.fits] == [2, 2]
    assert evidence.tampering == ()
    assert not [note for note in evidence.notes if note.kind == "recorder-fault"]
