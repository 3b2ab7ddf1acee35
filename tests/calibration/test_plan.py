from __future__ import annotations

from pathlib import Path

import pytest

from grader.calibration import read_plan
from grader.errors import CourseError
from grader.rubric import Course, bundled_course_dir


def plan_file(course: Course) -> Path:
    return course.root / "rubrics" / "tiny" / "calibration.toml"


def test_a_reference_becomes_a_config_that_the_verifier_rebuilds(course: Course):
    (reference,) = read_plan(plan_file(course).parent).references
    classes = [layer["class_name"] for layer in reference.config()["config"]["layers"]]
    assert classes == ["InputLayer", "Flatten", "Dropout", "Dense"]


def test_a_reference_with_a_layer_that_could_not_be_measured_is_refused(course: Course):
    path = plan_file(course)
    path.write_text(path.read_text().replace("Flatten", "Lambda"))
    with pytest.raises(CourseError, match=r"reference tiny.*Lambda"):
        read_plan(path.parent)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("epochs = 3", "epochs = 0"),
        ("rows = 60", "rowz = 60"),
        ("false_fail = [0.01]", "false_fail = [0.7]"),
        ("[[reference]]", "[[other]]"),
        ("epochs = 3", "epochs ="),
    ],
)
def test_a_wrong_plan_is_refused_with_its_path(course: Course, old: str, new: str):
    path = plan_file(course)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(CourseError, match=r"calibration\.toml"):
        read_plan(path.parent)


def test_a_missing_plan_says_what_it_is_for(tmp_path: Path):
    with pytest.raises(CourseError, match="lists the reference answers"):
        read_plan(tmp_path)


def test_the_plan_of_b2_1_trains_what_the_task_asks_for():
    plan = read_plan(bundled_course_dir() / "rubrics" / "b2-1")
    cnn = next(r for r in plan.references if r.measures.accuracy == "small-data-cnn")
    assert (cnn.rows, cnn.epochs, cnn.batch_size, cnn.validation_split) == (600, 50, 128, 0.1)
    assert (cnn.layers[0].class_name, cnn.layers[0].config["filters"]) == ("Conv2D", 32)
    assert {r.measures.accuracy for r in plan.references} == {"small-data-cnn", "small-data-bpnn"}
