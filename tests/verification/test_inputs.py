from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grader.evidence import Array, Evaluation, LayerFacts
from grader.model import Text
from grader.recorder.rows import row_digests
from grader.verification.inputs import FirstImages, InputForm, input_form, unlabelled_inputs


def form_of(samples, directory: Path, x: Array, image_shape=(6, 6), evaluations=(), **model):
    fit = samples.fit(directory, x=x, model=model)
    evidence = samples.evidence(directory, fit)
    object.__setattr__(evidence, "evaluations", tuple(evaluations))
    return input_form(evidence, fit, image_shape)


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [
        (lambda u: u / 255.0, "float64"),
        (lambda u: u / np.float32(127.5) - 1, "float32"),
        (lambda u: u, "uint8"),
        (lambda u: (u - 33.3) / 78.6, "float64"),
    ],
)
def test_any_affine_scaling_is_found_from_the_range(samples, tmp_path: Path, scale, dtype: str):
    images = np.random.default_rng(0).integers(0, 256, (50, 6, 6), np.uint8)
    images[0, 0, :2] = 0, 255
    student = np.asarray(scale(images.astype(dtype) if dtype != "uint8" else images))
    x = Array(kind="array", shape=student.shape, dtype=dtype, min=float(student.min()), max=float(student.max()))
    form = form_of(samples, tmp_path, x)
    assert isinstance(form, InputForm)
    expected = student.astype(np.float32)
    received = form.apply(images)
    np.testing.assert_allclose(received, expected, atol=1e-5 * max(1.0, float(np.abs(expected).max())))


@pytest.mark.parametrize("row", [(36,), (6, 6), (6, 6, 1), (1, 6, 6), (6, 6, 3), (8, 8, 1)])
def test_rows_may_be_reshaped_and_grey_images_tripled(samples, tmp_path: Path, row: tuple[int, ...]):
    form = form_of(samples, tmp_path, Array(kind="array", shape=(600, *row), min=0.0, max=1.0))
    assert isinstance(form, InputForm)
    assert form.apply(np.zeros((7, 6, 6), np.uint8)).shape == (7, *row)


@pytest.mark.parametrize(
    "shape", [(600, 12, 12), (600, 8, 7), (600, 6, 6, 2), (600,), (600, None, 6), (600, -6, -6), (600, 0)]
)
def test_another_size_is_explained_with_both_shapes(samples, tmp_path: Path, shape):
    text = form_of(samples, tmp_path, Array(kind="array", shape=shape, min=0.0, max=1.0))
    assert isinstance(text, Text)
    assert text.params == {"received": str(shape[1:]), "expected": "(6, 6)"}


class Dark:
    """Images that are dark for the most part, as digits are."""

    name, digest = "dark", "da3c" * 16

    def array(self, name):
        rng = np.random.default_rng(len(name))
        images = np.where(rng.random((50, 6, 6)) < 0.2, rng.integers(0, 256, (50, 6, 6)), 0).astype(np.uint8)
        images[0, 0, :2] = 0, 255
        return images


@pytest.mark.parametrize(
    ("change", "negative"),
    [
        (lambda x: x, False),
        (lambda x: 1 - x, True),
        (lambda x: np.pad(1 - x, ((0, 0), (1, 1), (1, 1)), constant_values=1.0), True),
        (lambda x: 1 - x[:3], True),
        (lambda x: 1 - x**2, False),  # bright, and of nobody
    ],
)
def test_a_negative_of_the_data_sets_images_is_told_by_their_digests(samples, tmp_path: Path, change, negative: bool):
    given = change(Dark().array("x_train") / 255.0)
    (tmp_path / "claims").mkdir()
    np.savez(tmp_path / "claims" / "fit-1.rows.npz", rows=row_digests(given))
    seen = {"min": float(given.min()), "max": float(given.max()), "mean": float(given.mean()), "rows": "fit-1.rows.npz"}
    fit = samples.fit(tmp_path, x=Array(kind="array", shape=given.shape, **seen))
    form = input_form(samples.evidence(tmp_path, fit), fit, (6, 6), Dark())
    assert isinstance(form, InputForm)
    assert form.negative is negative
    if negative:
        np.testing.assert_allclose(form.apply(Dark().array("x_train"))[: len(given)], given, atol=1e-6)


def test_bright_images_whose_digests_cannot_be_read_are_taken_as_they_are(samples, tmp_path: Path):
    x = Array(kind="array", shape=(50, 6, 6), min=0.0, max=1.0, mean=0.9, rows="fit-1.rows.npz")
    fit = samples.fit(tmp_path, x=x)
    form = input_form(samples.evidence(tmp_path, fit), fit, (6, 6), Dark())
    assert form == InputForm((0, 6, 6), 0.0, 1.0)


def test_without_a_shape_the_models_own_counts(samples, tmp_path: Path):
    form = form_of(samples, tmp_path, Array(kind="generator"), input_shape=(None, 6, 6, 1))
    assert form == InputForm((0, 6, 6, 1), 0.0, 1.0)


def test_without_a_range_an_evaluation_of_the_same_model_tells(samples, tmp_path: Path):
    seen = Evaluation("model-1", Array(shape=(9, 6, 6), min=-1.0, max=1.0), {})
    other = Evaluation("model-2", Array(shape=(9, 6, 6), min=0.0, max=9.0), {})
    form = form_of(samples, tmp_path, Array(kind="dataset", shape=(600, 6, 6)), evaluations=(other, seen))
    assert (form.low, form.high) == (-1.0, 1.0)


def test_a_model_that_rescales_by_itself_gets_pixels(samples, tmp_path: Path):
    layers = (LayerFacts(class_name="Rescaling", name="r"),)
    form = form_of(samples, tmp_path, Array(kind="generator"), layers=layers)
    assert (form.low, form.high) == (0.0, 255.0)


@pytest.mark.parametrize("bounds", [(None, None), (1.0, 1.0), (2.0, 1.0), (0.0, float("inf"))])
def test_a_useless_range_falls_back_to_zero_to_one(samples, tmp_path: Path, bounds):
    form = form_of(samples, tmp_path, Array(shape=(600, 6, 6), min=bounds[0], max=bounds[1]))
    assert (form.low, form.high) == (0.0, 1.0)


def test_no_label_is_in_what_leaves_the_grader(samples):
    dataset = samples.dataset()
    inputs = unlabelled_inputs(dataset, 5)
    assert set(inputs) == {"official", "held_out"}
    assert all(images.shape == dataset.images.shape and images.dtype == np.uint8 for images in inputs.values())
    assert not np.array_equal(inputs["official"], inputs["held_out"])


def test_the_held_out_images_depend_on_seed_and_data_set_only(samples):
    first = unlabelled_inputs(samples.dataset(), 5)["held_out"]
    assert np.array_equal(first, unlabelled_inputs(samples.dataset(), 5)["held_out"])
    assert not np.array_equal(first, unlabelled_inputs(samples.dataset(), 6)["held_out"])


def test_without_a_seed_there_are_no_held_out_images(samples):
    assert set(unlabelled_inputs(samples.dataset(), None)) == {"official"}


def test_the_first_images_of_a_data_set_are_a_data_set_of_their_own():
    class Whole:
        name, digest = "tiny", "abc"

        def array(self, name):
            return np.arange(30, dtype=np.uint8).reshape(10, 3)

    part = FirstImages(Whole(), 4)
    assert part.array("x_test").tolist() == Whole().array("x_test")[:4].tolist()
    assert part.array("x_train").tolist() == Whole().array("x_train").tolist()
    assert part.name == "tiny"
    assert part.digest != "abc"
