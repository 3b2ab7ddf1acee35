from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.scoring import half_up, share_of, total, typed_points

two_decimals = st.integers(0, 10_000).map(lambda n: n / 100)
credits_ = st.floats(0, 1)
weights = st.floats(0.001, 1000)


@pytest.mark.parametrize(
    ("value", "rounded"), [("0.005", 0.01), ("0.0049999", 0.0), ("2.675", 2.68), ("1.005", 1.01), ("7", 7.0)]
)
def test_halves_are_rounded_upwards_as_decimal_numbers(value, rounded):
    assert half_up(Fraction(value)) == rounded


@given(st.decimals(0, 1000, places=5))
def test_rounding_agrees_with_the_decimal_module(value):
    assert half_up(Fraction(value)) == float(value.quantize(Decimal("0.01"), ROUND_HALF_UP))


@given(two_decimals, st.lists(st.tuples(weights, credits_), min_size=1, max_size=5))
def test_a_share_is_never_below_zero_nor_above_the_maximum(max_points, pairs):
    assert 0 <= share_of(max_points, pairs) <= max_points


@given(two_decimals, st.lists(weights, min_size=1, max_size=5))
def test_full_credit_gives_all_points_whatever_the_weights(max_points, ws):
    assert share_of(max_points, [(w, 1.0) for w in ws]) == max_points
    assert share_of(max_points, [(w, 0.0) for w in ws]) == 0.0


def test_a_maximum_with_three_decimals_is_not_exceeded_by_rounding():
    assert share_of(0.125, [(1.0, 1.0)]) == 0.125


def test_points_follow_the_weights():
    assert share_of(6.0, [(1.0, 1.0), (2.0, 0.0)]) == 2.0
    assert share_of(1.0, [(1.0, 1.0), (1.0, 0.0), (1.0, 0.0)]) == 0.33


@given(st.lists(two_decimals, max_size=40), st.randoms())
def test_a_sum_is_exact_and_does_not_depend_on_the_order(points, random):
    shuffled = random.sample(points, len(points))
    assert total(points) == total(shuffled) == sum(round(p * 100) for p in points) / 100


@pytest.mark.parametrize("text", ["3.5", "3,5", " 3.5 ", "３．５", "３，５", "+3.5", "3.50"])
def test_points_are_typed_with_a_point_or_a_comma_in_digits_of_any_width(text):
    assert typed_points(text) == 3.5


def test_points_that_are_taken_off_may_have_a_minus_of_their_own():
    assert typed_points("\N{MINUS SIGN}1") == typed_points("-1") == -1.0
    assert typed_points(".5") == typed_points("0,5") == 0.5
    assert typed_points("4") == typed_points("4.") == 4.0


@pytest.mark.parametrize("text", ["", "-", "nan", "inf", "1e3", "1_0", "0x4", "3.5.1", "three", "٣", "1 2"])
def test_what_is_no_number_of_points_is_refused_with_what_was_received(text):
    with pytest.raises(ValueError, match="expected a number of points") as caught:
        typed_points(text)
    assert repr(text) in str(caught.value)
