from __future__ import annotations

import pytest

from grader.model import Flag, FlagKind, Text
from grader.scoring import Audience, redact, score


@pytest.fixture
def full(rubric, check, ran):
    results = [
        check(i, "failed", message=Text(f"hidden-{i}"), hint=Text("h"), measured={"x": 1}, detail="Traceback secret")
        for i in rubric.ids
    ]
    kinds = (FlagKind.SIMILAR, FlagKind.STALE_OUTPUTS, FlagKind.TAMPERING, FlagKind.CLAIM_DIFFERS)
    flags = [Flag(kind, Text(f"about {kind}")) for kind in kinds]
    return score(rubric, results, ran, flags=flags)


def test_staff_see_everything(full):
    assert redact(full, Audience.STAFF) is full


@pytest.mark.parametrize(
    ("audience", "hidden"),
    [(Audience.STUDENT, {"late", "secret"}), (Audience.STUDENT_AFTER_DUE, {"secret"})],
)
def test_a_student_sees_what_is_theirs_and_the_points_still_add_up(full, audience, hidden):
    shown = redact(full, audience)
    assert (shown.points, shown.max_points, len(shown.criteria)) == (full.points, full.max_points, 3)
    for before, line in zip(full.criteria, shown.criteria, strict=True):
        assert (line.points, line.max_points, line.outcome) == (before.points, before.max_points, before.outcome)
        if line.id in hidden:
            assert (line.hint, line.measured, line.checks) == (None, {}, ())
            assert f"hidden-{line.id}" not in repr(line)
        else:
            assert (line.message, line.hint, line.measured) == (before.message, before.hint, before.measured)
    assert "Traceback secret" not in repr(shown)


def test_the_text_of_a_check_that_a_fault_of_ours_stopped_is_not_repeated_to_students(one, check, ran):
    results = [check("runs", "passed"), check("runs", "errored", detail="Traceback")]
    assert len(redact(score(one(), results, ran), Audience.STUDENT).criteria[0].checks) == 1


def test_a_student_is_not_told_of_similar_work_of_others_nor_of_a_suspicion(full):
    assert [f.kind for f in redact(full, Audience.STUDENT).flags] == [FlagKind.CLAIM_DIFFERS]
