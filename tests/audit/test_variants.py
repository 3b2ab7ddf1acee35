"""The declared variants, and how one is judged."""

import shutil

import pytest

from grader.audit import Variant, Verdict, judge, read_variants, variant_notebook
from grader.errors import CourseError
from grader.model import (
    CheckResult,
    CriterionScore,
    Execution,
    ExecutionOutcome,
    Flag,
    FlagKind,
    Outcome,
    Result,
    Score,
    Status,
    Student,
    Text,
    Visibility,
)
from grader.pipeline import Graded
from grader.rubric import Course
from grader.rubric.course import bundled_course_dir

AUDITED = sorted(path.parent.name for path in (bundled_course_dir() / "assignments").glob("*/audit"))


@pytest.fixture(scope="module", params=AUDITED)
def bundled(request):
    course = Course()
    return course.assignment(request.param), course.rubric(request.param)


def test_an_assignment_has_forty_wrong_and_twenty_right_variants_each_another_notebook(bundled):
    variants = read_variants(*bundled)
    kinds = [v.kind for v in variants.variants]
    assert kinds.count("wrong") >= 40
    assert kinds.count("right") >= 20
    notebooks = [variant_notebook(bundled[0], variants, v)["cells"] for v in variants.variants]
    texts = {tuple(c["source"] for c in cells) for cells in notebooks}
    assert len(texts) == len(kinds)


def test_every_automatic_and_written_criterion_has_a_wrong_variant_meant_for_it(bundled):
    meant = {v.criterion for v in read_variants(*bundled).variants if v.criterion}
    public = {c.id for c in bundled[1].criteria if c.visibility == "public"}
    assert public <= meant


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('name = "a"\nkind = "wrong"\n', "neither criterion nor flag"),
        ('name = "a"\nkind = "wrong"\ncriterion = "nonsense"\n', "nonsense"),
        ('name = "a"\nkind = "right"\ncriterion = "runs"\n', "names a criterion"),
        ('name = "a"\nkind = "right"\n[[variant]]\nname = "a"\nkind = "right"\n', "twice: a"),
        ('name = "a"\nkind = "right"\n', "recorded names what is no variant: reference"),
        ('name = "a"\nkind = "right"\nedit = [{ do = "explode", at = "1-1" }]\n', "explode"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(tmp_path, text, complaint):
    assignments = tmp_path / "assignments" / "b2-1"
    for name in ("assignments", "rubrics"):
        shutil.copytree(bundled_course_dir() / name / "b2-1", tmp_path / name / "b2-1")
    recorded = 'recorded = ["reference"]\n' if "recorded" in complaint else ""
    head = f'language = "en"\ntrain_images = 10\ntest_images = 10\n{recorded}[[variant]]\n'
    (assignments / "audit" / "variants.toml").write_text(head + text, "utf-8")
    course = Course(tmp_path)
    with pytest.raises(CourseError, match=complaint):
        read_variants(course.assignment("b2-1"), course.rubric("b2-1"))


def graded(points, outcome=Outcome.PASSED, flags=(), ident="runs"):
    line = CriterionScore(
        ident, points, 2.0, outcome, Visibility.PUBLIC, Text(f"{ident}/key"), checks=(_check(ident, outcome),)
    )
    score = Score(Status.GRADED, points, 0.0, 2.0, (line,), tuple(Flag(FlagKind(f), Text("flagged")) for f in flags))
    execution = Execution(ExecutionOutcome.OK)
    return Graded(Result("b2-1", "sha256:0", "a.ipynb", Student(), execution, score))


def _check(ident, outcome):
    return CheckResult("test.py::test_x", ident, outcome, None, Text("key"), detail="the traceback")


WRONG = Variant("w", "wrong", criterion="runs")
FLAGGED = Variant("f", "wrong", flag=FlagKind.CLAIM_DIFFERS)
RIGHT = Variant("r", "right")
MAY_BE_OPEN = Variant("o", "right", open=("runs",))


@pytest.mark.parametrize(
    ("variant", "result", "verdict"),
    [
        (WRONG, graded(1.0, Outcome.PARTIAL), Verdict.CAUGHT),
        (WRONG, graded(None, Outcome.NEEDS_REVIEW), Verdict.CAUGHT),
        (WRONG, graded(2.0), Verdict.SLIPPED),
        (WRONG, graded(0.0, Outcome.FAILED, ident="base-model"), Verdict.SLIPPED),
        (FLAGGED, graded(2.0, flags=["claim_differs"]), Verdict.CAUGHT),
        (FLAGGED, graded(0.0, Outcome.FAILED), Verdict.SLIPPED),
        (RIGHT, graded(2.0), Verdict.ACCEPTED),
        (RIGHT, graded(2.0, flags=["compatibility"]), Verdict.ACCEPTED),
        (RIGHT, graded(2.0, flags=["claim_differs"]), Verdict.REFUSED),
        (RIGHT, graded(1.5, Outcome.PARTIAL), Verdict.REFUSED),
        (RIGHT, graded(None, Outcome.NEEDS_REVIEW), Verdict.REFUSED),
        (MAY_BE_OPEN, graded(None, Outcome.NEEDS_REVIEW), Verdict.ACCEPTED),
        (RIGHT, graded(None, Outcome.ERRORED), Verdict.FAULT),
        (WRONG, graded(None, Outcome.ERRORED), Verdict.FAULT),
    ],
)
def test_a_variant_is_judged_by_what_it_is(variant, result, verdict):
    assert judge(variant, result, written=()).verdict is verdict


def test_a_written_answer_left_to_a_person_is_neither_caught_nor_refused():
    found = graded(None, Outcome.NEEDS_REVIEW)
    assert judge(WRONG, found, written=("runs",)).verdict is Verdict.SLIPPED
    assert judge(RIGHT, found, written=("runs",)).verdict is Verdict.ACCEPTED


def test_a_row_says_what_was_lost_and_why():
    row = judge(WRONG, graded(0.5, Outcome.PARTIAL), written=()).row()
    assert (row["points_lost"], row["messages"], row["verdict"]) == ({"runs": 1.5}, {"runs": "runs/key"}, "caught")
