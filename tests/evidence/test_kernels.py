"""Statistics of filters, against noise that the tests draw themselves."""

import numpy as np
import pytest

from grader.evidence.kernels import filter_facts, first_kernel, moran, moran_of_noise, silent_filters


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def smooth(rng, filters=32):
    """Filters with one direction each: a slope and some noise."""
    rows, columns = np.indices((5, 5)) - 2.0
    angles = rng.uniform(0, 2 * np.pi, filters)
    slopes = np.cos(angles)[:, None, None] * rows + np.sin(angles)[:, None, None] * columns
    return (0.1 * slopes + 0.05 * rng.normal(size=slopes.shape)).transpose(1, 2, 0)[:, :, None]


def test_a_chessboard_and_two_halves_are_the_two_ends():
    rows, columns = np.indices((4, 4))
    board, halves = (rows + columns) % 2, rows // 2
    assert moran(np.stack([board, halves])) == pytest.approx([-1.0, 2 / 3], abs=1e-9)
    assert np.isnan(moran(np.ones((1, 5, 5)))[0])


@pytest.mark.parametrize("size", [(3, 3), (5, 5), (7, 4)])
def test_the_null_distribution_is_that_of_drawn_noise(rng, size):
    mean, sd = moran_of_noise(*size)
    drawn = moran(rng.normal(size=(40_000, *size)))
    assert drawn.mean() == pytest.approx(mean, abs=0.003)
    assert drawn.std() == pytest.approx(sd, rel=0.02)


def test_uniform_initial_weights_spread_a_little_more(rng):
    mean, sd = moran_of_noise(5, 5)
    drawn = moran(rng.uniform(-1, 1, (40_000, 5, 5)))
    assert drawn.mean() == pytest.approx(mean, abs=0.003)
    assert sd < drawn.std() < 1.04 * sd


def test_noise_is_called_structured_once_in_a_thousand(rng):
    start = rng.uniform(-0.1, 0.1, (5, 5, 1, 32))
    found = [filter_facts(start, rng.uniform(-0.1, 0.1, start.shape)).structured for _ in range(1000)]
    assert sum(found) <= 6


def test_filters_with_a_direction_are_structured_and_their_noisy_start_is_not(rng):
    before = rng.uniform(-0.1, 0.1, (5, 5, 1, 32))
    facts = filter_facts(before, smooth(rng))
    assert facts.structured
    assert facts.noise[0] < facts.moran_before < facts.noise[1] < facts.moran_after
    assert facts.change.min() > 0.5


def test_unchanged_filters_change_by_nothing(rng):
    kernel = rng.uniform(-0.1, 0.1, (5, 5, 3, 8))
    facts = filter_facts(kernel, kernel)
    assert (facts.n_filters, facts.change.max(), facts.weak) == (8, 0.0, 0)


def test_filters_next_to_zero_are_counted(rng):
    before, after = rng.uniform(-0.1, 0.1, (5, 5, 1, 8)), smooth(rng, 8)
    after[..., :3] = 1e-9
    assert filter_facts(before, after).weak == 3


@pytest.mark.parametrize("shape", [(1, 1, 1, 8), (2, 2, 1, 8), (5, 5, 1, 0), (5, 5, 8)])
def test_windows_too_small_for_neighbours_have_no_facts(shape):
    assert filter_facts(np.ones(shape), np.ones(shape)) is None


def test_numbers_that_are_not_finite_have_no_facts():
    assert filter_facts(np.ones((3, 3, 1, 1)), np.full((3, 3, 1, 1), np.nan)) is None


def test_a_filter_that_answers_nowhere_is_silent(rng):
    images = rng.random((10, 8, 8, 1), np.float32)
    kernel = np.stack([np.ones((3, 3, 1)), -np.ones((3, 3, 1)), -np.ones((3, 3, 1))], axis=-1)
    assert silent_filters(kernel, None, images) == 2
    assert silent_filters(kernel, np.array([0, 20, 0]), images) == 1
    assert silent_filters(kernel, np.array([-9, 20, 0]), images) == 2


def test_the_answers_are_those_of_a_convolution_written_out(rng):
    images, kernel = rng.normal(size=(4, 6, 5, 2)), rng.normal(size=(3, 2, 2, 7))
    highest = [
        max(
            float((images[n, i : i + 3, j : j + 2] * kernel[..., f]).sum())
            for n in range(4) for i in range(4) for j in range(4)
        )
        for f in range(7)
    ]  # fmt: skip
    for f, value in enumerate(highest):
        one = kernel[..., f : f + 1]
        assert silent_filters(one, np.array([-value - 1e-3]), images) == 1
        assert silent_filters(one, np.array([-value + 1e-3]), images) == 0


def test_the_first_kernel_comes_with_its_bias_if_it_has_one():
    kernel, bias, dense = np.zeros((5, 5, 1, 4)), np.zeros(4), np.zeros((16, 10))
    found = first_kernel([kernel, bias, dense])
    assert found[0] is kernel
    assert found[1] is bias
    assert first_kernel([kernel, dense])[1] is None
    assert first_kernel([kernel])[1] is None
    assert first_kernel([dense, bias]) is None
