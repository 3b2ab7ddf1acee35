"""``grade`` and what follows it, as a person at a terminal has it."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from result_rows import check_rows, parse

pytestmark = pytest.mark.slow
CELLS = ("answer = 41 + 1", "print(answer)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, save_notebook):
    """Three files: two attempts of one student, and one that nobody can read."""
    made = tmp_path_factory.mktemp("grading")
    first = save_notebook(made / "class" / "a1.ipynb", *CELLS, student="21X4001")
    last = save_notebook(made / "class" / "a2.ipynb", *CELLS, "1 / 0", student="21X4001")
    (made / "class" / "b.ipynb").write_text('{"cells": [{"cell_type": "code", "sour', "utf-8")
    for path, seconds in ((first, 1_700_000_000), (last, 1_700_009_999)):
        os.utime(path, (seconds, seconds))
    return made


@pytest.fixture(scope="module")
def graded(folder, small_course):
    """One run in a process of its own, result file to standard output."""
    command = [sys.executable, "-m", "grader", "grade", "b2-1", "class", "--json", "-", "--jobs", "1", "--lang", "en"]
    environment = {**os.environ, "GRADER_DATA_DIR": str(small_course.data), "GRADER_COURSE": str(small_course.root)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def there(graded, folder, course_data, monkeypatch):
    """In the folder of that run."""
    monkeypatch.chdir(folder)
    return folder


def rows_of(graded):
    return {Path(row["source"]).name: row for row in parse(graded.stdout)}


def test_standard_output_holds_the_result_file_alone_and_words_go_to_standard_error(graded):
    rows = parse(graded.stdout)
    check_rows(rows)
    assert [Path(row["source"]).name for row in rows] == ["a1.ipynb", "a2.ipynb", "b.ipynb"]
    assert "3 attempts at b2-1" in graded.stderr
    assert "Dashboard:" in graded.stderr
    assert "\x1b[" not in graded.stderr + graded.stdout


def test_an_attempt_that_needs_attention_ends_with_1(graded):
    assert graded.returncode == 1


def test_what_ran_is_graded_and_what_cannot_be_read_is_said_in_a_sentence(graded):
    rows = rows_of(graded)
    assert rows["a1.ipynb"]["execution"]["outcome"] == "ok"
    assert rows["a2.ipynb"]["execution"]["outcome"] == "cell_error"
    assert rows["a2.ipynb"]["execution"]["failed_cells"] == [3]
    broken = rows["b.ipynb"]
    assert (broken["status"], broken["execution"]["outcome"]) == ("not_gradable", "unreadable")
    assert " " in broken["reason"]
    assert broken["reason"].endswith(".")


def test_reports_are_where_the_rows_say(graded, folder):
    for row in parse(graded.stdout):
        assert (folder / "workspace" / row["report"]).is_file()


def test_a_result_file_is_written_whole_to_a_new_folder(there, graded, grader):
    ran = grader("regrade", "b2-1", "--json", "out/results.json", "--lang", "en")
    assert ran.code == 1
    rows = parse((there / "out" / "results.json").read_text("utf-8"))
    check_rows(rows)
    assert not list((there / "out").glob("*.part"))
    assert {r["source"]: r["criteria"] for r in rows} == {r["source"]: r["criteria"] for r in parse(graded.stdout)}
    assert "Dashboard:" in ran.out


def test_grading_again_runs_nothing_that_was_run(there, grader, monkeypatch):
    for name in ("execute", "execute_auto"):
        monkeypatch.setattr(f"grader.pipeline.work.{name}", None)
    ran = grader("grade", "b2-1", "class/a1.ipynb", "--json", "-")
    assert ran.code == 0, ran.err
    assert "kept" in ran.err


def test_a_student_is_exported_once_with_the_attempt_that_counts(there, grader, graded):
    ran = grader("export", "csv", "--lang", "en")
    assert ran.code == 0
    exported = list(csv.DictReader(io.StringIO(ran.out.lstrip("\ufeff"))))
    assert len(exported) == 2
    (row,) = [r for r in exported if "21X4001" in r.values()]
    assert str(rows_of(graded)["a2.ipynb"]["score"]).removesuffix(".0") in row.values()
    grader("export", "csv", "--out", "grades.csv", "--lang", "en")
    assert (there / "grades.csv").read_bytes().decode("utf-8").replace("\r\n", "\n") == ran.out.replace("\r\n", "\n")


def counting(ran):
    return [line.split()[0] for line in ran.out.splitlines() if " counts " in line]


def test_another_attempt_can_be_chosen_and_the_choice_needs_a_reason(there, grader, graded):
    first, last = (rows_of(graded)[name]["attempt"] for name in ("a1.ipynb", "a2.ipynb"))
    assert last[:19] in counting(grader("attempts", "b2-1"))
    refused = grader("attempts", "b2-1", "--choose", first[:15])
    assert refused.code == 2
    assert "reason" in refused.err
    ran = grader("attempts", "b2-1", "--choose", first[7:15], "--reason", "the later file is another course's")
    assert ran.code == 0
    assert first[:19] in counting(ran)
    assert last[:19] not in counting(ran)
    grader("attempts", "b2-1", "--choose", last[:20], "--reason", "no, it is right")
    assert last[:19] in counting(grader("attempts", "b2-1"))


@pytest.mark.parametrize("digest", ["sha256:", "ffff-no", ""])
def test_a_digest_that_fits_no_one_attempt_chooses_nothing(there, grader, digest):
    ran = grader("attempts", "b2-1", "--choose", digest, "--reason", "r")
    assert ran.code == 2
    assert "expected one" in ran.err


def test_reports_are_written_again_in_another_language(there, grader):
    ran = grader("report", "--lang", "ja")
    assert ran.code == 0
    assert ran.out.startswith("b2-1: 3 reports, dashboard ")
    assert 'lang="ja"' in (there / "workspace" / "dashboard" / "b2-1.html").read_text("utf-8")


def test_two_students_who_hand_in_the_same_file_are_told_apart(there, grader, graded, tmp_path, monkeypatch):
    content = (there / "class" / "a1.ipynb").read_bytes().replace(b"Student number : 21X4001", b"Here is my work")
    for name in ("21X4008.ipynb", "21X4009.ipynb"):
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / "21X4008.ipynb", tmp_path / "21X4009.ipynb"]
    rows = parse(grader("grade", "b2-1", *paths, "--json", "-", "--workspace", tmp_path / "w").out)
    check_rows(rows)
    assert [row["student"]["id"] for row in rows] == ["21X4008", "21X4009"]
    (digest,) = {row["attempt"] for row in rows}
    chosen = ("attempts", "b2-1", "--workspace", tmp_path / "w", "--choose", digest, "--reason", "r")
    assert grader(*chosen).code == 2
    assert grader(*chosen, "--student", "21X4009").code == 0


def test_a_data_set_that_is_missing_needs_attention_and_is_no_zero(there, grader, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADER_DATA_DIR", str(tmp_path / "empty"))
    ran = grader("grade", "b2-1", there / "class" / "a1.ipynb", "--json", "-", "--workspace", tmp_path / "w")
    (row,) = parse(ran.out)
    check_rows([row])
    assert ran.code in (1, 3)
    assert (row["status"], row["score_pending"]) == ("needs_review", 25.0)
    assert "grader data install mnist" in ran.err
    assert "costs no points" in row["reason"] or "減点" in row["reason"]


def test_json_of_a_run_that_is_refused_is_not_written(there, grader):
    ran = grader("grade", "b2-1", "nowhere.ipynb", "--json", "refused.json")
    assert ran.code == 2
    assert not (there / "refused.json").exists()
    with pytest.raises(json.JSONDecodeError):
        json.loads(ran.out)
