"""What is saved and loaded, in both generations of Keras."""

import pytest

from grader.evidence import read_evidence
from grader.model import ExecutionOutcome

pytestmark = pytest.mark.slow

SETUP = """
import shutil
import numpy as np
import tensorflow as tf
from tensorflow import keras

def make():
    model = keras.Sequential([keras.layers.Dense(2, input_shape=(3,))])
    model.compile("sgd", "mean_squared_error", metrics=["mae"])
    return model

x, y = np.ones((4, 3)), np.ones((4, 2))
model = make()
kept = keras.callbacks.ModelCheckpoint("kept.weights.h5", save_weights_only=True)
model.fit(x, y, verbose=0, callbacks=[kept])
"""
SAVE = """
from tensorflow.keras.models import save_model
model.save("a.keras")
keras.models.save_model(model, "b.keras")
save_model(model, "c.h5")
model.save_weights("d.weights.h5")
model.export("e")
tf.saved_model.save(model, "f")
make().save(filepath="g.keras")
"""
LOAD = """
from tensorflow.keras.models import load_model
other = make()
other.load_weights("d.weights.h5")
other.load_weights("kept.weights.h5")
shutil.copy("d.weights.h5", "brought.weights.h5")
make().load_weights("brought.weights.h5")
loaded = load_model("b.keras")
print(loaded.evaluate(x, y, verbose=0))
"""
CHANGED = """
make().save_weights("changed.weights.h5")
data = open("changed.weights.h5", "rb").read()
open("changed.weights.h5", "wb").write(data + b" ")
make().load_weights("changed.weights.h5")
"""


@pytest.fixture(scope="module", params=["keras3", "keras2"])
def evidence(request, tmp_path_factory):
    import json

    import nbformat

    from grader.execution import ExecutionRequest, execute
    from grader.model import Attempt, Student

    cells = [nbformat.v4.new_code_cell(source) for source in (SETUP, SAVE, LOAD, CHANGED)]
    content = json.loads(json.dumps(nbformat.v4.new_notebook(cells=cells)))
    folder = tmp_path_factory.mktemp("files") / "evidence"
    how = ExecutionRequest(time_limit_s=200, memory_limit_mib=3000, seed=7, runtime=request.param)
    attempt = Attempt("b2-1", "sha256:" + "0" * 64, "s.ipynb", json.dumps(content).encode(), Student(), content)
    execution = execute(attempt, how, folder)
    assert execution.outcome is ExecutionOutcome.OK, [c.error_name for c in execution.cells]
    return read_evidence(folder)


def test_every_way_of_saving_is_recorded_once_with_the_trained_weights(evidence):
    saves = [(s.file, s.whole, s.after_fit) for s in evidence.saves]
    trained = [("a.keras", True), ("b.keras", True), ("c.h5", True), ("d.weights.h5", False), ("e", True), ("f", True)]
    assert saves == [
        *((file, whole, "fit-1") for file, whole in trained),
        ("g.keras", True, None),
        ("changed.weights.h5", False, None),
    ]
    assert len({s.weights for s in evidence.saves[:6]}) == 1
    assert evidence.saves[6].weights not in (None, evidence.saves[0].weights)


def test_saved_weights_are_told_to_be_those_of_the_training(evidence):
    from grader.checks.chains import read_fits
    from grader.checks.files import is_trained

    (fit,) = read_fits(evidence)
    assert [is_trained(save, fit) for save in evidence.saves] == [True] * 6 + [False] * 2


def test_loading_says_where_the_file_is_from_and_whether_anything_changed(evidence):
    loads = [(load.file, load.whole, load.own, load.changed) for load in evidence.loads]
    assert loads == [
        ("d.weights.h5", False, True, True),
        ("kept.weights.h5", False, True, False),
        ("brought.weights.h5", False, False, True),
        ("b.keras", True, True, True),
        ("changed.weights.h5", False, False, True),
    ]
    assert all(load.weights == evidence.saves[0].weights for load in evidence.loads[:4])
    assert {load.cell for load in evidence.loads} == {2, 3}


def test_a_file_of_this_run_is_not_brought_along_by_whatever_name(evidence):
    from grader.checks.chains import read_fits
    from grader.checks.files import brought_weights

    assert [load.file for load in brought_weights(evidence, read_fits(evidence))] == ["changed.weights.h5"]
    assert [load.file for load in brought_weights(evidence)] == ["brought.weights.h5", "changed.weights.h5"]


def test_a_loaded_model_is_compiled_as_without_the_recorder(evidence):
    assert [e.results.keys() for e in evidence.evaluations] == [{"loss", "mae"}]
    assert not [n for n in evidence.notes if n.kind == "recorder-fault"]
    assert not evidence.tampering
