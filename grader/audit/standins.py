"""Made-up images and weights of the shapes of the real ones: to audit what cannot be had everywhere or learned fast.

A rubric's checks look at shapes, layers and what moved: for these the real photographs are not needed. The accuracy is
looked at as well, so the images can be learned, and in seconds: each class has a colour of its own.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.datasets import DatasetSpec
from grader.errors import CourseError

Images = npt.NDArray[np.uint8]
VGG16_BLOCKS = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
"""Filters of VGG16's convolutions (K. Simonyan and A. Zisserman, ICLR 2015, table 1, column D)."""
_NOISE, _TINT = 20, 9
"""Standard deviation of each pixel, and of an image's whole colour: a few images look like another class'."""
_CLASSES = 10


def made_up_arrays(spec: DatasetSpec, train_images: int, test_images: int) -> dict[str, Images]:
    """The four arrays of a data set of colour images, the same each time.

    :return: ``x_train``: uint8, (n, h, w, c) with ``h w c`` of the real one, ``y_train``: uint8, (n, 1) or (n,), …
    :raises CourseError: its images are not (n, h, w, c).
    """
    form = spec.arrays["x_train"].shape[1:]
    if len(form) != 3:
        raise CourseError(f"{spec.name} cannot be made up: its images are {form}, expected (height, width, colours)")
    label_form = spec.arrays["y_train"].shape[1:]
    colours = np.random.default_rng(0).integers(40, 216, (_CLASSES, form[2]))
    arrays = {}
    for seed, (split, n) in enumerate({"train": train_images, "test": test_images}.items(), 1):
        rng = np.random.default_rng(seed)
        labels = np.arange(n) % _CLASSES
        tints = colours[labels] + rng.normal(0, _TINT, (n, form[2]))
        images = tints[:, None, None, :] + rng.normal(0, _NOISE, (n, *form))
        images[:, 0, 0], images[:, 0, 1] = 0, 255
        arrays[f"x_{split}"] = np.clip(images, 0, 255).astype(np.uint8)
        arrays[f"y_{split}"] = labels.astype(np.uint8).reshape(n, *label_form)
    return arrays


def made_up_weights(name: str) -> bytes:
    """A file of weights as ``keras.applications`` reads it; for ``vgg16`` without its top.

    The first layer takes random mixtures of the colours, the others pass on what they get, with a little noise: random
    kernels throughout would make every image look alike after thirteen layers.

    Layout: a group a layer, names as attributes; source: ``load_weights_from_hdf5_group`` in
    keras/src/legacy/saving/legacy_h5_format.py.

    :raises CourseError: weights of another network are asked for.
    """
    import h5py

    if name != "vgg16":
        raise CourseError(f"weights {name!r} cannot be made up: only those of vgg16 can")
    rng = np.random.default_rng(16)
    content = io.BytesIO()
    names: list[str] = []
    channels = 3
    with h5py.File(content, "w") as file:
        for block, sizes in enumerate(VGG16_BLOCKS, 1):
            for number, filters in enumerate(sizes, 1):
                names.append(f"block{block}_conv{number}")
                _write_layer(file, names[-1], *_convolution(rng, channels, filters))
                channels = filters
            names.append(f"block{block}_pool")
            _write_layer(file, names[-1])
        file.attrs["layer_names"] = [n.encode() for n in names]
    return content.getvalue()


def _convolution(rng: np.random.Generator, channels: int, filters: int) -> tuple[Any, Any]:
    """Kernel: float32, (3, 3, channels, filters); bias: float32, (filters,)."""
    if channels == 3:
        kernel = np.broadcast_to(rng.uniform(-4 / 9, 4 / 9, (channels, filters)), (3, 3, channels, filters))
        bias = -0.6 - kernel.sum((0, 1, 2)) / 2  # so that few filters answer to one colour
    else:
        kernel = rng.standard_normal((3, 3, channels, filters)) * 0.05 * np.sqrt(2 / (9 * channels))
        kernel[1, 1, np.arange(filters) % channels, np.arange(filters)] += 1
        bias = np.zeros(filters)
    return kernel.astype(np.float32), bias.astype(np.float32)


def _write_layer(file: Any, name: str, *arrays: Any) -> None:
    group = file.create_group(name)
    keys = [f"{name}_{kind}_1:0" for kind in ("W", "b")][: len(arrays)]
    for key, array in zip(keys, arrays, strict=True):
        group[key] = array
    group.attrs["weight_names"] = [key.encode() for key in keys] or np.zeros(0, "S1")
