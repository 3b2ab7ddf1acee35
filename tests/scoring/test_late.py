"""Days of grace, a percentage a day, a cap, extensions; the score itself stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.model import Score, Status
from grader.rubric import LateTerms
from grader.scoring import lateness

DUE = datetime(2026, 11, 20, 23, 59, tzinfo=ZoneInfo("Asia/Tokyo"))
TERMS = LateTerms(DUE, grace_days=1, percent_per_day=10.0, cap_percent=50.0)


def score(points=17.5, most=25.0):
    return Score(Status.GRADED, points, 0.0, most)


@pytest.mark.parametrize(
    ("after", "days", "percent", "penalty", "final"),
    [
        (timedelta(0), 0, 0.0, 0.0, 17.5),
        (timedelta(seconds=1), 1, 0.0, 0.0, 17.5),
        (timedelta(days=1), 1, 0.0, 0.0, 17.5),
        (timedelta(days=1, seconds=1), 2, 10.0, 1.75, 15.75),
        (timedelta(days=3), 3, 20.0, 3.5, 14.0),
        (timedelta(days=30), 30, 50.0, 8.75, 8.75),
        (timedelta(days=-3), 0, 0.0, 0.0, 17.5),
    ],
)
def test_days_begun_after_the_grace_cost_a_percentage_up_to_the_cap(after, days, percent, penalty, final):
    late = lateness(TERMS, score(), (DUE + after).astimezone(UTC))
    assert (late.days_late, late.percent, late.penalty, late.final) == (days, percent, penalty, final)


def test_an_extension_moves_the_deadline_of_one_student():
    late = lateness(TERMS, score(), DUE + timedelta(days=3), extension_days=2)
    assert (late.due, late.days_late, late.penalty) == ("2026-11-22T23:59:00+09:00", 1, 0.0)


def test_of_the_maximum_the_same_percentage_takes_more_and_never_more_than_there_is():
    terms = LateTerms(DUE, percent_per_day=40.0, percent_of="maximum")
    assert lateness(terms, score(), DUE + timedelta(days=1)).penalty == 10.0
    late = lateness(terms, score(3.0), DUE + timedelta(days=1))
    assert (late.penalty, late.final) == (3.0, 0.0)


def test_a_time_that_nobody_knows_costs_nothing_and_is_said():
    late = lateness(TERMS, score(), None)
    assert (late.days_late, late.penalty, late.final, late.handed_in_at) == (None, 0.0, 17.5, None)
    assert "not known" in late.note.id


def test_a_mark_without_a_time_costs_nothing_and_names_who_marked_it():
    late = lateness(TERMS, score(), None, marked_by="Canvas")
    assert (late.penalty, late.note.params["system"]) == (0.0, "Canvas")


def test_where_there_is_no_score_there_is_no_penalty_either():
    late = lateness(TERMS, score(None), DUE + timedelta(days=9))
    assert (late.percent, late.penalty, late.final) == (50.0, None, None)


def test_a_deadline_in_a_time_zone_keeps_its_clock_over_a_change_of_the_hour():
    due = datetime(2026, 10, 24, 23, 59, tzinfo=ZoneInfo("Europe/Berlin"))
    late = lateness(LateTerms(due), score(), datetime(2026, 10, 25, 22, 59, tzinfo=UTC), extension_days=1)
    assert (late.due, late.days_late) == ("2026-10-25T23:59:00+01:00", 0)


@given(
    st.floats(0, 100).map(lambda p: round(p, 2)),
    st.integers(-100, 400),
    st.floats(0, 100),
    st.sampled_from(["score", "maximum"]),
)
def test_what_is_taken_and_what_is_left_are_the_score(points, hours, percent, of):
    terms = LateTerms(DUE, grace_days=2, percent_per_day=percent, percent_of=of)
    late = lateness(terms, score(points, 100.0), DUE + timedelta(hours=hours))
    assert 0 <= late.penalty <= points
    assert late.final == pytest.approx(points - late.penalty, abs=1e-9)
    assert late.final >= 0
    assert round(late.penalty, 2) == late.penalty
    assert (late.penalty == 0) or late.days_late > 2
