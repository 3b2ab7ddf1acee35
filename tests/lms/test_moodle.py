"""The grading worksheet is filled so that Moodle takes it back (``assign/feedback/offline/importgradeslib.php``)."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from lms_results import AWKWARD, klass, result

from grader.errors import UsageError
from grader.lms.grades import Grades
from grader.lms.moodle import Worksheet, moment_of
from grader.model import Student

ENGLISH = (
    'Identifier,"Full name","ID number","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\r\n'
    '"Participant 501","山田, 太郎",21X4001,taro@example.ac.jp,"Submitted for grading - ",,10.00,Yes,'
    '"Friday, 20 November 2026, 11:14 PM",-,"keep, ""this"""\r\n'
    '"Participant 502","O\'Neil",,ann@example.ac.jp,"Submitted",3.00,10.00,Yes,'
    '"Saturday, 21 November 2026, 12:05 AM","Sunday, 22 November 2026, 9:00 AM",\r\n'
    '"Participant 503","two\nlines",,,"No submission",,10.00,Yes,-,-,\r\n'
)
JAPANESE = (
    "識別子,氏名,学籍の番号,メール,状態,評点,最大の評点,変更可,最終更新 (提出),最終更新 (評点),コメント\n"
    "参加者 501,山田 太郎,21X4001,taro@example.ac.jp,提出済み,,10.00,Yes,2026年 11月 20日(金曜日) 23:14,-,\n"
    "参加者 502,佐藤,21X4002,ann@example.ac.jp,提出済み,3.00,10.00,Yes,2026年 11月 21日(土曜日) 00:05,-,\n"
)
GERMAN = (
    "ID,Name,Matrikel,Mail,Status,Bewertung,Höchstwert,Änderbar,Zuletzt geändert (Abgabe),"
    "Zuletzt geändert (Bewertung),Feedback\n"
    '"Teilnehmer/in 501",Taro,21X4001,taro@example.ac.jp,x,"4,50","10,00",Ja,"Freitag, 20. November 2026, 23:14",-,\n'
    '"Teilnehmer/in 502",Ann,21X4002,ann@example.ac.jp,x,,"10,00",Ja,-,-,\n'
)


def sheet(text: str) -> Worksheet:
    return Worksheet(text.encode(), Path("w.csv"))


def imported(content: bytes, before: str) -> dict[str, str]:
    """Grades by participant, as Moodle reads them, once nothing else differs from the download."""
    rows, old = (list(csv.reader(io.StringIO(text, newline=""))) for text in (content.decode("utf-8"), before))
    assert rows[0] == old[0]
    grade = next(i for i, cell in enumerate(rows[0]) if cell in ("Grade", "評点", "Bewertung"))
    for row, was in zip(rows, old, strict=True):
        assert [c for i, c in enumerate(row) if i != grade] == [c for i, c in enumerate(was) if i != grade]
    return {row[0]: row[grade] for row in rows[1:]}


def test_only_the_grades_change_and_by_the_byte():
    filled = sheet(ENGLISH).filled(Grades(klass()))
    assert imported(filled.content, ENGLISH) == {
        "Participant 501": "7.50",
        "Participant 502": "7.20",
        "Participant 503": "",
    }
    assert filled.content.decode() == ENGLISH.replace(',,10.00,Yes,"Friday', ',7.50,10.00,Yes,"Friday').replace(
        ",3.00,", ",7.20,"
    )
    assert (filled.n_written, filled.not_found, filled.left_out) == (2, ("21X4003",), ("21X4004", "21X4005"))


@pytest.mark.parametrize("text", [JAPANESE, GERMAN, "\ufeff" + ENGLISH])
def test_headers_of_any_language_are_understood_by_their_place(text):
    grades = Grades([result(AWKWARD[0]), result(AWKWARD[1], 5.0, late=0.8)])
    filled = sheet(text).filled(grades)
    assert filled.n_written == 2
    assert sorted(imported(filled.content, text).values())[-2:] == ["7.20", "7.50"]
    assert filled.content.startswith(text[:8].encode())


def test_a_participant_is_known_by_the_number_in_the_archive():
    one = result(Student(name="Somebody Else"), source="all.zip!Somebody Else_503_assignsubmission_file_/a.ipynb")
    assert imported(sheet(ENGLISH).filled(Grades([one])).content, ENGLISH)["Participant 503"] == "7.50"


def test_a_name_that_two_have_finds_neither():
    text = ENGLISH + '"Participant 504","two\nlines",,,"No submission",,10.00,Yes,-,-,\r\n'
    filled = sheet(text).filled(Grades([result(Student(None, "two\nlines"))]))
    assert (filled.n_written, len(filled.not_found)) == (0, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no grading worksheet"),
        ("a,b\n1,2\n", "no grading worksheet"),
        (ENGLISH.replace("10.00", "20.00"), "out of 20"),
    ],
)
def test_a_file_that_is_none_or_has_another_maximum_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        sheet(text).filled(Grades(klass()))


def test_a_file_that_a_spreadsheet_stored_in_another_encoding_is_refused():
    with pytest.raises(UsageError, match="not UTF-8"):
        Worksheet(ENGLISH.encode("cp932"), Path("w.csv"))


def test_the_grade_column_can_be_named():
    text = ENGLISH.replace("Grade,", "Punkte,", 1).replace(",10.00,", ",,")
    with pytest.raises(UsageError, match="--column"):
        sheet(text).filled(Grades(klass()))
    assert sheet(text).filled(Grades(klass()), "punkte").n_written == 2


@pytest.mark.parametrize("text", [ENGLISH, JAPANESE, GERMAN])
def test_the_time_of_handing_in_is_the_first_date_of_the_line(text):
    worksheet = sheet(text)
    line = worksheet.line_of("", Student("21X4001"))
    assert worksheet.submitted_at(line, ZoneInfo("Asia/Tokyo")) == "2026-11-20T14:14:00+00:00"
    assert worksheet.submitted_at(line, None) is None


def test_nothing_handed_in_has_no_time_though_a_grade_has():
    text = ENGLISH.replace("Yes,-,-,", 'Yes,-,"Sunday, 22 November 2026, 9:00 AM",')
    worksheet = sheet(text)
    assert worksheet.submitted_at(worksheet.lines[2], ZoneInfo("Asia/Tokyo")) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Friday, 20 November 2026, 12:14 AM", datetime(2026, 11, 20, 0, 14)),
        ("2026年11月20日 星期五 23:14", datetime(2026, 11, 20, 23, 14)),
        ("2026年 11月 20日(金曜日) 午後 11:14", datetime(2026, 11, 20, 23, 14)),
        ("пятница, 20 ноября 2026, 23:14", datetime(2026, 11, 20, 23, 14)),
        ("vendredi 20 novembre 2026, 23:14", datetime(2026, 11, 20, 23, 14)),
        ("2026-11-20 23:14:05", datetime(2026, 11, 20, 23, 14, 5)),
        ("-", None),
        ("2026", None),
        ("40 November 2026, 23:14", None),
    ],
)
def test_dates_as_moodle_writes_them(text, moment):
    assert moment_of(text) == moment
