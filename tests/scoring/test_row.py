from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pytest

from grader.messages import Catalogue
from grader.model import CellOutcome, CellRun, Execution, ExecutionOutcome, Flag, FlagKind, Result, Student, Text
from grader.scoring import not_gradable_by_us, plain, result_row, score


@pytest.fixture
def result(rubric, check, ran):
    measured = {"accuracy": np.float32(0.5), "loss": math.nan, "shape": (28, 28), "inner": {"x": math.inf}}
    results = [
        check("runs", "passed", message=Text("Test accuracy {a:.2f}", {"a": 0.876}), measured=measured),
        check("late", "needs_review", hint=Text("Write more.")),
        check("secret", "failed"),
    ]
    execution = replace(ran, notes=(Text("{n} cells", {"n": 3}),), cells=(CellRun(4, CellOutcome.ERROR),))
    flags = [Flag(FlagKind.CLAIM_DIFFERS, Text("says {x}", {"x": Text("nested")}))]
    return Result(
        assignment="demo",
        digest="sha256:" + "0" * 64,
        source="class/s.ipynb",
        student=Student("1", "山田", None),
        execution=execution,
        score=score(rubric, results, execution, flags=flags),
        graded_at="2026-01-01T00:00:00+00:00",
        report="reports/1.html",
    )


def test_a_row_holds_what_the_contract_names(result, rubric, english):
    row = json.loads(json.dumps(result_row(result, rubric, english), allow_nan=False))
    assert row["schema"] == 1
    assert row["student"] == {"id": "1", "name": "山田", "email": None}
    assert (row["status"], row["score"], row["score_pending"], row["max_score"]) == ("needs_review", 2.0, 3.0, 10.0)
    assert (row["attempt"], row["runtime"], row["budget"]) == (result.digest, "keras3", "full")
    assert row["execution"]["failed_cells"] == [4]
    assert row["execution"]["notes"] == ["3 cells"]
    assert row["execution"].keys() >= {"outcome", "duration_s", "peak_memory_mib", "replayed_fits", "trained_fits"}
    assert row["criteria"][0] == {
        "id": "runs",
        "title": "It runs",
        "points": 2.0,
        "max_points": 2.0,
        "outcome": "passed",
        "visibility": "public",
        "message": "Test accuracy 0.88",
        "hint": None,
        "measured": {"accuracy": 0.5, "loss": None, "shape": [28, 28], "inner": {"x": None}},
    }
    assert row["criteria"][1]["points"] is None
    assert row["criteria"][1]["hint"] == "Write more."
    assert row["flags"] == [{"kind": "claim_differs", "message": "says nested"}]
    assert row["report"] == "reports/1.html"


def test_a_row_does_not_change_with_the_clock(result, rubric, english):
    later = replace(result, graded_at="2027-01-01T00:00:00+00:00")
    assert result_row(later, rubric, english) == result_row(result, rubric, english)


def test_titles_are_in_the_language_of_the_catalogue(result, rubric, tmp_path):
    assert result_row(result, rubric, Catalogue("ja", tmp_path))["criteria"][0]["title"] == "動く"


def test_points_of_a_row_add_up_and_a_message_is_never_empty(result, rubric, english, check, ran):
    empty = score(rubric, [check(i, "passed", message=Text("")) for i in rubric.ids], ran)
    row = result_row(replace(result, score=empty), rubric, english)
    assert sum(c["points"] for c in row["criteria"]) == row["score"]
    assert all(c["message"] for c in row["criteria"])


def test_an_attempt_without_a_grade_says_why(result, rubric, english):
    unreadable = score(rubric, [], Execution(ExecutionOutcome.UNREADABLE), reason=Text("It is cut off."))
    row = result_row(replace(result, score=unreadable), rubric, english)
    assert (row["status"], row["score"], row["reason"]) == ("not_gradable", None, "It is cut off.")
    row = result_row(replace(result, score=not_gradable_by_us(rubric, Text("Our fault."))), rubric, english)
    assert (row["status"], row["score"], row["score_pending"]) == ("needs_review", 0.0, 10.0)


def test_anything_measured_becomes_plain_json(english):
    odd = {1: {"b", "a"}, "p": PurePosixPath("x"), "n": np.int16(3), "a": np.array([[1.0, np.nan]]), "t": Text("hi")}
    assert plain(odd, english) == {"1": ["a", "b"], "p": "x", "n": 3, "a": [[1.0, None]], "t": "hi"}
