"""The student's notebook and the reference, from one template."""

from __future__ import annotations

import nbformat
import pytest

from grader.errors import CourseError, UsageError
from grader.handout import build_notebook, dumps, reference_notebook, source_digest, student_notebook
from grader.handout.extension import extension_cell_source


def sources(notebook):
    return [cell["source"] for cell in notebook["cells"]]


def test_a_students_notebook_is_valid_and_has_no_outputs(assignment):
    notebook = student_notebook(assignment, "en")
    nbformat.validate(notebook)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in notebook["cells"] if "outputs" in c)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_students_get_the_places_to_fill_in_and_no_solution(assignment):
    text = dumps(student_notebook(assignment, "en"))
    assert "Your code here." in text
    assert "(Write your answer here.)" in text
    assert "secret_total" not in text
    assert "distributes" not in text


def test_the_reference_has_the_solution_and_no_places_to_fill_in(assignment):
    text = dumps(reference_notebook(assignment, "en"))
    assert "secret_total" in text
    assert "distributes over addition" in text
    assert "Your code here." not in text


def test_a_given_cell_has_the_same_id_in_both_notebooks(assignment):
    def ids(notebook):
        return {cell["source"]: cell["id"] for cell in notebook["cells"]}

    student, reference = ids(student_notebook(assignment, "en")), ids(reference_notebook(assignment, "en"))
    shared = student.keys() & reference.keys()
    assert len(shared) == 4
    assert {student[s] for s in shared} == {reference[s] for s in shared} == {"a1-c01", "a1-1-00", "a1-1-01", "a1-c04"}


def test_building_twice_gives_the_same_bytes(assignment):
    assert dumps(student_notebook(assignment, "en")) == dumps(student_notebook(assignment, "en"))


def test_the_stamp_names_the_assignment_and_digests_every_cell_handed_out(assignment):
    notebook = student_notebook(assignment, "en")
    stamp = notebook["metadata"]["grader"]
    assert (stamp["schema"], stamp["assignment"], stamp["version"], stamp["language"]) == (1, "a1", "3", "en")
    assert list(stamp["given"]) == ["a1-c01", "1-0", "1-1", "a1-c04", "a1-c05", "a1-c07"]
    assert stamp["given"]["1-1"] == source_digest(sources(notebook)[2])


@pytest.mark.parametrize("same", ["a = 1  \n\n\nb = 2\n", "\na = 1\nb = 2", "a = 1\r\nb = 2"])
def test_a_digest_does_not_see_empty_lines_and_line_ends(same):
    assert source_digest(same) == source_digest("a = 1\nb = 2")


@pytest.mark.parametrize("other", ["a = 1\nb = 3", "a = 1\n b = 2", "a = 1\n# an answer\nb = 2"])
def test_a_digest_sees_code_indentation_and_comments(other):
    assert source_digest(other) != source_digest("a = 1\nb = 2")


def test_a_colab_badge_comes_after_the_header_cell_and_changes_nothing_else(assignment):
    url = "https://colab.research.google.com/github/o/r/blob/main/a1.en.ipynb"
    plain, badged = student_notebook(assignment, "en"), student_notebook(assignment, "en", url)
    assert url in badged["cells"][1]["source"]
    assert badged["cells"][:1] + badged["cells"][2:] == plain["cells"]


@pytest.mark.parametrize("url", ["", "http://example.org/x", "https://example.org/a b", "https://e.org/)<script>"])
def test_a_badge_for_something_that_is_no_https_address_is_refused(assignment, url):
    with pytest.raises(UsageError, match="https address"):
        student_notebook(assignment, "en", url)


def test_a_language_without_a_template_is_refused_and_the_others_are_named(assignment):
    with pytest.raises(UsageError, match="'ja', it has: en"):
        student_notebook(assignment, "ja")


def test_a_template_that_is_missing_or_empty_is_the_courses_fault(assignment):
    path = assignment.directory / assignment.templates["en"]
    path.write_text("", "utf-8")
    with pytest.raises(CourseError, match="no cells"):
        student_notebook(assignment, "en")
    path.unlink()
    with pytest.raises(CourseError, match="cannot be read"):
        student_notebook(assignment, "en")


def test_two_cells_of_one_label_get_different_ids():
    notebook = build_notebook("# %%\n# [1-8]\nx = 1\n\n# %%\n# [1-8]\nx = 2\n", "a1")
    assert [cell["id"] for cell in notebook["cells"]] == ["a1-1-08", "a1-1-08-2"]
    nbformat.validate(notebook)


def test_the_self_checks_cell_comes_after_the_header_cell_with_a_tag_and_changes_nothing_else(assignment):
    plain, checked = student_notebook(assignment, "en"), student_notebook(assignment, "en", self_check=True)
    cell = checked["cells"].pop(1)
    assert checked["cells"] == plain["cells"]
    assert cell["metadata"] == {"tags": ["grader-extension"]}
    assert '"use a1 --lang en"' in cell["source"]
    compile(cell["source"], "cell", "exec")
    assert checked["metadata"]["grader"]["given"].pop(cell["id"]) == source_digest(cell["source"])
    assert checked["metadata"] == plain["metadata"]


@pytest.mark.parametrize("language", ["ja", "en", "zh", "ru"])
def test_the_self_checks_cell_is_python_in_every_language(language):
    compile(extension_cell_source("a1", language), "cell", "exec")
