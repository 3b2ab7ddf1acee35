"""Callbacks of real Keras, driven in a real kernel after the notebook."""

import pytest

from grader.evidence import read_evidence
from grader.model import ExecutionOutcome

pytestmark = pytest.mark.slow

SETUP = """
import numpy as np, tensorflow as tf
from tensorflow import keras
x, y = np.random.rand(64, 4).astype("float32"), np.arange(64) % 2

def build():
    made = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    made.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made
"""
OWN = """
class Stop(keras.callbacks.Callback):
    def __init__(self, level=0.5):
        super().__init__()
        self.limit = level

    def on_epoch_end(self, epoch, logs={}):
        if logs.get("accuracy") > self.limit:
            print("Reached it")
            self.model.stop_training = True

build().fit(x, y, epochs=2, verbose=0, callbacks=[Stop(0.99)])
"""
LAMBDA = """
model = build()
def quit(epoch, logs):
    model.stop_training = logs["loss"] < 0.05
model.fit(x, y, epochs=2, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=quit)])
"""
EARLY = """
early = keras.callbacks.EarlyStopping(monitor="accuracy", patience=3, restore_best_weights=True)
build().fit(x, y, epochs=2, verbose=0, callbacks=[early, keras.callbacks.TerminateOnNaN()])
"""
OLD_KEY = """
class Old(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if logs.get("acc") > 0.99:
            self.model.stop_training = True
build().fit(x, y, epochs=2, verbose=0, callbacks=[Old()])
"""
ENDING = """
class Ending(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if logs["accuracy"] > 0.99:
            self.stopped = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        print("stopped at", self.stopped)

build().fit(x, y, epochs=2, verbose=0, callbacks=[Ending()])
"""
DEADLY = """
import os
class Deadly(keras.callbacks.Callback):
    calls = 0
    def on_epoch_end(self, epoch, logs=None):
        Deadly.calls += 1
        if Deadly.calls > 3:
            os._exit(1)
build().fit(x, y, epochs=2, verbose=0, callbacks=[Deadly()])
answer = 42
"""


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_callbacks_of_every_kind_are_driven_in_both_generations_of_keras(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, OWN, LAMBDA, EARLY, OLD_KEY), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    assert evidence.faults == ()
    assert [n.detail for n in evidence.notes if n.kind == "recorder-fault"] == []
    levels = {level.fit: level for level in evidence.levels}
    assert set(levels) == {"fit-1", "fit-2", "fit-3", "fit-4"}
    runs = {(p.fit, p.subject, p.scenario): p for p in evidence.probes}
    own, lambdas, early, old = (levels[f"fit-{n}"] for n in range(1, 5))
    assert (own.metric, own.direction, own.low, own.at_level_stops) == ("accuracy", "above", 0.99, False)
    assert (lambdas.metric, lambdas.direction) == ("loss", "below")
    assert lambdas.low == pytest.approx(0.05)
    assert (early.metric, early.low) == ("accuracy", None)
    assert (old.metric, old.low) == ("acc", 0.99)
    for subject in ("given", "fresh"):
        for fit in ("fit-1", "fit-2"):
            stopped = [runs[fit, subject, name].stopped_at for name in ("never", "reached-3", "again-reached-3")]
            assert stopped == [None, 2, 2]
        assert runs["fit-1", subject, "reached-1"].printed == "Reached it\n"
        assert runs["fit-3", subject, "flat"].stopped_at == 3
        assert runs["fit-3", subject, "improving"].stopped_at is None
        assert runs["fit-4", subject, "reached-1"].error.startswith("TypeError")
    assert evidence.fits[3].error.startswith("TypeError")
    assert 'logs.get("acc") > 0.99' in evidence.fits[3].callbacks[0].source


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_an_ending_that_needs_a_stop_breaks_the_training_and_hides_no_level(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, ENDING), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    (level,) = evidence.levels
    assert (level.metric, level.low, level.error) == ("accuracy", 0.99, None)
    runs = {(p.subject, p.scenario): p for p in evidence.probes}
    assert [runs["fresh", name].stopped_at for name in ("never", "reached-3")] == [None, 2]
    assert evidence.fits[0].ended == "error"
    assert evidence.fits[0].epochs_run == 2
    assert runs["fresh", "never"].ending_error == evidence.fits[0].error


def test_a_callback_that_ends_the_kernel_leaves_everything_that_was_known(run, notebook, tmp_path):
    execution = run(notebook(SETUP, OWN, DEADLY))
    evidence = read_evidence(tmp_path / "evidence")
    assert execution.outcome is ExecutionOutcome.OK
    assert evidence.names()["answer"]["value"] == 42
    assert [fit.ended for fit in evidence.fits] == ["completed", "completed"]
    assert evidence.fits[1].weights_after is not None
    assert [level for level in evidence.levels if level.fit == "fit-2"] == []
