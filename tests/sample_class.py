"""The sample class of an assignment, graded for real, and what each sample says that is expected of it."""

import tomllib
from pathlib import Path

from grader.handout.samples import build_samples
from grader.intake import collect
from grader.pipeline import grade_batch, open_context, publish
from grader.rubric import Course


def graded_samples(course, ident, tmp_path_factory, **changes):
    """Result rows by the sample's name."""
    folder = tmp_path_factory.mktemp("class")
    build_samples(Course(course.root), ident, folder)
    context = open_context(course.settings(tmp_path_factory.mktemp("ws"), jobs=2, **changes), ident)
    results = grade_batch(context, collect([folder], ident))
    assert [one.fault for one in results if one.fault] == []
    published = publish(context)
    return {Path(row["source"]).stem: row for row in (published.row(one.result) for one in results)}


def outcomes(row):
    """Criterion to outcome."""
    return {c["id"]: c["outcome"] for c in row["criteria"]}


def assert_as_expected(row, sample):
    """Each line of the sample's ``expected`` table; the table."""
    expected = tomllib.loads(sample.read_text("utf-8"))["expected"]
    wanted = expected.get("criteria", {})
    assert {ident: outcomes(row)[ident] for ident in wanted} == wanted
    assert row["status"] == expected["status"]
    assert row["execution"]["outcome"] == expected["execution"]
    assert row["student"] == expected["student"]
    assert [flag["kind"] for flag in row["flags"]] == expected.get("flags", [])
    return expected
