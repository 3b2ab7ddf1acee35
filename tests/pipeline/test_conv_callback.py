"""Samples of conv-callback, graded for real on small data: every line of what is expected."""

import tomllib
from pathlib import Path

import pytest
from small_conv import IDENT, make_conv_course

from grader.handout.samples import build_samples
from grader.intake import collect
from grader.pipeline import grade_batch, open_context, publish
from grader.rubric import Course

pytestmark = pytest.mark.slow
SAMPLES = Path(__file__).parents[2] / "assignments" / IDENT / "samples"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    course = make_conv_course(tmp_path_factory.mktemp("conv"))
    folder = tmp_path_factory.mktemp("class")
    build_samples(Course(course.root), IDENT, folder)
    settings = course.settings(tmp_path_factory.mktemp("ws"), jobs=2, time_limit_s=600.0)
    context = open_context(settings, IDENT)
    results = grade_batch(context, collect([folder], IDENT))
    assert [one.fault for one in results if one.fault] == []
    published = publish(context)
    return {Path(row["source"]).stem: row for row in (published.row(one.result) for one in results)}


@pytest.mark.parametrize("name", sorted(p.stem for p in SAMPLES.glob("*.toml")))
def test_a_sample_gets_the_result_expected_of_it(rows, name):
    row = rows[name]
    expected = tomllib.loads((SAMPLES / f"{name}.toml").read_text("utf-8"))["expected"]
    found = {c["id"]: c["outcome"] for c in row["criteria"]}
    assert {k: found[k] for k in expected["criteria"]} == expected["criteria"]
    assert row["status"] == expected["status"]
    assert row["execution"]["outcome"] == expected["execution"]
    assert row["student"] == expected["student"]
    assert [flag["kind"] for flag in row["flags"]] == expected.get("flags", [])
