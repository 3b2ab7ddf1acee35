import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import CourseError
from grader.rubric import Course, Distribution, ThresholdRule, bundled_course_dir, read_calibration
from grader.rubric.calibration import DOUBT_SHARE, read_calibrations
from grader.rubric.student_t import student_t_quantile

QUANTILES = {"0.001": 10.0, "0.05": 2.92}
SEEN = Distribution((0.88, 0.89, 0.87), QUANTILES)


def entry(digest="d1", **changes):
    made = {
        "dataset": "digits",
        "dataset_digest": digest,
        "date": "2026-01-01",
        "machine": "m",
        "versions": {},
        "distributions": {"runs": {"values": [0.88, 0.89, 0.87], "student_t": QUANTILES}},
    }
    return {**made, **changes}


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "calibration.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    return write


def test_the_bound_is_that_of_one_more_observation():
    """Values 0.87, 0.88, 0.89: mean 0.88, s 0.01; with t = 2.92 the bound is 0.88 - 2.92 * 0.01 * sqrt(4/3)."""
    assert SEEN.mean == pytest.approx(0.88)
    assert SEEN.sd == pytest.approx(0.01)
    assert SEEN.threshold(ThresholdRule("runs", 0.05)) == pytest.approx(0.88 - 2.92 * 0.01 * math.sqrt(4 / 3))
    assert SEEN.threshold(ThresholdRule("runs", 0.05, "upper")) == pytest.approx(0.88 + 2.92 * 0.01 * math.sqrt(4 / 3))


@given(st.lists(st.floats(0.1, 1.0), min_size=3, max_size=12))
def test_a_stricter_promise_to_right_answers_lowers_the_bound(values):
    seen = Distribution(tuple(values), QUANTILES)
    strict, loose = (seen.threshold(ThresholdRule("runs", p)) for p in (0.001, 0.05))
    assert strict <= loose <= seen.mean + 1e-12
    assert seen.threshold(ThresholdRule("runs", 0.05, "upper")) >= seen.mean - 1e-12


def test_a_quantile_that_is_not_stored_is_computed():
    expected = 0.88 - student_t_quantile(0.01, 2) * 0.01 * math.sqrt(4 / 3)
    assert SEEN.threshold(ThresholdRule("runs", 0.01)) == pytest.approx(expected)


def test_the_band_of_doubt_lies_beyond_the_threshold_on_its_own_side():
    lower, upper = (ThresholdRule("runs", 0.05, side) for side in ("lower", "upper"))
    assert SEEN.doubt(lower) < SEEN.threshold(lower) < SEEN.mean < SEEN.threshold(upper) < SEEN.doubt(upper)


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_at_its_bounds_a_value_is_as_rare_as_was_promised(side):
    seen, rule = Distribution(SEEN.values, {}), ThresholdRule("runs", 0.05, side)
    assert seen.share_beyond(seen.threshold(rule), side) == pytest.approx(0.05)
    assert seen.share_beyond(seen.doubt(rule), side) == pytest.approx(0.05 * DOUBT_SHARE)
    assert seen.share_beyond(seen.mean, side) == pytest.approx(0.5)


def test_where_right_answers_never_differ_any_other_value_is_impossible():
    same = Distribution((0.5, 0.5, 0.5), {})
    assert (same.share_beyond(0.5, "lower"), same.share_beyond(0.49, "lower")) == (1.0, 0.0)


def test_the_bundled_calibrations_hold_the_quantiles_of_the_method():
    for path in (bundled_course_dir() / "rubrics").glob("*/calibration.json"):
        for calibration in read_calibrations(path):
            for seen in calibration.distributions.values():
                for tail, t in seen.student_t.items():
                    assert t == pytest.approx(student_t_quantile(float(tail), seen.n - 1), abs=1e-9), path


def test_the_calibration_of_the_data_set_at_hand_is_chosen(file):
    path = file([entry("d1"), entry("d2", machine="second")])
    assert read_calibration(path, "d2").machine == "second"
    assert read_calibration(path).dataset_digest == "d1"
    assert read_calibration(path, "d3") is None


def test_no_file_is_no_calibration(tmp_path):
    assert read_calibration(tmp_path / "calibration.json") is None


def test_an_unknown_distribution_is_named_with_the_known_ones(file):
    calibration = read_calibration(file([entry()]))
    assert calibration.threshold(ThresholdRule("runs")) < 0.87
    with pytest.raises(CourseError, match=r"no distribution 'others'.*\['runs'\]"):
        calibration.threshold(ThresholdRule("others"))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[1]",
        "[" * 5000,
        [entry(more=1)],
        [entry(distributions={"runs": {"values": [0.8, 0.9], "student_t": {}}})],
        [entry(distributions={"runs": {"values": [0.8, 0.9, "x"], "student_t": {}}})],
        json.dumps([entry(distributions={"runs": {"values": [0.8, 0.9, float("nan")], "student_t": {}}})]),
    ],
    ids=map(str, range(8)),
)
def test_a_malformed_file_asks_for_calibrating_again(file, content):
    with pytest.raises(CourseError, match="is malformed"):
        read_calibration(file(content))


def test_every_threshold_of_the_bundled_course_has_its_distribution():
    course = Course()
    for ident in ("b2-1", "conv-callback"):  # vgg16-finetune has none yet: its data cannot be had everywhere
        rubric = course.rubric(ident)
        calibration = read_calibration(rubric.directory / "calibration.json")
        for rule in rubric.thresholds.values():
            bound = calibration.threshold(rule)
            values = calibration.distributions[rule.distribution].values
            assert all(bound <= v if rule.side == "lower" else v <= bound for v in values)
            assert len(values) >= 12
