import json
import os
import sys

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from grader.errors import EvidenceError
from grader.evidence import Evidence, read_evidence
from grader.evidence import files as files_module
from grader.model import ExecutionOutcome

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="making a link needs a right there")


def test_a_training_is_put_together_from_its_events(folder, write, events):
    write(*events)
    evidence = read_evidence(folder)
    (fit,) = evidence.fits
    assert (fit.id, fit.model.id, fit.n_rows, fit.epochs_run, fit.ended) == ("fit-1", "model-1", 600, 1, "completed")
    assert fit.logs == ({"loss": 0.5},)
    assert fit.weights_after == "fit-1.after.npz"
    assert evidence.faults == ()


def test_a_run_that_stopped_inside_a_training_leaves_it_without_an_end(folder, write, events):
    write(*events[:3])
    (fit,) = read_evidence(folder).fits
    assert fit.ended is None
    assert fit.epochs_run == 1


def test_no_claims_at_all_are_no_fault(folder):
    evidence = read_evidence(folder)
    assert evidence.fits == ()
    assert evidence.faults == ()
    assert evidence.names() == {}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"event"',
        b"\xff\xfe\x00",
        b'{"event": "unheard_of"}',
        b'{"cell": 1}',
        b'{"event": "epoch", "fit": "fit-1", "epoch": 0, "logs": {"loss": NaN}}',
        b'{"event": "epoch", "fit": "fit-1", "epoch": 0, "logs": {"loss": Infinity}}',
        b'{"event": "epoch", "fit": "fit-1", "epoch": -1, "logs": {}}',
        b'{"event": "epoch", "fit": "../fit-1", "epoch": 0, "logs": {}}',
        b'{"event": "save", "model": "model-1", "file": 5}',
        b'{"event": "note", "kind": "x", "detail": "' + b"d" * 501 + b'"}',
        b'{"event": "custom_prediction", "fit": "fit-1", "file": "../../held_out.npz"}',
        b'{"event": "custom_prediction", "fit": "fit-1", "file": "/etc/passwd"}',
        b'{"event": "model", "model": "model-1", "kind": "k", "config": "..\\\\secret.json"}',
        b'{"event": "model", "model": "model-1", "kind": "k", "layers": [{"class_name": "L", "name": "l", "new": 1}]}',
        b'{"event": "epoch", "fit": "fit-1", "epoch": 0, "logs": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
        b'{"event": "note", "kind": "k", "t_s": 1e999}',
    ],
    ids=lambda line: line[:60].decode("latin-1"),
)
def test_a_malformed_line_is_a_fault_and_the_rest_is_read(folder, write, events, line):
    write(*events[:2], line, *events[2:])
    evidence = read_evidence(folder)
    assert len(evidence.faults) == 1
    assert evidence.fits[0].ended == "completed"
    assert evidence.fits[0].epochs_run == 1


def test_a_huge_line_is_left_out_without_being_parsed(folder, write, events, monkeypatch):
    monkeypatch.setattr(files_module, "LINE_LIMIT_BYTES", 500)
    write(*events, {"event": "note", "kind": "k", "detail": "d" * 490})
    evidence = read_evidence(folder)
    assert evidence.notes == ()
    assert "has 5" in evidence.faults[0]


def test_an_event_file_over_the_limit_is_refused_with_its_size(folder, write, events, monkeypatch):
    monkeypatch.setattr(files_module, "EVENTS_LIMIT_BYTES", 100)
    write(*events)
    with pytest.raises(EvidenceError, match="at most 100 are read"):
        read_evidence(folder)


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-Infinity", "0.5"])
def test_a_number_written_as_a_text_is_malformed(folder, write, events, text):
    write(*events[:3], {**events[2], "logs": {"loss": text}}, events[3])
    evidence = read_evidence(folder)
    assert evidence.fits[0].logs == ({"loss": 0.5},)
    assert len(evidence.faults) == 1


def test_an_end_before_its_start_is_a_fault(folder, write, events):
    model, start, epoch, end = events
    write(model, end, epoch, start)
    evidence = read_evidence(folder)
    assert [fit.ended for fit in evidence.fits] == [None]
    assert len(evidence.faults) == 2


def test_a_training_cannot_be_started_or_ended_twice(folder, write, events):
    other = {**events[1], "x": {"kind": "array", "shape": [60000, 28, 28]}}
    write(*events, other, {**events[2], "logs": {"loss": 0.0}}, {**events[3], "reason": "error"})
    evidence = read_evidence(folder)
    (fit,) = evidence.fits
    assert (fit.n_rows, fit.ended, fit.epochs_run) == (600, "completed", 1)
    assert len(evidence.faults) == 3


def test_a_training_of_an_unknown_model_is_a_fault(folder, write, events):
    write(*events[1:])
    evidence = read_evidence(folder)
    assert evidence.fits == ()
    assert "unknown model" in evidence.faults[0]


def test_a_training_keeps_the_model_as_it_was_when_it_started(folder, write, events):
    write(*events, {**events[0], "kind": "functional"})
    evidence = read_evidence(folder)
    assert evidence.fits[0].model.kind == "sequential"
    assert evidence.models[0].kind == "functional"


def test_of_many_faults_a_few_are_kept(folder, write, events):
    write(*events, *[b"{"] * 500, *[{**events[2], "fit": "fit-9"}] * 500)
    evidence = read_evidence(folder)
    assert 20 < len(evidence.faults) <= 40
    assert evidence.fits[0].ended == "completed"


def test_a_file_of_rubbish_is_not_read_to_its_end(folder, write, events):
    write(events[0], *[b""] * 2_000, *events[1:])
    evidence = read_evidence(folder)
    assert "1000 events are malformed; from event 1002 on nothing was read" in evidence.faults
    assert evidence.fits == ()


@needs_links
def test_a_link_instead_of_the_events_is_not_followed(folder, write, events, tmp_path):
    write(*events)
    target = tmp_path / "elsewhere.jsonl"
    (folder / "claims" / "events.jsonl").rename(target)
    (folder / "claims" / "events.jsonl").symlink_to(target)
    assert read_evidence(folder).fits == ()


@needs_links
def test_links_instead_of_claims_are_not_followed(folder, tmp_path):
    secret = tmp_path / "names.json"
    secret.write_text('{"seed": {"type": "int", "value": 4242}}', "utf-8")
    (folder / "claims" / "names.json").symlink_to(secret)
    evidence = read_evidence(folder)
    assert evidence.names() == {}
    with pytest.raises(EvidenceError, match="no such file"):
        evidence.claim("names.json")


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_weights_that_are_not_there_are_named(folder, kind):
    if kind == "folder":
        (folder / "claims" / "fit-1.after.npz").mkdir()
    with pytest.raises(EvidenceError, match=r"fit-1\.after\.npz"):
        read_evidence(folder).weights("fit-1.after.npz")


@pytest.mark.parametrize(
    "text", ["[1]", "{", "nul", "\ud800", "[" * 100_000, '{"a": ' * 50_000, "9" * 5000, ""], ids=lambda t: t[:8]
)
def test_malformed_names_are_an_evidence_error(folder, text):
    (folder / "claims" / "names.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(EvidenceError):
        read_evidence(folder).names()


def test_numbers_that_json_does_not_have_are_read_as_nothing(folder):
    (folder / "claims" / "names.json").write_text('{"a": {"value": NaN}, "b": {"value": -Infinity}}', "utf-8")
    assert read_evidence(folder).names() == {"a": {"value": None}, "b": {"value": None}}


def test_names_over_the_limit_are_refused(folder):
    with (folder / "claims" / "names.json").open("wb") as file:
        file.truncate(files_module.JSON_LIMIT_BYTES + 1)
    with pytest.raises(EvidenceError, match="at most"):
        read_evidence(folder).names()


def test_the_notebook_is_the_executed_one_else_the_received_one(folder):
    evidence = read_evidence(folder)
    with pytest.raises(EvidenceError, match=r"expected executed\.ipynb"):
        evidence.notebook()
    (folder / "submission.ipynb").write_text('{"cells": ["received"]}', "utf-8")
    assert evidence.notebook()["cells"] == ["received"]
    (folder / "executed.ipynb").write_text('{"cells": ["executed"]}', "utf-8")
    assert evidence.notebook()["cells"] == ["executed"]


@pytest.mark.parametrize("name", ["execution.json", "verified.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"outcome": "unheard_of"}', b"\xff", b"[" * 100_000])
def test_a_broken_file_of_the_harness_is_an_evidence_error(folder, name, content):
    (folder / name).write_bytes(content if name == "execution.json" else content or b"-")
    if content == b'{"outcome": "unheard_of"}' and name == "verified.json":
        content = b'{"measurements": 3}'
        (folder / name).write_bytes(content)
    with pytest.raises(EvidenceError, match=name.removesuffix(".json")):
        read_evidence(folder)


def test_a_folder_without_an_execution_is_an_evidence_error(tmp_path):
    with pytest.raises(EvidenceError, match="grade the attempt again"):
        read_evidence(tmp_path)


def test_the_record_of_the_execution_comes_back_as_it_was_written(folder):
    assert read_evidence(folder).execution.outcome is ExecutionOutcome.OK


IDENTS = st.sampled_from(["fit-1", "fit-2", "model-1", "model-2", "x", ""])
NAMES = [
    "session",
    "dataset",
    "model",
    "fit_start",
    "epoch",
    "fit_end",
    "evaluate",
    "predict",
    "figure",
    "save",
    "note",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20) | IDENTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["fit", "model", "x", "y", "logs", "epoch", "reason", "layers", "weights", "config", "kind", "callbacks", "cell"]
EVENT = st.builds(
    lambda kind, rest: json.dumps({**rest, "event": kind}).encode(),
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8),
)
LINES = st.lists(st.binary(max_size=60) | EVENT, max_size=12).map(b"\n".join)


@given(data=LINES)
@example(b"\r\n\x00\x85\x0b")
@example(b'{"event":"epoch","fit":"fit-1","epoch":0,"logs":{"a":1e400}}')
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_event_file_holds_there_is_evidence_or_an_evidence_error(folder, data):
    (folder / "claims" / "events.jsonl").write_bytes(data)
    try:
        evidence = read_evidence(folder)
    except EvidenceError:
        return
    assert isinstance(evidence, Evidence)
    for record in (*evidence.fits, *evidence.models, *evidence.evaluations, *evidence.notes):
        msgspec.json.encode(record)


@needs_links
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "claims" / "events.jsonl")
    os.mkfifo(folder / "claims" / "names.json")
    evidence = read_evidence(folder)
    assert evidence.fits == ()
    assert evidence.names() == {}
