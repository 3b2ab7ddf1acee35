"""Criteria that are shown after the due date: to students once nobody has time left, to staff always."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from handed_in import full_marks

from grader.config import load_settings
from grader.model import Text, Visibility
from grader.pipeline import clock, open_context, publish, writers
from grader.pipeline.lateness import LateBook, extend
from grader.pipeline.publish import write_student
from grader.store import student_key

DUE = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECRET = "Only after the due date."
HIDDEN = "What was checked here is shown after the due date."
MOMENT = timedelta(seconds=1)


@pytest.fixture
def context(tmp_path):
    settings = {"workspace": tmp_path / "workspace", "data_dir": tmp_path / "data", "language": "en"}
    return open_context(load_settings(settings, environ={}), "b2-1")


@pytest.fixture
def set_clock(monkeypatch):
    def to(moment):
        monkeypatch.setattr(clock, "now", lambda: moment)

    to(DUE)
    return to


def deadline(context, due=DUE, **rules):
    lines = [f"{key} = {json.dumps(value)}" for key, value in rules.items()]
    text = "\n".join(["[late]", *lines, "[assignment.b2-1]", f"due = {due.isoformat()}"])
    (context.workspace / "late.toml").write_text(text + "\n", "utf-8")


def add(context, ident, visibility=Visibility.AFTER_DUE):
    """An attempt whose first criterion has ``visibility``."""
    return full_marks(context, ident, DUE.isoformat(), visibility=visibility, message=Text(SECRET))


def pages(context, ident="1"):
    """What the student reads, and what staff read."""
    return (
        (context.workspace / "reports/b2-1" / f"{ident}.html").read_text("utf-8"),
        (context.workspace / "dashboard/b2-1" / f"{ident}.html").read_text("utf-8"),
    )


def shown(context, ident="1"):
    student, staff = pages(context, ident)
    assert SECRET in staff
    assert (SECRET in student) != (HIDDEN in student)
    return SECRET in student


def test_students_see_them_from_the_moment_after_the_deadline(context, set_clock):
    add(context, "1")
    deadline(context)
    for moment, expected in ((DUE - MOMENT, False), (DUE, False), (DUE + MOMENT, True)):
        set_clock(moment)
        publish(context)
        assert shown(context) is expected, moment


def test_without_a_deadline_students_never_see_them(context, set_clock):
    add(context, "1")
    set_clock(DUE + timedelta(days=10_000))
    publish(context)
    assert not shown(context)


def test_they_wait_for_the_days_of_grace_and_for_the_longest_extension_of_anybody(context, set_clock):
    add(context, "1")
    add(context, "2")
    deadline(context, grace_days=2)
    extend(context, "2", 1.5, author="tanaka", reason="ill")
    extend(context, "somebody who handed in nothing", 3, author="tanaka", reason="ill")
    last = DUE + timedelta(days=5)
    for moment, expected in ((DUE + MOMENT, False), (last, False), (last + MOMENT, True)):
        set_clock(moment)
        publish(context)
        assert shown(context, "1") is shown(context, "2") is expected


def test_an_extension_that_was_taken_back_holds_nobody_up(context, set_clock):
    add(context, "1")
    deadline(context)
    extend(context, "2", 30, author="tanaka", reason="ill")
    extend(context, "2", 0, author="tanaka", reason="a mistake")
    set_clock(DUE + MOMENT)
    publish(context)
    assert shown(context)


def test_an_extension_for_another_assignment_does_not_count(context, set_clock):
    deadline(context)
    (context.workspace / "extensions.csv").write_text("student,assignment,days\n1,conv-callback,9\n1,,1\n", "utf-8")
    book = LateBook(context)
    assert [book.is_over(DUE + timedelta(days=days)) for days in (0.5, 1, 1.5)] == [False, False, True]


def test_a_deadline_that_moves_hides_them_again(context, set_clock):
    add(context, "1")
    deadline(context)
    set_clock(DUE + MOMENT)
    publish(context)
    deadline(context, DUE + timedelta(days=7))
    publish(context)
    assert not shown(context)


def test_a_deadline_in_a_zone_of_its_own_is_the_same_moment(context):
    deadline(context, datetime.fromisoformat("2026-11-20T21:00:00+09:00"))
    assert [LateBook(context).is_over(moment) for moment in (DUE, DUE + MOMENT)] == [False, True]


def test_days_of_grace_are_24_hours_also_when_the_clocks_change(context):
    (context.workspace / "late.toml").write_text(
        '[late]\ntime_zone = "Europe/Berlin"\ngrace_days = 1\n[assignment.b2-1]\ndue = 2026-10-24T12:00:00\n', "utf-8"
    )
    last = datetime(2026, 10, 25, 10, 0, tzinfo=UTC)
    assert [LateBook(context).is_over(moment) for moment in (last, last + MOMENT)] == [False, True]


@pytest.mark.parametrize("visibility", [Visibility.PUBLIC, Visibility.STAFF])
def test_other_criteria_and_their_pages_do_not_depend_on_the_time(context, set_clock, visibility):
    add(context, "1", visibility)
    deadline(context)
    publish(context)
    before, written = pages(context), (context.workspace / "reports/b2-1/1.html").stat().st_mtime_ns
    set_clock(DUE + MOMENT)
    publish(context)
    assert pages(context) == before
    assert (context.workspace / "reports/b2-1/1.html").stat().st_mtime_ns == written
    assert (SECRET in before[0]) is (visibility is Visibility.PUBLIC)


def test_points_and_the_result_file_are_the_same_before_and_after(context, set_clock):
    add(context, "1")
    deadline(context)
    rows = []
    for moment in (DUE, DUE + MOMENT):
        set_clock(moment)
        published = publish(context)
        rows.append([published.row(result) for result in published.results.values()])
    assert rows[0] == rows[1]
    assert rows[0][0]["score"] == 25.0


def test_the_pages_of_one_student_follow_the_clock_too(context, set_clock):
    attempt = add(context, "1")
    deadline(context)
    set_clock(DUE + MOMENT)
    write_student(context, student_key(attempt.student, attempt.digest))
    assert shown(context)


def test_what_was_written_for_one_student_alone_is_known_to_whoever_writes_all(context, set_clock):
    attempt = add(context, "1")
    deadline(context)
    publish(context)
    set_clock(DUE + MOMENT)
    write_student(context, student_key(attempt.student, attempt.digest))
    assert shown(context)
    deadline(context, DUE + timedelta(days=1))
    publish(context)
    assert not shown(context)


def test_one_command_looks_at_the_clock_once(context, monkeypatch):
    for ident in ("1", "2", "3"):
        add(context, ident)
    deadline(context)
    asked = []
    monkeypatch.setattr(clock, "now", lambda: asked.append(1) or DUE + len(asked) * MOMENT)
    publish(context)
    assert len(asked) == 1
    assert all(shown(context, ident) for ident in ("1", "2", "3"))


@pytest.mark.slow
def test_processes_that_help_writing_show_the_same(context, set_clock, monkeypatch):
    idents = [str(number) for number in range(1, 7)]
    for ident in idents:
        add(context, ident)
    deadline(context, DUE.replace(year=2100))
    set_clock(DUE.replace(year=2101))  # a process that looked for itself would hide them
    monkeypatch.setattr(writers, "LEAST_A_PROCESS", 3)
    helped = replace(context, settings=replace(context.settings, jobs=2))
    publish(helped)
    assert all(shown(context, ident) for ident in idents)
