"""A course of the bundled assignment on small data of the tests' own making: 1,800 + 600 images of drawn digits."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grader.config import Settings, load_settings
from grader.datasets import DataStore, find_dataset, load_catalogue
from grader.datasets.catalogue import sha256_of

REPOSITORY = Path(__file__).resolve().parents[1]
# Which of the seven segments (top, upper left, upper right, middle, lower left, lower right, bottom) each digit lights.
SEGMENTS = (
    "1110111",
    "0010010",
    "1011101",
    "1011011",
    "0111010",
    "1101011",
    "1101111",
    "1010010",
    "1111111",
    "1111011",
)
PLACES = (
    (slice(0, 2), slice(0, 10)),
    (slice(0, 10), slice(0, 2)),
    (slice(0, 10), slice(8, 10)),
    (slice(8, 10), slice(0, 10)),
    (slice(9, 18), slice(0, 2)),
    (slice(9, 18), slice(8, 10)),
    (slice(16, 18), slice(0, 10)),
)


def drawn_digits(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``n`` digits of seven segments, moved about and noisy: uint8 (n, 28, 28), and their labels: uint8 (n,)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n).astype(np.uint8)
    images = rng.integers(0, 70, (n, 28, 28))
    for image, label in zip(images, labels, strict=True):
        row, column = rng.integers(2, 9), rng.integers(4, 14)
        brightness = rng.integers(110, 256)
        for lit, (rows, columns) in zip(SEGMENTS[label], PLACES, strict=True):
            if lit == "1" and rng.random() > 0.06:
                image[row : row + 18, column : column + 10][rows, columns] = brightness
    images[:, 0, 0], images[:, 0, 1] = 0, 255
    return images.astype(np.uint8), labels


@dataclass(frozen=True)
class SmallCourse:
    """Folder of the course and of its data store."""

    root: Path
    data: Path

    def settings(self, workspace: Path, **changes: object) -> Settings:
        """Settings that grade with this course."""
        base = {"workspace": workspace, "course": self.root, "data_dir": self.data, "held_out_seed": 11}
        machine = {"sandbox": os.environ.get("GRADER_SANDBOX")}  # "none" where none works, see conftest.py
        return load_settings({**base, **machine, "time_limit_s": 90.0, **changes}, environ={})


def make_small_course(folder: Path) -> SmallCourse:
    """Copies assignment and rubric, stores the data set, and gives the rubric a calibration for it."""
    course = SmallCourse(folder / "course", folder / "data")
    for name in ("assignments", "rubrics"):
        shutil.copytree(REPOSITORY / name, course.root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (x_train, y_train), (x_test, y_test) = drawn_digits(1800, 1), drawn_digits(600, 2)
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    lines = ["[mnist]", 'licence = "made by the tests"', 'source = "tests/small_course.py"']
    for name, array in arrays.items():
        lines += [f"[mnist.arrays.{name}]", f"shape = {list(array.shape)}", f'sha256 = "{sha256_of(array)}"']
    (course.root / "datasets.toml").write_text("\n".join(lines), "utf-8")
    spec = find_dataset(load_catalogue(course.root), "mnist")
    DataStore(course.data).put(spec, arrays)
    entry = json.loads((Path(__file__).parent / "small_calibration.json").read_text("utf-8"))
    (course.root / "rubrics" / "b2-1" / "calibration.json").write_text(
        json.dumps([{**entry, "dataset_digest": spec.digest}]), "utf-8"
    )
    return course
