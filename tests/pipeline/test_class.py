"""The class of twelve samples, graded for real on small data: every line of what is expected, and the same again."""

import csv
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from grader.handout.samples import build_samples
from grader.intake import collect
from grader.pipeline import grade_batch, open_context, publish, regrade
from grader.pipeline.publish import counting_results
from grader.rubric import Course

pytestmark = pytest.mark.slow
SAMPLES = sorted(p.stem for p in (Path(__file__).parents[2] / "assignments/b2-1/samples").glob("s*.toml"))
VARYING = ("duration_s", "peak_memory_mib")


@pytest.fixture(scope="module")
def class_folder(small_course, tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    build_samples(Course(small_course.root), "b2-1", folder)
    return folder


ENDLESS = "s09"


def graded(small_course, folder, workspace, jobs):
    """Grades a class; the endless loop under a limit of its own, so that no other sample is near any limit."""
    attempts = collect([folder], "b2-1")
    context = open_context(small_course.settings(workspace, jobs=jobs, time_limit_s=600.0), "b2-1")
    short = open_context(small_course.settings(workspace, cell_time_limit_s=30.0, time_limit_s=120.0), "b2-1")
    results = grade_batch(context, [a for a in attempts if Path(a.source).stem != ENDLESS])
    results += grade_batch(short, [a for a in attempts if Path(a.source).stem == ENDLESS])
    published = publish(context)
    rows = [published.row(one.result) for one in results]
    return context, {Path(row["source"]).stem: row for row in rows}


@pytest.fixture(scope="module")
def outcome(small_course, class_folder, tmp_path_factory):
    return graded(small_course, class_folder, tmp_path_factory.mktemp("first"), jobs=2)


def comparable(rows):
    """Result rows without what the clock and the memory meter say."""
    copy = json.loads(json.dumps(rows))
    for row in copy.values():
        for key in VARYING:
            row["execution"].pop(key)
    return copy


def without_source(rows):
    return {name: {**row, "source": name} for name, row in rows.items()}


def test_there_are_twelve_samples():
    assert len(SAMPLES) == 12


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_gets_the_result_expected_of_it(outcome, small_course, name):
    row = outcome[1][name]
    path = small_course.root / "assignments" / "b2-1" / "samples" / f"{name}.toml"
    expected = tomllib.loads(path.read_text("utf-8"))["expected"]
    assert row["status"] == expected["status"]
    assert row["execution"]["outcome"] == expected["execution"]
    found = {c["id"]: c["outcome"] for c in row["criteria"]}
    assert {k: found[k] for k in expected.get("criteria", {})} == expected.get("criteria", {})
    assert sorted(f["kind"] for f in row["flags"]) == sorted(expected.get("flags", []))
    assert {k: row["student"][k] for k in expected.get("student", {})} == expected.get("student", {})


def test_one_job_or_two_give_identical_results(outcome, small_course, class_folder, tmp_path):
    """Half of the class, of every kind but the endless loop, in another order."""
    names = ("s12", "s01", "s02", "s06", "s10", "s11")
    (tmp_path / "class").mkdir()
    for name in names:
        shutil.copy2(class_folder / f"{name}.ipynb", tmp_path / "class")
    _, again = graded(small_course, tmp_path / "class", tmp_path / "workspace", jobs=1)
    first = {name: row for name, row in comparable(outcome[1]).items() if name in names}
    assert without_source(comparable(again)) == without_source(first)


def test_every_attempt_has_a_report_and_the_class_a_dashboard(outcome):
    context, rows = outcome
    assert all((context.workspace / row["report"]).is_file() for row in rows.values())
    page = (context.workspace / "dashboard" / "b2-1.html").read_text("utf-8")
    assert "21X4001" in page
    assert (context.workspace / "dashboard" / "index.html").is_file()


def test_a_students_report_hides_what_staff_see(outcome):
    context, rows = outcome
    name = Path(rows["s01"]["report"]).name
    student = (context.workspace / "reports" / "b2-1" / name).read_text("utf-8")
    staff = (context.workspace / "dashboard" / "b2-1" / name).read_text("utf-8")
    drop = next(c for c in rows["s01"]["criteria"] if c["id"] == "held-out")["message"]
    assert drop not in student
    assert drop in staff


def test_what_was_handed_in_is_kept_to_the_byte(outcome, class_folder):
    context, rows = outcome
    for name, row in rows.items():
        kept = context.workspace / "submissions" / row["attempt"].removeprefix("sha256:")
        assert kept.read_bytes() == (class_folder / f"{name}.ipynb").read_bytes()


def test_regrading_runs_no_notebook_and_gives_the_same(outcome, monkeypatch):
    context, rows = outcome
    for name in ("execute", "execute_auto"):
        monkeypatch.setattr(f"grader.pipeline.work.{name}", None)
    results = regrade(context)
    published = publish(context)
    again = {Path(one.result.source).stem: published.row(one.result) for one in results}
    assert comparable(again) == comparable(rows)


def test_grading_again_reuses_the_evidence(outcome, class_folder, monkeypatch):
    context, _ = outcome
    for name in ("execute", "execute_auto"):
        monkeypatch.setattr(f"grader.pipeline.work.{name}", None)
    results = grade_batch(context, collect([class_folder / "s01.ipynb"], "b2-1"))
    assert results[0].reused
    assert results[0].fault is None


def test_the_gradebook_exports_one_row_a_student(outcome, tmp_path):
    from grader.lms.grades_csv import write_csv

    context, rows = outcome
    write_csv(tmp_path / "grades.csv", counting_results(context), context.rubric, context.catalogue("ja"))
    with (tmp_path / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        exported = list(csv.DictReader(file))
    assert len(exported) == len(rows)


def test_no_weights_or_labels_of_a_trusted_file_are_pickled(outcome):
    context, _ = outcome
    kinds = {p.suffix for p in (context.workspace / "evidence").rglob("*") if p.is_file()}
    assert kinds <= {".npz", ".npy", ".zst", ".json", ".jsonl", ".ipynb", ""}  # "": whom a run belongs to


def test_the_workspace_is_private_to_its_owner(outcome):
    context, _ = outcome
    assert context.workspace.stat().st_mode & 0o077 == 0 or sys.platform == "win32"
    assert (context.workspace / "gradebook.sqlite").stat().st_mode & 0o077 == 0


def test_an_author_runs_the_rubric_as_plain_pytest(outcome, small_course):
    context, rows = outcome
    folder = context.workspace / "evidence" / rows["s01"]["evidence"]
    command = [sys.executable, "-m", "pytest", "-p", "grader.checks.plugin", str(small_course.root / "rubrics/b2-1")]
    command += ["--evidence", str(folder), "--data-dir", str(small_course.data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "passed" in done.stdout
    assert done.returncode in (0, 1), done.stdout + done.stderr
