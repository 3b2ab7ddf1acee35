"""Who an attempt is from: header cell, names of files and folders, roster, and what happens when they disagree."""

import pytest

from grader.errors import UsageError
from grader.intake import Roster, read_roster
from grader.intake.filename import FILE_NAME, FOLDER_NAME, LMS, Claim, name_claims
from grader.intake.header import header_student
from grader.intake.identity import HEADER, resolve
from grader.intake.language import notebook_language
from grader.model import Student

HANAKO = Student("21X4001", "山田 花子", "hanako@example.ac.jp")
TARO = Student("21X4002", "佐藤 太郎", "taro@example.ac.jp")


def header(*sources, kind="markdown"):
    return header_student({"cells": [{"cell_type": kind, "source": source} for source in sources]})


@pytest.mark.parametrize(
    "source",
    [
        "学生証番号 : 21X4001\n\n名前 : 山田 花子\n\nメールアドレス(法政大学) : hanako@example.ac.jp\n\n# B2-1",
        "学籍番号：２１Ｘ４００１\n氏名：山田　花子\nメール：ｈａｎａｋｏ＠ｅｘａｍｐｌｅ．ａｃ．ｊｐ",
        "**学籍番号**: 21x4001　**氏名**: 山田 花子　**E-mail**: hanako@example.ac.jp",
        "| 学籍番号 | 氏名 | メール |\n|---|---|---|\n| 21X4001 | 山田 花子 | hanako@example.ac.jp |",
        "| Student ID | 21X4001 |\n|---|---|\n| Name | 山田 花子 |\n| Mail | hanako@example.ac.jp |",
        "- Student number: 21X4001\n- Name: 山田 花子\n- E-mail: <hanako@example.ac.jp>",
        "1. **Student ID:** 21 X 4001\n2. **Name:** 山田 花子 (再履修)\n3. **Mail:** [me](mailto:hanako@example.ac.jp)",
        "Student number / 学籍番号 : 21X4001<br>Name / 名前 : 山田 花子<br>Email = hanako@example.ac.jp",
        "学籍番号\n21X4001\n\n名前\n\n山田 花子\n\nメール\nhanako@example.ac.jp",
        "学籍番号 21X4001\n氏名 山田 花子\nメール hanako@example.ac.jp",
        "学号：21X4001\n姓名：山田 花子\n邮箱：hanako@example.ac.jp",
        "Номер студенческого билета: 21X4001\nФИО: 山田 花子\nЭл. почта: hanako@example.ac.jp",
    ],
)
def test_header_spellings_are_understood(source):
    assert header(source) == HANAKO


@pytest.mark.parametrize(
    "source",
    [
        "学生証番号 :\n\n名前 :\n\nメールアドレス(法政大学) :\n\n# B2-1 CNN 入門\n\n本文",
        "Student number:\n\nName:\n\nE-mail:\n\n## Setup\n\nIn this lab we study filters.",
        "学籍番号：未記入\n名前：（ここに氏名）\nメール：xxx",
        "Student ID: TBD\nName: your name\nE-mail: none",
        "学籍番号：21X????\n名前：〇〇〇〇\nメール：hanako(at)example",
        "名前:\n\nCNN の学習を行い、結果を説明せよ。",
        "Name the layers of the model: conv, pool",
        "The student id is not needed here",
    ],
)
def test_unfilled_and_garbled_fields_are_none(source):
    assert header(source) == Student()


def test_a_header_in_a_comment_counts_but_code_does_not():
    found = header("# 学籍番号: 21X4001\n# 氏名: 山田 花子\nname = 'model'\nid = 5", kind="code")
    assert found == Student("21X4001", "山田 花子", None)
    assert header("name = 'model'\nid = 12345", kind="code") == Student()


def test_fields_may_be_spread_over_the_first_cells_but_not_over_the_notebook():
    assert header("# B2-1", "学籍番号: 21X4001", "名前: 山田 花子").id == "21X4001"
    assert header(*["text"] * 10, "学籍番号: 21X4001") == Student()


def claims(*parts, context=(), assignment="b2-1"):
    return name_claims(parts, context, assignment)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("21X4001_b2-1.ipynb",), Student("21X4001")),
        (("B2-1_山田花子.ipynb",), Student(None, "山田花子")),
        (("b2-1-21x4001-山田 花子 (1).ipynb",), Student("21X4001", "山田 花子")),
        (("21X4001_山田花子", "work.ipynb"), Student("21X4001", "山田花子")),
        (("yamadahanako_12345_67890_b2-1.ipynb",), Student(None, "yamadahanako")),
        (("Hanako Yamada_12345_assignsubmission_file_", "x.ipynb"), Student(None, "Hanako Yamada")),
        (("b2-1_hyamada_attempt_2026-04-10-12-00-00_b2-1.ipynb",), Student("hyamada")),
        (("alice", "b2-1", "b2-1.ipynb"), Student("alice")),
        (("B2-1_課題_提出版_20260410.ipynb",), None),
        (("b2-1.ipynb",), None),
        (("vgg16_2026.ipynb",), None),
    ],
)
def test_file_and_folder_names_tell_who_it_is(parts, expected):
    found = claims(*parts)
    assert (found[0].student if found else None) == expected


def test_the_header_wins_over_the_file_name_and_the_conflict_is_reported():
    student, conflicts = resolve([Claim(HEADER, Student("21X4001")), Claim(FILE_NAME, Student("21X4002"))], None)
    assert student.id == "21X4001"
    (conflict,) = conflicts
    assert conflict.params == {"place": FILE_NAME, "said": "21X4002", "taken": "21X4001"}


def test_a_number_of_the_roster_beats_one_that_is_not_in_it():
    given = [Claim(HEADER, Student("21X9999")), Claim(FILE_NAME, Student("21X4002"))]
    student, conflicts = resolve(given, Roster([HANAKO, TARO]))
    assert student == TARO
    assert [c.params["said"] for c in conflicts] == ["21X9999"]


def test_the_roster_completes_what_the_header_leaves_out():
    student, conflicts = resolve([Claim(HEADER, Student("21-x4001"))], Roster([HANAKO, TARO]))
    assert student == HANAKO
    assert conflicts == ()


def test_a_mistyped_number_is_settled_by_the_name_and_reported():
    student, conflicts = resolve([Claim(HEADER, Student("21X4010", "佐藤太郎"))], Roster([HANAKO, TARO]))
    assert student.id == "21X4002"
    assert conflicts[0].params == {"id": "21X4010", "taken": "21X4002"}
    assert len(conflicts) == 1


def test_an_unknown_number_is_kept_and_reported():
    student, conflicts = resolve([Claim(HEADER, Student("21X4010"))], Roster([HANAKO]))
    assert student.id == "21X4010"
    assert conflicts[0].params == {"id": "21X4010"}


def test_names_that_differ_are_reported_but_spellings_and_scripts_are_not():
    def said(first, second):
        return resolve([Claim(HEADER, Student(name=first)), Claim(LMS, Student(name=second))], None)[1]

    assert said("山田花子", "佐藤太郎")
    assert said("Hanako Yamada", "Taro Sato")
    assert not said("山田　花子", "山田花子")
    assert not said("Hanako Yamada", "YAMADA Hanako")
    assert not said("Hanako Yamada", "yamadahanako")
    assert not said("山田花子", "Hanako Yamada")
    assert not said("山田花子", "山田")


def test_another_students_address_is_reported():
    _, conflicts = resolve([Claim(HEADER, Student("21X4001", email=TARO.email))], Roster([HANAKO, TARO]))
    assert conflicts[0].params == {"email": TARO.email, "id": "21X4002"}


def test_an_lms_number_is_translated_by_the_roster():
    roster = Roster([HANAKO, TARO], [["12345"], ["12346"]])
    student, conflicts = resolve([Claim(HEADER, Student()), Claim(LMS, Student(name="taro"), "12346")], roster)
    assert student.id == "21X4002"
    assert conflicts == ()


def test_nobody_is_nobody():
    assert resolve([], None) == (Student(), ())
    assert resolve([Claim(HEADER, Student()), Claim(FOLDER_NAME, Student())], Roster([HANAKO])) == (Student(), ())


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("student_id,name,email\n21X4001,山田 花子,hanako@example.ac.jp\n", "utf-8"),
        ("氏名;メールアドレス;学籍番号\n山田 花子;hanako@example.ac.jp;21X4001\n", "utf-8-sig"),
        ("学籍番号\t氏名\tメール\r\n２１Ｘ４００１\t山田　花子\thanako@example.ac.jp\r\n\r\n", "cp932"),
        ("姓,名,学生証番号,E-mail\n山田,花子,21X4001,hanako@example.ac.jp\n", "utf-16"),
    ],
)
def test_rosters_are_read_in_any_shape(tmp_path, text, encoding):
    path = tmp_path / "roster.csv"
    path.write_bytes(text.encode(encoding))
    roster = read_roster(path)
    assert roster.students == (HANAKO,)
    assert roster.match(Student("21x4001")) == HANAKO
    assert roster.match(Student(None, None, "HANAKO@example.ac.jp")) == HANAKO
    assert roster.match(Student(None, "山田花子")) == HANAKO
    assert roster.match(Student("99", "誰か")) is None


def test_a_canvas_gradebook_is_a_roster(tmp_path):
    path = tmp_path / "grades.csv"
    path.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,B2-1 (77)\n"
        "    Points Possible,,,,,25\n"
        '"Yamada, Hanako",12345,21X4001,hyamada,A,\n'
    )
    roster = read_roster(path)
    for ident in ("21X4001", "12345", "hyamada"):
        assert roster.by_id(ident).id == "21X4001"
    assert roster.by_name("Hanako Yamada").id == "21X4001"


def test_two_students_of_one_name_are_not_told_apart_by_it():
    roster = Roster([Student("1", "佐藤 太郎"), Student("2", "佐藤 太郎")])
    assert roster.by_name("佐藤太郎") is None
    assert roster.by_id("2").id == "2"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\n", "expected column names"),
        (b"", "expected column names"),
        (b"id,name\n1,A\n1,B\n", "stands there twice"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"\x81\x00\xff\xff", "cannot be read"),
    ],
)
def test_a_wrong_roster_is_refused_with_what_was_expected(tmp_path, content, words):
    path = tmp_path / "roster.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        read_roster(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_roster(tmp_path / "missing.csv")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("畳み込みニューラルネットワークについて学ぶ", "ja"),
        ("使用卷积神经网络提高计算机视觉的准确率", "zh"),
        ("Повышение точности с помощью сверток", "ru"),
        ("Improving accuracy with convolutions", "en"),
        ("", "en"),
    ],
)
def test_the_language_is_guessed_from_the_prose(source, expected):
    cells = [{"cell_type": "markdown", "source": source}, {"cell_type": "code", "source": "import numpy as np\n" * 50}]
    assert notebook_language({"cells": cells, "metadata": {}}) == expected


def test_the_stamp_says_the_language():
    notebook = {
        "cells": [{"cell_type": "markdown", "source": "畳み込みについて"}],
        "metadata": {"grader": {"language": "en"}},
    }
    assert notebook_language(notebook) == "en"
    assert notebook_language({**notebook, "metadata": {"grader": {"language": "xx"}}}) == "ja"


@pytest.mark.parametrize(
    ("cell", "language"),
    [
        ("ja", "ja"),
        ("ＪＡ", "ja"),
        ("zh-Hans", "zh"),
        ("zh_TW", "zh"),
        ("English", "en"),
        ("en-GB", "en"),
        ("中国語", "zh"),
        ("日本語", "ja"),
        ("Русский", "ru"),
        ("jp", "ja"),
        ("de", None),
        ("enough", None),
        ("", None),
    ],
)
def test_a_class_list_names_the_language_of_a_students_reports(tmp_path, cell, language):
    path = tmp_path / "roster.csv"
    path.write_text(f"学籍番号,言語,氏名\n21X4001,{cell},相川 彩\n21X4002,ru,木村 健\n", "utf-8")
    roster = read_roster(path)
    assert roster.language_of(Student("21x4001")) == language
    assert roster.language_of(Student(None, "木村健")) == "ru"
    assert roster.language_of(Student("99")) is None
