"""The assignment vgg16-finetune: two languages with one code, names of the earlier edition, nothing of the solution."""

import ast

import pytest

from grader.handout import dumps, reference_notebook, student_notebook
from grader.handout.percent import read_cells
from grader.handout.samples import build_samples, read_samples
from grader.rubric import Course

LANGUAGES = ("ja", "en")
LABELS = ["1-1", "1-2", "2-1", "2-2", "3-1", "3-2", "3-3", "4-1", "5-1", "5-2", "5-3"]


@pytest.fixture(scope="module")
def assignment():
    return Course().assignment("vgg16-finetune")


def code_of(notebook):
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def without_texts(source):
    """The structure of code, whatever its comments and strings say."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not node.value.isidentifier():
            node.value = ""
    return ast.dump(tree)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_reference_has_all_cells_in_order(assignment, language):
    template = (assignment.directory / assignment.templates[language]).read_text("utf-8")
    solved = [c.label for c in read_cells(template) if c.label and "placeholder" not in c.tags]
    assert solved == LABELS


def test_both_languages_solve_it_with_the_same_code(assignment):
    ja, en = ([without_texts(s) for s in code_of(reference_notebook(assignment, la))] for la in LANGUAGES)
    differing = [label for label, a, b in zip(LABELS, ja, en, strict=True) if a != b]
    assert differing == ["1-2"]  # class names are drawn in English only, fonts may lack others


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_are_those_of_the_earlier_edition(assignment, language):
    tree = ast.parse("\n".join(code_of(reference_notebook(assignment, language))))
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    earlier = "X_train Y_train X_test Y_test nb_category image_shape vgg16 top_model model epoch history score"
    assert set(earlier.split()) <= stored


@pytest.mark.parametrize("language", LANGUAGES)
def test_students_get_nothing_of_the_solution(assignment, language):
    text = dumps(student_notebook(assignment, language))
    for words in (
        "to_categorical",
        "categorical_crossentropy",
        "layers[:15]",
        "trainable",
        "BatchNormalization",
        ".save(",
    ):
        assert words not in text


def test_the_samples_build(assignment, tmp_path):
    course = Course()
    assert {s.language for s in read_samples(course, assignment.id).values()} == set(LANGUAGES)
    assert len(build_samples(course, assignment.id, tmp_path)) == 6
