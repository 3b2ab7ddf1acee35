import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.evidence.events import NoteEvent, decode_event
from grader.recorder.session import Settings, jsonable, snake

NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text(), inner) | st.sets(st.integers()),
)


@given(NESTED)
def test_anything_becomes_strict_json(value):
    json.dumps(jsonable(value), allow_nan=False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (np.float32("nan"), None),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (np.uint8(255), 255),
        (True, True),
        ((1, [2.5, None]), [1, [2.5, None]]),
        ({1: np.float32(2)}, {"1": 2.0}),
        (SimpleNamespace(a=1), "namespace(a=1)"),
    ],
)
def test_numbers_of_numpy_are_unwrapped_and_what_is_no_number_is_null(value, expected):
    made = jsonable(value)
    assert made == expected
    assert type(made) is type(expected)


def test_an_object_is_shown_by_its_first_200_characters():
    assert jsonable(object) == "<class 'object'>"
    assert len(jsonable(SimpleNamespace(long="x" * 1000))) == 200


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy"),
        ("Adam", "adam"),
        ("RMSprop", "rm_sprop"),
        ("SGD", "sgd"),
        ("KLDivergence", "kl_divergence"),
        ("Conv2D", "conv2_d"),
        ("already_snake", "already_snake"),
    ],
)
def test_class_names_become_the_names_of_losses(name, expected):
    assert snake(name) == expected


def test_a_seed_depends_on_the_run_and_its_purpose_alone(make_session):
    first, again, other = make_session(seed=1), make_session(seed=1), make_session(seed=2)
    first.next_id("fit")
    assert first.seed_for("fit", "fit-1") == again.seed_for("fit", "fit-1")
    assert first.seed_for("fit", "fit-1") != first.seed_for("fit", "fit-2")
    assert first.seed_for("fit", "fit-1") != other.seed_for("fit", "fit-1")
    assert first.seed_for("a", "b") != first.seed_for("ab")
    assert 0 <= first.seed_for("x") < 2**32


def test_the_seed_of_a_training_stays_the_same_in_future_versions(make_session):
    assert make_session(seed=20261121).seed_for("fit", "fit-1") == 452729654


def test_identifiers_count_each_kind_on_its_own(session):
    assert [session.next_id(kind) for kind in ("fit", "fit", "model", "fit")] == ["fit-1", "fit-2", "model-1", "fit-3"]


def test_events_carry_the_running_cell_in_the_order_of_writing(session, written):
    session.note("first", "before any cell")
    session.settings.cell_file.write_text("4", "ascii")
    session.note("second")
    session.settings.cell_file.write_text("no number", "ascii")
    session.note("third")
    assert [(e["kind"], e["cell"]) for e in written()] == [("first", None), ("second", 4), ("third", None)]
    assert written()[0]["t_s"] <= written()[2]["t_s"]


def test_what_is_written_is_what_the_reader_expects(session, tmp_path):
    session.note("shell", "日本語 \ud800 " + "x" * 900)
    (line,) = (tmp_path / "claims" / "events.jsonl").read_bytes().splitlines()
    event = decode_event(line)
    assert isinstance(event, NoteEvent)
    assert event.detail.startswith("日本語")
    assert len(event.detail) == 500


def test_past_the_size_limit_events_are_dropped(session, written, monkeypatch):
    monkeypatch.setattr("grader.recorder.session.EVENTS_LIMIT_BYTES", 500)
    for number in range(50):
        session.note("n", number)
    assert 0 < len(written()) < 50
    assert (session.settings.claims / "events.jsonl").stat().st_size <= 500


def test_a_fault_of_the_recorder_is_noted_and_raises_nothing(session, written, monkeypatch):
    session.fault("fit", ValueError("broken"))
    assert written()[0]["detail"] == "fit: ValueError: broken"
    monkeypatch.setattr(session, "emit", lambda *_, **__: 1 / 0)
    session.fault("fit", ValueError("broken"))


def test_settings_are_read_from_the_harness_file(tmp_path):
    path = tmp_path / "recorder.json"
    path.write_text(json.dumps({"claims": "/c", "cell_file": "/f", "seed": 3, "quick_epochs": 2}), "utf-8")
    settings = Settings.read(path)
    assert (settings.claims.name, settings.cell_file.name, settings.seed) == ("c", "f", 3)
    assert settings.quick_epochs == 2
    assert settings.quick_rows is None
