"""The reference is trained before a batch that is worth it; what goes wrong there keeps nobody from a grade."""

import json
import sys
import threading
from dataclasses import replace

import nbformat
import pytest

from grader.intake import collect
from grader.model import Execution, ExecutionOutcome
from grader.pipeline import open_context
from grader.pipeline.replaying import WORTH_IT, keep_reference_trainings
from grader.verification import known


@pytest.fixture
def context(small_course, tmp_path):
    (tmp_path / "workspace" / "cache" / "matplotlib").mkdir(parents=True)  # no kernel will draw
    settings = small_course.settings(tmp_path / "workspace", jobs=1, sandbox="none")
    return open_context(replace(settings, replay=True, warm_kernels=False, device="cpu"), "b2-1")


@pytest.fixture
def attempts(tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    for number in range(WORTH_IT):
        cell = nbformat.v4.new_code_cell(f"a = {number}", id="c")
        (folder / f"21X000{number}.ipynb").write_text(json.dumps(nbformat.v4.new_notebook(cells=[cell])), "utf-8")
    return collect([folder], "b2-1")


@pytest.fixture
def tried(monkeypatch):
    """Stands in for running the reference, which fails; the languages in which it was tried."""
    languages = []

    def run_work(work, **_):
        languages.append(work.attempt.language)
        raise OSError("no kernel could be started")

    monkeypatch.setattr(sys.modules[keep_reference_trainings.__module__], "run_work", run_work)
    return languages


def test_a_reference_that_cannot_be_run_is_left_out_and_tried_again_with_the_next_batch(context, attempts, tried):
    recorded_by_others = set(context.replay_store.glob("recorded-*"))
    for batch in (1, 2):
        keep_reference_trainings(context, attempts, lambda _: None, threading.Event())
        assert len(tried) == batch
    assert set(context.replay_store.glob("recorded-*")) == recorded_by_others


def test_the_reference_is_run_once_more_when_its_predictions_have_another_name(context, attempts, monkeypatch):
    runs = []

    def run_work(work, **_):
        runs.append(work)
        return Execution(ExecutionOutcome.OK)

    monkeypatch.setattr(sys.modules[keep_reference_trainings.__module__], "run_work", run_work)
    for version, expected in ((-2, 1), (-2, 1), (-1, 2)):  # no version of ours
        monkeypatch.setattr(known, "VERSION", version)
        keep_reference_trainings(context, attempts, lambda _: None, threading.Event())
        assert len(runs) == expected


def test_the_reference_is_not_trained_for_fewer_attempts_than_it_is_worth(context, attempts, tried):
    keep_reference_trainings(context, attempts[1:], lambda _: None, threading.Event())
    assert tried == []


def test_notebooks_that_a_context_names_are_run_in_place_of_the_reference(context, attempts, monkeypatch):
    run = []
    monkeypatch.setattr(
        sys.modules[keep_reference_trainings.__module__], "run_work", lambda work, **_: run.append(work.attempt.source)
    )
    named = replace(context, references=tuple(attempts[:2]))
    keep_reference_trainings(named, attempts, lambda _: None, threading.Event())
    assert sorted(run) == sorted(a.source for a in attempts[:2])
    keep_reference_trainings(replace(context, references=()), attempts, lambda _: None, threading.Event())
    assert len(run) == 2
