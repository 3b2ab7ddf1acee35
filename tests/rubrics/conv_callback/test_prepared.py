"""Digits that were prepared otherwise than by a scale: no other images for that, and what we measure costs nothing."""

import numpy as np
import pytest
from conv_attempt import above, network

from grader.datasets import DataStore, find_dataset, load_catalogue
from grader.recorder.rows import row_digests

SHARED = "common/prepared-otherwise"
CONSTANT = {"min": 0.5, "max": 0.5, "mean": 0.5, "std": 0.0, "flat": 1.0}
UNKNOWN = np.arange(1200, dtype=np.uint64) * 7919 + 13


def images(attempt, name):
    spec = find_dataset(load_catalogue(attempt.course), name)
    return np.asarray(DataStore(attempt.course / "data").get(spec).array("x_train")) / 255.0


def trained(attempt, rows, *, callback=True, accuracy=0.4, evaluated=None, **pixels):
    attempt.train = rows
    fit = attempt.digits(above(0.995) if callback else None, accuracy=accuracy, pixels=pixels)
    if evaluated is not None:
        attempt.evaluate(fit, evaluated, images=len(attempt.test))
    return attempt.check()


@pytest.mark.parametrize("accuracy", [0.4, 0.002])
def test_with_a_callback_they_are_left_to_a_person_who_is_told_what_evaluate_gave(asked, accuracy):
    found = trained(asked, UNKNOWN, accuracy=accuracy, evaluated=0.984)
    assert (found["accuracy"].outcome, found["accuracy"].message.id) == ("needs_review", SHARED)
    assert found["accuracy"].measured == {"claimed": 0.984}
    assert found.said("callback-stops") == "passed silent"
    assert found.flags == []


def test_behind_the_cell_that_loads_the_digits_as_well_without_a_callback(asked):
    asked.code("# [3-0]", label="3-0")
    assert trained(asked, UNKNOWN, callback=False)["accuracy"].message.id == f"{SHARED}-untried"


def test_elsewhere_and_without_one_they_are_clothes(asked):
    found = trained(asked, UNKNOWN, callback=False)
    asked.code("# [3-0]", label="3-0")
    assert found.said("accuracy") == "blocked no-model"
    assert asked.check().said("accuracy") == "blocked no-model"


def test_images_of_another_size_are_not_measured_and_cost_nothing(asked):
    asked.train = UNKNOWN
    asked.digits(above(0.995))
    asked.unmeasured("The model was trained on inputs of another shape.")
    assert asked.check()["accuracy"].message.id == f"{SHARED}-untried"


def test_a_measured_accuracy_that_is_high_enough_counts(asked):
    assert trained(asked, UNKNOWN, accuracy=0.985).said("accuracy") == "passed passed"


def test_digits_that_nobody_knows_are_no_experiment_on_clothes(asked):
    asked.train = UNKNOWN
    asked.digits(above(0.995), layers=network(16))
    made = {r.check.split("::")[-1]: r.credit for r in asked.check().results if r.criterion == "exercises"}
    assert made["test_the_last_convolution_was_taken_away"] == 0


@pytest.mark.parametrize(("name", "said"), [("mnist", "failed far-below"), ("fashion_mnist", "blocked no-model")])
def test_a_negative_can_be_told_and_so_can_whose_it_is(asked, name, said):
    given = 1 - images(asked, name)
    found = trained(asked, row_digests(given), accuracy=0.1, shape=list(given.shape))
    assert found.said("accuracy") == said


def test_a_frame_round_the_digits_can_be_told(asked):
    given = np.pad(images(asked, "mnist"), ((0, 0), (1, 1), (1, 1)))
    found = trained(asked, row_digests(given), accuracy=0.9, shape=list(given.shape))
    assert found.said("accuracy") == "partial below"


def test_constant_pixels_stay_wrong(asked):
    found = trained(asked, np.full(1200, 7, np.uint64), accuracy=0.1, **CONSTANT)
    assert found.said("accuracy") == "failed far-below"
