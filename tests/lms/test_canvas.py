"""The gradebook file is read back as Canvas' importer reads one (``lib/gradebook_importer.rb``)."""

from __future__ import annotations

import csv
import io
import re

import pytest
from lms_results import AWKWARD, klass, result

from grader.errors import UsageError
from grader.lms.canvas import from_gradebook, from_roster
from grader.lms.grades import Grades
from grader.model import Student

EXPORTED = '''Student,ID,SIS User ID,SIS Login ID,Section,Homework 1 (881),CNN lab (882),Current Score
"    Points Possible",,,,,10.00,10.00,(read only)
"山田, 太郎",101,21X4001,taro@example.ac.jp,A,9.00,,90
"O""Neil ""Ann""",102,21X4002,ann@example.ac.jp,"A, B",8.00,1.00,80
Eve,103,,eve@example.ac.jp,B,7.00,,70
Nobody,199,21X4999,no@example.ac.jp,B,6.00,,60
'''


def imported(content: bytes):
    """What Canvas takes from the file: number of the assignment, its maximum, and points by (ID, SIS User ID, name)."""
    text = content.decode("utf-8")
    assert not text.startswith("\ufeff") or text.lstrip("\ufeff").startswith("Student")
    header, *rows = csv.reader(
        io.StringIO(text, newline=""), delimiter=";" if text.count(";") > text.count(",") else ","
    )
    assert "Student" in header[0]
    assert header[1] == "ID"
    last = max(i for i, cell in enumerate(header) if "Section" in cell)
    assert len(header) == last + 2
    number = re.fullmatch(r".+ \((\d+)\)", header[last + 1])[1]
    possible, *students = rows
    assert possible[0] == "    Points Possible"
    points = {}
    for row in students:
        assert len(row) == len(header)
        assert re.fullmatch(r"\d+\.\d\d", row[last + 1]), row
        points[row[1], row[2], row[0]] = float(row[last + 1])
    return int(number), float(possible[last + 1]), points


def test_a_file_from_the_class_alone_names_everybody_so_that_canvas_finds_them():
    filled = from_roster(Grades(klass()), "CNN, first lab", 882)
    number, possible, points = imported(filled.content)
    assert (number, possible) == (882, 10.0)
    assert points == {
        ("", "21X4001", "山田, 太郎"): 7.5,
        ("", "21X4002", 'O"Neil "Ann"'): 7.2,
        ("", "21X4003", "'=1+1"): 3.0,
    }
    assert filled.left_out == ("21X4004", "21X4005")


def test_canvas_own_number_in_the_name_of_a_file_is_given_back():
    one = result(Student(name="yamadataro"), source="sub.zip!yamadataro_LATE_4711_881_lab.ipynb")
    assert list(imported(from_roster(Grades([one]), "Lab", 1).content)[2]) == [("4711", "", "yamadataro")]


def test_points_that_are_open_are_given_only_when_asked_for():
    filled = from_roster(Grades(klass(), with_open=True), "Lab", 1)
    assert imported(filled.content)[2]["", "21X4004", "two\nlines"] == 3.25
    assert filled.left_out == ("21X4005",)


@pytest.fixture
def exported(tmp_path):
    path = tmp_path / "gradebook.csv"
    path.write_text(EXPORTED, "utf-8-sig")
    return path


@pytest.mark.parametrize("number", [None, 882])
def test_a_downloaded_gradebook_gives_students_and_column(exported, number):
    filled = from_gradebook(Grades(klass()), exported, ["demo", "CNN lab"], number)
    ident, possible, points = imported(filled.content)
    assert (ident, possible) == (882, 10.0)
    assert points == {
        ("101", "21X4001", "山田, 太郎"): 7.5,
        ("102", "21X4002", 'O"Neil "Ann"'): 7.2,
        ("103", "", "Eve"): 3.0,
    }
    assert filled.not_found == ()


def test_a_student_who_is_not_in_the_gradebook_is_told(exported):
    filled = from_gradebook(Grades([result(Student("77", "Stranger"))]), exported, ["CNN lab"])
    assert (filled.n_written, filled.not_found) == (0, ("77",))


def test_a_gradebook_with_semicolons_is_answered_with_semicolons(tmp_path):
    path = tmp_path / "g.csv"
    path.write_text("Student;ID;SIS Login ID;Section;Lab (5)\n    Points Possible;;;;10\nA;1;21X4001;S;\n", "utf-8")
    assert imported(from_gradebook(Grades([result(AWKWARD[0])]), path, ["Lab"]).content)[2] == {
        ("1", "21X4001", "A"): 7.5
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no gradebook of Canvas"),
        (EXPORTED.replace("CNN lab", "Other"), "which column"),
        (EXPORTED.replace(",10.00,(read", ",20.00,(read"), "out of 20"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_reason(tmp_path, text, said):
    path = tmp_path / "g.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=said):
        from_gradebook(Grades(klass()), path, ["CNN lab"])


def test_another_maximum_is_converted_when_asked_for(tmp_path):
    path = tmp_path / "g.csv"
    path.write_text(EXPORTED.replace(",10.00,(read", ",20.00,(read"), "utf-8")
    points = imported(from_gradebook(Grades(klass(), scale=True), path, ["CNN lab"]).content)[2]
    assert points["101", "21X4001", "山田, 太郎"] == 15.0
