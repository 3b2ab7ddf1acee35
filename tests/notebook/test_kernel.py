"""The check in real kernels of the student's own."""

import json

import nbformat
import numpy as np
import pytest

from grader.execution import ExecutionRequest, execute
from grader.handout.extension import ABSENT, extension_cell_source
from grader.intake import collect
from grader.model import ExecutionOutcome
from grader.rubric import Course

pytestmark = pytest.mark.slow

LOAD = "%load_ext grader\n%grader use b2-1 --lang en"
ABSENT_PROGRAM = """import sys
class Absent:
    def find_spec(self, name, *_):
        if name == "grader":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())"""
MODEL = """def network(*sizes):
    return keras.Sequential([
        keras.layers.Conv2D(32, 5, activation="relu"), keras.layers.MaxPooling2D(), keras.layers.Dropout(0.1),
        keras.layers.Flatten(), keras.layers.Dense(20, activation="relu"), keras.layers.Dense(10, activation="softmax"),
    ])"""
OWN_WORK = (
    """import random
import numpy as np
import keras
import tensorflow as tf
keras.utils.set_random_seed(5)
data = np.load("data.npz")
x, y, x_test, y_test = (data[name] for name in ("x", "y", "x_test", "y_test"))""",
    MODEL,
    """seen = []
class Stop(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        seen.append(logs["accuracy"])
        if logs["accuracy"] > 0.25:
            self.model.stop_training = True
model = network()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x[:600], y[:600], epochs=4, verbose=0, callbacks=[Stop()])
print(history.history["loss"], random.random(), np.random.rand())""",
    """shuffled = tf.data.Dataset.from_tensor_slices((x[:300], y[:300])).shuffle(300).batch(50)
second = network()
second.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
print(second.fit(shuffled, epochs=2, verbose=0).history["loss"])""",
    "print(model.evaluate(x_test, y_test, verbose=0), float(second.predict(x_test, verbose=0).sum()))",
    """print(seen, random.random(), np.random.rand(), float(tf.random.uniform(())))
third = network()
third.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
print(third.fit(x[:300], y[:300], epochs=1, verbose=0).history["loss"], len(seen), model.stop_training)""",
)


def printed(cell):
    """What a cell wrote to standard output."""
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


def shown(cell):
    """Text and HTML of the cards that a cell displayed."""
    data = [o.data for o in cell.outputs if "data" in o]
    return "\n".join(d.get("text/plain", "") for d in data), "\n".join(d.get("text/html", "") for d in data)


def errors(notebook):
    return [(o.ename, o.evalue) for cell in notebook.cells for o in cell.get("outputs", ()) if o.output_type == "error"]


def write_data(course, folder):
    """The course's images, as an npz that a notebook reads by itself."""
    arrays = {}
    for path in course.data.rglob("arrays/*.npy"):
        arrays[path.stem] = np.load(path)
    x, x_test = (arrays[name][..., None] / np.float32(255) for name in ("x_train", "x_test"))
    np.savez(folder / "data.npz", x=x, y=arrays["y_train"], x_test=x_test, y_test=arrays["y_test"])


def test_the_students_own_results_are_the_same_with_and_without_the_check(at_hand, run_cells, tmp_path):
    write_data(at_hand, tmp_path)
    driven = "%grader use conv-callback --lang en\n%grader check callback-stops"
    plain = run_cells("pass", *OWN_WORK[:5], "pass", "pass", OWN_WORK[5])
    watched = run_cells(LOAD, *OWN_WORK[:5], "%grader check", driven, OWN_WORK[5])
    assert errors(plain) == errors(watched) == []
    assert [printed(c) for c in watched.cells[1:6]] == [printed(c) for c in plain.cells[1:6]]
    assert printed(watched.cells[8]) == printed(plain.cells[8])
    assert "It stops rightly at accuracy 0.25" in shown(watched.cells[7])[0]
    text, html = shown(watched.cells[6])
    assert "✓ A CNN is trained on 600 images: passed" in text
    assert "test accuracy 0." in text
    assert "Written answers stand in text cells" in text
    assert html.startswith("<section lang='en'")


def test_only_public_criteria_are_shown_and_one_can_be_asked_for(at_hand, run_cells, tmp_path):
    write_data(at_hand, tmp_path)
    compiled = 'model = network()\nmodel.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])'
    fit = "history = model.fit(x[:600], y[:600], epochs=1, verbose=0)"
    asked = ("%grader check", 'grader.check("runs")', 'grader.check("none")', "%grader use gone.kit")
    made = run_cells(LOAD, *OWN_WORK[:2], compiled, fit, fit, *asked)
    assert errors(made) == []
    (text, html), (only, _), (unknown, _), (gone, _) = map(shown, made.cells[6:])
    rubric = Course(at_hand.root).rubric("b2-1")
    titles = rubric.texts_in("en")
    public = [c for c in rubric.criteria if c.visibility == "public"]
    assert 0 < len(public) < len(rubric.criteria)
    for criterion in rubric.criteria:
        assert (titles[f"{criterion.id}/title"] in text) == (criterion in public)
        assert (titles[f"{criterion.id}/title"] in html) == (criterion in public)
    assert "Cell #4: training went on from an earlier run of the cell." in text
    assert "training examples 600 · epochs 2" in text
    assert only.splitlines()[2].startswith("✓ The notebook runs to its end")
    assert only.count("✓") == 1
    assert f"There are: {', '.join(c.id for c in public)}." in unknown
    assert "gone.kit is no file" in gone


def test_submit_ready_says_what_a_fresh_run_breaks(at_hand, run_cells, tmp_path):
    cell, text_cell = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    cells = [text_cell("# B2-1"), cell("# [1-1]\nprint(lost_name)"), cell("kept = 1")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["grader"] = {
        "assignment": "b2-1",
        "language": "en",
        "given": {"1-1": "", "1-2": "", "b2-1-c1": ""},
    }
    nbformat.write(notebook, tmp_path / "mine.ipynb")
    made = run_cells(LOAD, "lost_name = 3", "# [1-1]\nprint(lost_name)", "kept = 2", "%grader submit-ready")
    assert errors(made) == []
    text, _ = shown(made.cells[4])
    assert "mine.ipynb, run from top to bottom in a fresh kernel" in text
    assert "2 cells that ran here are not in it as they are now" in text
    assert "Cell [1-1] stops in a fresh run: lost_name exists in this kernel, but no cell above makes it." in text
    assert "Cells of the handout are missing: [1-2]." in text
    assert "The header cell does not say who you are" in text
    assert "◐ The notebook runs to its end: in part" in text


def test_without_the_program_the_handouts_cell_says_one_friendly_line(run_cells, tmp_path):
    made = run_cells(ABSENT_PROGRAM, extension_cell_source("b2-1", "en"))
    assert errors(made) == []
    assert printed(made.cells[1]) == f"{ABSENT.id}\n"


def test_while_grading_the_check_does_nothing_and_costs_nothing(tmp_path):
    sources = [extension_cell_source("b2-1", "ja"), "%grader check", "grader.check('runs')", "import grader", "x = 1"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbformat.write(notebook, tmp_path / "left.ipynb")
    attempt = collect([tmp_path / "left.ipynb"], "b2-1")[0]
    execution = execute(attempt, ExecutionRequest(120.0, 2048.0), tmp_path / "evidence")
    assert execution.outcome is ExecutionOutcome.OK
    ran = json.loads((tmp_path / "evidence" / "executed.ipynb").read_text("utf-8"))
    assert [cell["outputs"] for cell in ran["cells"]] == [[]] * len(sources)
