from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.rubric import Distribution, ThresholdRule
from grader.rubric.student_t import central_probability, student_t_quantile, upper_tail

TAILS = (0.25, 0.05, 0.01, 0.005, 0.001, 1e-6)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 8, 11, 29, 30, 99, 500])
def test_quantiles_are_those_of_scipy(df: int):
    stats = pytest.importorskip("scipy.stats")
    for tail in TAILS:
        assert student_t_quantile(tail, df) == pytest.approx(stats.t.isf(tail, df), rel=1e-9)


@pytest.mark.parametrize(("tail", "df", "printed"), [(0.05, 1, 6.314), (0.01, 11, 2.718), (0.001, 29, 3.396)])
def test_quantiles_are_those_of_printed_tables(tail: float, df: int, printed: float):
    assert student_t_quantile(tail, df) == pytest.approx(printed, abs=5e-4)


@given(st.floats(1e-6, 0.49), st.integers(1, 200))
def test_the_quantile_undoes_the_probability(tail: float, df: int):
    assert 1 - central_probability(student_t_quantile(tail, df), df) == pytest.approx(2 * tail, rel=1e-6)


@given(st.floats(1e-6, 0.49), st.integers(2, 200))
def test_the_tail_undoes_the_quantile_on_both_sides(tail: float, df: int):
    t = student_t_quantile(tail, df)
    assert upper_tail(t, df) == pytest.approx(tail, rel=1e-6)
    assert upper_tail(-t, df) == pytest.approx(1 - tail)


@pytest.mark.parametrize(("tail", "df"), [(0.0, 5), (0.5, 5), (-0.1, 5), (0.01, 0)])
def test_a_probability_or_size_without_a_quantile_is_refused(tail: float, df: int):
    with pytest.raises(ValueError, match="expected"):
        student_t_quantile(tail, df)


def threshold(n: int, side: str = "lower") -> float:
    values = tuple(0.88 + 0.005 * (-1) ** i for i in range(n))
    quantiles = {"0.001": student_t_quantile(0.001, n - 1)}
    return Distribution(values, quantiles).threshold(ThresholdRule("d", 0.001, side))


def test_fewer_runs_give_a_wider_threshold():
    thresholds = [threshold(n) for n in (4, 6, 12, 30, 100)]
    assert thresholds == sorted(thresholds)
    assert 0.88 - thresholds[0] > 2 * (0.88 - thresholds[-1])


def test_an_upper_threshold_lies_as_far_above_the_mean():
    assert threshold(30, "upper") - 0.88 == pytest.approx(0.88 - threshold(30))


def test_a_right_answer_fails_as_often_as_was_promised():
    import numpy as np

    rng = np.random.default_rng(7)
    n, trials, tail = 10, 20_000, 0.05
    values = rng.normal(0.88, 0.005, (trials, n + 1))
    t = student_t_quantile(tail, n - 1)
    seen, new = values[:, :n], values[:, n]
    low = seen.mean(1) - t * seen.std(1, ddof=1) * (1 + 1 / n) ** 0.5
    assert float((new < low).mean()) == pytest.approx(tail, abs=0.006)
