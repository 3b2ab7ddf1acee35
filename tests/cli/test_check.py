"""``grader check``, from the handout to the page, with a real kernel."""

import contextlib
import hashlib
import io
import json
import shutil
import sys
import urllib.error
from dataclasses import dataclass
from pathlib import Path

import pytest
from result_rows import check_rows, parse

from grader.cli import main
from grader.datasets import install
from grader.errors import DataError
from grader.execution import execute
from grader.handout.kit import Kit
from grader.model import Visibility
from grader.rubric import Course

TRAINING = """import numpy as np
from tensorflow import keras
x = np.random.default_rng(0).random((600, 8, 8, 1)).astype("float32")
model = keras.Sequential([
    keras.layers.Input((8, 8, 1)), keras.layers.Conv2D(4, 5), keras.layers.MaxPooling2D(),
    keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, np.arange(600) % 10, epochs=1, verbose=0)
"""
LOADING = "keras.datasets.mnist.load_data()"


@dataclass(frozen=True)
class Checked:
    code: int
    out: str
    err: str
    folder: Path
    before: dict

    @property
    def row(self):
        (row,) = parse((self.folder / "result.json").read_text("utf-8"))
        return row

    @property
    def html(self):
        return (self.folder / "page" / "check.html").read_text("utf-8")

    def says(self):
        """Everything that a student gets to see, by where."""
        return {"terminal": self.out + self.err, "page": self.html, "json": json.dumps(self.row, ensure_ascii=False)}


def snapshot(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def run_check(patch, folder, elsewhere, notebook, *options):
    """Runs ``grader check`` in this process, from another folder than the notebook's."""
    before = snapshot(folder)
    patch.chdir(elsewhere)
    target = ["--json", str(folder / "result.json"), "--html", str(folder / "page" / "check.html")]
    patch.setattr(sys, "argv", ["grader", "check", str(notebook), *target, *options])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main()
    return Checked(ended.value.code or 0, out.getvalue(), err.getvalue(), folder, before)


def home(patch, folder):
    """A user without settings or data; ``HOME`` is ``folder``."""
    for name in ("GRADER_COURSE", "GRADER_CONFIG", "GRADER_DATA_DIR", "GRADER_LANGUAGE", "XDG_DATA_HOME"):
        patch.delenv(name, raising=False)
    patch.setenv("HOME", str(folder))
    patch.setenv("USERPROFILE", str(folder))
    patch.setenv("COLUMNS", "120")


def cut_network(patch):
    """Every way out fails at once, in this process and in the kernel."""

    def refused(*_, **__):
        raise urllib.error.URLError("no network in this test")

    def no_pip(*_, **__):
        raise DataError("no pip in this test")

    run_module = sys.modules[execute.__module__]
    environment = run_module.kernel_environment

    def without_network(*rest):
        closed = "http://127.0.0.1:9"
        return {**environment(*rest), "HTTP_PROXY": closed, "HTTPS_PROXY": closed, "https_proxy": closed}

    patch.setattr("urllib.request.urlopen", refused)
    patch.setattr(sys.modules[install.__module__], "_pip_download", no_pip)
    patch.setattr(run_module, "kernel_environment", without_network)


def hand_out(small_course, folder):
    from grader.handout import write_handout

    return write_handout(Course(small_course.root), "b2-1", "en", folder)


def with_small_data(patch, small_course):
    """The kit's course knows the small data set under the name of the official one."""
    unpack = Kit.unpack

    def unpacked(kit, directory):
        root = unpack(kit, directory)
        shutil.copy(small_course.root / "datasets.toml", root)
        return root

    patch.setattr(Kit, "unpack", unpacked)
    patch.setenv("GRADER_DATA_DIR", str(small_course.data))


@pytest.fixture(scope="module")
def handed_out(small_course, tmp_path_factory):
    """The handout with nothing filled in, checked with the kit that lies beside it."""
    folder = tmp_path_factory.mktemp("student")
    notebook, _ = hand_out(small_course, folder / "work")
    with pytest.MonkeyPatch.context() as patch:
        home(patch, tmp_path_factory.mktemp("home"))
        with_small_data(patch, small_course)
        cut_network(patch)
        return run_check(patch, folder / "work", tmp_path_factory.mktemp("elsewhere"), notebook)


@pytest.fixture(scope="module")
def without_data(small_course, save_notebook, tmp_path_factory):
    """A training on images of the student's own, where the official data set cannot be had."""
    folder = tmp_path_factory.mktemp("student")
    hand_out(small_course, folder / "work")
    notebook = save_notebook(folder / "work" / "mine.ipynb", TRAINING, LOADING, grader={"assignment": "b2-1"})
    with pytest.MonkeyPatch.context() as patch:
        home(patch, tmp_path_factory.mktemp("home"))
        cut_network(patch)
        return run_check(patch, folder / "work", tmp_path_factory.mktemp("elsewhere"), notebook, "--lang", "en")


@pytest.fixture(scope="module")
def rubric(small_course):
    return Course(small_course.root).rubric("b2-1")


def outcomes(checked):
    return {c["id"]: c["outcome"] for c in checked.row["criteria"]}


@pytest.mark.slow
def test_the_empty_handout_runs_and_is_told_what_is_missing(handed_out):
    assert handed_out.code == 0, handed_out.err
    check_rows([handed_out.row])
    found = outcomes(handed_out)
    assert found["runs"] == "passed"
    assert found["small-data-model"] == "failed"
    assert found["filters-discussion"] == "failed"
    assert handed_out.row["budget"] == "quick"
    assert handed_out.row["execution"]["trained_fits"] >= 1


@pytest.mark.slow
@pytest.mark.parametrize("which", ["handed_out", "without_data"])
def test_only_public_criteria_are_shown(which, rubric, request):
    checked = request.getfixturevalue(which)
    public = {c.id for c in rubric.criteria if c.visibility is Visibility.PUBLIC}
    assert set(outcomes(checked)) == public
    assert checked.row["max_score"] == sum(c.points for c in rubric.criteria if c.id in public)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["terminal", "page", "json"])
@pytest.mark.parametrize("which", ["handed_out", "without_data"])
def test_nothing_of_a_staff_criterion_is_said_anywhere(which, place, rubric, request):
    said = request.getfixturevalue(which).says()[place]
    hidden = [c for c in rubric.criteria if c.visibility is not Visibility.PUBLIC]
    assert hidden
    words = [c.id for c in hidden] + [t for c in hidden for t in (*c.title.values(), *c.short.values())]
    words += [t for texts in rubric.texts.values() for key, t in texts.items() if key.split("/")[0] in words]
    assert [w for w in words if w in said] == []
    assert "held_out" not in said


@pytest.mark.slow
def test_words_go_to_the_terminal_plainly(handed_out):
    assert "\x1b[" not in handed_out.out
    assert "Traceback" not in handed_out.out + handed_out.err
    assert "check.html" in handed_out.out


@pytest.mark.slow
def test_the_page_stands_on_its_own(handed_out):
    assert handed_out.html.lstrip().lower().startswith("<!doctype html>")
    assert 'src="http' not in handed_out.html
    assert "<link" not in handed_out.html


@pytest.mark.slow
@pytest.mark.parametrize("which", ["handed_out", "without_data"])
def test_the_students_folder_holds_what_was_asked_for_and_nothing_else(which, request):
    checked = request.getfixturevalue(which)
    after = snapshot(checked.folder)
    assert {name: after[name] for name in checked.before} == checked.before
    assert set(after) - set(checked.before) == {"result.json", "check.html"}


@pytest.mark.slow
def test_without_the_data_set_it_says_what_was_tried_and_checks_the_rest(without_data):
    assert "mnist could not be installed" in without_data.out
    assert "no network in this test" in without_data.out
    assert "Traceback" not in without_data.out + without_data.err
    check_rows([without_data.row])
    found = outcomes(without_data)
    assert found["small-data-model"] == "passed"
    assert without_data.code == 0


@pytest.mark.slow
def test_what_could_not_be_measured_is_said_and_costs_nothing(without_data):
    accuracy = next(c for c in without_data.row["criteria"] if c["id"] == "small-data-accuracy")
    assert accuracy["outcome"] == "needs_review"
    assert accuracy["points"] is None
    assert "test images are not on this computer" in accuracy["message"]


@pytest.fixture
def student(tmp_path, small_course, monkeypatch):
    """A folder with handout and kit, and a run of ``check`` in it; nothing of TensorFlow is started by these."""
    home(monkeypatch, tmp_path / "home")
    cut_network(monkeypatch)
    monkeypatch.setenv("GRADER_DATA_DIR", str(small_course.data))
    hand_out(small_course, tmp_path / "work")
    (tmp_path / "elsewhere").mkdir()

    def run(notebook, *options):
        return run_check(monkeypatch, tmp_path / "work", tmp_path / "elsewhere", notebook, *options)

    run.work = tmp_path / "work"
    return run


def test_a_notebook_that_is_not_there_is_wrong_usage(student):
    checked = student(student.work / "missing.ipynb")
    assert checked.code == 2
    assert "missing.ipynb is no file" in checked.err


def test_an_unreadable_notebook_is_told_why_and_ends_with_1(student):
    (student.work / "b2-1.ipynb").write_text('{"cells": [{"cell', "utf-8")
    checked = student(student.work / "b2-1.ipynb", "--lang", "en")
    assert checked.code == 1
    check_rows([checked.row])
    assert checked.row["reason"] in checked.out


def test_a_kit_of_another_assignment_is_refused(student, save_notebook):
    save_notebook(student.work / "x.ipynb", "a = 1", grader={"assignment": "conv-callback"})
    checked = student(student.work / "x.ipynb", "--kit", str(student.work / "b2-1.kit"))
    assert checked.code == 2
    assert "is for b2-1, the notebook is conv-callback" in checked.err


@pytest.mark.parametrize("damage", ["cut", "text", "missing"])
def test_a_damaged_kit_is_refused_in_words(student, save_notebook, damage):
    save_notebook(student.work / "x.ipynb", "a = 1")
    kit = student.work / "b2-1.kit"
    if damage == "missing":
        kit.unlink()
    else:
        kit.write_bytes(kit.read_bytes()[:300] if damage == "cut" else b"no kit")
    checked = student(student.work / "x.ipynb", "--kit", str(kit))
    assert checked.code == 2
    assert "kit" in checked.err
    assert "Traceback" not in checked.err


def test_without_stamp_and_kit_it_asks_which_assignment(student, save_notebook):
    (student.work / "b2-1.kit").unlink()
    save_notebook(student.work / "x.ipynb", "a = 1")
    checked = student(student.work / "x.ipynb")
    assert checked.code == 2
    assert "--assignment" in checked.err
    assert "kit" in checked.err


@pytest.mark.parametrize("options", [("--budget", "fast"), ("--lang", "fr"), ("--assignment", "b9-9")])
def test_a_wrong_value_is_wrong_usage(student, save_notebook, options):
    save_notebook(student.work / "x.ipynb", "a = 1")
    assert student(student.work / "x.ipynb", *options).code == 2


@pytest.mark.slow
def test_a_bug_in_a_public_check_ends_with_1_and_is_our_fault(student, save_notebook, monkeypatch):
    unpack = Kit.unpack

    def broken(kit, directory):
        root = unpack(kit, directory)
        path = root / "rubrics" / "b2-1" / "test_public.py"
        source = path.read_text("utf-8")
        assert "    every_cell_runs(" in source
        path.write_text(source.replace("    every_cell_runs(", "    1 / 0\n    every_cell_runs(", 1), "utf-8")
        return root

    monkeypatch.setattr(Kit, "unpack", broken)
    save_notebook(student.work / "x.ipynb", "a = 1")
    checked = student(student.work / "x.ipynb", "--lang", "en")
    assert checked.code == 1
    assert outcomes(checked)["runs"] == "errored"
    assert all("ZeroDivisionError" not in text for text in checked.says().values())
