"""A deadline that moves, extensions and corrected times count at once, on pages and in the result file."""

from __future__ import annotations

import csv
import json
import re

import pytest

from grader.config import load_settings
from grader.errors import UsageError
from grader.model import Attempt, CriterionScore, Execution, ExecutionOutcome, Outcome, Result, Student, Text
from grader.pipeline import open_context, publish
from grader.pipeline.forgetting import forget_student
from grader.pipeline.lateness import LateBook, extend, keep_handins, read_handins
from grader.pipeline.publish import counting_results
from grader.scoring.scores import summed

HANDED_IN = "2026-11-22T03:00:00+00:00"


@pytest.fixture
def context(tmp_path):
    settings = {"workspace": tmp_path / "workspace", "data_dir": tmp_path / "data", "language": "en"}
    return open_context(load_settings(settings, environ={}), "b2-1")


def deadline(context, due="2026-11-20T12:00:00+09:00", **rules):
    lines = [f"{key} = {json.dumps(value)}" for key, value in {"percent_per_day": 10, **rules}.items()]
    text = "\n".join(["[late]", *lines, "[assignment.b2-1]", f"due = {due}"])
    (context.workspace / "late.toml").write_text(text + "\n", "utf-8")


def add(context, ident, told_by="Gradescope", marked_late=None, at=HANDED_IN):
    digest = "sha256:" + ident.rjust(64, "0")[-64:]
    attempt = Attempt(
        "b2-1",
        digest,
        f"{ident}.ipynb",
        b"",
        Student(ident, f"Name {ident}", f"{ident}@example.org"),
        None,
        handed_in_at=at,
        told_by=told_by,
        marked_late=marked_late,
    )
    context.gradebook.add_attempt(attempt)
    keep_handins(context, [attempt])
    lines = [
        CriterionScore(c.id, c.points, c.points, Outcome.PASSED, c.visibility, Text("x"))
        for c in context.rubric.criteria
    ]
    result = Result(
        "b2-1",
        digest,
        attempt.source,
        attempt.student,
        Execution(ExecutionOutcome.OK),
        summed(lines, ()),
        handed_in_at=at,
    )
    context.gradebook.add_result(result)


def only(context):
    (result,) = counting_results(context)
    return result


def test_without_a_deadline_nothing_is_late(context):
    add(context, "1")
    assert only(context).late is None
    assert only(context).final == 25.0


def test_the_score_stays_and_the_final_one_follows_the_deadline_of_the_day(context):
    add(context, "1")
    deadline(context)
    assert (only(context).score.points, only(context).late.penalty, only(context).final) == (25.0, 5.0, 20.0)
    deadline(context, "2026-11-23T00:00:00+09:00")
    assert (only(context).score.points, only(context).late.penalty, only(context).final) == (25.0, 0.0, 25.0)


def test_report_dashboard_and_result_file_show_score_penalty_and_final(context):
    add(context, "1")
    deadline(context)
    published = publish(context)
    pages = [path.read_text("utf-8") for path in published.paths.values()]
    pages.append((context.workspace / "dashboard/b2-1/1.html").read_text("utf-8"))
    for page in pages:
        assert "25.0<span> / 25 points" in page
        assert "−5.0 → 20.0" in page
        assert "Handed in late (days: 2): 20 % of the points earned are taken." in page
    board = (context.workspace / "dashboard/b2-1.html").read_text("utf-8")
    assert re.search(r"<b>25\.0</b><br><span[^>]*>−5\.0 → 20\.0", board)
    assert 'data-state="late"' in board
    row = published.row(only(context))
    assert (row["score"], row["late"]["penalty"], row["final"]) == (25.0, 5.0, 20.0)


def test_a_moved_deadline_changes_the_pages_that_are_written_next(context):
    add(context, "1")
    deadline(context)
    publish(context)
    deadline(context, "2026-12-01T00:00:00Z")
    (path,) = publish(context).paths.values()
    assert "Handed in late" not in path.read_text("utf-8")


def test_an_extension_is_for_one_student_and_the_last_one_counts(context):
    add(context, "1")
    add(context, "2")
    deadline(context)
    extend(context, "1", 5, author="tanaka", reason='was ill, with a "note", long')
    assert [r.late.penalty for r in counting_results(context)] == [0.0, 5.0]
    extend(context, "1@EXAMPLE.org", 1, author="tanaka", reason="less")
    extend(context, "1", 0, author="tanaka", reason="a mistake")
    rows = list(csv.DictReader((context.workspace / "extensions.csv").open(encoding="utf-8-sig", newline="")))
    assert [row["days"] for row in rows] == ["5", "1", "0"]
    assert [r.late.penalty for r in counting_results(context)] == [5.0, 5.0]


@pytest.mark.parametrize("days", [-1, float("nan"), float("inf"), 1e6])
def test_days_that_are_none_are_refused(context, days):
    with pytest.raises(UsageError, match="days"):
        extend(context, "1", days, author="a", reason="r")


def test_extensions_may_be_a_table_of_staffs_own(context):
    add(context, "1")
    deadline(context)
    text = "Student;Days;Assignment\n1;1.5;\n1;1;b2-1\n2;9;\n"
    (context.workspace / "extensions.csv").write_text(text, "cp932")
    assert (only(context).late.extension_days, only(context).late.penalty) == (1.0, 2.5)


@pytest.mark.parametrize("text", ["student,days\n1,many\n", "who,days\n1,2\n", "student,days\n1,-3\n"])
def test_a_wrong_table_of_extensions_is_refused(context, text):
    add(context, "1")
    deadline(context)
    (context.workspace / "extensions.csv").write_text(text)
    with pytest.raises(UsageError, match="expected"):
        counting_results(context)


def test_the_time_of_a_file_costs_nothing_unless_staff_trust_it(context):
    add(context, "1", told_by=None)
    deadline(context)
    assert (only(context).late.days_late, only(context).late.penalty) == (None, 0.0)
    assert "not known" in only(context).late.note.id
    deadline(context, file_times=True)
    assert (only(context).late.days_late, only(context).late.penalty) == (2, 5.0)


def test_a_mark_without_a_time_waits_for_staff_who_enter_it(context):
    add(context, "1", told_by=None, marked_late="Canvas")
    deadline(context, file_times=True)
    assert (only(context).late.penalty, only(context).late.note.params["system"]) == (0.0, "Canvas")
    with (context.workspace / "handins.csv").open("a", encoding="utf-8") as file:
        file.write("b2-1,,1,2026-11-20T23:00:00+09:00,,staff\n")
    assert [h.told_by for h in read_handins(context.workspace, "b2-1")] == ["", "staff"]
    assert (only(context).late.days_late, only(context).late.penalty) == (1, 2.5)


def test_what_staff_wrote_outlives_another_import(context):
    add(context, "1")
    deadline(context)
    path = context.workspace / "handins.csv"
    path.write_text(path.read_text("utf-8").replace(HANDED_IN, "2026-11-20T00:00:00Z").replace("Gradescope", "staff"))
    assert only(context).late.penalty == 0.0
    add(context, "1")
    assert len(read_handins(context.workspace, "b2-1")) == 2
    assert only(context).late.penalty == 0.0


def test_a_time_that_staff_enter_for_the_student_is_taken_where_no_system_told_one(context):
    add(context, "1", told_by=None)
    deadline(context)
    (context.workspace / "handins.csv").write_text(
        "assignment,student,handed_in_at\nb2-1,1,2026-11-20 13:00:00+09:00\n", "utf-8"
    )
    assert (only(context).late.days_late, only(context).late.penalty) == (1, 2.5)


def test_a_time_of_staffs_prevails_over_one_that_a_system_told(context):
    add(context, "1")
    deadline(context)
    with (context.workspace / "handins.csv").open("a", encoding="utf-8") as file:
        file.write("b2-1,,1,2026-11-20T11:00:00+09:00,,staff\n")
    assert (only(context).late.days_late, only(context).late.penalty) == (0, 0.0)


def test_forgetting_takes_the_lines_of_a_student_out_of_both_files(context):
    add(context, "1")
    add(context, "2")
    deadline(context)
    extend(context, "1", 2, author="a", reason="r")
    extend(context, "2", 2, author="a", reason="r")
    forget_student(context.settings, "1")
    for name in ("extensions.csv", "handins.csv"):
        rows = list(csv.DictReader((context.workspace / name).open(encoding="utf-8-sig", newline="")))
        assert [row["student"] for row in rows] == ["2"], name


def test_a_book_is_read_once_for_a_class(context):
    add(context, "1")
    deadline(context)
    book = LateBook(context)
    deadline(context, "2027-01-01T00:00:00Z")
    assert book.of(only(context)).penalty == 5.0
