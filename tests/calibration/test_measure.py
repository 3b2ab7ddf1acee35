from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from grader.calibration import calibrate, rubric_directory, write_calibration
from grader.calibration.measure import _tasks
from grader.calibration.plan import read_plan
from grader.calibration.runs import train_all
from grader.errors import CourseError, DataError, UnknownAssignment, UsageError, VerificationError
from grader.model import Text
from grader.rubric import Calibration, Course, ThresholdRule, read_calibration
from grader.rubric.student_t import student_t_quantile
from grader.verification import Failure


def test_each_seed_gives_one_value_in_order(course: Course, dataset, without_tensorflow):
    result = calibrate(course, "tiny", dataset, runs=4, first_seed=2)
    assert result.distributions["tiny"].values == (48 / 50, 47 / 50, 46 / 50, 45 / 50)
    assert result.distributions["tiny-drop"].values == (1 / 50,) * 4
    assert result.distributions["tiny"].description == "One layer; seeds 2 to 5"
    assert (result.dataset, result.dataset_digest) == ("lit-pixels", "1" * 64)
    assert result.versions == {"keras": "3"}


def test_quantiles_are_kept_for_the_plan_and_for_every_rule_of_the_rubric(course: Course, dataset, without_tensorflow):
    (course.root / "rubrics" / "tiny" / "rubric.toml").write_text(
        'version = "1"\n[[criterion]]\nid = "a"\npoints = 1\ntitle = {en = "A"}\n'
        '[thresholds.good]\ndistribution = "tiny"\nfalse_fail = 0.002\n'
    )
    distribution = calibrate(course, "tiny", dataset, runs=5).distributions["tiny"]
    assert distribution.student_t.keys() == {"2e-05", "0.0001", "0.002", "0.01"}
    assert distribution.student_t["0.002"] == pytest.approx(student_t_quantile(0.002, 4))
    assert distribution.threshold(ThresholdRule("tiny", 0.002)) < distribution.threshold(ThresholdRule("tiny", 0.01))


def test_a_result_is_written_and_read_back_with_its_threshold(course: Course, dataset, without_tensorflow):
    result = calibrate(course, "tiny", dataset, runs=3)
    path = write_calibration(rubric_directory(course, "tiny"), result)
    back = read_calibration(path, dataset.digest)
    assert back == result
    assert back.threshold(ThresholdRule("tiny", 0.01)) == result.threshold(ThresholdRule("tiny", 0.01))
    assert read_calibration(path, "2" * 64) is None


def test_a_new_result_replaces_only_that_of_the_same_data(course: Course, dataset, without_tensorflow):
    directory = rubric_directory(course, "tiny")
    first = calibrate(course, "tiny", dataset, runs=3)
    other = msgspec.structs.replace(first, dataset="other", dataset_digest="2" * 64)
    second = calibrate(course, "tiny", dataset, runs=4)
    for calibration in (first, other, second):
        path = write_calibration(directory, calibration)
    assert msgspec.json.decode(path.read_bytes(), type=list[Calibration]) == [other, second]
    assert not list(directory.glob("*.part"))


def test_a_damaged_result_file_is_not_overwritten(course: Course, dataset, without_tensorflow):
    directory = rubric_directory(course, "tiny")
    (directory / "calibration.json").write_text("[{]")
    with pytest.raises(CourseError, match="malformed"):
        write_calibration(directory, calibrate(course, "tiny", dataset, runs=3))
    assert (directory / "calibration.json").read_text() == "[{]"


def test_a_model_that_cannot_be_measured_ends_the_calibration(course: Course, dataset, without_tensorflow, monkeypatch):
    failure = Failure(Text("It broke ({detail}).", {"detail": "why"}), our_fault=True)
    monkeypatch.setattr("grader.calibration.measure.predict_models", lambda *a: [failure])
    with pytest.raises(VerificationError, match=r"tiny, seed \d.*It broke \(why\)"):
        calibrate(course, "tiny", dataset, runs=3)


@pytest.mark.parametrize("settings", [{"runs": 2}, {"runs": 3, "workers": 0}])
def test_too_few_runs_are_refused(course: Course, dataset, settings):
    with pytest.raises(UsageError, match="expected at least 3 runs"):
        calibrate(course, "tiny", dataset, **settings)


def test_an_unknown_assignment_is_refused(course: Course, dataset):
    with pytest.raises(UnknownAssignment):
        calibrate(course, "tinny", dataset, runs=3)


def test_a_data_set_that_is_too_small_is_refused(course: Course, dataset):
    dataset.arrays["x_train"] = dataset.arrays["x_train"][:59]
    with pytest.raises(DataError, match="has 59 training images, tiny needs 60"):
        calibrate(course, "tiny", dataset, runs=3)


@pytest.mark.slow
def test_the_same_seeds_give_the_same_weights_however_they_are_shared_out(course: Course, dataset, tmp_path: Path):
    plan = read_plan(rubric_directory(course, "tiny"))
    found = {}
    for workers in (1, 2):
        directory = tmp_path / str(workers)
        directory.mkdir()
        lines: list[str] = []
        versions = train_all(_tasks(plan, dataset, range(1, 5), directory), directory, workers, lines.append)
        assert {"keras", "tensorflow", "numpy", "python"} <= versions.keys()
        assert len(lines) == 4
        for seed in range(1, 5):
            with np.load(directory / f"tiny-{seed}.npz") as stored:
                found[workers, seed] = b"".join(stored[name].tobytes() for name in sorted(stored.files))
    assert all(found[1, seed] == found[2, seed] for seed in range(1, 5))
    assert len(set(found.values())) == 4, "other seeds give other weights"


@pytest.mark.slow
def test_a_real_calibration_measures_what_the_reference_learned(course: Course, dataset):
    lines: list[str] = []
    result = calibrate(course, "tiny", dataset, runs=3, workers=2, say=lines.append)
    assert all(value > 0.5 for value in result.distributions["tiny"].values)
    assert "measuring 3 models" in lines


@pytest.mark.slow
def test_a_training_process_that_fails_shows_its_message(course: Course, dataset, tmp_path: Path):
    tasks = _tasks(read_plan(rubric_directory(course, "tiny")), dataset, range(1, 2), tmp_path)
    tasks[0]["config"]["config"]["layers"][1]["class_name"] = "NoSuchLayer"
    with pytest.raises(VerificationError, match="NoSuchLayer"):
        train_all(tasks, tmp_path, 1, lambda line: None)
