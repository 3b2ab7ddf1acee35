"""Whatever the evidence claims, there is a page of plain text: no exception, no markup, no control character."""

import json
import re

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.evidence import read_evidence
from grader.model import CellOutcome, CellRun, ExecutionOutcome
from grader.reporting import result_lines, student_report

MOVES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
TEXT = st.text(max_size=12) | st.sampled_from(["<b>", "\x1b[31m", "\u202e", "{x}", "\ud800", "'\"><script>", "\0", ""])
NUMBER = (
    st.sampled_from([0, 1, -1, 10**12, 2**63, 1e15, 1e308, -1e308, 5e-324, 0.5, None]) | st.integers() | st.floats()
)
COUNT = st.sampled_from([0, 1, 2, 600, 10**12])
REAL = st.sampled_from([None, 0, 0.5, 1e15, 1e300, -1e308, 1e308, 5e-324]) | st.floats(
    allow_nan=False, allow_infinity=False
)
SHORT = TEXT.filter(lambda text: "\ud800" not in text)
SCALAR = NUMBER | TEXT | st.booleans()
ANY = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
ANY_SHORT = REAL | SHORT | st.lists(REAL | SHORT, max_size=3)
LOGS = st.dictionaries(
    st.sampled_from(["accuracy", "acc", "loss", "val_loss", "val_accuracy"]) | SHORT, REAL, max_size=5
)
SHAPE = st.lists(COUNT | st.none(), max_size=4)
ARRAY = st.fixed_dictionaries({}, optional={"kind": SHORT, "shape": SHAPE, "dtype": SHORT, "min": REAL, "max": REAL})
LAYER = st.fixed_dictionaries(
    {"class_name": st.sampled_from(["Conv2D", "Dense"]) | SHORT, "name": SHORT},
    optional={"params": COUNT, "config": st.dictionaries(SHORT, ANY_SHORT, max_size=2), "output_shape": SHAPE},
)
MODEL = st.fixed_dictionaries(
    {"event": st.just("model"), "model": st.just("model-1"), "kind": SHORT, "layers": st.lists(LAYER, max_size=3)},
    optional={"params": COUNT, "optimizer": SHORT, "learning_rate": REAL, "loss": SHORT},
)
START = st.fixed_dictionaries(
    {"event": st.just("fit_start"), "fit": st.just("fit-1"), "model": st.just("model-1"), "x": ARRAY, "y": ARRAY},
    optional={"cell": st.sampled_from([0, 1, 3, 600]), "epochs": COUNT, "weights": st.sampled_from(["a.npz", "b.npz"])},
)
EPOCH = st.fixed_dictionaries({"event": st.just("epoch"), "fit": st.just("fit-1"), "epoch": COUNT, "logs": LOGS})
END = st.fixed_dictionaries(
    {"event": st.just("fit_end"), "fit": st.just("fit-1"), "reason": SHORT, "epochs_run": COUNT},
    optional={"error": SHORT, "duration_s": REAL, "weights": st.just("a.npz")},
)
OTHER = st.builds(
    lambda kind, rest: {**rest, "event": kind},
    st.sampled_from(["session", "dataset", "evaluate", "predict", "note", "probe", "probe_level", "save", "x"]),
    st.dictionaries(st.sampled_from(["name", "fit", "model", "kind", "digest", "logs", "callback"]), ANY, max_size=4),
)
EVENTS = st.tuples(MODEL, START, st.lists(EPOCH, max_size=4), END | OTHER, st.lists(OTHER, max_size=2)).map(
    lambda parts: [parts[0], parts[1], *parts[2], parts[3], *parts[4]]
)
OUTPUT = st.fixed_dictionaries(
    {"output_type": st.sampled_from(["stream", "error", "display_data", "execute_result"]) | ANY},
    optional={
        "text": ANY,
        "traceback": ANY,
        "ename": ANY,
        "evalue": ANY,
        "data": st.dictionaries(TEXT, ANY, max_size=3),
    },
)
CELL = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown"]) | ANY,
        "source": ANY,
        "outputs": st.lists(OUTPUT) | ANY,
    },
)
NOTEBOOK = st.fixed_dictionaries({"cells": st.lists(CELL | ANY, max_size=4) | ANY})


@pytest.fixture(scope="module")
def english(factory):
    return factory.context("en")


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=EVENTS, notebook=NOTEBOOK, label=TEXT, error=TEXT, outcome=st.sampled_from(ExecutionOutcome))
def test_any_evidence_gives_a_page_of_plain_text(factory, english, tmp_path, events, notebook, label, error, outcome):
    cells = (CellRun(0, CellOutcome.ERROR, label, 1.0, error, error), CellRun(3, CellOutcome.OK))
    execution = factory.execution(outcome, cells=cells)
    (tmp_path / "claims").mkdir(exist_ok=True)
    harmless = factory.execution()
    (tmp_path / "execution.json").write_bytes(msgspec.json.encode(harmless))
    (tmp_path / "executed.ipynb").write_text(json.dumps(notebook), "utf-8")
    (tmp_path / "claims" / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events), "utf-8")
    result = factory.result(execution=execution)
    read = read_evidence(tmp_path)
    assert read.models
    assert read.fits
    html = student_report(result, read, english, audience="staff", thresholds=factory.THRESHOLDS)
    html.encode("utf-8")
    assert "<script" not in html
    assert not MOVES.search(html)
    assert not re.search(r'="[^"]*\b(?:nan|inf)\b', html)
    assert not any(MOVES.search(line.text) for line in result_lines(result, english, "staff"))
