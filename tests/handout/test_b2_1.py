"""The assignment b2-1 keeps the interface that work on earlier editions uses, and its reference runs."""

from __future__ import annotations

import ast
import re

import nbformat
import pytest

from grader.errors import LeakError
from grader.handout import dumps, reference_notebook, student_notebook
from grader.handout.leaks import check_template
from grader.handout.percent import Cell, read_cells
from grader.rubric import Course

LANGUAGES = ("ja", "en")
LABELS = [f"1-{n}" for n in range(15)]

# Ten fixed random pictures and noise stand in for the data set; the notebook cannot tell.
SMALL_DATA = """
import matplotlib
matplotlib.use("agg")
import numpy
from tensorflow import keras

def small(path=None):
    random = numpy.random.default_rng(0)
    digits = random.integers(0, 256, (10, 28, 28)) * (random.random((10, 28, 28)) < 0.3)
    def draw(n):
        y = numpy.arange(n, dtype="uint8") % 10
        return numpy.clip(digits[y] + random.normal(0, 40, (n, 28, 28)), 0, 255).astype("uint8"), y
    return draw(1800), draw(600)

keras.datasets.mnist.load_data = small
"""


@pytest.fixture(scope="module")
def assignment():
    return Course().assignment("b2-1")


def template(assignment, language) -> str:
    return (assignment.directory / assignment.templates[language]).read_text("utf-8")


def given_code(assignment, language) -> dict[str, str]:
    cells = read_cells(template(assignment, language))
    return {cell.label: cell.source for cell in cells if cell.label}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_given_cells_are_labelled_in_order(assignment, language):
    assert list(given_code(assignment, language)) == LABELS
    assert list(student_notebook(assignment, language)["metadata"]["grader"]["given"])[:3] == [
        "b2-1-c01",
        "b2-1-c02",
        "b2-1-c03",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_functions_and_names_are_those_of_earlier_editions(assignment, language):
    code = given_code(assignment, language)
    functions = {}
    names = set()
    for source in code.values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                functions[node.name] = ast.unparse(node.args)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    assert functions.items() >= {
        ("get_data_mnist", "data_size=None"),
        ("plot_conv_filter", "model, layer_id"),
        ("model_setup", "model, optimizer='adam', lr=0.001"),
        ("plot_result", "log"),
        ("random_plot", "X, y, predict=None"),
    }
    wanted = (
        "X_train y_train X_test y_test model batch_size epochs trainlog loss_no_train accuracy_no_train "
        "loss_train accuracy_train test_predict false_idx"
    )
    assert names >= set(wanted.split())
    assert {"batch_size = 128", "epochs = 10"} <= set(code["1-8"].splitlines())
    assert "validation_split=0.1" in code["1-8"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_hints_say_how_the_small_data_model_is_trained(assignment, language):
    cells = student_notebook(assignment, language)["cells"]
    task = next(c["source"] for c in cells if "task" in c["metadata"].get("tags", ()) and "B2-1-2" in c["source"])
    for hint in ("data_size=600", "units=128", "epochs=50", "batch_size=128", "validation_split=0.1", "lr=0.001"):
        assert hint in task


def test_both_languages_have_the_same_cells_and_the_same_code(assignment):
    ja, en = (read_cells(template(assignment, language)) for language in LANGUAGES)
    assert [(c.kind, c.tags, c.label) for c in ja] == [(c.kind, c.tags, c.label) for c in en]

    def shape(source: str) -> str:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                node.value = "" if re.search(r"[^\x00-\x7f]| ", node.value) else node.value
        return ast.dump(tree)

    for label in ("1-0", "1-1", "1-2", "1-3", "1-5", "1-8", "1-9", "1-10", "1-11", "1-13"):
        assert shape(given_code(assignment, "ja")[label]) == shape(given_code(assignment, "en")[label]), label


def test_the_header_asks_for_the_three_fields(assignment):
    assert student_notebook(assignment, "ja")["cells"][0]["source"].split("\n\n") == [
        "学生証番号 :",
        "名前 :",
        "メールアドレス :",
    ]
    assert student_notebook(assignment, "en")["cells"][0]["source"].split("\n\n") == [
        "Student number :",
        "Name :",
        "E-mail :",
    ]


@pytest.mark.parametrize(("language", "shortest"), [("ja", 200), ("en", 400)])
def test_the_reference_answers_both_questions_at_length(assignment, language, shortest):
    cells = reference_notebook(assignment, language)["cells"]
    answers = [c["source"] for c in cells if "answer" in c["metadata"].get("tags", ())]
    assert len(answers) == 2
    assert min(map(len, answers)) >= shortest


@pytest.mark.parametrize("language", LANGUAGES)
def test_any_line_of_the_solution_in_any_place_to_fill_in_would_stop_the_handout(assignment, language):
    cells = read_cells(template(assignment, language))
    check_template(cells)
    place = next(i for i, c in enumerate(cells) if "placeholder" in c.tags and c.kind == "code")
    others = "".join(c.source for c in cells if "solution" not in c.tags)
    refused = 0
    for line in (line for c in cells if "solution" in c.tags and c.kind == "code" for line in c.source.splitlines()):
        if len(re.sub("[ #]", "", line)) < 12 or line.strip() in others:
            continue
        changed = Cell("code", f"{cells[place].source}\n{line}", cells[place].tags, cells[place].position)
        try:
            check_template([*cells[:place], changed, *cells[place + 1 :]])
        except LeakError:
            refused += 1
        else:
            assert line.strip(" ,") in others.replace("small_model.add(", ""), line
    assert refused > 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_of_the_written_answers_is_in_the_handout(assignment, language):
    handout = dumps(student_notebook(assignment, language))
    cells = reference_notebook(assignment, language)["cells"]
    for answer in (c["source"] for c in cells if "answer" in c["metadata"].get("tags", ())):
        for sentence in re.split(r"(?<=[。.])\s+", answer):
            assert sentence not in handout


@pytest.mark.slow
def test_the_reference_runs_from_top_to_bottom_on_small_data(assignment):
    from nbclient import NotebookClient

    notebook = nbformat.from_dict(reference_notebook(assignment, "ja"))
    notebook.cells.insert(0, nbformat.v4.new_code_cell(SMALL_DATA))
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    table = "".join(o.text for c in notebook.cells for o in c.get("outputs", ()) if o.output_type == "stream")
    accuracies = [float(line.split()[2]) for line in table.splitlines() if re.match(r"B?[CP]?P?NN ", line)]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.5
