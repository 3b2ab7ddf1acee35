"""Predictions of the grader's own models are kept; everything that decides them is part of their name."""

import numpy as np
import pytest
from verification.conftest import images_and_labels

from grader.verification import KnownPredictions, known

IMAGES, _ = images_and_labels()
FOUND = {"official": np.arange(40, dtype=np.int16) % 10}


def key(kept, **changes):
    given = {"model": "m", "images": {"official": IMAGES}, "runtime": "keras3", "threads": 1} | changes
    return kept.key(**given)


def test_what_was_kept_is_found(tmp_path):
    KnownPredictions(tmp_path, adds=True).add("a", FOUND)
    found = KnownPredictions(tmp_path).find("a")
    assert found is not None
    assert found["official"].tolist() == FOUND["official"].tolist()
    assert KnownPredictions(tmp_path).find("b") is None


def test_a_students_run_keeps_nothing(tmp_path):
    KnownPredictions(tmp_path).add("a", FOUND)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change", [{"model": "n"}, {"images": {"official": 255 - IMAGES}}, {"runtime": "keras2"}, {"threads": 2}]
)
def test_another_model_image_runtime_or_number_of_threads_has_another_name(tmp_path, change):
    kept = KnownPredictions(tmp_path)
    assert key(kept) == key(kept)
    assert key(kept, **change) != key(kept)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut off"])
def test_what_is_damaged_is_predicted_again(tmp_path, content):
    (tmp_path / "predictions-a.npz").write_bytes(content)
    assert KnownPredictions(tmp_path).find("a") is None


def test_what_has_another_form_is_predicted_again(tmp_path):
    np.savez(tmp_path / "predictions-a.npz", official=np.zeros((4, 2), np.float32))
    assert KnownPredictions(tmp_path).find("a") is None


def test_predictions_of_another_version_of_ours_have_another_name(tmp_path, monkeypatch):
    before = key(KnownPredictions(tmp_path))
    monkeypatch.setattr(known, "VERSION", known.VERSION + 1)
    assert key(KnownPredictions(tmp_path)) != before
