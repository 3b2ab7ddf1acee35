from __future__ import annotations

import csv
import io
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.lms import csv_bytes, write_csv
from grader.messages import Catalogue
from grader.model import (
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
from grader.plain import clean
from grader.rubric import Criterion, Rubric

RUBRIC = Rubric(
    assignment="demo",
    version="1",
    criteria=tuple(Criterion(id=i, points=5.0, title={"en": i}) for i in ("runs", "essay")),
)
LINES = (
    CriterionScore("runs", 4.5, 5.0, Outcome.PARTIAL, Visibility.PUBLIC, Text("m")),
    CriterionScore("essay", None, 5.0, Outcome.NEEDS_REVIEW, Visibility.PUBLIC, Text("m")),
)
RESULT = Result(
    assignment="demo",
    digest="sha256:" + "a" * 64,
    source="zip!氏名/解答,1.ipynb",
    student=Student("21X4001", "山田 太郎", "t@example.org"),
    execution=Execution(ExecutionOutcome.OK),
    score=Score(Status.NEEDS_REVIEW, 4.5, 5.0, 10.0, LINES, (Flag(FlagKind.SIMILAR, Text("x")),)),
    attempt_number=2,
    handed_in_at="2026-01-02T03:04:05+00:00",
)


@pytest.fixture(scope="module")
def english(tmp_path_factory):
    return Catalogue("en", tmp_path_factory.mktemp("locale"))


def _read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_a_row_holds_the_student_the_score_and_each_criterion(english):
    row = _read(csv_bytes([RESULT], RUBRIC, english))[0]
    assert (row["id"], row["name"], row["email"]) == ("21X4001", "山田 太郎", "t@example.org")
    assert (row["attempt_number"], row["handed_in_at"]) == ("2", "2026-01-02T03:04:05+00:00")
    assert (row["status"], float(row["score"]), float(row["score_pending"])) == ("needs_review", 4.5, 5.0)
    assert (float(row["runs.points"]), row["runs.outcome"]) == (4.5, "partial")
    assert (row["essay.points"], row["essay.outcome"]) == ("", "needs_review")
    assert (row["flags"], row["reason"], row["source"]) == ("similar", "", "zip!氏名/解答,1.ipynb")
    assert row["digest"] == RESULT.digest


def test_the_file_begins_with_a_byte_order_mark_and_ends_lines_as_the_rfc_says(english):
    content = csv_bytes([RESULT], RUBRIC, english)
    assert content.startswith(b"\xef\xbb\xbfid,name,")
    assert content.count(b"\r\n") == 2


def test_a_grade_that_does_not_exist_is_an_empty_cell(english):
    score = Score(Status.NOT_GRADABLE, None, 10.0, 10.0, (), (), Text("It is {x}.", {"x": "empty"}))
    row = _read(csv_bytes([replace(RESULT, score=score, student=Student())], RUBRIC, english))[0]
    assert (row["score"], row["id"], row["runs.points"], row["reason"]) == ("", "", "", "It is empty.")


def test_a_number_that_is_not_finite_is_an_empty_cell(english):
    score = replace(RESULT.score, points=float("nan"))
    assert _read(csv_bytes([replace(RESULT, score=score)], RUBRIC, english))[0]["score"] == ""


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "  =", "\u3000="])
def test_a_text_that_looks_like_a_formula_is_made_harmless(english, start):
    result = replace(RESULT, student=Student(name=start + "1+1"))
    assert _read(csv_bytes([result], RUBRIC, english))[0]["name"] == f"'{clean(start)}1+1"


@pytest.mark.parametrize("name", ["\u202e%s", "%s\u2067", "\u200f%s", "\x1b[2J%s", "\x07%s"])
def test_a_name_cannot_reorder_or_control_what_stands_beside_it(english, name):
    result = replace(RESULT, student=Student(name=name % "Abe"), source=name % "=1+1")
    row = _read(csv_bytes([result], RUBRIC, english))[0]
    assert "Abe" in row["name"]
    for cell in (row["name"], row["source"]):
        assert not [c for c in cell if unicodedata.category(c) in ("Cc", "Cf")]
        assert not cell.startswith("=")


def test_a_name_that_is_written_from_right_to_left_is_kept(english):
    name = "\u05d3\u05d5\u05d3 \u05db\u05d4\u05df"
    row = _read(csv_bytes([replace(RESULT, student=Student(name=name))], RUBRIC, english))[0]
    assert row["name"] == name


@given(st.text(), st.text())
def test_any_text_is_read_back_and_none_is_a_formula(english, name, source):
    result = replace(RESULT, student=Student(name=name), source=source)
    rows = _read(csv_bytes([result, RESULT], RUBRIC, english))
    assert len(rows) == 2
    for given_text, cell in ((name, rows[0]["name"]), (source, rows[0]["source"])):
        assert cell in (clean(given_text), f"'{clean(given_text)}")
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))


def test_half_a_surrogate_pair_does_not_stop_the_export(english):
    assert _read(csv_bytes([replace(RESULT, source="a\ud800")], RUBRIC, english))[0]["source"] == "a?"


def test_it_is_written_to_a_path_or_a_stream_alike(english, tmp_path):
    stream = io.BytesIO()
    write_csv(stream, [RESULT], RUBRIC, english)
    write_csv(tmp_path / "g.csv", [RESULT], RUBRIC, english)
    assert (tmp_path / "g.csv").read_bytes() == stream.getvalue() == csv_bytes([RESULT], RUBRIC, english)
