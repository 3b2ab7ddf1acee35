"""An old notebook through everything: an option is needed, said, flagged, and decides what evidence is used again."""

import json

import pytest

pytestmark = pytest.mark.slow

CELLS = (
    """
from tensorflow import keras
(x, y), _ = keras.datasets.mnist.load_data()
x, y = x[:600] / 255.0, y[:600]
model = keras.Sequential([keras.layers.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
""",
    "history = model.fit(x, y, epochs=1, verbose=0)\nprint(history.history['acc'][-1])",
    "first = keras.Model(model.input, model.layers[-1].output)",
)
BOTH = ("--compatibility", "acc-log-names", "--compatibility", "sequential-input")


@pytest.fixture
def graded(grader, course_data, save_notebook, tmp_path):
    """Grades it with these further words; its object of the result file."""
    notebook = save_notebook(tmp_path / "old.ipynb", *CELLS)
    fixed = ("--runtime", "keras3", "--lang", "en", "--json", tmp_path / "rows.json", "--workspace", tmp_path / "w")

    def grade(*words):
        ran = grader("grade", "b2-1", notebook, *fixed, *words)
        assert ran.code == 0, ran.err
        (row,) = json.loads((tmp_path / "rows.json").read_text("utf-8"))
        return row

    return grade


def runs(row):
    line = next(c for c in row["criteria"] if c["id"] == "runs")
    return line["outcome"], line["points"], row["execution"]["failed_cells"]


def flagged(row):
    return [flag["message"] for flag in row["flags"] if flag["kind"] == "compatibility"]


def test_an_old_idiom_costs_points_until_a_run_accepts_it(graded, tmp_path):
    before = graded()
    assert runs(before) == ("partial", 0.67, [1, 2])
    assert flagged(before) == []
    after = graded(*BOTH)
    assert runs(after) == ("passed", 2.0, [])
    assert ["acc-log-names" in text for text in flagged(after)] == [True, False]
    assert ["sequential-input" in text for text in flagged(after)] == [False, True]
    assert set(flagged(after)) <= set(after["execution"]["notes"])
    report = (tmp_path / "w" / after["report"]).read_text("utf-8")
    assert "as the option sequential-input is on" in report
    assert runs(graded("--compatibility", "none")) == runs(before)


def test_an_option_that_does_not_exist_is_wrong_usage(grader, course_data, save_notebook, tmp_path):
    ran = grader("grade", "b2-1", save_notebook(tmp_path / "old.ipynb", *CELLS), "--compatibility", "acc")
    assert ran.code == 2
    assert "expected none, or one or more of acc-log-names, sequential-input" in ran.err
