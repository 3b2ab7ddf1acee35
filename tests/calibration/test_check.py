"""Right answers under other seeds against the thresholds there are.

Without TensorFlow the model of seed ``k`` gets ``k`` of 50 test images wrong, and one more of the held-out ones.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from grader.calibration import calibrate, check_thresholds, rubric_directory, write_calibration
from grader.cli.app import app
from grader.datasets import DataStore, find_dataset, load_catalogue
from grader.datasets.catalogue import sha256_of
from grader.errors import CourseError, UsageError
from grader.rubric import Course, read_calibration

RUBRIC = """
version = "1"
[[criterion]]
id = "good"
points = 1
title = { en = "Good" }
[thresholds.good]
distribution = "tiny"
false_fail = 0.01
[thresholds.drop]
distribution = "tiny-drop"
false_fail = 0.01
side = "upper"
"""


@pytest.fixture
def calibrated(course: Course, dataset, without_tensorflow) -> Course:
    """Calibrated with seeds 1 to 4: accuracies 0.98 to 0.92, threshold 0.95 - 0.13, a drop of 0.02 always."""
    directory = rubric_directory(course, "tiny")
    (directory / "rubric.toml").write_text(RUBRIC, "utf-8")
    write_calibration(directory, calibrate(course, "tiny", dataset, runs=4))
    return course


def test_new_seeds_are_counted_against_the_line_and_the_band(calibrated: Course, dataset):
    good, drop = check_thresholds(calibrated, "tiny", dataset, runs=40)
    rule = calibrated.rubric("tiny").thresholds["good"]
    seen = read_calibration(rubric_directory(calibrated, "tiny") / "calibration.json").of(rule)
    reached = [1 - seed / 50 for seed in range(5, 45)]
    assert (good.name, good.seeds) == ("good", range(5, 45))
    assert good.n_missed == sum(value < seen.threshold(rule) for value in reached) > 0
    assert good.n_beyond_doubt == sum(value < seen.doubt(rule) for value in reached)
    assert 0 <= good.n_beyond_doubt < good.n_missed
    assert good.worst == pytest.approx(1 - 44 / 50)
    assert good.expected == pytest.approx(0.4)
    assert (drop.n_missed, drop.worst) == (0, pytest.approx(1 / 50))


def test_nothing_is_written(calibrated: Course, dataset):
    path = rubric_directory(calibrated, "tiny") / "calibration.json"
    before = path.read_bytes()
    check_thresholds(calibrated, "tiny", dataset, runs=2)
    assert path.read_bytes() == before


@pytest.mark.parametrize("first", [1, 4, -1])
def test_seeds_that_were_calibrated_with_are_refused(calibrated: Course, dataset, first: int):
    with pytest.raises(UsageError, match="1 to 4 were calibrated with: start at 5"):
        check_thresholds(calibrated, "tiny", dataset, runs=5, first_seed=first)


def test_no_runs_are_refused(calibrated: Course, dataset):
    with pytest.raises(UsageError, match="expected at least 1"):
        check_thresholds(calibrated, "tiny", dataset, runs=0)


def test_without_a_calibration_there_is_nothing_to_check(calibrated: Course, dataset):
    (rubric_directory(calibrated, "tiny") / "calibration.json").unlink()
    with pytest.raises(CourseError, match="grader calibrate"):
        check_thresholds(calibrated, "tiny", dataset, runs=2)


def test_a_distribution_that_no_reference_gives_is_named(calibrated: Course, dataset):
    plan = rubric_directory(calibrated, "tiny") / "calibration.toml"
    plan.write_text(plan.read_text("utf-8").replace(', held_out_drop = "tiny-drop"', ""), "utf-8")
    with pytest.raises(CourseError, match="no reference gives distribution tiny-drop"):
        check_thresholds(calibrated, "tiny", dataset, runs=2)


def test_the_command_prints_a_line_a_threshold_and_ends_well(calibrated: Course, dataset, tmp_path: Path, monkeypatch):
    lines = ["[lit-pixels]", 'licence = "made here"', 'source = "a test"']
    for name, array in dataset.arrays.items():
        lines += [f"[lit-pixels.arrays.{name}]", f"shape = {list(array.shape)}", f'sha256 = "{sha256_of(array)}"']
    (calibrated.root / "datasets.toml").write_text("\n".join(lines), "utf-8")
    spec = find_dataset(load_catalogue(calibrated.root), "lit-pixels")
    DataStore(tmp_path / "data").put(spec, dataset.arrays)
    path = rubric_directory(calibrated, "tiny") / "calibration.json"
    path.write_text(path.read_text("utf-8").replace("1" * 64, spec.digest), "utf-8")
    monkeypatch.setenv("GRADER_DATA_DIR", str(tmp_path / "data"))
    command = ["calibrate", "tiny", "--check", "--runs", "40", "--jobs", "1", "--course", str(calibrated.root)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    good = next(line for line in done.output.splitlines() if line.startswith("good"))
    found = check_thresholds(calibrated, "tiny", DataStore(tmp_path / "data").get(spec), runs=40)[0]
    assert good.split() == [
        "good",
        "5-44",
        f"{found.line:.4f}",
        f"{found.doubt:.4f}",
        f"{found.worst:.4f}",
        str(found.n_missed),
        str(found.n_beyond_doubt),
        "0.4",
    ]
