"""The assignment conv-callback says the same in four languages, keeps the seed's interface, and its reference runs."""

from __future__ import annotations

import ast
import re

import nbformat
import pytest

from grader.errors import LeakError
from grader.handout import dumps, reference_notebook, student_notebook
from grader.handout.leaks import check_template
from grader.handout.percent import Cell, read_cells
from grader.handout.samples import read_samples, sample_notebook
from grader.rubric import Course

LANGUAGES = ("ja", "en", "zh", "ru")
LABELS = [*(f"1-{n}" for n in range(7)), "3-0"]
SCRIPT = {"ja": r"[\u3040-\u30ff]", "zh": r"[\u4e00-\u9fff]", "ru": r"[\u0400-\u04ff]"}
HEADER = {
    "ja": ["学生証番号 :", "名前 :", "メールアドレス :"],
    "en": ["Student number :", "Name :", "E-mail :"],
    "zh": ["学号 :", "姓名 :", "电子邮件 :"],
    "ru": ["Номер студенческого билета :", "ФИО :", "Электронная почта :"],
}
EXPECTED = {"callback-defined", "callback-stops", "exercises", "exercises-discussion", "model", "runs"}

# Ten fixed random pictures and noise stand in for both data sets; the notebook cannot tell.
SMALL_DATA = """
import matplotlib
matplotlib.use("agg")
import numpy
from tensorflow import keras

def small(path=None):
    random = numpy.random.default_rng(0)
    pictures = random.integers(0, 256, (10, 28, 28)) * (random.random((10, 28, 28)) < 0.3)
    def draw(n):
        y = numpy.arange(n, dtype="uint8") % 10
        return numpy.clip(pictures[y] + random.normal(0, 40, (n, 28, 28)), 0, 255).astype("uint8"), y
    return draw(640), draw(200)

keras.datasets.mnist.load_data = keras.datasets.fashion_mnist.load_data = small
"""
STOPPED_RIGHTLY = """
reached = [accuracy > 0.995 for accuracy in history.history["accuracy"]]
assert not any(reached[:-1]), reached
assert reached[-1] or len(reached) == 10, reached
print("epochs", len(reached))
"""


@pytest.fixture(scope="module")
def course():
    return Course()


@pytest.fixture(scope="module")
def assignment(course):
    return course.assignment("conv-callback")


def cells_of(assignment, language) -> tuple[Cell, ...]:
    return read_cells((assignment.directory / assignment.templates[language]).read_text("utf-8"))


def given_code(assignment, language) -> dict[str, str]:
    return {cell.label: cell.source for cell in cells_of(assignment, language) if cell.label}


def shape(source: str) -> str:
    """The code without its comments and without what a string says to people."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = "" if re.search(r"[^\x00-\x7f]|[ :]", node.value) else node.value
        elif isinstance(node, ast.JoinedStr):
            node.values = [part for part in node.values if isinstance(part, ast.FormattedValue)]
    return ast.dump(tree)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_given_cells_are_labelled_in_order(assignment, language):
    assert list(given_code(assignment, language)) == LABELS
    handed_out = student_notebook(assignment, language)["metadata"]["grader"]["given"]
    assert [label for label in handed_out if label in LABELS] == LABELS


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_all_languages_have_the_same_cells_and_the_same_code(assignment, language):
    ours, theirs = cells_of(assignment, "ja"), cells_of(assignment, language)
    assert [(c.kind, c.tags, c.label) for c in ours] == [(c.kind, c.tags, c.label) for c in theirs]
    for one, other in zip(ours, theirs, strict=True):
        if one.kind == "code":
            assert shape(one.source) == shape(other.source), one.where


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_in_its_own_language(assignment, language):
    texts = [c.source for c in cells_of(assignment, language) if c.kind == "markdown"]
    for text in texts:
        for other, script in SCRIPT.items():
            if other == language:
                assert re.search(script, text), text
            elif (language, other) != ("ja", "zh"):
                assert not re.search(script, text), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_and_hyper_parameters_are_those_of_earlier_editions(assignment, language):
    code = given_code(assignment, language)
    stored = {
        node.id
        for source in code.values()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    wanted = (
        "mnist training_images training_labels test_images test_labels model test_loss test_acc f axarr "
        "FIRST_IMAGE SECOND_IMAGE THIRD_IMAGE CONVOLUTION_NUMBER layer_outputs activation_model"
    )
    assert stored >= set(wanted.split())
    assert [re.findall(r"Conv2D\((\d+), \(3, 3\)", code[label]) for label in ("1-3", "3-0")] == [["64", "64"], ["32"]]
    assert "epochs=5" in code["1-1"]
    assert "epochs=5" in code["1-4"]
    for label in ("1-1", "1-3", "3-0"):
        assert 'optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"]' in code[label]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_five_exercises_are_asked_with_their_numbers(assignment, language):
    tasks = [c.source for c in cells_of(assignment, language) if "task" in c.tags]
    numbers = [re.findall(r"^- \((\d)\)", task, re.MULTILINE) for task in tasks]
    assert numbers == [["1", "2", "3", "4"], ["5"]]
    assert [bool(re.search(r"^### .*2-1", task, re.MULTILINE)) for task in tasks] == [True, False]
    assert {"16", "32", "64"} <= set(re.findall(r"\d+", tasks[0]))
    for word in ("0.995", "on_epoch_end", "stop_training", "LambdaCallback", '"accuracy"', "epochs=10"):
        assert word in tasks[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_header_asks_for_the_three_fields(assignment, language):
    assert student_notebook(assignment, language)["cells"][0]["source"].split("\n\n") == HEADER[language]


def test_an_answers_words_are_words_of_the_handout(assignment):
    handed_out = "".join(dumps(student_notebook(assignment, language)) for language in LANGUAGES).casefold()
    missing = [word for word in assignment.questions[0].keywords if word not in handed_out]
    assert missing == ["сверт"]  # "свёрт" without its dots


@pytest.mark.parametrize("language", LANGUAGES)
def test_any_line_of_the_callback_in_any_place_to_fill_in_would_stop_the_handout(assignment, language):
    cells = cells_of(assignment, language)
    check_template(cells)
    place = next(i for i, c in enumerate(cells) if "placeholder" in c.tags and c.kind == "code")
    solution = next(c for c in cells if "solution" in c.tags and "class " in c.source)
    for line in solution.source.splitlines():
        if len(re.sub("[ #]", "", line)) < 15 or '"""' in line:
            continue
        changed = Cell("code", f"{cells[place].source}\n{line}", cells[place].tags, cells[place].position)
        with pytest.raises(LeakError):
            check_template([*cells[:place], changed, *cells[place + 1 :]])


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_of_the_written_answer_is_in_the_handout(assignment, language):
    handout = dumps(student_notebook(assignment, language))
    answers = [
        c for c in reference_notebook(assignment, language)["cells"] if "answer" in c["metadata"].get("tags", ())
    ]
    assert len(answers) == 1
    pieces = [piece for piece in re.split(r"(?<=[。.；;])\s*", answers[0]["source"]) if len(piece) > 12]
    assert len(pieces) >= 10
    assert not [piece for piece in pieces if piece in handout]


def test_the_samples_are_of_every_language_and_name_each_criterion(course, assignment):
    samples = read_samples(course, "conv-callback")
    assert len(samples) == 11
    assert {s.language for s in samples.values()} == set(LANGUAGES)
    for name, sample in samples.items():
        nbformat.validate(sample_notebook(assignment, sample))
        assert set(sample.expected.criteria) >= EXPECTED, name
        written = sample.expected.criteria["exercises-discussion"] == "needs_review"
        assert sample.expected.status == ("needs_review" if written else "graded"), name


@pytest.mark.slow
def test_the_reference_runs_and_its_callback_stops_where_the_history_says(assignment):
    from nbclient import NotebookClient

    notebook = nbformat.from_dict(reference_notebook(assignment, "ja"))
    notebook.cells.insert(0, nbformat.v4.new_code_cell(SMALL_DATA))
    notebook.cells.append(nbformat.v4.new_code_cell(STOPPED_RIGHTLY))
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    printed = "".join(o.text for c in notebook.cells for o in c.get("outputs", ()) if o.output_type == "stream")
    assert len(re.findall(r"^\(\d\) .*精度 [01]\.\d{4}", printed, re.MULTILINE)) == 6
    assert re.search(r"^epochs \d+$", printed, re.MULTILINE)
