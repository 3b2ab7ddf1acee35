"""The band of doubt: what a check does with a value in it, and what further tries make of it.

In the course of these tests the threshold is 0.863 and the band reaches down to 0.851.
"""

import pytest
from checks_factory import Attempt, bpnn, cnn

from grader.checks.doubt import CLOSE, IN_DOUBT, UNSETTLED, Settle
from grader.checks.thresholds import Threshold, Thresholds
from grader.datasets import find_dataset, load_catalogue
from grader.model import Budget
from grader.rubric import Course, bundled_course_dir, read_calibration

CRITERION = "small-data-accuracy"
IN_BAND = 0.857


@pytest.fixture
def bound(course):
    spec = find_dataset(load_catalogue(course), "mnist")
    return Thresholds(Course(course).rubric("b2-1"), spec.digest)("small-data-accuracy")


def trained(attempt, accuracy, seed=0):
    attempt.seed = seed
    attempt.fit(cnn(), attempt.train[:600], accuracy=accuracy, held_out=accuracy - 0.2)
    return attempt


@pytest.fixture
def with_tries(attempt, course):
    """The attempt with a first run and these further ones; ``None``: nothing could be measured there."""

    def make(first, *further):
        trained(attempt, first)
        for number, accuracy in enumerate(further, 1):
            other = Attempt(course, attempt.directory / "tries" / str(number))
            other.seed = number
            if accuracy is None:
                other.fit(bpnn(), attempt.train[:600], accuracy=0.9)
            else:
                trained(other, accuracy, number)
            other.write()
        return attempt

    return make


def test_a_value_in_the_band_costs_nothing_and_asks_for_further_tries(attempt, bound):
    result = trained(attempt, IN_BAND).check()[CRITERION]
    assert (result.outcome, result.credit, result.retrain) == ("needs_review", None, True)
    assert result.message.id == IN_DOUBT.id
    assert result.measured["test_accuracy"] == IN_BAND
    assert bound.doubt < IN_BAND < bound.value
    assert result.measured["one_in"] == bound.one_in(IN_BAND)


@pytest.mark.parametrize(
    ("accuracy", "said"), [(0.84, "partial below"), (0.3, "failed far-below"), (0.9, "passed passed")]
)
def test_beyond_the_band_and_above_the_threshold_it_is_decided_at_once(attempt, accuracy, said):
    found = trained(attempt, accuracy).check()
    assert found.said(CRITERION) == said
    assert not found[CRITERION].retrain
    assert "tries" not in found[CRITERION].measured


def test_the_median_of_all_tries_settles_it_up(with_tries):
    found = with_tries(IN_BAND, 0.88, 0.87).check()
    assert found.said(CRITERION) == "passed passed"
    assert found[CRITERION].measured["test_accuracy"] == 0.87
    assert found[CRITERION].measured["tries"] == [
        {"seed": 0, "value": IN_BAND},
        {"seed": 1, "value": 0.88},
        {"seed": 2, "value": 0.87},
    ]


def test_one_good_try_of_two_is_not_enough(with_tries):
    found = with_tries(IN_BAND, 0.99, 0.86).check()
    assert found.said(CRITERION) == "partial below"
    assert found[CRITERION].measured["test_accuracy"] == 0.86
    assert not found[CRITERION].retrain


def test_a_try_in_which_nothing_was_measured_does_not_count(with_tries):
    found = with_tries(IN_BAND, None, 0.88).check()
    assert found.said(CRITERION) == "passed passed"
    assert found[CRITERION].measured["test_accuracy"] == pytest.approx((IN_BAND + 0.88) / 2)
    assert found[CRITERION].measured["tries"][1] == {"seed": 1, "value": None}


def test_where_no_further_try_was_measured_a_person_decides(with_tries):
    result = with_tries(IN_BAND, None, None).check()[CRITERION]
    assert (result.outcome, result.message.id, result.retrain) == ("needs_review", UNSETTLED.id, False)


def test_tries_made_for_another_value_do_not_touch_one_that_was_never_in_doubt(with_tries):
    found = with_tries(0.9, 0.2, 0.2).check()
    assert found.said(CRITERION) == "passed passed"
    assert found[CRITERION].measured["test_accuracy"] == 0.9


def test_a_students_own_check_leaves_it_undecided(attempt):
    result = trained(attempt, IN_BAND).check(public_only=True)[CRITERION]
    assert (result.outcome, result.message.id, result.retrain) == ("needs_review", CLOSE.id, False)


def test_the_quick_budget_stays_undecided_without_tries(attempt):
    attempt.budget = Budget.QUICK
    found = trained(attempt, IN_BAND).check()
    assert found.said(CRITERION) == "needs_review undecided-quick"
    assert not found[CRITERION].retrain


def test_the_drop_on_unseen_images_has_its_band_above_the_threshold(attempt):
    attempt.fit(cnn(), attempt.train[:600], accuracy=0.9, held_out=0.9 - 0.222)
    result = attempt.check()["held-out"]
    assert (result.outcome, result.retrain) == ("needs_review", True)
    assert result.measured["drop"] == pytest.approx(0.222)


def test_the_drop_too_is_settled_by_the_median(attempt, course):
    attempt.fit(cnn(), attempt.train[:600], accuracy=0.9, held_out=0.9 - 0.222)
    for number, drop in ((1, 0.2), (2, 0.21)):
        other = Attempt(course, attempt.directory / "tries" / str(number))
        other.fit(cnn(), attempt.train[:600], accuracy=0.9, held_out=0.9 - drop)
        other.write()
    result = attempt.check()["held-out"]
    assert result.outcome == "passed"
    assert result.measured["drop"] == pytest.approx(0.21)


def test_the_band_lies_beyond_the_threshold_on_its_side():
    lower = Threshold(0.8, 0.85, 0.9, doubt=0.7)
    assert [lower.in_doubt(v) for v in (0.69, 0.7, 0.79, 0.8, 0.9)] == [False, True, True, False, False]
    upper = Threshold(0.2, 0.1, 0.15, side="upper", doubt=0.3)
    assert [upper.in_doubt(v) for v in (0.31, 0.3, 0.21, 0.2, 0.1)] == [False, True, True, False, False]
    assert not Threshold(0.8, 0.85, 0.9).in_doubt(0.79)


def test_how_rare_a_value_is_grows_towards_the_end_of_the_band_and_no_further():
    rubric = Course(bundled_course_dir()).rubric("b2-1")
    digest = read_calibration(rubric.directory / "calibration.json").dataset_digest
    threshold = Thresholds(rubric, digest)("small-data-accuracy")
    assert threshold.one_in(threshold.value) is None
    assert threshold.one_in(threshold.value - 1e-9) == pytest.approx(1_000, rel=0.05)
    assert threshold.one_in(threshold.doubt) == pytest.approx(100_000, rel=0.05)
    assert threshold.one_in(0.1) == 100_000


def test_a_first_run_without_a_value_is_a_bug_of_the_rubric(bound):
    class Nothing:
        tries = ()
        execution = type("Execution", (), {"seed": 0})

    with pytest.raises(ValueError, match="first run is None"):
        Settle(None, Nothing(), True)(bound, "test_accuracy", lambda run: None)
