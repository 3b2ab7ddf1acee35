"""Archives of each system's shape, with awkward names, come into the workspace and can be graded from there."""

from __future__ import annotations

import json
import zipfile

import pytest

from grader.config import load_settings
from grader.errors import UsageError
from grader.model import Student
from grader.pipeline.importing import import_archive, kept_attempts
from grader.pipeline.languages import kept_roster, store_roster
from grader.pipeline.lateness import read_handins

WORKSHEET = (
    'Identifier,"Full name","ID number","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\r\n'
    '"Participant 501","山田, 太郎",21X4001,taro@example.ac.jp,Submitted,,25.00,Yes,'
    '"Friday, 20 November 2026, 11:14 PM",-,\r\n'
    '"Participant 502","O\'Neil ""Ann""",21X4002,ann@example.ac.jp,Submitted,,25.00,Yes,'
    '"Saturday, 21 November 2026, 1:00 AM",-,\r\n'
)


def book(text="1 + 1", assignment="b2-1"):
    cells = [{"cell_type": "code", "id": "a", "metadata": {}, "source": text, "outputs": [], "execution_count": None}]
    metadata = {"grader": {"assignment": assignment}} if assignment else {}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}).encode()


def archive(path, files, flag=0x800):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(zipfile.ZipInfo(name, (2026, 11, 1, 0, 0, 0)), content)
    return path


@pytest.fixture
def settings(tmp_path):
    values = {"workspace": tmp_path / "workspace", "data_dir": tmp_path / "data", "language": "en"}
    return load_settings(values, environ={})


def zone(settings):
    settings.workspace.mkdir(exist_ok=True)
    (settings.workspace / "late.toml").write_text('[late]\ntime_zone = "Asia/Tokyo"\n')


def students(done):
    return [(a.student.id, a.student.name, a.student.email) for a in done.attempts]


def test_moodle_with_its_worksheet_gives_numbers_addresses_and_times(settings, tmp_path):
    zone(settings)
    (tmp_path / "w.csv").write_text(WORKSHEET, "utf-8")
    zipped = archive(
        tmp_path / "all.zip",
        {
            "山田, 太郎_501_assignsubmission_file_/課題 (1).ipynb": book("a = 1"),
            'O\'Neil "Ann"_502_assignsubmission_file_/work.ipynb': book("a = 2"),
        },
    )
    done = import_archive(settings, zipped, worksheet=tmp_path / "w.csv")
    assert sorted(students(done)) == [
        ("21X4001", "山田, 太郎", "taro@example.ac.jp"),
        ("21X4002", 'O\'Neil "Ann"', "ann@example.ac.jp"),
    ]
    times = {a.student.id: (a.handed_in_at, a.told_by) for a in done.attempts}
    assert times == {
        "21X4001": ("2026-11-20T14:14:00+00:00", "Moodle"),
        "21X4002": ("2026-11-20T16:00:00+00:00", "Moodle"),
    }
    assert (done.n_new, done.times) == (2, 2)


def test_moodles_times_need_a_time_zone(settings, tmp_path):
    (tmp_path / "w.csv").write_text(WORKSHEET, "utf-8")
    zipped = archive(tmp_path / "all.zip", {"山田, 太郎_501_assignsubmission_file_/a.ipynb": book()})
    (attempt,) = import_archive(settings, zipped, worksheet=tmp_path / "w.csv").attempts
    assert attempt.told_by is None


def test_canvas_marks_who_was_late_and_does_not_say_when(settings, tmp_path):
    roster = tmp_path / "gradebook.csv"
    roster.write_text(
        'Student,ID,SIS User ID,SIS Login ID,Section,Lab (882)\n"    Points Possible",,,,,25\n'
        '"山田, 太郎",4711,21X4001,taro@example.ac.jp,A,\nAnn,4712,21X4002,ann@example.ac.jp,"A, B",\n',
        "utf-8-sig",
    )
    store_roster(settings.workspace, roster)
    zipped = archive(
        tmp_path / "submissions.zip",
        {
            "山田太郎_LATE_4711_99001_b2-1.ipynb": book("a = 1"),
            "ann_4712_99002_b2-1-2.ipynb": book("a = 2"),
        },
    )
    done = import_archive(settings, zipped)
    assert {a.student.id: a.marked_late for a in done.attempts} == {"21X4001": "Canvas", "21X4002": None}
    (line,) = read_handins(settings.workspace, "b2-1")
    assert (line.student, line.at, line.marked_late) == ("21X4001", "", "Canvas")


def test_gradescope_tells_who_and_when(settings, tmp_path):
    metadata = (
        "submission_101:\n  :submitters:\n  - :name: '山田, 太郎'\n    :sid: '21X4001'\n"
        "    :email: taro@example.ac.jp\n  :created_at: 2026-11-20 14:58:23.948203000 Z\n"
        "  :history:\n  - :id: 1\n    :created_at: 2026-11-19 00:00:00 Z\n"
        "submission_102:\n  :submitters:\n  - :name: Ann\n    :sid: '21X4002'\n"
    )
    zipped = archive(
        tmp_path / "export.zip",
        {
            "assignment_1_export/submission_metadata.yml": metadata.encode(),
            "assignment_1_export/submission_101/b2-1.ipynb": book("a = 1"),
            "assignment_1_export/submission_102/b2-1.ipynb": book("a = 2"),
        },
    )
    done = import_archive(settings, zipped)
    assert [s[0] for s in students(done)] == ["21X4001", "21X4002"]
    assert [(a.told_by, a.told_by and a.handed_in_at) for a in done.attempts] == [
        ("Gradescope", "2026-11-20T14:58:23+00:00"),
        (None, None),
    ]


def test_an_nbgrader_tree_gives_its_times_and_only_this_assignment(settings, tmp_path):
    root = tmp_path / "submitted"
    for student, ident in (("21X4001", "b2-1"), ("o'neil, ann", "b2-1"), ("21X4001", "other")):
        folder = root / student / ident
        folder.mkdir(parents=True)
        (folder / "lab.ipynb").write_bytes(book(f"# {student} {ident}", assignment=ident))
    (root / "21X4001" / "b2-1" / "timestamp.txt").write_text("2026-11-20 23:58:23.948203 Asia/Tokyo")
    done = import_archive(settings, root, "b2-1")
    assert [s[0] for s in students(done)] == ["21X4001", "o'neil, ann"]
    assert [a.told_by for a in done.attempts] == ["nbgrader", None]
    assert done.attempts[0].handed_in_at == "2026-11-20T14:58:23+00:00"


def test_what_was_imported_can_be_graded_without_naming_it_again(settings, tmp_path):
    zipped = archive(
        tmp_path / "all.zip",
        {"A_7_assignsubmission_file_/a.ipynb": book("a = 1"), "B_8_assignsubmission_file_/b.pdf": b"%PDF"},
    )
    done = import_archive(settings, zipped)
    zipped.unlink()
    kept = kept_attempts(done.context)
    assert [(a.digest, a.source, a.content, a.student) for a in kept] == [
        (a.digest, a.source, a.content, a.student) for a in done.attempts
    ]
    assert kept[0].notebook == done.attempts[0].notebook
    assert kept[1].unreadable == done.attempts[1].unreadable


def test_the_same_archive_again_is_nothing_new(settings, tmp_path):
    zipped = archive(tmp_path / "all.zip", {"A_7_assignsubmission_file_/a.ipynb": book("a = 1")})
    assert import_archive(settings, zipped).n_new == 1
    again = import_archive(settings, zipped)
    assert again.n_new == 0
    assert len(kept_attempts(again.context)) == 1


def test_the_notebooks_say_which_assignment_it_is(settings, tmp_path):
    zipped = archive(
        tmp_path / "all.zip", {"a.ipynb": book("a", "conv-callback"), "b.ipynb": book("b", "conv-callback")}
    )
    assert import_archive(settings, zipped).context.assignment.id == "conv-callback"
    unstamped = archive(tmp_path / "other.zip", {"a.ipynb": book("a", None)})
    with pytest.raises(UsageError, match="--assignment"):
        import_archive(settings, unstamped)
    assert import_archive(settings, unstamped, "b2-1").context.assignment.id == "b2-1"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
@pytest.mark.parametrize("columns", [("氏名", "学籍番号", "メールアドレス"), ("メールアドレス", "氏名", "学籍番号")])
def test_a_class_list_in_any_order_and_encoding(settings, tmp_path, encoding, columns):
    cells = {"氏名": '"山田, ""太郎"""', "学籍番号": "21X4001", "メールアドレス": "taro@example.ac.jp"}
    path = tmp_path / "class.csv"
    path.write_text(",".join(columns) + "\n" + ",".join(cells[c] for c in columns) + "\n", encoding)
    store_roster(settings.workspace, path)
    assert kept_roster(settings.workspace).students == (Student("21X4001", '山田, "太郎"', "taro@example.ac.jp"),)


def test_canvas_line_of_maxima_is_no_student_and_moodles_numbers_are_known(settings, tmp_path):
    path = tmp_path / "class.csv"
    path.write_text(WORKSHEET, "utf-8")
    roster = store_roster(settings.workspace, path)
    assert roster.by_id("502").name == 'O\'Neil "Ann"'
    path.write_text("Student,ID,SIS User ID,SIS Login ID,Section\n    Points Possible,,,,\nA B,1,2,3,S\n", "utf-8")
    assert [s.name for s in store_roster(settings.workspace, path).students] == ["A B"]
