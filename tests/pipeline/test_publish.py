"""The pages of a workspace agree with each other and with the gradebook; nothing here runs a notebook."""

import json
import re
from dataclasses import replace

import pytest

from grader.config import load_settings
from grader.model import (
    Attempt,
    CriterionScore,
    Execution,
    ExecutionOutcome,
    Flag,
    FlagKind,
    Outcome,
    Result,
    Status,
    Student,
    Text,
)
from grader.pipeline import open_context, publish
from grader.pipeline.publish import LastRun, cannot_be_graded_yet
from grader.scoring.scores import summed

GRADED_AT = "2026-11-21T10:02:00+00:00"
SAID = Text("This is as it was asked for.")
UNREADABLE = Text("The file could not be read as a notebook.")


@pytest.fixture
def context(tmp_path):
    settings = {"workspace": tmp_path / "workspace", "data_dir": tmp_path / "data", "language": "en"}
    return open_context(load_settings(settings, environ={}), "b2-1")


def add(context, ident, *, mark="a", outcomes=None, flags=(), end=ExecutionOutcome.OK, graded_at=GRADED_AT):
    """An attempt with a result; criteria pass unless ``outcomes`` says otherwise. ``mark`` makes its file another."""
    digest = "sha256:" + (mark + ident)[-8:].rjust(64, "0")
    name = f"{ident}-{mark}.ipynb"
    attempt = Attempt("b2-1", digest, name, b"", Student(ident, f"Name {ident}"), None)
    context.gradebook.add_attempt(attempt)
    number = sum(a.student.id == ident for a in context.gradebook.attempts("b2-1"))
    lines = [line(c, (outcomes or {}).get(c.id, Outcome.PASSED)) for c in context.rubric.criteria]
    score = summed(lines, flags)
    if end is ExecutionOutcome.UNREADABLE:
        blocked = [replace(one, points=None, outcome=Outcome.BLOCKED, message=UNREADABLE) for one in lines]
        score = replace(summed(blocked, (), UNREADABLE), status=Status.NOT_GRADABLE, points=None)
    execution = Execution(end, duration_s=None if end is ExecutionOutcome.UNREADABLE else 4.0)
    result = Result("b2-1", digest, name, attempt.student, execution, score, graded_at=graded_at, attempt_number=number)
    context.gradebook.add_result(result)
    return result


def line(criterion, outcome):
    points = {Outcome.PASSED: criterion.points, Outcome.FAILED: 0.0}.get(outcome)
    return CriterionScore(criterion.id, points, criterion.points, outcome, criterion.visibility, SAID)


def pages(context):
    folder = context.workspace / "dashboard"
    return (folder / "b2-1.html").read_text("utf-8"), (folder / "index.html").read_text("utf-8")


def test_index_and_dashboard_agree_on_how_many_need_attention(context):
    add(context, "1")
    add(context, "2", outcomes={"runs": Outcome.ERRORED})
    add(context, "3", end=ExecutionOutcome.UNREADABLE)
    add(context, "4", end=ExecutionOutcome.KERNEL_DIED)
    add(context, "5", flags=(Flag(FlagKind.TRAINED_ON_TEST_DATA, Text("x")),))
    add(context, "6", outcomes={"filters-discussion": Outcome.NEEDS_REVIEW})
    publish(context)
    dashboard, index = pages(context)
    assert re.search(r"<dt>need attention</dt><dd[^>]*>(\d+)", dashboard)[1] == "4"
    assert re.findall(r'<td class="r">(\S+)</td>', index) == ["6", "4"]


def test_pages_show_when_the_newest_result_was_given(context):
    add(context, "1", graded_at="2026-11-20T10:00:00+00:00")
    add(context, "2")
    publish(context)
    when = re.compile(r'<time datetime="([^"]+)">')
    assert [when.findall(page.split("<h2")[0]) for page in pages(context)] == [[when_shown(context)]] * 2


def when_shown(context):
    return context.report_context("en").words.full_date(GRADED_AT)


def test_how_long_the_last_run_took_outlives_a_report_written_again(context):
    add(context, "1")
    publish(context)
    assert "last run" not in pages(context)[0]
    publish(context, LastRun(112.0, 1))
    publish(context)
    assert "last run: 1 min 52 s (submissions: 1)" in pages(context)[0]
    publish(context, LastRun(61.0, 3))
    assert "last run: 1 min 1 s (submissions: 3)" in pages(context)[0]


@pytest.mark.parametrize(
    "kept", ["", "[]", '{"duration_s": "x", "n_executed": 1}', '{"duration_s": NaN, "n_executed": 1}']
)
def test_a_damaged_note_of_the_last_run_costs_only_itself(context, kept):
    add(context, "1")
    publish(context)
    (context.workspace / "dashboard" / "b2-1.json").write_text(kept)
    publish(context)
    assert "last run" not in pages(context)[0]


def test_the_note_of_the_last_run_is_json(context):
    add(context, "1")
    publish(context, LastRun(2.5, 1))
    kept = json.loads((context.workspace / "dashboard" / "b2-1.json").read_text("utf-8"))
    assert kept == {"duration_s": 2.5, "n_executed": 1}


def test_reports_of_several_attempts_say_which_one_counts(context):
    first, last = add(context, "1", mark="a"), add(context, "1", mark="b")
    add(context, "2")
    published = publish(context)
    earlier, later = (published.paths[r.digest, r.source].read_text("utf-8") for r in (first, last))
    assert "This attempt does not count" in earlier
    assert 'Attempt 2 counts for the grade. <a class="noprint" href="1-2.html">' in earlier
    assert "attempt 2 of 2" in later
    assert "This attempt counts." in later
    assert "attempt" not in (context.workspace / "reports/b2-1/2.html").read_text("utf-8").split("<main")[1]


def test_the_attempt_that_a_person_chose_is_the_one_that_counts(context):
    first, last = add(context, "1", mark="a"), add(context, "1", mark="b")
    context.gradebook.choose("b2-1", "id:1", first.digest, "a", "the other was a mistake")
    published = publish(context)
    earlier, later = (published.paths[r.digest, r.source].read_text("utf-8") for r in (first, last))
    assert "This attempt counts." in earlier
    assert 'Attempt 1 counts for the grade. <a class="noprint" href="1.html">' in later


def test_only_a_fault_of_ours_or_an_unreadable_file_leaves_an_attempt_without_a_grade(context):
    assert not cannot_be_graded_yet(add(context, "1", outcomes={"filters-discussion": Outcome.NEEDS_REVIEW}))
    assert not cannot_be_graded_yet(add(context, "2", flags=(Flag(FlagKind.SIMILAR, Text("x")),)))
    assert cannot_be_graded_yet(add(context, "3", outcomes={"runs": Outcome.ERRORED}))
    assert cannot_be_graded_yet(add(context, "4", end=ExecutionOutcome.UNREADABLE))


def test_a_number_made_to_look_like_anothers_second_attempt_gets_a_page_of_its_own(context):
    for ident, mark in (("21X4001", "a"), ("21X4001", "b"), ("21X4001-2", "a"), ("21X/4001", "a"), ("../../x", "a")):
        add(context, ident, mark=mark)
    published = publish(context)
    pages = sorted(path.relative_to(context.workspace).as_posix() for path in published.paths.values())
    assert len(set(pages)) == 5
    assert {"reports/b2-1/21X4001.html", "reports/b2-1/21X4001-2.html"} <= set(pages)
    assert all(re.fullmatch(r"reports/b2-1/[\w-]+\.html", page) for page in pages)
