"""A course with the VGG16 assignment on made-up colour images and stand-in weights of the right names and shapes."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import h5py
import numpy as np
from small_course import REPOSITORY, SmallCourse

from grader.datasets import DataStore, find_dataset, load_catalogue
from grader.datasets.catalogue import sha256_of

N_TRAIN, N_TEST = 120, 40
CONVOLUTIONS = {1: (64, 64), 2: (128, 128), 3: (256,) * 3, 4: (512,) * 3, 5: (512,) * 3}
WEIGHTS_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"


def coloured_images(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``n`` noisy images whose colour is their class: uint8 (n, 32, 32, 3), and labels: uint8 (n, 1)."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 10).astype(np.uint8)
    colours = np.random.default_rng(0).integers(40, 216, (10, 3))
    images = np.clip(colours[labels][:, None, None, :] + rng.normal(0, 20, (n, 32, 32, 3)), 0, 255).astype(np.uint8)
    images[:, 0, 0], images[:, 0, 1] = 0, 255
    return images, labels[:, None]


def write_weights(path: Path) -> None:
    """Random kernels (He initialisation) in the layout of Keras' published files: a group a layer, names as attributes.

    Source: ``load_weights_from_hdf5_group`` in keras/src/legacy/saving/legacy_h5_format.py.
    """
    rng = np.random.default_rng(16)
    channels = 3
    names = []
    with h5py.File(path, "w") as file:
        for block, sizes in CONVOLUTIONS.items():
            for number, filters in enumerate(sizes, 1):
                name = f"block{block}_conv{number}"
                group = file.create_group(name)
                scale = np.float32(np.sqrt(2 / (9 * channels)))
                group[f"{name}_W_1:0"] = rng.standard_normal((3, 3, channels, filters), np.float32) * scale
                group[f"{name}_b_1:0"] = np.zeros(filters, np.float32)
                group.attrs["weight_names"] = [f"{name}_W_1:0".encode(), f"{name}_b_1:0".encode()]
                names.append(name)
                channels = filters
            file.create_group(f"block{block}_pool").attrs["weight_names"] = np.zeros(0, "S1")
            names.append(f"block{block}_pool")
        file.attrs["layer_names"] = [n.encode() for n in names]


def make_vgg_course(folder: Path, weights: Path | None = None) -> SmallCourse:
    """The assignment on ``N_TRAIN`` and ``N_TEST`` images; ``weights`` are stored when there are any."""
    course = SmallCourse(folder / "course", folder / "data")
    for name in ("assignments", "rubrics"):
        ignored = shutil.ignore_patterns("__pycache__", "calibration.*")
        shutil.copytree(REPOSITORY / name / "vgg16-finetune", course.root / name / "vgg16-finetune", ignore=ignored)
    (x_train, y_train), (x_test, y_test) = coloured_images(N_TRAIN, 1), coloured_images(N_TEST, 2)
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
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
