"""A course with one tiny reference, and a data set that it can learn."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from grader.rubric import Course

ASSIGNMENT = """
version = "1"
dataset = "lit-pixels"
title = { en = "Tiny" }
templates = { en = "template.en.py" }
"""
PLAN = """
false_fail = [0.01]

[[reference]]
id = "tiny"
description = "One layer"
rows = 60
input_shape = [6, 6, 1]
batch_size = 10
epochs = 3
validation_split = 0.1
learning_rate = 0.1
measures = { accuracy = "tiny", held_out_drop = "tiny-drop" }
layers = [
  { class_name = "Flatten" },
  { class_name = "Dropout", config = { rate = 0.2 } },
  { class_name = "Dense", config = { units = 10, activation = "softmax" } },
]
"""


@dataclass(frozen=True)
class Dataset:
    name: str = "lit-pixels"
    digest: str = "1" * 64
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def array(self, role: str) -> np.ndarray:
        return self.arrays[role]


@pytest.fixture
def dataset() -> Dataset:
    """Class ``k`` lights a block around pixel ``k``, under noise."""
    rng = np.random.default_rng(0)

    def split(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(n) % 10
        images = rng.integers(0, 120, (n, 36), np.uint8)
        images[np.arange(n), labels * 3] = 255
        return images.reshape(n, 6, 6), labels.astype(np.uint8)

    (x_train, y_train), (x_test, y_test) = split(80), split(50)
    return Dataset(arrays={"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test})


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course whose assignment ``tiny`` has a plan and no rubric yet."""
    for folder, name, text in (("assignments", "assignment.toml", ASSIGNMENT), ("rubrics", "calibration.toml", PLAN)):
        directory = tmp_path / "course" / folder / "tiny"
        directory.mkdir(parents=True)
        (directory / name).write_text(text, "utf-8")
    return Course(tmp_path / "course")


@pytest.fixture
def without_tensorflow(monkeypatch: pytest.MonkeyPatch, dataset):
    """Weights carry the seed; the model then gets ``seed`` test images wrong, and one more of the held-out ones."""

    def train(tasks, directory: Path, workers: int, say):
        for task in tasks:
            np.savez(directory / f"{task['reference']}-{task['seed']}.npz", w0000=np.array([task["seed"]]))
        return {"keras": "3"}

    def predict(jobs, images, runtime, scratch, settings):
        labels = dataset.array("y_test").astype(np.int16)
        answers = []
        for job in jobs:
            wrong = int(job.weights[0][0])
            off, held = labels.copy(), labels.copy()
            off[:wrong] += 1
            held[: wrong + 1] += 1
            answers.append({"official": off, "held_out": held})
        return answers

    monkeypatch.setattr("grader.calibration.measure.train_all", train)
    monkeypatch.setattr("grader.calibration.measure.predict_models", predict)
