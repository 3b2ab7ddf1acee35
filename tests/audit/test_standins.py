"""Made-up images and weights."""

import io

import h5py
import numpy as np
import pytest

from grader.audit.standins import VGG16_BLOCKS, made_up_arrays, made_up_weights
from grader.datasets import find_dataset, load_catalogue
from grader.errors import CourseError


def spec(name):
    return find_dataset(load_catalogue(None), name)


def test_images_have_the_real_shapes_and_types_and_are_the_same_each_time():
    arrays = made_up_arrays(spec("cifar10"), 50, 20)
    assert {role: (a.shape, a.dtype.name) for role, a in arrays.items()} == {
        "x_train": ((50, 32, 32, 3), "uint8"),
        "y_train": ((50, 1), "uint8"),
        "x_test": ((20, 32, 32, 3), "uint8"),
        "y_test": ((20, 1), "uint8"),
    }
    again = made_up_arrays(spec("cifar10"), 50, 20)
    assert all(np.array_equal(again[role], array) for role, array in arrays.items())
    assert len(np.unique(np.concatenate([arrays["x_train"], arrays["x_test"]]).reshape(70, -1), axis=0)) == 70


def test_the_nearest_mean_colour_tells_most_classes_apart_but_not_all():
    arrays = made_up_arrays(spec("cifar10"), 1000, 1000)
    means = arrays["x_train"].mean((1, 2))
    centres = np.stack([means[arrays["y_train"][:, 0] == k].mean(0) for k in range(10)])
    colours = arrays["x_test"].mean((1, 2))
    found = ((colours[:, None] - centres) ** 2).sum(-1).argmin(1)
    assert 0.85 < (found == arrays["y_test"][:, 0]).mean() < 0.99


def test_images_without_colours_are_not_made_up():
    with pytest.raises(CourseError, match="mnist cannot be made up"):
        made_up_arrays(spec("mnist"), 10, 10)


def test_weights_are_those_of_vgg16s_layers():
    with h5py.File(io.BytesIO(made_up_weights("vgg16"))) as file:
        shapes = [
            file[layer][name].shape for layer in file.attrs["layer_names"] for name in file[layer].attrs["weight_names"]
        ]
    filters = [n for sizes in VGG16_BLOCKS for n in sizes]
    assert shapes[::2] == [(3, 3, a, b) for a, b in zip([3, *filters], filters, strict=False)]
    assert shapes[1::2] == [(n,) for n in filters]


def test_weights_of_another_network_are_not_made_up():
    with pytest.raises(CourseError, match="vgg19"):
        made_up_weights("vgg19")
