"""Which trainings of models of a student's own are kept for measuring, on models that only know their size."""

from types import SimpleNamespace

import numpy as np
import pytest

from grader.recorder import custom, finish
from grader.recorder.custom import CustomFits


def model(n_params=1_000):
    return SimpleNamespace(count_params=lambda: n_params)


@pytest.fixture
def fits(session):
    return CustomFits(session)


def ids(fits):
    return [fit for fit, _, _ in fits]


def left_out(written):
    return [event["detail"] for event in written() if event.get("kind") == custom.LEFT_OUT]


def test_thirty_subclassed_models_are_all_kept(fits, written):
    for number in range(30):
        fits.add(f"fit-{number}", model(), {})
    assert len(fits) == 30
    assert not left_out(written)


def test_of_too_many_the_first_and_the_last_stay_and_the_others_are_noted(fits, written, monkeypatch):
    monkeypatch.setattr(custom, "FITS_LIMIT", 4)
    for number in range(7):
        fits.add(f"fit-{number}", model(), {})
    assert ids(fits) == ["fit-0", "fit-1", "fit-5", "fit-6"]
    assert sorted(left_out(written)) == ["fit-2", "fit-3", "fit-4"]


def test_large_models_are_limited_by_their_weights_and_one_model_counts_once(fits, written, monkeypatch):
    monkeypatch.setattr(custom, "WEIGHTS_LIMIT_BYTES", 10_000)
    same = model(2_000)
    for number in range(5):
        fits.add(f"same-{number}", same, {})
    assert not left_out(written)
    fits.add("another", model(1_000), {})
    assert len(left_out(written)) == 4
    assert (ids(fits)[0], ids(fits)[-1]) == ("same-0", "another")


def test_the_last_and_the_first_come_before_those_in_the_middle(fits):
    for number in range(5):
        fits.add(f"fit-{number}", model(), {})
    assert [fit for fit, _, _ in fits.outside_in()] == ["fit-4", "fit-0", "fit-3", "fit-1", "fit-2"]


def test_models_that_there_is_no_time_for_are_noted(fits, session, written, monkeypatch, tmp_path):
    monkeypatch.setattr(finish, "PREDICTIONS_LIMIT_S", -1.0)
    np.savez(tmp_path / "inputs.npz", official=np.zeros((2, 4, 4), np.uint8))
    fits.add("fit-1", model(), {})
    finish.predict_custom(session, SimpleNamespace(custom_fits=fits), tmp_path / "inputs.npz")
    assert left_out(written) == ["fit-1"]
