from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grader.evidence import Array, LayerFacts
from grader.evidence.events import NoteEvent
from grader.evidence.reader import read_verified
from grader.model import Zone
from grader.verification import verify


def measure(samples, tmp_path: Path, *fits, **settings):
    custom = settings.pop("custom", None)
    evidence = samples.evidence(tmp_path, *fits, custom=custom)
    dataset = settings.pop("dataset", samples.dataset())
    options = {"held_out_seed": 3, "scratch": tmp_path / "scratch", **settings}
    return verify(evidence, dataset, **options)


def test_accuracy_is_the_exact_share_of_right_classes(samples, tmp_path: Path, fake_child):
    fake_child(each="outputs[:3] = 0; outputs[:3, 9] = 1")  # images 0, 1 and 2 are called 9
    (m,) = measure(samples, tmp_path, samples.fit(tmp_path)).measurements
    assert m.accuracy == 37 / 40
    assert m.n_examples == 40
    assert m.zone is Zone.VERIFIER
    assert m.reason is None
    kept = np.load(tmp_path / m.predictions, allow_pickle=False)
    assert kept.dtype == np.int16
    assert list(kept[:5]) == [9, 9, 9, 3, 4]


def test_the_held_out_accuracy_is_of_the_variant(samples, tmp_path: Path, fake_child):
    fake_child(each="outputs[40:] = 0; outputs[40:50, 0] = 1; outputs[50:, 0] = 1")
    (m,) = measure(samples, tmp_path, samples.fit(tmp_path)).measurements
    assert m.accuracy == 1.0
    assert m.held_out_accuracy == 4 / 40


def test_without_a_seed_the_held_out_accuracy_is_unknown_not_zero(samples, tmp_path: Path, fake_child):
    fake_child()
    (m,) = measure(samples, tmp_path, samples.fit(tmp_path), held_out_seed=None).measurements
    assert m.accuracy == 1.0
    assert m.held_out_accuracy is None


def test_labels_of_shape_n_by_one_are_taken(samples, tmp_path: Path, fake_child):
    fake_child()
    images, labels = samples.images_and_labels()
    dataset = samples.Dataset(images, labels.reshape(-1, 1))
    assert measure(samples, tmp_path, samples.fit(tmp_path), dataset=dataset).measurements[0].accuracy == 1.0


def test_what_was_verified_is_read_back_as_it_was(samples, tmp_path: Path, fake_child):
    fake_child()
    verified = measure(samples, tmp_path, samples.fit(tmp_path), samples.fit(tmp_path, "fit-2", weights_after=None))
    assert read_verified(tmp_path) == verified
    assert verified.dataset == "lit-pixels"
    assert verified.of("fit-1").accuracy == 1.0
    assert not list(tmp_path.glob("*.part"))


def test_the_same_model_is_predicted_once_and_measured_for_every_fit(samples, tmp_path: Path, fake_child):
    fake_child()
    other = [w + np.float32(1) for w in samples.perfect_weights()]
    fits = [samples.fit(tmp_path), samples.fit(tmp_path, "fit-2"), samples.fit(tmp_path, "fit-3", weights=other)]
    verified = measure(samples, tmp_path, *fits)
    assert [m.fit for m in verified.measurements] == ["fit-1", "fit-2", "fit-3"]
    assert all((tmp_path / m.predictions).is_file() for m in verified.measurements)
    assert (tmp_path / "scratch" / "runs.log").read_text().split() == ["0,1"]


def test_only_the_named_fits_are_measured(samples, tmp_path: Path, fake_child):
    fake_child()
    fits = [samples.fit(tmp_path), samples.fit(tmp_path, "fit-2")]
    verified = measure(samples, tmp_path, *fits, fits=["fit-2"])
    assert [m.fit for m in verified.measurements] == ["fit-2"]


def test_a_custom_layer_is_the_students_reason_and_starts_no_process(samples, tmp_path: Path, fake_child):
    fake_child()
    config = samples.sequential(samples.layer("Lambda"))
    (m,) = measure(samples, tmp_path, samples.fit(tmp_path, config=config)).measurements
    assert m.accuracy is None
    assert m.zone is None
    assert not m.our_fault
    assert m.reason.params == {"name": "Lambda"}
    assert not (tmp_path / "scratch" / "runs.log").exists()


@pytest.mark.parametrize(("name", "ours"), [("SpectralNormalization", True), ("Lambda", False)])
def test_a_layer_of_keras_own_that_our_list_lacks_is_a_gap_of_ours(samples, tmp_path: Path, fake_child, name, ours):
    fake_child()
    config = samples.sequential(samples.layer(name))
    model = {"layers": (LayerFacts(class_name=name, name="a", builtin=True),)}
    (m,) = measure(samples, tmp_path, samples.fit(tmp_path, config=config, model=model)).measurements
    assert (m.left_out, m.our_fault, m.accuracy) == (ours, False, None)


def test_a_custom_model_is_measured_by_what_the_student_zone_predicted(samples, tmp_path: Path, fake_child):
    fake_child()
    fit = samples.fit(tmp_path, model={"custom": True, "config": None})
    labels = samples.images_and_labels()[1].astype(np.int16)
    wrong = labels.copy()
    wrong[:8] += 1
    np.savez(tmp_path / "claims" / "c.npz", official=wrong, held_out=labels)
    (m,) = measure(samples, tmp_path, fit, custom={"fit-1": "c.npz"}).measurements
    assert (m.accuracy, m.held_out_accuracy, m.zone) == (32 / 40, 1.0, Zone.STUDENT)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"official": np.zeros(40, np.int16)},
        {"official": np.zeros(39, np.int16), "held_out": np.zeros(40, np.int16)},
        {"official": np.zeros(40, np.float32), "held_out": np.zeros(40, np.int16)},
        {"official": np.zeros((40, 10), np.int16), "held_out": np.zeros(40, np.int16)},
    ],
    ids=str,
)
def test_malformed_predictions_of_the_student_zone_are_no_score(samples, tmp_path: Path, fake_child, arrays):
    fake_child()
    fit = samples.fit(tmp_path, model={"custom": True, "config": None})
    np.savez(tmp_path / "claims" / "c.npz", **arrays)
    (m,) = measure(samples, tmp_path, fit, custom={"fit-1": "c.npz"}).measurements
    assert m.accuracy is None
    assert m.our_fault
    assert m.reason is not None


def test_a_custom_model_that_nobody_could_run_has_a_reason(samples, tmp_path: Path, fake_child):
    fake_child()
    (m,) = measure(samples, tmp_path, samples.fit(tmp_path, model={"kind": "subclassed", "config": None})).measurements
    assert m.accuracy is None
    assert m.reason is not None
    assert not m.our_fault


def test_a_custom_model_that_a_limit_of_ours_left_out_says_so(samples, tmp_path: Path, fake_child):
    fake_child()
    own = {"kind": "subclassed", "config": None}
    fits = [samples.fit(tmp_path, f"fit-{number}", model=own) for number in (1, 2)]
    noted = replace(samples.evidence(tmp_path, *fits), notes=(NoteEvent(kind="not-predicted", detail="fit-2"),))
    found = verify(noted, samples.dataset(), held_out_seed=3, scratch=tmp_path / "scratch").measurements
    assert [m.left_out for m in found] == [False, True]
    assert not any(m.our_fault for m in found)
    assert read_verified(tmp_path).of("fit-2").left_out


@pytest.mark.parametrize(("ended", "ours"), [("error", False), (None, False), ("completed", True), ("stopped", True)])
def test_missing_weights_are_ours_only_when_the_training_ended(samples, tmp_path: Path, fake_child, ended, ours):
    fake_child()
    (m,) = measure(samples, tmp_path, samples.fit(tmp_path, ended=ended, weights_after=None)).measurements
    assert m.reason is not None
    assert m.our_fault is ours


@pytest.mark.parametrize("name", ["fit-1.npz", "fit-1.json"])
def test_a_damaged_claim_is_flagged_for_staff(samples, tmp_path: Path, fake_child, name: str):
    fake_child()
    fit = samples.fit(tmp_path)
    (tmp_path / "claims" / name).write_bytes(b"PK\x03\x04 no")
    (m,) = measure(samples, tmp_path, fit).measurements
    assert m.accuracy is None
    assert m.our_fault


def test_a_config_file_that_nests_too_deep_is_refused(samples, tmp_path: Path, fake_child):
    fake_child()
    fit = samples.fit(tmp_path)
    (tmp_path / "claims" / "fit-1.json").write_text("[" * 100_000)
    (m,) = measure(samples, tmp_path, fit).measurements
    assert m.accuracy is None
    assert "too large" in m.reason.id


def test_weights_with_pickled_objects_are_never_loaded(samples, tmp_path: Path, fake_child):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    fake_child()
    fit = samples.fit(tmp_path)
    np.savez(tmp_path / "claims" / "fit-1.npz", w0000=np.array([Evil()], object))
    (m,) = measure(samples, tmp_path, fit).measurements
    assert m.accuracy is None
    assert not (tmp_path / "ran").exists()


def test_images_of_another_size_are_explained(samples, tmp_path: Path, fake_child):
    fake_child()
    (m,) = measure(samples, tmp_path, samples.fit(tmp_path, x=Array(shape=(600, 9, 9)))).measurements
    assert m.reason.params["received"] == "(9, 9)"
    assert not m.our_fault
