"""What the command line says before any notebook runs."""

import json
import sys

import pytest

COMMANDS = [
    "doctor",
    "data",
    "handout",
    "samples",
    "grade",
    "regrade",
    "report",
    "import",
    "export",
    "extend",
    "similar",
    "check",
    "attempts",
    "calibrate",
    "init",
]
SMALL_BOOK = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_the_version_is_printed(grader):
    import grader as package

    ran = grader("--version")
    assert (ran.code, ran.out) == (0, f"grader {package.__version__}\n")


def test_help_names_every_command_of_the_contract(grader):
    ran = grader("--help")
    assert ran.code == 0
    assert all(f"\n  {name} " in ran.out for name in COMMANDS)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "data"] + ["data install", "data list"])
def test_help_of_each_command_shows_an_example(grader, command):
    ran = grader(*command.split(), "--help")
    assert ran.code == 0
    assert f"Example: grader {command}" in ran.out


@pytest.mark.parametrize(
    "arguments",
    ["nonsense", "grade", "data", "--nonsense", "grade b2-1 x.ipynb --nonsense", "handout b2-1", "check"],
)
def test_wrong_usage_ends_with_2_and_says_so_on_standard_error(grader, arguments):
    ran = grader(*arguments.split())
    assert ran.code == 2
    assert "Usage: grader" in ran.err + ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        "grade b9-9 x.ipynb",
        "regrade b9-9",
        "handout b9-9 --lang ja --out h",
        "samples b9-9 --out s",
        "attempts b9-9",
        "calibrate b9-9",
    ],
)
def test_an_unknown_assignment_is_answered_with_the_known_ones(grader, arguments, tmp_path):
    (tmp_path / "x.ipynb").write_text(SMALL_BOOK, "utf-8")
    ran = grader(*arguments.split())
    assert ran.code == 2
    assert "no assignment 'b9-9'; this course has: b2-1" in ran.err  # and others after it
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--jobs", "0", "at least 1"),
        ("--jobs", "two", "two|integer"),
        ("--budget", "fast", "one of full, quick"),
        ("--runtime", "keras4", "one of auto, keras3, keras2"),
        ("--memory-limit-mib", "1", "at least 64"),
        ("--time-limit-s", "-3", "greater than 0"),
        ("--time-limit-s", "nan", "greater than 0"),
        ("--seed", "-1", "at least 0"),
        ("--sandbox", "docker", "one of auto, namespaces, bwrap, none"),
        ("--cluster", "here", "expected tcp://HOST:PORT"),
        ("--lang", "fr", "one of ja, en, zh, ru"),
        ("--roster", "missing.csv", "missing.csv"),
        ("--course", "missing", "missing"),
    ],
)
def test_a_wrong_value_names_the_option_and_what_it_may_be(grader, option, value, expected, tmp_path):
    import re

    (tmp_path / "x.ipynb").write_text(SMALL_BOOK, "utf-8")
    ran = grader("grade", "b2-1", "x.ipynb", option, value)
    assert ran.code == 2
    assert re.search(expected, ran.err), ran.err
    assert "Traceback" not in ran.err


def test_a_wrong_value_in_the_environment_is_named_with_its_variable(grader, monkeypatch):
    monkeypatch.setenv("GRADER_JOBS", "many")
    ran = grader("regrade", "b2-1")
    assert ran.code == 2
    assert "GRADER_JOBS" in ran.err


def test_a_path_that_does_not_exist_is_named(grader):
    ran = grader("grade", "b2-1", "nowhere.ipynb")
    assert ran.code == 2
    assert "nowhere.ipynb does not exist" in ran.err


@pytest.mark.parametrize(
    "arguments", ["grade b2-1", "regrade b2-1", "attempts b2-1", "similar b2-1", "report", "export csv"]
)
def test_an_empty_workspace_is_wrong_usage_and_is_not_made(grader, arguments, tmp_path):
    ran = grader(*arguments.split(), "--workspace", "wrong")
    assert ran.code == 2
    assert "--workspace" in ran.err or "this workspace has none" in ran.err
    assert not (tmp_path / "wrong").exists()


def test_only_known_formats_are_exported(grader):
    ran = grader("export", "xlsx")
    assert ran.code == 2
    assert "csv" in ran.err


def test_the_data_sets_are_listed_with_licence_and_the_command_that_gets_them(grader, course_data, monkeypatch):
    listed = grader("data", "list").out
    assert "mnist           installed" in listed
    assert "made by the tests" in listed
    assert "grader data install fashion_mnist" in listed


def test_an_unknown_data_set_is_answered_with_the_known_ones(grader):
    ran = grader("data", "install", "minst")
    assert ran.code == 2
    assert "fashion_mnist, mnist" in ran.err


def test_a_data_set_that_no_source_has_says_what_was_tried(grader, tmp_path):
    (tmp_path / "mnist.npz").write_bytes(b"not it")
    ran = grader("data", "install", "mnist", "--from", "mnist.npz")
    assert ran.code == 2
    assert "mnist.npz" in ran.err
    assert "Traceback" not in ran.err


def test_the_handout_is_a_notebook_and_a_kit(grader, course_data, tmp_path):
    ran = grader("handout", "b2-1", "--lang", "en", "--out", "handout")
    assert ran.code == 0
    files = sorted(p.name for p in (tmp_path / "handout").iterdir())
    assert [f.endswith((".ipynb", ".kit")) for f in files] == [True, True]
    assert all(name in ran.out for name in files)


def test_a_handout_in_a_language_that_has_no_template_names_those_that_have(grader, course_data):
    ran = grader("handout", "b2-1", "--lang", "zh", "--out", "handout")
    assert ran.code == 2
    assert "ja, en" in ran.err


def test_the_sample_class_is_written(grader, course_data, tmp_path):
    ran = grader("samples", "b2-1", "--out", "class")
    assert ran.code == 0
    assert ran.out.startswith("12 sample submissions")
    assert len(list((tmp_path / "class").iterdir())) >= 12


def test_a_new_course_can_be_used_at_once_and_is_not_written_over(grader, tmp_path):
    assert grader("init", "mine").code == 0
    assert "b9-9'; this course has: b2-1" in grader("regrade", "b9-9", "--course", "mine").err
    assert not list((tmp_path / "mine").rglob("__pycache__"))
    (tmp_path / "mine" / "assignments" / "b2-1" / "assignment.toml").write_text("changed", "utf-8")
    again = grader("init", "mine")
    assert again.code == 2
    assert "no empty folder" in again.err
    assert (tmp_path / "mine" / "assignments" / "b2-1" / "assignment.toml").read_text("utf-8") == "changed"


def test_a_course_cannot_be_made_where_a_file_is(grader, tmp_path):
    (tmp_path / "mine").write_text("a file", "utf-8")
    ran = grader("init", "mine")
    assert ran.code == 2
    assert "Traceback" not in ran.err


@pytest.fixture
def no_sandbox(monkeypatch):
    """A machine that allows none."""
    from grader.sandbox import choose

    monkeypatch.setattr(choose, "trial", lambda name: choose.Trial(name, False, f"{name} is forbidden"))
    monkeypatch.delenv("GRADER_SANDBOX", raising=False)


@pytest.mark.parametrize("wanted", [(), ("--sandbox", "auto"), ("--sandbox", "bwrap")])
def test_where_no_sandbox_works_grading_is_refused_with_the_reason(grader, course_data, no_sandbox, wanted, tmp_path):
    (tmp_path / "x.ipynb").write_text(SMALL_BOOK, "utf-8")
    ran = grader("grade", "b2-1", "x.ipynb", *wanted)
    assert ran.code == 2
    assert "bwrap is forbidden" in ran.err
    assert "--sandbox none" in ran.err
    assert not (tmp_path / "workspace" / "evidence").exists()


def test_the_doctor_says_why_no_sandbox_works_and_what_to_do(grader, no_sandbox):
    ran = grader("doctor", "--only-sandbox")
    assert ran.code == 1
    assert "namespaces is forbidden" in ran.out
    assert "bwrap is forbidden" in ran.out
    assert "--sandbox none" in ran.out


def test_the_doctor_gives_a_command_for_everything_that_is_missing(grader):
    ran = grader("doctor")
    assert ran.code == 1
    lines = ran.out.splitlines()
    missing = [number for number, line in enumerate(lines) if line.startswith("✕")]
    assert missing
    assert all("→" in lines[number + 1] for number in missing)
    assert "grader data install mnist" in ran.out


def test_the_doctor_finds_nothing_missing_with_data_and_thresholds(grader, course_data):
    ran = grader("doctor")
    assert "✕" not in ran.out, ran.out
    assert ran.code == 0
    assert "25 points, thresholds from" in ran.out


def test_the_doctor_sees_a_broken_gradebook(grader, course_data, tmp_path):
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "gradebook.sqlite").write_bytes(b"this is no data base at all" * 50)
    ran = grader("doctor")
    assert ran.code == 1
    assert "gradebook" in next(line for line in ran.out.splitlines() if line.startswith("✕"))
    assert "Traceback" not in ran.err


def test_a_course_whose_files_are_wrong_is_named_by_the_doctor(grader, tmp_path):
    grader("init", "mine")
    (tmp_path / "mine" / "rubrics" / "b2-1" / "rubric.toml").write_text("version = ", "utf-8")
    ran = grader("doctor", "--course", "mine")
    assert ran.code in (1, 2)
    assert "rubric.toml" in ran.out + ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("ours"), 3, "fault of the program"),
    ],
)
def test_an_interruption_ends_with_130_and_a_bug_with_3(grader, monkeypatch, error, code, said, tmp_path):
    def raising(*_, **__):
        raise error

    (tmp_path / "x.ipynb").write_text(SMALL_BOOK, "utf-8")
    monkeypatch.setattr("grader.pipeline.open_context", raising)
    ran = grader("grade", "b2-1", "x.ipynb", "--json", "-")
    assert ran.code == code
    assert said in ran.err
    assert ran.out == ""


def test_each_error_of_ours_ends_with_its_own_exit_code(grader, monkeypatch, tmp_path):
    from grader import errors

    (tmp_path / "x.ipynb").write_text(SMALL_BOOK, "utf-8")
    for kind in (errors.DataError, errors.CourseError, errors.StoreError, errors.EvidenceError, errors.KitError):

        def raising(*_, kind=kind, **__):
            raise kind("what happened")

        monkeypatch.setattr("grader.pipeline.open_context", raising)
        ran = grader("grade", "b2-1", "x.ipynb")
        assert ran.code == kind.exit_code
        assert ran.err.strip() == "grader: what happened"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_a_reader_that_leaves_early_is_no_fault_of_ours(environment):
    import subprocess

    done = subprocess.run(
        f"{sys.executable} -m grader --help | head -c 1", shell=True, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
