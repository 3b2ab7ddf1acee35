import pytest

from grader.model import Attempt, CellOutcome, CellRun, Execution, ExecutionOutcome, Student
from grader.pipeline import runtime
from grader.pipeline.runtime import OTHER_RUN, execute_auto, first_runtime, has_legacy_idiom


def attempt(*sources):
    cells = [{"cell_type": "code", "source": source} for source in sources]
    return Attempt("b2-1", "sha256:" + "0" * 64, "a.ipynb", b"{}", Student(), {"cells": cells})


def execution(*errors):
    """One cell an error text; ``None`` is a cell that went well."""
    cells = tuple(
        CellRun(i, CellOutcome.OK if text is None else CellOutcome.ERROR, error_name="E", error_value=text)
        for i, text in enumerate(errors)
    )
    return Execution(ExecutionOutcome.OK, cells=cells)


LEGACY = "The layer sequential_1 has never been called and thus has no defined input."


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (LEGACY, True),
        ("Argument(s) not recognized: {'lr': 0.01}", True),
        ("'Sequential' object has no attribute 'predict_classes'", True),
        ("name 'X_train' is not defined", False),
        ("'NoneType' object has no attribute 'shape'", False),
    ],
)
def test_an_idiom_of_the_legacy_generation_is_known_by_what_keras_3_says(value, expected):
    assert has_legacy_idiom(execution(None, value)) is expected


def test_a_notebook_that_asks_for_legacy_keras_gets_it_first(monkeypatch):
    monkeypatch.setattr(runtime, "has_legacy_keras", lambda: True)
    assert first_runtime(attempt("import tf_keras as keras")) == "keras2"
    assert first_runtime(attempt("import os\nos.environ['TF_USE_LEGACY_KERAS'] = '1'")) == "keras2"
    assert first_runtime(attempt("# import tf_keras\nimport keras")) == "keras3"


@pytest.fixture
def runs(monkeypatch):
    """Stands in for the kernel: what each runtime gives, and the runtimes in the order they were asked for."""
    asked, given = [], {}

    def fake(attempt, request, directory, **_):
        asked.append(request.runtime)
        directory.mkdir(parents=True)
        (directory / "execution.json").write_text(request.runtime)
        return given[request.runtime]

    monkeypatch.setattr(runtime, "execute", fake)
    monkeypatch.setattr(runtime, "has_legacy_keras", lambda: True)
    return asked, given


def run(directory):
    from grader.execution import ExecutionRequest

    request = ExecutionRequest(time_limit_s=1, memory_limit_mib=1)
    return execute_auto(attempt("x"), request, directory, tell=lambda _: None, cancelled=None)


def test_the_run_in_which_more_cells_ended_well_counts_and_the_other_is_kept(runs, tmp_path):
    asked, given = runs
    given.update(keras3=execution(None, LEGACY, "name 'm' is not defined"), keras2=execution(None, None, None))
    result = run(tmp_path / "e")
    assert asked == ["keras3", "keras2"]
    assert "twice" in result.notes[0].id
    assert result.notes[0].params["cells"] == "#2, #3"
    assert (tmp_path / "e" / OTHER_RUN / "execution.json").read_text() == "keras3"


def test_a_second_try_that_is_no_better_does_not_count(runs, tmp_path):
    _asked, given = runs
    given.update(keras3=execution(None, LEGACY), keras2=execution("x", "y"))
    assert run(tmp_path / "e") == given["keras3"]
    assert (tmp_path / "e" / "execution.json").read_text() == "keras3"
    assert (tmp_path / "e" / OTHER_RUN / "execution.json").read_text() == "keras2"


def test_an_ordinary_error_causes_no_second_try(runs, tmp_path):
    asked, given = runs
    given.update(keras3=execution(None, "name 'm' is not defined"))
    run(tmp_path / "e")
    assert asked == ["keras3"]
