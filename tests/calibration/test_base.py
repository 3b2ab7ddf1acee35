"""References on a network of keras.applications: VGG16 with made-up weights."""

import shutil

import numpy as np
import pytest
from small_vgg import N_TRAIN, make_vgg_course, write_weights

from grader.calibration import calibrate, read_plan, rubric_directory
from grader.calibration.measure import plan_for, weights_files
from grader.datasets import DataStore, find_dataset, load_catalogue
from grader.errors import CourseError, DataError
from grader.rubric import Course, bundled_course_dir
from grader.verification import predict_models

IDENT = "vgg16-finetune"
PLAN = bundled_course_dir() / "rubrics" / IDENT / "calibration.toml"


def course_with_plan(folder, weights=None):
    small = make_vgg_course(folder, weights)
    course = Course(small.root)
    shutil.copy(PLAN, rubric_directory(course, IDENT))
    return course, DataStore(small.data).get(find_dataset(load_catalogue(course.root), "cifar10"))


def test_the_plan_trains_what_the_task_asks_for_and_no_longer_than_it_allows():
    (reference,) = read_plan(PLAN.parent).references
    assert (reference.base.application, reference.base.frozen_to) == ("VGG16", "block4_pool")
    assert (reference.labels, reference.epochs, reference.validation_split, reference.rows) == ("one-hot", 5, 0.1, None)
    assert [layer.class_name for layer in reference.layers][1:] == ["Dense", "BatchNormalization", "Dropout", "Dense"]
    assert reference.measures.accuracy == Course().rubric(IDENT).thresholds["accuracy"].distribution


@pytest.mark.parametrize(
    ("old", "new"),
    [('application = "VGG16"', 'application = "os.system"'), ('"one-hot"', '"two-hot"'), ('"adam"', '"madam"')],
)
def test_a_wrong_base_is_refused_with_its_path(tmp_path, old, new):
    (tmp_path / "calibration.toml").write_text(PLAN.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(CourseError, match=r"calibration\.toml"):
        read_plan(tmp_path)


def test_weights_that_are_not_installed_are_named_before_anything_is_trained(tmp_path):
    course, dataset = course_with_plan(tmp_path)
    with pytest.raises(DataError, match="grader data install vgg16"):
        calibrate(course, IDENT, dataset, runs=3)


@pytest.mark.slow
def test_a_base_keeps_its_frozen_layers_and_is_measured_as_a_students_model_is(tmp_path, monkeypatch):
    write_weights(tmp_path / "weights.h5")
    course, dataset = course_with_plan(tmp_path, tmp_path / "weights.h5")
    plan = rubric_directory(course, IDENT) / "calibration.toml"
    text = plan.read_text("utf-8").replace("\nepochs = 5", "\nepochs = 1").replace("rate = 0.5", "rate = 0.1")
    plan.write_text(text.replace("\nbatch_size = 32", "\nbatch_size = 60"), "utf-8")
    measured = []

    def predict(jobs, *rest):
        measured.extend(jobs)
        return predict_models(jobs, *rest)

    monkeypatch.setattr("grader.calibration.measure.predict_models", predict)
    lines: list[str] = []
    result = calibrate(course, IDENT, dataset, runs=3, workers=1, say=lines.append)
    assert len(result.distributions["fine-tuned"].values) == 3
    assert all(0 <= value <= 1 for value in result.distributions["fine-tuned"].values)
    assert "measuring 3 models" in lines
    assert dataset.array("x_train").shape[0] == N_TRAIN
    first, second = measured[0].weights, measured[1].weights
    same = [np.array_equal(a, b) for a, b in zip(first, second, strict=True)]
    assert same[:20] == [True] * 20, "the ten frozen convolutions"
    assert not any(same[20:26]), "block 5 was trained, under another seed each time"
    assert measured[0].weights[-1].shape == (10,)


def test_files_of_weights_are_found_in_the_store_of_the_data(tmp_path):
    write_weights(tmp_path / "weights.h5")
    course, dataset = course_with_plan(tmp_path, tmp_path / "weights.h5")
    (path,) = weights_files(plan_for(course, IDENT, "cifar10"), course, dataset).values()
    assert path.read_bytes() == (tmp_path / "weights.h5").read_bytes()
