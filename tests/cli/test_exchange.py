"""``grader import``, ``grader export``, ``grader extend`` and ``grader similar`` as people type them."""

import base64
import csv
import io
import json
import random
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from similar_class import disguised, hand_in, notebook

from grader.config import load_settings
from grader.pipeline import open_context

WORKSHEET = (
    'Identifier,"Full name","ID number","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\r\n'
    '"Participant 501",学生,21X0001,,Submitted,,25.00,Yes,"Friday, 20 November 2026, 11:14 PM",-,\r\n'
)


@pytest.fixture
def graded(environment, tmp_path):
    """A workspace of three students; the third handed in a copy of the second's work."""
    context = open_context(load_settings({"workspace": Path("workspace")}), "b2-1")
    rng = random.Random(2)
    books = {ident: notebook(context, rng, ident) for ident in ("21X0001", "21X0002")}
    books["21X0003"] = disguised(books["21X0002"], "21X0003", rng)
    for ident, book in books.items():
        hand_in(context, ident, book)
    return context


def test_a_class_list_is_kept(grader, tmp_path):
    (tmp_path / "class.csv").write_text("氏名,学籍番号\n山田,21X4001\n", "cp932")
    ran = grader("import", "roster", "class.csv")
    assert ran.code == 0, ran.err
    assert "1 students" in ran.out
    assert (tmp_path / "workspace" / "roster.csv").is_file()


def test_an_archive_is_kept_and_the_next_command_named(grader, tmp_path, save_notebook):
    save_notebook(tmp_path / "a.ipynb", "a = 1", student="21X4001", grader={"assignment": "b2-1"})
    with zipfile.ZipFile("all.zip", "w") as archive:
        archive.write("a.ipynb", "someone_LATE_4711_99001_a.ipynb")
    ran = grader("import", "canvas", "all.zip")
    assert ran.code == 0, ran.err
    assert "b2-1: 1 attempts from canvas, 1 of them new" in ran.out
    assert "1 marked late" in ran.out
    assert "grader grade b2-1" in ran.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("import", "blackboard", "x.zip"), "expected roster, moodle"),
        (("import", "canvas", "x.zip", "--worksheet", "w.csv"), "--worksheet is for moodle"),
        (("import", "moodle", "x.zip"), "x.zip does not exist"),
        (("import", "roster", "x.csv"), "cannot be read"),
        (("grade", "b2-1"), "grader import"),
        (("export", "excel"), "csv, canvas, moodle, gradescope, junit, lti, github"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_can(grader, words, said):
    ran = grader(*words)
    assert ran.code == 2
    assert said in ran.err


def test_every_format_is_written_and_left_out_students_are_told(grader, graded, tmp_path):
    (tmp_path / "w.csv").write_text(WORKSHEET, "utf-8", newline="")
    ran = grader("export", "moodle", "--worksheet", "w.csv", "--out", "filled.csv")
    assert ran.code == 0, ran.err
    assert (tmp_path / "filled.csv").read_bytes() == WORKSHEET.replace(",,25.00", ",25.00,25.00").encode()
    assert "1 grades written" in ran.out
    assert "not in the list of the other system: 21X0002, 21X0003" in ran.out

    ran = grader("export", "canvas", "--lms-id", "882")
    rows = list(csv.reader(io.StringIO(ran.out, newline="")))
    assert rows[0][-1].endswith("(882)")
    assert [row[2] for row in rows[2:]] == ["21X0001", "21X0002", "21X0003"]
    assert "3 grades written" in ran.err

    assert len(ElementTree.fromstring(grader("export", "junit").out)) == 3
    lines = [json.loads(line) for line in grader("export", "lti").out.splitlines()]
    assert [line["scoreGiven"] for line in lines] == [25.0, 25.0, 25.0]

    assert grader("export", "gradescope", "--out", "results").code == 0
    assert sorted(p.name for p in (tmp_path / "results").iterdir()) == ["21X0001.json", "21X0002.json", "21X0003.json"]
    assert json.loads((tmp_path / "results" / "21X0002.json").read_text("utf-8"))["score"] == 25.0

    ran = grader("export", "github", "--student", "21X0003")
    assert json.loads(base64.b64decode(ran.out.removeprefix("result=")))["max_score"] == 25.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("canvas",), "--lms-id"),
        (("moodle",), "--worksheet"),
        (("github",), "3 results count"),
        (("gradescope", "--out", "results.json"), "3 results count"),
        (("csv", "--autograder", "x.whl"), "for gradescope"),
        (("github", "--student", "nobody"), "fits 0 results"),
    ],
)
def test_an_option_that_is_missing_is_named(grader, graded, words, said):
    ran = grader("export", *words)
    assert ran.code == 2
    assert said in ran.err


def test_the_autograder_for_gradescope_is_a_zip_to_upload(grader, graded, tmp_path):
    with zipfile.ZipFile("keras_grader-0.1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("x", "")
    ran = grader("export", "gradescope", "--autograder", "keras_grader-0.1.0-py3-none-any.whl", "--out", "auto.zip")
    assert ran.code == 0, ran.err
    with zipfile.ZipFile("auto.zip") as archive:
        assert {"setup.sh", "run_autograder"} <= set(archive.namelist())
        assert "grade b2-1 /autograder/submission" in archive.read("run_autograder").decode()


def test_more_time_counts_at_once_and_a_deadline_is_asked_for(grader, graded, tmp_path):
    ran = grader("extend", "b2-1", "21X0001", "2", "--reason", "was ill")
    assert ran.code == 0, ran.err
    assert "no deadline yet" in ran.out
    late = "[late]\npercent_per_day = 10\n[assignment.b2-1]\ndue = 2026-11-20T23:59:00+09:00\n"
    (tmp_path / "workspace" / "late.toml").write_text(late)
    times = "assignment,student,handed_in_at\nb2-1,21X0001,2026-11-22T01:00:00Z\nb2-1,21X0002,2026-11-22T01:00:00Z\n"
    (tmp_path / "workspace" / "handins.csv").write_text(times)
    rows = list(csv.DictReader(io.StringIO(grader("export", "csv").out.lstrip("\ufeff"), newline="")))
    assert [(r["score"], r["days_late"], r["penalty"], r["final"]) for r in rows] == [
        ("25.0", "0", "0.0", "25.0"),
        ("25.0", "2", "5.0", "20.0"),
        ("25.0", "", "0.0", "25.0"),
    ]
    assert grader("report").code == 0
    assert "−5.0 → 20.0" in (tmp_path / "workspace/reports/b2-1/21X0002.html").read_text("utf-8")


def test_similar_names_the_pair_and_writes_the_page(grader, graded, tmp_path):
    ran = grader("similar", "b2-1", "--lang", "ja")
    assert ran.code == 0, ran.err
    assert "21X0002 学生 21X0002 | 21X0003 学生 21X0003: code" in ran.out
    assert "3 submissions, 1 pairs to look at" in ran.out
    page = (tmp_path / "workspace/dashboard/similar-b2-1.html").read_text("utf-8")
    assert 'lang="ja"' in page
    assert "<mark>" in page
    assert [r["flags"] for r in csv.DictReader(io.StringIO(grader("export", "csv").out.lstrip("\ufeff")))] == [
        "",
        "similar",
        "similar",
    ]


@pytest.mark.slow
def test_what_was_imported_is_graded_without_a_path(grader, course_data, tmp_path, save_notebook):
    save_notebook(tmp_path / "submitted" / "21X4001" / "b2-1" / "lab.ipynb", "a = 1")
    (tmp_path / "submitted" / "21X4001" / "b2-1" / "timestamp.txt").write_text("2026-11-20 23:58:23 Asia/Tokyo")
    assert grader("import", "nbgrader", "submitted", "--assignment", "b2-1").code == 0
    ran = grader("grade", "b2-1", "--json", "results.json")
    assert ran.code in (0, 1), ran.err
    (row,) = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert (row["student"]["id"], row["execution"]["outcome"]) == ("21X4001", "ok")
    assert row["handed_in_at"] == "2026-11-20T14:58:23+00:00"
