"""Keras' loaders get the store's files under every name that they ask for; what is missing is no fault of a student."""

import sys
from types import ModuleType

import numpy as np
import pytest

from grader.recorder.datasets import DataMissingError, serve

CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
WEIGHTS = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
WEIGHTS_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{WEIGHTS}"


def module(monkeypatch, name, **attributes):
    made = ModuleType(name)
    vars(made).update(attributes)
    monkeypatch.setitem(sys.modules, name, made)
    return made


def download(fname=None, origin=None, **_):
    return f"downloaded {fname}"


@pytest.fixture
def keras(monkeypatch):
    """A package of the shape of Keras: a data set, and an application whose utilities others share."""
    utilities = module(monkeypatch, "fake.src.utils.file_utils", get_file=download, exists=lambda path: path == "there")
    data = module(monkeypatch, "fake.src.datasets.cifar10", get_file=download, load_data=lambda: "Keras' own")
    public = module(monkeypatch, "fake.datasets.cifar10", load_data=data.load_data)
    vgg16 = module(monkeypatch, "fake.src.applications.vgg16", file_utils=utilities)
    helpers = module(monkeypatch, "fake.src.applications.imagenet_utils", file_utils=utilities)
    return {"utilities": utilities, "data": data, "public": public, "vgg16": vgg16, "helpers": helpers}


@pytest.fixture
def entry(tmp_path):
    def make(*files):
        return {"digest": "abc", "directory": str(tmp_path / "served"), "files": list(files)}

    return make


def test_weights_come_from_the_store_and_the_shared_utilities_stay_as_they_are(keras, make_session, entry, written):
    serve(make_session(datasets={"vgg16": entry(WEIGHTS)}), "fake")
    path = keras["vgg16"].file_utils.get_file(WEIGHTS, WEIGHTS_URL, cache_subdir="models", file_hash="other")
    assert path.endswith(f"served/{WEIGHTS}")
    assert keras["vgg16"].file_utils.exists("there")
    assert keras["utilities"].get_file is download
    assert [(e["name"], e["digest"]) for e in written()] == [("vgg16", "abc")]


def test_missing_weights_are_no_mistake_of_the_student(keras, make_session, written):
    serve(make_session(), "fake")
    with pytest.raises(DataMissingError, match=r"no mistake of yours.*grader data install vgg16"):
        keras["vgg16"].file_utils.get_file(WEIGHTS, WEIGHTS_URL)
    assert [(e["name"], e["digest"]) for e in written()] == [("vgg16", None)]


def test_on_a_students_own_machine_keras_fetches_what_is_missing(keras, make_session):
    serve(make_session(fallback=True), "fake")
    assert keras["vgg16"].file_utils.get_file(WEIGHTS, WEIGHTS_URL) == f"downloaded {WEIGHTS}"
    assert keras["data"].get_file("cifar-10-batches-py", CIFAR_URL) == "downloaded cifar-10-batches-py"


def test_class_names_of_imagenet_are_left_to_keras(keras, make_session):
    serve(make_session(), "fake")
    assert keras["helpers"].file_utils is keras["utilities"]


@pytest.mark.parametrize(
    ("asked", "ends"),
    [("cifar-10-batches-py-target", "served"), ("cifar-10-batches-py", "served/cifar-10-batches-py")],
)
def test_both_generations_of_keras_find_the_batches_of_cifar10(keras, make_session, entry, asked, ends):
    serve(make_session(datasets={"cifar10": entry("cifar-10-batches-py")}), "fake")
    assert keras["data"].get_file(asked, origin=CIFAR_URL).endswith(ends)
    assert keras["data"].load_data() == "Keras' own"


def test_a_smaller_cifar10_is_loaded_from_its_npz_under_every_name(keras, make_session, entry, tmp_path, written):
    arrays = {name: np.full(3, i, np.uint8) for i, name in enumerate(("x_train", "y_train", "x_test", "y_test"))}
    (tmp_path / "served").mkdir()
    np.savez(tmp_path / "served" / "cifar10.npz", **arrays)
    serve(make_session(datasets={"cifar10": entry("cifar10.npz")}), "fake")
    for name in ("data", "public"):
        (x_train, _), (_, y_test) = keras[name].load_data()
        assert np.array_equal(x_train, arrays["x_train"])
        assert np.array_equal(y_test, arrays["y_test"])
    assert [(e["name"], e["digest"]) for e in written()] == [("cifar10", "abc")]
