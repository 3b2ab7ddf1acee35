"""The check ``runs``, which all rubrics share, through the rubric of b2-1."""

import dataclasses
import inspect
import re

import pytest
from checks_factory import cnn

from grader.checks import runs
from grader.model import Budget, CellOutcome, ExecutionOutcome
from grader.rubric import Course

RATIO = "x and y must have same first dimension, but have shapes (10,) and (2,)"


def test_an_empty_cell_is_no_error(attempt):
    attempt.code("x = 1")
    attempt.code("", CellOutcome.EMPTY)
    assert attempt.check().said("runs") == "passed passed"


def test_one_error_kept_as_an_answer_costs_a_part(attempt):
    for _ in range(19):
        attempt.code("x = 1")
    attempt.code("1 / 0", CellOutcome.ERROR, label="1-9", error="ZeroDivisionError")
    result = attempt.check()["runs"]
    assert (result.outcome, result.credit) == ("partial", 0.75)
    assert result.measured["first"] == "[1-9]"
    assert result.measured["error"] == "ZeroDivisionError"
    assert result.hint.id == "runs/errors.hint"


def test_an_endless_cell_costs_at_least_half(attempt):
    attempt.code("x = 1")
    attempt.code("while True: pass", CellOutcome.TIMEOUT)
    attempt.outcome = ExecutionOutcome.TIMEOUT
    result = attempt.check()["runs"]
    assert result.message.id == "runs/timeout"
    assert result.credit == 0.5


def test_a_dead_kernel_is_named_with_the_cell_it_died_in(attempt):
    attempt.code("x = 1")
    attempt.code("os._exit(1)", CellOutcome.ERROR)
    for _ in range(6):
        attempt.code("y = 2", CellOutcome.NOT_RUN)
    attempt.outcome = ExecutionOutcome.KERNEL_DIED
    result = attempt.check()["runs"]
    assert (result.message.id, result.credit, result.measured["first"]) == ("runs/kernel-ended", 0.125, "#2")


def test_a_notebook_that_ran_out_of_memory_is_not_told_that_its_kernel_died(attempt):
    attempt.code("x = 1")
    attempt.code("big = [0] * 10**12", CellOutcome.ERROR)
    attempt.outcome = ExecutionOutcome.MEMORY
    assert attempt.check()["runs"].message.id == "runs/out-of-memory"


def test_a_notebook_without_code_fails(attempt):
    attempt.markdown("# only words")
    assert attempt.check().said("runs") == "failed no-code"


@pytest.fixture
def quick(attempt):
    """A training of which the quick budget ran two epochs of ten, after a cell that ran."""
    attempt.budget = Budget.QUICK
    attempt.code("x = 1")
    attempt.fit(cnn(), attempt.train, epochs=2, capped=True)
    return attempt


def broken(attempt, error, value="", source="plt.plot(range(10), history)", **more):
    index = attempt.code(source, CellOutcome.ERROR, error=error, **more)
    attempt.runs[-1] = dataclasses.replace(attempt.runs[-1], error_value=value)
    return index


@pytest.mark.parametrize(
    ("error", "value"),
    [
        ("ValueError", RATIO),
        ("ValueError", "All arrays must be of the same length"),
        ("ValueError", "operands could not be broadcast together with shapes (10,) (2,)"),
        ("ValueError", "cannot reshape array of size 2 into shape (10,)"),
        ("ValueError", "shape mismatch: objects cannot be broadcast to a single shape"),
        ("ValueError", "Length of values (2) does not match length of index (10)"),
        ("IndexError", "list index out of range"),
        ("KeyError", "9"),
    ],
)
def test_a_length_that_a_shortened_training_may_have_changed_is_not_decided(quick, error, value):
    cell = broken(quick, error, value, label="1-9")
    result = quick.check()["runs"]
    assert (result.outcome, result.credit, result.cell) == ("needs_review", None, cell)
    assert result.message.id == "runs/undecided-capped"
    assert (result.measured["first"], result.measured["error"], result.measured["ran"]) == ("[1-9]", error, 2)


@pytest.mark.parametrize(
    ("error", "value"),
    [
        ("NameError", "name 'histroy' is not defined"),
        ("KeyError", "'acc'"),
        ("ValueError", "could not convert string to float: 'a'"),
        ("TypeError", "'NoneType' object is not iterable"),
    ],
)
def test_any_other_error_after_a_shortened_training_costs_a_part(quick, error, value):
    broken(quick, error, value)
    assert quick.check().said("runs") == "partial errors"


def test_a_cell_before_the_shortened_training_is_the_students_own(attempt):
    attempt.budget = Budget.QUICK
    broken(attempt, "ValueError", RATIO)
    attempt.fit(cnn(), attempt.train, epochs=2, capped=True)
    assert attempt.check().said("runs") == "partial errors"


def test_a_plot_beside_the_fit_itself_is_not_decided_but_a_fit_that_failed_is(attempt):
    attempt.budget = Budget.QUICK
    attempt.fit(cnn(), attempt.train, epochs=2, capped=True, cell=broken(attempt, "ValueError", RATIO))
    assert attempt.check().said("runs") == "needs_review undecided-capped"
    cell = broken(attempt, "ValueError", "Shapes (None, 1) and (None, 10) are incompatible", "model.fit(x, y)")
    attempt.fit(cnn(), attempt.train, epochs=0, capped=True, cell=cell, ended="error")
    result = attempt.check()["runs"]
    assert (result.message.id, result.credit, result.cell) == ("runs/errors", 0.5, cell)


def test_a_name_that_an_undecided_cell_was_to_define_is_not_decided_either(quick):
    broken(quick, "ValueError", RATIO, "plt.plot(range(10), history)\nbest = max(history)")
    broken(quick, "NameError", "name 'best' is not defined", "print(best)")
    assert quick.check().said("runs") == "needs_review undecided-capped"
    broken(quick, "NameError", "name 'other' is not defined", "print(other)")
    result = quick.check()["runs"]
    assert (result.message.id, result.measured["first"]) == ("runs/errors", "#5")
    assert result.credit == 0.75


def test_without_a_shortened_training_a_wrong_length_is_the_students_own(attempt):
    attempt.budget = Budget.QUICK
    attempt.fit(cnn(), attempt.train, epochs=2)
    broken(attempt, "ValueError", RATIO)
    assert attempt.check().said("runs") == "partial errors"


def test_a_claim_to_be_shortened_is_not_believed_in_the_full_budget(quick):
    quick.budget = Budget.FULL
    broken(quick, "ValueError", RATIO)
    assert quick.check().said("runs") == "partial errors"


@pytest.mark.parametrize("assignment", ["b2-1", "conv-callback", "vgg16-finetune"])
def test_every_rubric_has_all_of_its_texts_in_each_language(assignment):
    said = {"passed", *re.findall(r'say\.\w+\([^"\n]*"([a-z-]+)"', inspect.getsource(runs))}
    assert {"errors", "undecided-capped"} < said
    for texts in Course().rubric(assignment).texts.values():
        assert {f"runs/{key}" for key in said} <= set(texts)
