"""Where a saved file came from, without Keras; with it: tests/execution/test_files.py."""

import io
from types import SimpleNamespace

import numpy as np
import pytest

from grader.recorder.files import FileHooks


class Model:
    def get_weights(self):
        return [np.ones(2)]


@pytest.fixture
def hooks():
    """Hooks over nothing; ``events`` are what they said."""
    events = []
    tracked = SimpleNamespace(ident="model-1", latest_fit=None)
    made = SimpleNamespace(
        session=SimpleNamespace(depth=0, emit=lambda kind, **facts: events.append((kind, facts))),
        keras=SimpleNamespace(__name__="keras", Model=Model),
        track=lambda _model: tracked,
        weights=SimpleNamespace(know=lambda _model: None),
    )
    files = FileHooks(made)
    files.events = events
    return files


@pytest.mark.parametrize(("saved", "loaded"), [(io.BytesIO(), io.BytesIO()), (5, None), ("", ""), (None, "")])
def test_what_names_no_file_is_never_one_of_this_run(hooks, saved, loaded):
    hooks._note_saved(Model(), saved, False, True)
    hooks._note_loaded(Model(), loaded, False)
    assert [facts["own"] for kind, facts in hooks.events if kind == "load"] == [False]


def test_a_file_of_this_run_is_known_by_its_whole_path(hooks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.weights.h5").write_text("x")
    hooks._note_saved(Model(), "a.weights.h5", False, True)
    hooks._note_loaded(Model(), tmp_path / "a.weights.h5", False)
    assert hooks.events[-1][1]["own"]
