"""Evidence folders made by hand, as a hostile kernel could leave them."""

import json

import msgspec
import pytest

from grader.model import Execution, ExecutionOutcome


@pytest.fixture
def folder(tmp_path):
    """An evidence folder whose harness files are right; claims are up to the test."""
    made = tmp_path / "evidence"
    (made / "claims").mkdir(parents=True)
    (made / "execution.json").write_bytes(msgspec.json.encode(Execution(ExecutionOutcome.OK)))
    return made


@pytest.fixture
def write(folder):
    """Writes ``events.jsonl``: bytes as they are, anything else as JSON."""

    def write_events(*events):
        lines = [e if isinstance(e, bytes) else json.dumps(e).encode() for e in events]
        (folder / "claims" / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")

    return write_events


MODEL = {"event": "model", "model": "model-1", "kind": "sequential"}
START = {
    "event": "fit_start",
    "fit": "fit-1",
    "model": "model-1",
    "x": {"kind": "array", "shape": [600, 28, 28]},
    "y": {},
}
EPOCH = {"event": "epoch", "fit": "fit-1", "epoch": 0, "logs": {"loss": 0.5}}
END = {"event": "fit_end", "fit": "fit-1", "reason": "completed", "epochs_run": 1, "weights": "fit-1.after.npz"}


@pytest.fixture
def events():
    """A model trained for one epoch: model, start, epoch, end."""
    return [dict(MODEL), dict(START), dict(EPOCH), dict(END)]
