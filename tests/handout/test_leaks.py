"""What makes a template one that must not be handed out."""

from __future__ import annotations

import pytest

from grader.errors import LeakError
from grader.handout import student_notebook
from grader.handout.leaks import check_student_notebook
from grader.handout.percent import read_cells

SOLUTION_CODE = '# %% tags=["solution"]\ndoubled'
SOLUTION_TEXT = '# %% [markdown] tags=["answer", "solution"]'


def leak(assignment) -> str:
    with pytest.raises(LeakError) as caught:
        student_notebook(assignment, "en")
    return str(caught.value)


def test_a_template_that_keeps_its_solution_to_itself_is_handed_out(assignment):
    student_notebook(assignment, "en")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ('# %% tags=["soluton"]', "is 'solution' meant?"),
        ('# %% tags=["Solution"]', "unknown tag 'Solution'"),
        ('# %% tag=["solution"]', "its header has tag="),
        ("# %% tags=[solution]", "its header has"),
        ('# %% tags=["solution"', "its header has"),
        ("# %% solution", "its header has title='solution'"),
        ("# %%", "does not say who sees it"),
        ('# %% tags=["answer"]', "does not say who sees it"),
        ('# %% tags=["solution", "placeholder"]', "contradict"),
        ('# %% tags=["given", "solution"]', "contradict"),
    ],
)
def test_a_solution_cell_whose_header_is_not_understood_stops_the_handout(rewrite, header, said):
    message = leak(rewrite(SOLUTION_CODE, f"{header}\ndoubled"))
    assert said in message
    assert "(line 25)" in message


def test_a_header_that_jupytext_takes_for_a_comment_stops_the_handout(rewrite):
    assert "'tags=['" in leak(rewrite('# %% tags=["solution"]\ndoubled', '# % tags=["solution"]\ndoubled'))


@pytest.mark.parametrize(
    "marker", ["### BEGIN SOLUTION", "# END HIDDEN TESTS", "# SOLUTION", "# 解答例", "# Model answer:"]
)
def test_a_marker_of_another_tool_in_a_students_cell_stops_the_handout(rewrite, marker):
    message = leak(rewrite("# Your code here.", f"# Your code here.\n{marker}\nx = 1"))
    assert "line 24 in cell 5 (line 22)" in message


def test_a_word_that_only_looks_like_a_marker_is_no_leak(rewrite):
    student_notebook(rewrite("# Your code here.", "# Your solution here: what does the model answer?"), "en")


def test_a_code_line_of_the_solution_left_in_a_placeholder_stops_the_handout(rewrite):
    line = "secret_total = int(doubled_by_hint.sum())  # ninety"
    message = leak(rewrite("# Your code here.", line))
    assert "line 23 in cell 5 (line 22)" in message
    assert "line 27 in cell 6 (line 25)" in message


def test_other_spacing_and_wide_characters_do_not_hide_a_leak(rewrite):
    leak(rewrite("# Your code here.", "# secret_total  =  ｉｎｔ( doubled_by_hint.sum() ) #ninety"))


def test_a_sentence_of_the_answer_stops_the_handout_even_when_wrapped_otherwise(rewrite):
    message = leak(rewrite("# Say why the total doubles.", "# The factor can be\n# taken out of **the sum**."))
    assert "in cell 4 (line 13)" in message


def test_a_sentence_of_the_answer_in_a_comment_of_given_code_stops_the_handout(rewrite):
    leak(rewrite("total = int", "# Because multiplication distributes over addition.\ntotal = int"))


def test_a_solution_may_use_the_lines_of_a_fenced_hint_and_of_given_code(rewrite):
    student_notebook(rewrite("secret_total =", "total = int(numbers.sum())\nsecret_total ="), "en")


def test_a_hint_outside_a_fence_is_a_leak(rewrite):
    assignment = rewrite("# ```python\n# doubled_by_hint = numbers * 2\n# ```", "# doubled_by_hint = numbers * 2")
    assert "in cell 4" in leak(assignment)


def test_a_fence_in_a_cell_that_is_no_task_excuses_nothing(rewrite):
    leak(
        rewrite(
            "# Student number :",
            "# Student number :\n#\n# ```\n# secret_total = int(doubled_by_hint.sum())  # ninety\n# ```",
        )
    )


def test_short_lines_are_everybodys(rewrite):
    rewrite("secret_total =", "plt.show()\nsecret_total =")
    student_notebook(rewrite("# Your code here.", "plt.show()"), "en")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda nb, text: nb["metadata"].update(notes=text),
        lambda nb, text: nb["metadata"]["grader"].update(note=text),
        lambda nb, text: nb["metadata"]["kernelspec"].update(display_name=text),
        lambda nb, text: nb["cells"][0]["metadata"].update(hidden=text),
        lambda nb, text: nb["cells"][0]["metadata"].update(tags=[text]),
        lambda nb, text: nb["cells"][0].update(attachments={"a.txt": {"text/plain": text}}),
        lambda nb, text: nb["cells"][1]["outputs"].append({"output_type": "stream", "name": "stdout", "text": text}),
        lambda nb, text: nb["cells"][1].update(execution_count=1),
    ],
)
def test_a_finished_notebook_that_carries_more_than_its_sources_is_refused(assignment, spoil):
    cells = read_cells((assignment.directory / assignment.templates["en"]).read_text("utf-8"))
    notebook = student_notebook(assignment, "en")
    check_student_notebook(notebook, cells)
    spoil(notebook, "Because multiplication distributes over addition.")
    with pytest.raises(LeakError):
        check_student_notebook(notebook, cells)
