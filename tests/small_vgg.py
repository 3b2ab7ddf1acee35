"""A course with the VGG16 assignment on made-up colour images and stand-in weights of the right names and shapes."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from small_course import REPOSITORY, SmallCourse

from grader.audit.standins import VGG16_BLOCKS, made_up_arrays, made_up_weights
from grader.datasets import DataStore, find_dataset, load_catalogue
from grader.datasets.catalogue import sha256_of

N_TRAIN, N_TEST = 120, 40
CONVOLUTIONS = dict(enumerate(VGG16_BLOCKS, 1))
WEIGHTS_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"


def write_weights(path: Path) -> None:
    """Stand-in weights of VGG16 without its top, in the layout of Keras' published file."""
    path.write_bytes(made_up_weights("vgg16"))


def make_vgg_course(folder: Path, weights: Path | None = None) -> SmallCourse:
    """The assignment on ``N_TRAIN`` and ``N_TEST`` images; ``weights`` are stored when there are any."""
    course = SmallCourse(folder / "course", folder / "data")
    for name in ("assignments", "rubrics"):
        ignored = shutil.ignore_patterns("__pycache__", "calibration.*")
        shutil.copytree(REPOSITORY / name / "vgg16-finetune", course.root / name / "vgg16-finetune", ignore=ignored)
    arrays = made_up_arrays(find_dataset(load_catalogue(None), "cifar10"), N_TRAIN, N_TEST)
    lines = ["[cifar10]", 'licence = "made by the tests"', 'source = "tests/small_vgg.py"']
    for name, array in arrays.items():
        lines += [f"[cifar10.arrays.{name}]", f"shape = {list(array.shape)}", f'sha256 = "{sha256_of(array)}"']
    content = weights.read_bytes() if weights else b""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    lines += ["[vgg16]", 'licence = "made by the tests"', 'source = "tests/small_vgg.py"']
    lines += ["[vgg16.file]", f'name = "{WEIGHTS_FILE}"', f'md5 = "{md5}"']
    (course.root / "datasets.toml").write_text("\n".join(lines), "utf-8")
    catalogue = load_catalogue(course.root)
    store = DataStore(course.data)
    store.put(find_dataset(catalogue, "cifar10"), arrays)
    if weights:
        store.put_file(find_dataset(catalogue, "vgg16"), content)
    return course
