"""gradescope, junit, lti and github, each read back by that system's own rules."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from lms_results import AWKWARD, RUBRIC, klass, result, unreadable

from grader.errors import UsageError
from grader.lms.github import output_line
from grader.lms.gradescope import autograder_zip, results_json
from grader.lms.junit import junit_xml
from grader.lms.lti import lti_scores
from grader.messages import Catalogue
from grader.model import Student
from grader.scoring import Audience, redact

VISIBILITY = {"hidden", "after_due_date", "after_published", "visible"}
FORMATS = {"text", "html", "simple_format", "md", "ansi"}
TOP = {
    "score",
    "execution_time",
    "output",
    "output_format",
    "test_output_format",
    "test_name_format",
    "visibility",
    "stdout_visibility",
    "extra_data",
    "tests",
    "leaderboard",
}
TEST = {
    "score",
    "max_score",
    "status",
    "name",
    "name_format",
    "number",
    "output",
    "output_format",
    "tags",
    "visibility",
    "extra_data",
}


@pytest.fixture(scope="module")
def english(tmp_path_factory):
    return Catalogue("en", tmp_path_factory.mktemp("locale"), RUBRIC.texts_in("en"))


def shown(one, audience=Audience.STUDENT_AFTER_DUE):
    from dataclasses import replace

    return replace(one, score=redact(one.score, audience))


def strict(text):
    return json.loads(text, parse_constant=lambda c: pytest.fail(f"{c} is not JSON"))


@pytest.mark.parametrize("n", range(5))
def test_results_json_has_gradescopes_names_and_values(english, n):
    one = klass()[n]
    found = strict(json.dumps(results_json(shown(one), RUBRIC, english)))
    assert set(found) <= TOP
    assert isinstance(found["score"], float)
    assert found["visibility"] in VISIBILITY
    assert found["stdout_visibility"] in VISIBILITY
    assert found["test_output_format"] in FORMATS
    assert found["test_name_format"] in FORMATS
    assert isinstance(found.get("execution_time", 0), int)
    for test in found["tests"]:
        assert set(test) <= TEST
        assert test.get("status", "passed") in ("passed", "failed")
        assert test["visibility"] in VISIBILITY
        assert 0 <= test.get("score", 0) <= test["max_score"]


def test_the_score_is_that_after_lateness_and_the_tests_are_what_was_earned(english):
    found = results_json(shown(klass()[1]), RUBRIC, english)
    assert found["score"] == 7.2
    assert sum(t["score"] for t in found["tests"]) == 8.0
    assert "Handed in late" in found["output"]


def test_hidden_criteria_say_nothing_to_a_student_and_are_marked_hidden(english):
    found = results_json(shown(klass()[0]), RUBRIC, english)
    assert [t["visibility"] for t in found["tests"]] == ["visible", "after_due_date", "hidden"]
    assert "42" not in json.dumps(found)


def test_open_points_have_neither_score_nor_status(english):
    essay = results_json(shown(klass()[3]), RUBRIC, english)["tests"][1]
    assert not {"score", "status"} & set(essay)


def test_an_attempt_without_a_score_says_why(english):
    found = results_json(shown(unreadable(AWKWARD[4])), RUBRIC, english)
    assert found["score"] == 0.0
    assert "could not be read" in found["output"]
    assert found["extra_data"]["status"] == "not_gradable"


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "keras_grader-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("grader/__init__.py", "")
    return path


def test_the_autograder_zip_has_what_gradescope_runs_at_its_root(wheel, tmp_path):
    course = tmp_path / "course"
    for name in (
        "rubrics/a/rubric.toml",
        "assignments/a/assignment.toml",
        "held_out.seed",
        "notes.txt",
        "rubrics/a/x.pyc",
    ):
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        (course / name).write_text("x")
    content = autograder_zip("a-1", wheel, ("mnist",), "It's broken: 壊れています", course=course)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in archive.infolist()}
        scripts = {name: archive.read(name).decode() for name in ("setup.sh", "run_autograder")}
    assert {"setup.sh", "run_autograder", wheel.name} <= set(names)
    assert modes["setup.sh"] == modes["run_autograder"] == 0o755
    assert {n for n in names if n.startswith("course/")} == {
        "course/rubrics/a/rubric.toml",
        "course/assignments/a/assignment.toml",
    }
    assert "data install mnist" in scripts["setup.sh"]
    for text in scripts.values():
        assert text.startswith("#!/usr/bin/env bash\n")
        assert subprocess.run(["bash", "-n"], input=text.encode(), check=False).returncode == 0


@pytest.mark.parametrize("works", [True, False])
def test_run_autograder_always_leaves_a_result(wheel, tmp_path, works):
    """The script itself, with a stand-in for the program, under another root than ``/autograder``."""
    with zipfile.ZipFile(io.BytesIO(autograder_zip("b2-1", wheel, (), "It's broken: 壊れています"))) as archive:
        script = archive.read("run_autograder").decode().replace("/autograder", str(tmp_path / "autograder"))
    program = tmp_path / "autograder" / "venv" / "bin" / "grader"
    program.parent.mkdir(parents=True)
    body = (
        'for last; do :; done; [ "$1" = export ] && printf %s \'{"score": 7.5}\' > "$last"; exit 0'
        if works
        else "exit 3"
    )
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    (tmp_path / "autograder" / "submission").mkdir()
    ran = subprocess.run([shutil.which("bash"), "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = strict((tmp_path / "autograder" / "results" / "results.json").read_text("utf-8"))
    assert set(found) <= TOP
    assert found["score"] == (7.5 if works else 0.0)
    assert works or found["output"] == "It's broken: 壊れています"


def test_an_autograder_needs_a_wheel(tmp_path):
    (tmp_path / "x.whl").write_text("no zip")
    with pytest.raises(UsageError, match="no wheel"):
        autograder_zip("b2-1", tmp_path / "x.whl", (), "x")


def test_junit_is_xunit2_with_the_points_as_properties(english):
    root = ElementTree.fromstring(junit_xml(klass(), RUBRIC, english))
    assert (root.tag, list(root.attrib)) == ("testsuites", ["name"])
    suites = root.findall("testsuite")
    assert [s.get("name") for s in suites] == [s.id for s in AWKWARD]
    for suite in suites:
        cases = suite.findall("testcase")
        assert int(suite.get("tests")) == len(cases) == 3
        for kind, tag in (("errors", "error"), ("failures", "failure"), ("skipped", "skipped")):
            assert int(suite.get(kind)) == sum(c.find(tag) is not None for c in cases)
        assert all(set(c.attrib) == {"classname", "name", "time"} for c in cases)  # xunit2 drops others
        float(suite.get("time"))
    late = {p.get("name"): p.get("value") for p in suites[1].find("properties")}
    assert (late["points_earned"], late["points_final"], late["points_possible"]) == ("8", "7.2", "10")
    assert suites[4].find("testcase").find("error").get("message") == "The file could not be read as a notebook."


def test_junit_survives_what_xml_has_no_way_to_write(english):
    one = result(Student("1\x00\x1b[2J\ud800", "n"))
    assert ElementTree.fromstring(junit_xml([one], RUBRIC, english)).find("testsuite").get("name").startswith("1")


SCORE = {
    "userId",
    "scoreGiven",
    "scoreMaximum",
    "comment",
    "timestamp",
    "activityProgress",
    "gradingProgress",
    "submission",
}
ACTIVITY = {"Initialized", "Started", "InProgress", "Submitted", "Completed"}
GRADING = {"FullyGraded", "Pending", "PendingManual", "Failed", "NotReady"}
PRECISE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)")


def test_lti_scores_are_what_the_grade_service_takes(english):
    at = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
    rows = [strict(line) for line in lti_scores(klass(), english, at=at).content.decode().splitlines()]
    assert [r["userId"] for r in rows] == [s.id for s in AWKWARD]
    for row in rows:
        assert set(row) <= SCORE
        assert {"userId", "timestamp", "activityProgress", "gradingProgress"} <= set(row)
        assert ("scoreGiven" in row) == ("scoreMaximum" in row)
        assert row.get("scoreGiven", 0) >= 0
        assert row["activityProgress"] in ACTIVITY
        assert row["gradingProgress"] in GRADING
        assert PRECISE.fullmatch(row["timestamp"])
        assert PRECISE.fullmatch(row["submission"]["submittedAt"])
    progress = [r["gradingProgress"] for r in rows]
    assert progress == ["FullyGraded", "FullyGraded", "FullyGraded", "PendingManual", "Failed"]
    assert (rows[1]["scoreGiven"], rows[1]["scoreMaximum"]) == (7.2, 10.0)
    assert "scoreGiven" not in rows[4]


def test_lti_users_are_named_by_the_platforms_list(english, tmp_path):
    members = tmp_path / "members.json"
    members.write_text(
        json.dumps(
            {
                "members": [
                    {"user_id": "u-1", "lis_person_sourcedid": "21X4001", "name": "x"},
                    {"user_id": "u-2", "email": "ANN@example.ac.jp"},
                    {"user_id": "u-5", "given_name": "Пётр", "family_name": "Ёлкин"},
                ]
            }
        ),
        "utf-8",
    )
    scores = lti_scores(klass(), english, members)
    assert [row["userId"] for row in scores.rows] == ["u-1", "u-2", "u-5"]
    assert scores.not_found == ("21X4003", "21X4004")


@pytest.mark.parametrize("text", ["", "[1]", '{"members": [{"name": "x"}]}', "{"])
def test_a_file_that_is_no_membership_list_is_refused(english, tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(UsageError, match="membership list"):
        lti_scores(klass(), english, tmp_path / "m.json")


def of_github(line: bytes):
    name, _, value = line.decode("ascii").rstrip("\n").partition("=")
    assert name == "result"
    return strict(base64.b64decode(value, validate=True))


@pytest.mark.parametrize("n", range(5))
def test_the_autograding_result_is_what_githubs_reporter_reads(english, n):
    one = klass()[n]
    line = output_line(shown(one, Audience.STUDENT), RUBRIC, english)
    assert line.count(b"\n") == 1
    found = of_github(line)
    assert set(found) == {"version", "status", "max_score", "tests"}
    assert found["status"] in ("pass", "fail", "error")
    assert found["max_score"] == 10.0
    for test in found["tests"]:
        assert set(test) == {"name", "status", "message", "test_code", "filename", "line_no", "duration", "score"}
        assert test["status"] in ("pass", "fail", "error")
    # What the classroom is told: the sum of the tests' scores.
    assert sum(t["score"] for t in found["tests"]) == pytest.approx(one.final or 0.0)
    assert "42" not in json.dumps(found)
