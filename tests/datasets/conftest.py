"""A tiny data set of the shape of MNIST, made here, and an empty store."""

import numpy as np
import pytest

from grader.datasets import ArraySpec, DatasetSpec, DataStore
from grader.datasets.catalogue import sha256_of


@pytest.fixture
def make_arrays():
    def make(seed=0, train=30, test=10):
        rng = np.random.default_rng(seed)
        return {
            "x_train": rng.integers(0, 256, (train, 28, 28), dtype=np.uint8),
            "y_train": rng.integers(0, 10, train, dtype=np.uint8),
            "x_test": rng.integers(0, 256, (test, 28, 28), dtype=np.uint8),
            "y_test": rng.integers(0, 10, test, dtype=np.uint8),
        }

    return make


@pytest.fixture
def make_spec():
    def make(arrays, name="mnist", **more):
        specs = {role: ArraySpec(a.shape, sha256_of(a), str(a.dtype)) for role, a in arrays.items()}
        return DatasetSpec(name=name, arrays=specs, licence="public domain", source="made by the tests", **more)

    return make


@pytest.fixture
def arrays(make_arrays):
    return make_arrays()


@pytest.fixture
def spec(make_spec, arrays):
    return make_spec(arrays)


@pytest.fixture
def store(tmp_path):
    return DataStore(tmp_path / "data")
