"""The checks' process: rubrics that are broken, hang or die, beside others that are fine."""

import shutil

import pytest
from checks_factory import Attempt, cnn

from grader.checks import CheckRequest, run_checks
from grader.errors import CourseError

BROKEN = """
import os, sys, time
import pytest

@pytest.mark.criterion("runs")
def test_one_is_fine(say):
    say.passed(cells=1)

@pytest.mark.criterion("base-model")
def test_two_is_odd(say, notebook):
    {body}

@pytest.mark.criterion("filters-shown")
def test_three_is_fine(say):
    print("seen by staff")
    say.failed("missing")
"""
DETECT = "marker = any('odd' in cell.source for cell in notebook)\n    "


@pytest.fixture
def odd_course(course, tmp_path):
    """A copy of the course; ``odd_course(body)`` makes a rubric of three checks, the second of which does ``body``."""

    def make(body):
        root = tmp_path / "odd"
        shutil.copytree(course, root, ignore=shutil.ignore_patterns("data", "__pycache__"))
        for path in (root / "rubrics" / "b2-1").glob("*.py"):
            path.unlink()
        (root / "rubrics" / "b2-1" / "test_public.py").write_text(BROKEN.format(body=body), "utf-8")
        (root / "data").symlink_to(course / "data")
        return root

    return make


def requests(root, tmp_path, *sources):
    made = []
    for number, source in enumerate(sources):
        attempt = Attempt(root, tmp_path / f"evidence-{number}")
        attempt.code(source)
        made.append(attempt.request())
    return made


def outcomes(checked, n=3):
    return [r.outcome.value for r in checked.results[:n]]


@pytest.mark.slow
def test_one_child_grades_several_attempts_in_their_order(course, tmp_path):
    first, second = Attempt(course, tmp_path / "a"), Attempt(course, tmp_path / "b")
    first.code("x = 1")
    second.fit(cnn(), second.train[:600])
    found = run_checks([first.request(), second.request()], timeout_s=60)
    by_criterion = [{r.criterion: r.outcome for r in f.results} for f in found]
    assert [b["small-data-model"] for b in by_criterion] == ["blocked", "passed"]
    assert all(len(f.results) == 9 for f in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("sys.exit(0)", "SystemExit"),
        ("pytest.skip('not today')", "not today"),
        ("assert {}.get('x').y, 'text'", "AttributeError"),
        ("import json; json.loads('{')", "JSONDecodeError"),
    ],
)
def test_a_bug_in_a_check_is_our_fault_and_the_others_count(odd_course, tmp_path, body, detail):
    (found,) = run_checks(requests(odd_course(body), tmp_path, "x"), timeout_s=60)
    assert outcomes(found) == ["passed", "errored", "failed"]
    assert detail in found.results[1].detail
    assert found.results[1].credit is None
    assert "seen by staff" in found.results[2].detail


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (DETECT + "time.sleep(60 if marker else 0)", "took more than"),
        (DETECT + "marker and os._exit(3)", "exit code 3"),
        (DETECT + "marker and os.kill(os.getpid(), 9)", "exit code -9"),
        (DETECT + "if marker: raise KeyboardInterrupt", "INTERRUPTED"),
    ],
)
def test_a_check_that_hangs_or_dies_costs_only_its_attempt(odd_course, tmp_path, body, detail):
    odd = requests(odd_course(body), tmp_path, "fine", "odd", "fine too")
    before, culprit, after = run_checks(odd, timeout_s=6)
    assert outcomes(before) == outcomes(after) == ["passed", "passed", "failed"]
    assert outcomes(culprit) == ["passed", "errored", "errored"]
    assert detail in culprit.results[1].detail
    assert "fault on our side" in culprit.results[2].message.id


@pytest.mark.slow
def test_a_rubric_that_cannot_be_imported_errs_on_every_criterion(odd_course, tmp_path):
    root = odd_course("pass")
    (root / "rubrics" / "b2-1" / "test_public.py").write_text("import nothing_of_the_kind\n", "utf-8")
    (found,) = run_checks(requests(root, tmp_path, "x"), timeout_s=60)
    assert len(found.results) == 9
    assert {r.outcome for r in found.results} == {"errored"}
    assert "nothing_of_the_kind" in found.results[0].detail


@pytest.mark.slow
def test_a_check_of_an_unknown_criterion_is_named(odd_course, tmp_path):
    root = odd_course("pass")
    path = root / "rubrics" / "b2-1" / "test_public.py"
    path.write_text(path.read_text("utf-8").replace('"base-model"', '"base-modle"'), "utf-8")
    (found,) = run_checks(requests(root, tmp_path, "x"), timeout_s=60)
    assert outcomes(found) == ["passed", "errored", "failed"]
    assert "base-modle" in found.results[1].detail


@pytest.mark.slow
def test_evidence_that_is_missing_is_our_fault(course, tmp_path):
    (tmp_path / "nothing").mkdir()
    (found,) = run_checks([CheckRequest(tmp_path / "nothing", course, "b2-1")], timeout_s=60)
    assert {r.outcome for r in found.results} == {"errored"}
    assert "execution.json" in found.results[0].detail


@pytest.mark.slow
def test_settings_of_the_caller_do_not_reach_the_child(course, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    rubric_files = sorted((course / "rubrics" / "b2-1").iterdir())
    (course / "conftest.py").write_text("raise RuntimeError\n", "utf-8")
    try:
        attempt = Attempt(course, tmp_path / "a")
        attempt.code("x = 1")
        (found,) = run_checks([attempt.request()], timeout_s=60)
    finally:
        (course / "conftest.py").unlink()
    assert found.results[0].outcome == "passed"
    assert sorted((course / "rubrics" / "b2-1").iterdir()) == rubric_files


def test_no_attempt_starts_no_child(monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)
    assert run_checks([]) == []


def test_a_course_without_the_rubric_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "assignments").mkdir()
    with pytest.raises(CourseError):
        run_checks([CheckRequest(tmp_path, tmp_path, "b2-1")])
