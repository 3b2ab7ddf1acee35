"""Cells and trainings in the words of the assignment."""

import numpy as np
import pytest
from checks_factory import bpnn, cnn

from grader.checks.chains import read_fits
from grader.checks.facts import DataFacts, read_cells
from grader.evidence import read_evidence
from grader.model import CellOutcome, CellRun, Execution, ExecutionOutcome


@pytest.fixture
def fits(attempt):
    return lambda: read_fits(read_evidence(attempt.write()))


def test_trainings_of_equal_weights_are_a_chain(attempt, fits):
    attempt.fit(cnn(), attempt.train[:300])
    attempt.fit(cnn(), attempt.train[300:600], initial=attempt.final)
    attempt.fit(cnn(), attempt.train[:10])
    first, second, third = fits()
    assert [f.id for f in second.chain] == [first.id, second.id]
    assert second.n_rows == 600
    assert second.epochs_run == 100
    assert third.chain == (third,)


def test_a_layer_taken_over_from_a_trained_network_makes_a_chain(attempt, fits):
    rng = np.random.default_rng(3)
    drawn, trained, other = (rng.normal(size=(25, 8)).astype(np.float32) for _ in range(3))
    still = rng.normal(size=(25, 4)).astype(np.float32)
    for rows, before, after in (
        (attempt.train[:300], [drawn, still], [trained, still]),
        (attempt.train[300:600], [trained, other], [trained, drawn]),
        (attempt.train[:10], [other, still], [drawn, still]),
    ):
        ident = attempt.fit(cnn(), rows)
        for when, arrays in (("before", before), ("after", after)):
            np.savez(attempt.directory / "claims" / f"{ident}.{when}.npz", w0000=arrays[0], w0001=arrays[1])
    first, second, third = fits()
    assert second.earlier == (first,)
    assert second.n_rows == 600
    assert third.earlier == (), "nothing of it was made by an earlier training"


def test_a_head_that_was_trained_on_features_brings_no_images_into_a_chain(attempt, fits):
    rng = np.random.default_rng(4)
    drawn, trained, base = (rng.normal(size=(25, 8)).astype(np.float32) for _ in range(3))
    features = np.arange(9, dtype=np.uint64)
    for rows, shape, before, after in (
        (features, [9, 512], [drawn], [trained]),
        (attempt.train[:600], [600, 28, 28, 1], [base, trained], [base, drawn]),
    ):
        ident = attempt.fit(cnn(), rows, pixels={"shape": shape})
        for when, arrays in (("before", before), ("after", after)):
            named = {f"w{i:04d}": array for i, array in enumerate(arrays)}
            np.savez(attempt.directory / "claims" / f"{ident}.{when}.npz", **named)
    assert fits()[1].earlier == ()
    assert fits()[1].n_rows == 600


def test_a_training_that_learned_nothing_passes_nothing_on(attempt, fits):
    attempt.fit(cnn(), attempt.train[:300], learned=False)
    attempt.fit(cnn(), attempt.train[:300], initial=attempt.final)
    first, second = fits()
    assert not first.learned
    assert second.learned
    assert second.earlier == ()


def test_unreadable_weights_are_given_the_benefit_of_the_doubt(attempt, fits):
    attempt.fit(cnn(), attempt.train[:300])
    (attempt.directory / "claims" / "fit-1.after.npz").write_bytes(b"broken")
    assert fits()[0].learned


def test_unreadable_rows_leave_the_number_of_images(attempt, fits):
    attempt.fit(cnn(), attempt.train[:300])
    (attempt.directory / "claims" / "fit-1.rows.npz").write_bytes(b"broken")
    assert fits()[0].n_rows == 300


def test_same_images_is_a_share_of_the_larger_set(attempt, fits):
    attempt.fit(cnn(), attempt.train[:600])
    attempt.fit(bpnn(), attempt.train[300:600])
    first, second = fits()
    assert first.same_images(second) == second.same_images(first) == 0.5
    assert (first.is_convolutional, second.is_convolutional) == (True, False)


def test_a_training_was_tried_when_its_result_was_looked_at(attempt, fits):
    fit = attempt.fit(cnn(), attempt.train[:600])
    attempt.fit(cnn(), attempt.train[:600], validation={"kind": "array"})
    attempt.fit(cnn(), attempt.train[:600])
    attempt.evaluate(fit)
    assert [f.tried for f in fits()] == [True, True, False]


def test_an_image_in_both_splits_is_a_training_image():
    rows = np.arange(4, dtype=np.uint64)
    data = DataFacts("x", train=rows[:3], test=rows[2:])
    assert data.share(rows, "train") == 0.75
    assert data.share(rows, "test") == 0.25
    assert data.share(rows[:0], "test") == 0


def test_cells_carry_how_they_ended_and_what_they_printed():
    notebook = {
        "cells": [
            {"cell_type": "markdown", "source": ["# a\n", "b"]},
            {
                "cell_type": "code",
                "source": "1 / 0",
                "metadata": {"tags": ["x"]},
                "outputs": [{"output_type": "stream", "text": ["one\n", "two"]}, {"data": {"text/plain": "three"}}, 5],
            },
        ]
    }
    run = CellRun(1, CellOutcome.ERROR, "1-3", error_name="ZeroDivisionError")
    first, second = read_cells(notebook, Execution(ExecutionOutcome.CELL_ERROR, cells=(run,)))
    assert first.source == "# a\nb"
    assert (second.outcome, second.label, second.tags) == ("error", "1-3", ("x",))
    assert second.printed == "one\ntwo\nthree"


def test_the_cell_that_loads_the_self_check_counts_as_empty_and_keeps_its_place():
    metadata = {"tags": ["grader-extension"]}
    cells = [
        {"cell_type": "code", "source": "print('hello')", "metadata": metadata, "outputs": []},
        {"cell_type": "code", "source": "x = 1", "metadata": {}, "outputs": []},
    ]
    runs = (CellRun(0, CellOutcome.ERROR, error_name="UsageError"), CellRun(1, CellOutcome.OK))
    first, second = read_cells({"cells": cells}, Execution(ExecutionOutcome.CELL_ERROR, cells=runs))
    assert (first.index, first.source, first.outcome) == (0, "", CellOutcome.EMPTY)
    assert (second.index, second.source, second.outcome) == (1, "x = 1", CellOutcome.OK)
