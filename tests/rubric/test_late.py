"""Where a deadline and its rules come from."""

from __future__ import annotations

import pytest

from grader.errors import CourseError
from grader.rubric import LateRules, late_terms


@pytest.fixture
def folders(tmp_path):
    for name in ("course", "workspace"):
        (tmp_path / name).mkdir()
    return tmp_path / "course", tmp_path / "workspace"


def write(folder, text):
    (folder / "late.toml").write_text(text, "utf-8")


def test_without_a_deadline_there_are_no_terms(folders):
    write(folders[0], "[late]\npercent_per_day = 10\n")
    assert late_terms("a", LateRules(), *folders) is None


def test_the_workspace_prevails_over_the_course_and_that_over_the_assignment(folders):
    write(folders[0], '[late]\ntime_zone = "Asia/Tokyo"\ngrace_days = 1\n[assignment.a]\ndue = 2026-11-20T23:59:00\n')
    write(folders[1], "[late]\ngrace_days = 3\n[assignment.b]\ndue = 2027-01-01T00:00:00Z\n")
    terms = late_terms("a", LateRules(percent_per_day=10.0, grace_days=2), *folders)
    assert terms.due.isoformat() == "2026-11-20T23:59:00+09:00"
    assert (terms.grace_days, terms.percent_per_day) == (3, 10.0)
    assert late_terms("b", LateRules(), *folders).due.isoformat() == "2027-01-01T00:00:00+00:00"
    assert late_terms("c", LateRules(), *folders) is None


def test_an_offset_needs_no_time_zone(folders):
    write(folders[1], "[assignment.a]\ndue = 2026-11-20T23:59:00+09:00\n")
    assert late_terms("a", LateRules(), *folders).due.utcoffset().total_seconds() == 9 * 3600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[assignment.a]\ndue = 2026-11-20T23:59:00\n", "no time zone"),
        ('[late]\ntime_zone = "Tokyo/Asia"\n[assignment.a]\ndue = 2026-11-20T23:59:00\n', "Asia/Tokyo"),
        ("[assignment.a]\nduedate = 2026-11-20T23:59:00Z\n", "duedate"),
        ("[late]\npercent_per_day = 120\n", "100"),
        ("[late]\ngrace_days = -1\n", "0"),
        ('[assignment.a]\ndue = "tomorrow"\n', "due"),
        ("[late\n", "late.toml"),
    ],
)
def test_a_wrong_file_is_refused_with_what_was_expected(folders, text, said):
    write(folders[1], text)
    with pytest.raises(CourseError, match=said):
        late_terms("a", LateRules(), *folders)
