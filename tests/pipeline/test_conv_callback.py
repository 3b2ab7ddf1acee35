"""Samples of conv-callback, graded for real on small data: every line of what is expected."""

from pathlib import Path

import pytest
from sample_class import assert_as_expected, graded_samples
from small_conv import IDENT, make_conv_course

pytestmark = pytest.mark.slow
SAMPLES = Path(__file__).parents[2] / "assignments" / IDENT / "samples"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    course = make_conv_course(tmp_path_factory.mktemp("conv"))
    return graded_samples(course, IDENT, tmp_path_factory, time_limit_s=600.0)


@pytest.mark.parametrize("name", sorted(p.stem for p in SAMPLES.glob("*.toml")))
def test_a_sample_gets_the_result_expected_of_it(rows, name):
    assert_as_expected(rows[name], SAMPLES / f"{name}.toml")
