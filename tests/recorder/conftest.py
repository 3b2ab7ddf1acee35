"""A recording session that writes into the test's own folder."""

import json
from types import SimpleNamespace

import pytest
from plain_callbacks import REAL_LOGS, Model

from grader.evidence.events import LevelEvent, ProbeEvent, decode_event
from grader.recorder.probes import CallbackFit, probe_callbacks
from grader.recorder.session import Session, Settings


@pytest.fixture
def make_session(tmp_path):
    def make(seed=7, **changes):
        cell_file = tmp_path / "cell"
        return Session(Settings(claims=tmp_path / "claims", cell_file=cell_file, seed=seed, **changes))

    return make


@pytest.fixture
def session(make_session):
    return make_session()


@pytest.fixture
def written(tmp_path):
    """Events that were written so far, as dictionaries."""

    def read():
        path = tmp_path / "claims" / "events.jsonl"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.is_file() else []

    return read


@pytest.fixture
def probe(session, tmp_path):
    """Drives one callback; levels and runs as they were written, decoded as the reader does."""

    def run(callback, logs=REAL_LOGS, *, epochs=10, model=None, time_limit_s=5.0, fits=None):
        model = model or Model()
        if fits is None:
            fit = CallbackFit.of("fit-1", model, [callback], epochs, ())
            fit.logs = dict(logs)
            fits = [fit]
        hooks = SimpleNamespace(session=session, models=lambda: [model])
        probe_callbacks(hooks, fits, time_limit_s)
        lines = (tmp_path / "claims" / "events.jsonl").read_bytes().splitlines()
        events = [decode_event(line) for line in lines]
        levels = [e for e in events if isinstance(e, LevelEvent)]
        runs = {(e.subject, e.scenario): e for e in events if isinstance(e, ProbeEvent)}
        return levels, runs

    return run
