"""A course of conv-callback on pictures in noise: 1,200 + 300 stand for MNIST, 300 + 100 others for Fashion-MNIST."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from small_course import REPOSITORY, SmallCourse

from grader.datasets import DataStore, find_dataset, load_catalogue
from grader.datasets.catalogue import sha256_of

IDENT = "conv-callback"
SIZES = {"mnist": (1200, 300), "fashion_mnist": (300, 100)}
QUANTILES = {"0.05": 2.4, "0.01": 4.2, "0.005": 5.3, "0.001": 9.0, "0.0005": 11.0, "0.0001": 18.0, "1e-05": 36.0}
REFERENCE = {"values": [0.94, 0.96, 0.98, 1.0], "student_t": QUANTILES}
"""As if four runs had reached 0.94 and more: a network that guesses is far below, a trained one among them."""


def pictures(n: int, kind: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``n`` noisy copies of the ten pictures of this kind: uint8 (n, 28, 28), and which each is: uint8 (n,)."""
    fixed, rng = np.random.default_rng(kind), np.random.default_rng(seed)
    originals = fixed.integers(0, 256, (10, 28, 28)) * (fixed.random((10, 28, 28)) < 0.15)
    labels = rng.integers(0, 10, n).astype(np.uint8)
    return np.clip(originals[labels] + rng.normal(0, 90, (n, 28, 28)), 0, 255).astype(np.uint8), labels


def make_conv_course(folder: Path) -> SmallCourse:
    """Copies assignment and rubric, stores both data sets, and gives the rubric a calibration for them."""
    course = SmallCourse(folder / "course", folder / "data")
    for name in ("assignments", "rubrics"):
        ignored = shutil.ignore_patterns("__pycache__", "calibration.json")
        shutil.copytree(REPOSITORY / name / IDENT, course.root / name / IDENT, ignore=ignored)
    lines, stored = [], {}
    for kind, (name, (n_train, n_test)) in enumerate(SIZES.items()):
        train, test = pictures(n_train, kind, 2 * kind + 1), pictures(n_test, kind, 2 * kind + 2)
        stored[name] = {"x_train": train[0], "y_train": train[1], "x_test": test[0], "y_test": test[1]}
        lines += [f"[{name}]", 'licence = "made by the tests"', 'source = "tests/small_conv.py"']
        for key, array in stored[name].items():
            lines.append(f'arrays.{key} = {{ shape = {list(array.shape)}, sha256 = "{sha256_of(array)}" }}')
    (course.root / "datasets.toml").write_text("\n".join(lines), "utf-8")
    catalogue = load_catalogue(course.root)
    for name, arrays in stored.items():
        DataStore(course.data).put(find_dataset(catalogue, name), arrays)
    entry = {"dataset": "mnist", "dataset_digest": find_dataset(catalogue, "mnist").digest, "date": "2026-01-01"}
    entry |= {"machine": "none", "versions": {}, "distributions": {"mnist-conv-16-one-epoch": REFERENCE}}
    (course.root / "rubrics" / IDENT / "calibration.json").write_text(json.dumps([entry]), "utf-8")
    return course
