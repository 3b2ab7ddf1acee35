"""A recording session that writes into the test's own folder."""

import json

import pytest

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
