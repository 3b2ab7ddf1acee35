"""Samples of VGG16 fine-tuning, graded for real in the quick budget on made-up images and stand-in weights."""

from pathlib import Path

import pytest
from sample_class import assert_as_expected, graded_samples, outcomes
from small_vgg import make_vgg_course, write_weights

from grader.handout.samples import build_samples
from grader.intake import collect
from grader.model import Status
from grader.pipeline import grade_batch, open_context
from grader.rubric import Course

pytestmark = pytest.mark.slow
IDENT = "vgg16-finetune"
SAMPLES = Path(__file__).parents[2] / "assignments" / IDENT / "samples"


@pytest.fixture(scope="module")
def vgg_course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vgg")
    write_weights(folder / "weights.h5")
    return make_vgg_course(folder, folder / "weights.h5")


@pytest.fixture(scope="module")
def rows(vgg_course, tmp_path_factory):
    return graded_samples(vgg_course, IDENT, tmp_path_factory, budget="quick", time_limit_s=300.0)


@pytest.mark.parametrize("name", sorted(p.stem for p in SAMPLES.glob("*.toml")))
def test_a_sample_gets_the_result_expected_of_it(rows, name):
    expected = assert_as_expected(rows[name], SAMPLES / f"{name}.toml")
    assert outcomes(rows[name]) == expected["criteria"]


def test_without_weights_nobody_gets_a_zero(tmp_path):
    course = make_vgg_course(tmp_path)
    build_samples(Course(course.root), IDENT, tmp_path / "class")
    context = open_context(course.settings(tmp_path / "ws", budget="quick"), IDENT)
    (one,) = grade_batch(context, collect([tmp_path / "class" / "s01.ipynb"], IDENT))
    assert one.result.score.status is not Status.GRADED
    assert one.result.score.points in (None, 0)
    assert "grader data install vgg16" in one.fault
