"""One notebook out of cells that ran in any order, some of them twice, and a file that may be older."""

import nbformat
import pytest

from grader.model import CellOutcome
from grader.notebook.timeline import assemble, is_of, is_own, is_own_cell, latest_runs
from grader.notebook.watch import Ran


def ran(number, source, cell_id=None, error=None):
    return Ran(number, source, cell_id, number, error, error and "why")


def file_of(*cells):
    return [{"cell_type": kind, "source": source, "id": ident, "metadata": {}} for kind, source, ident in cells]


@pytest.mark.parametrize(
    "source",
    [
        "%grader check",
        "%load_ext grader",
        "import grader\ngrader.check('runs')",
        "# look\n%grader submit-ready",
        'try:\n    get_ipython().run_line_magic("load_ext", "grader")\nexcept ImportError:\n    print("no")',
    ],
)
def test_a_cell_that_only_calls_the_check_is_its_own(source):
    assert is_own(source)


@pytest.mark.parametrize("source", ["x = 1\n%grader check", "# a comment", "", "grades = 3", "import grader_tools"])
def test_a_cell_with_anything_of_the_students_is_not(source):
    assert not is_own(source)


def test_the_handouts_cell_is_known_by_its_tag():
    assert is_own_cell({"cell_type": "code", "source": "x", "metadata": {"tags": ["grader-extension"]}})


def test_of_two_runs_of_a_cell_the_last_counts_in_the_place_of_the_first():
    made = assemble([ran(1, "a = 1", "A"), ran(2, "b = 2", "B"), ran(3, "a = 3", "A")], None)
    assert [cell["source"] for cell in made.cells] == ["a = 3", "b = 2"]
    assert made.places == {1: 0, 3: 0, 2: 1}
    assert made.latest == {2, 3}


def test_without_cell_ids_a_failed_try_that_was_mended_is_left_out():
    tries = [ran(1, "model.fit(x, y, epoch=2)", error="TypeError"), ran(2, "model.fit(x, y, epochs=2)")]
    assert [group[-1].number for group in latest_runs(tries)] == [2]
    assert [group[-1].number for group in latest_runs(tries[:1])] == [1]


def test_the_file_gives_text_cells_order_and_what_has_not_run():
    file = file_of(("markdown", "# Title", "m"), ("code", "a = 1", "A"), ("code", "# [1-2]\nb = 2", "B"))
    made = assemble([ran(1, "a = 10", "A")], file)
    assert [cell["source"] for cell in made.cells] == ["# Title", "a = 10", "# [1-2]\nb = 2"]
    assert [run.outcome for run in made.runs] == [CellOutcome.EMPTY, CellOutcome.OK, CellOutcome.NOT_RUN]
    assert made.runs[2].label == "1-2"


def test_a_cell_that_is_not_yet_in_the_file_comes_after_what_ran_before_it():
    file = file_of(("code", "a = 1", "A"), ("code", "b = 2", "B"))
    made = assemble([ran(1, "a = 1"), ran(2, "new = 5"), ran(3, "b = 2")], file)
    assert [cell["source"] for cell in made.cells] == ["a = 1", "new = 5", "b = 2"]


def test_an_error_is_kept_with_its_name():
    (run,) = assemble([ran(1, "1/0", error="ZeroDivisionError")], None).runs
    assert (run.outcome, run.error_name, run.error_value) == (CellOutcome.ERROR, "ZeroDivisionError", "why")


def test_a_file_is_that_of_the_kernel_if_it_holds_half_of_what_ran():
    kernel = [ran(1, "a = 1"), ran(2, "b = 2"), ran(3, "%grader check")]
    other = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("c = 3")])
    own = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("a = 1")])
    assert is_of(kernel, own)
    assert not is_of(kernel, other)
    assert not is_of(kernel, {})
