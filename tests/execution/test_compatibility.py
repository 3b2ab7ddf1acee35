"""Compatibility options and the quick budget with real Keras, in a real kernel."""

import pytest

from grader.evidence import read_evidence
from grader.model import Budget, CellOutcome

pytestmark = pytest.mark.slow

OPTIONS = ("acc-log-names", "sequential-input")
SETUP = """
import numpy as np
from tensorflow import keras
x, y = np.random.rand(64, 4).astype("float32"), np.arange(64) % 2

def build(metric="accuracy"):
    made = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2, "softmax")])
    made.compile("adam", "sparse_categorical_crossentropy", metrics=[metric])
    return made
"""
OLD_NAME = """
class Old(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs={}):
        if logs.get("acc") > 0.01:
            self.model.stop_training = True

old = Old()
history = build().fit(x, y, epochs=3, verbose=0, callbacks=[old], validation_split=0.5)
kept, names = history.history["val_acc"], list(history.history)
"""
NEW_NAME = """
early = keras.callbacks.EarlyStopping(monitor="accuracy", patience=3)
seen = build("acc").fit(x, y, epochs=2, verbose=0, callbacks=[early]).history["accuracy"]
"""
ENDS = """
model = build()
inner = keras.Model(inputs=model.input, outputs=[layer.output for layer in model.layers])
shapes = [part.shape for part in inner.predict(x, verbose=0)]
ends = keras.Model(model.input, model.output).predict(x, verbose=0).shape
"""
UNBUILT = "keras.Sequential([keras.layers.Dense(2)]).input"


def notes(folder):
    return {n.kind: n.detail for n in read_evidence(folder).notes}


def outcomes(execution):
    return [cell.error_name or cell.outcome.value for cell in execution.cells]


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_old_idioms_work_where_they_are_accepted_and_are_noted(run, notebook, tmp_path, runtime):
    content = notebook(SETUP, OLD_NAME, NEW_NAME, ENDS, UNBUILT)
    execution = run(content, runtime=runtime, compatibility=OPTIONS)
    evidence = read_evidence(tmp_path / "evidence")
    assert outcomes(execution) == ["ok", "ok", "ok", "ok", "AttributeError"]
    needed = {"acc-log-names": "acc"}
    if runtime == "keras3":
        assert notes(tmp_path / "evidence") == needed | {"sequential-input": "sequential_2.input"}
    else:
        assert notes(tmp_path / "evidence") == needed  # Keras 2 needs no help
    assert len(execution.notes) == len(notes(tmp_path / "evidence"))
    assert evidence.tampering == ()
    assert [fit.ended for fit in evidence.fits] == ["stopped", "completed"]
    assert set(evidence.fits[0].logs[0]) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    names = evidence.names()
    assert (names["kept"]["type"], names["ends"]["type"]) == ("list", "tuple")
    old = next(level for level in evidence.levels if level.fit == "fit-1")
    assert (old.metric, old.error) == ("accuracy", None)


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_without_the_options_they_fail_as_ever(run, notebook, tmp_path, runtime):
    execution = run(notebook(SETUP, OLD_NAME, NEW_NAME, ENDS), runtime=runtime)
    monitored, ends = ("ValueError", "AttributeError") if runtime == "keras3" else ("KeyError", "ok")
    assert outcomes(execution) == ["ok", "TypeError", monitored, ends]
    assert notes(tmp_path / "evidence") == {}


def test_options_that_are_on_and_not_needed_change_and_note_nothing(run, notebook, tmp_path):
    right = OLD_NAME.replace('"acc"', '"accuracy"').replace("val_acc", "val_accuracy")
    ends = ENDS.replace("model.input,", "model.inputs,").replace("model.output)", "model.outputs)")
    execution = run(notebook(SETUP, right, ends), compatibility=OPTIONS)
    assert outcomes(execution) == ["ok", "ok", "ok"]
    assert notes(tmp_path / "evidence") == {}


FIXED_RANGE = """
import matplotlib.pyplot as plt
history = build().fit(x, y, epochs=10, verbose=0)
n_epochs = len(history.history["loss"])
plt.plot(range(10), history.history["loss"], label="loss")
plt.legend()
"""


def test_a_plot_over_all_epochs_works_in_the_quick_budget_and_other_lengths_are_not_touched(run, notebook, tmp_path):
    cells = (SETUP, FIXED_RANGE, "plt.plot(range(9), history.history['loss'])", "n_rows = len(x)")
    execution = run(notebook(*cells), budget=Budget.QUICK, quick_epochs=2, quick_rows=32)
    assert [cell.outcome for cell in execution.cells] == [*[CellOutcome.OK] * 2, CellOutcome.ERROR, CellOutcome.OK]
    evidence = read_evidence(tmp_path / "evidence")
    names = evidence.names()
    assert evidence.tampering == ()
    assert (names["n_epochs"]["value"], names["n_rows"]["value"]) == (2, 64)


SHELL = """%%bash
pip install --upgrade tensorflow
touch made-by-bash
"""
REFUSED = """
import os, subprocess
codes = [os.system("wget https://example.org/x"), subprocess.run(["git", "clone", "https://example.org/x"]).returncode]
%pip install x
out = !ls
there = os.path.exists("made-by-bash")
"""


def test_commands_that_need_a_network_are_left_out_wherever_they_stand(run, notebook, tmp_path):
    execution = run(
        notebook(SHELL, REFUSED, "%%sh\ntouch made-by-sh\n", "import os\nok = os.path.exists('made-by-sh')")
    )
    assert outcomes(execution) == ["ok"] * 4
    names = read_evidence(tmp_path / "evidence").names()
    assert (names["there"]["value"], names["ok"]["value"]) == (False, True)
    assert len([n for n in read_evidence(tmp_path / "evidence").notes if n.kind == "shell"]) == 4
    assert len(execution.notes) == 1
