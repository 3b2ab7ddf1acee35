"""Tiny notebooks, and a data set of the shape of MNIST that the tests make themselves."""

import json

import nbformat
import numpy as np
import pytest

from grader.execution import ExecutionRequest, execute
from grader.model import Attempt, Student


@pytest.fixture
def notebook():
    def make(*sources, **metadata):
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        return json.loads(json.dumps(nbformat.v4.new_notebook(cells=cells, metadata=metadata)))

    return make


@pytest.fixture(scope="session")
def served_mnist(tmp_path_factory):
    """What a kernel is told of a data store with 700 + 100 noisy images."""
    folder = tmp_path_factory.mktemp("served")
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (800, 28, 28), dtype=np.uint8)
    images[:, 0, 0], images[:, 0, 1] = 0, 255
    labels = rng.integers(0, 10, 800).astype(np.uint8)
    np.savez(folder / "mnist.npz", x_train=images[:700], y_train=labels[:700], x_test=images[700:], y_test=labels[700:])
    return {"mnist": {"digest": "made-here", "directory": str(folder), "files": ["mnist.npz"]}}


@pytest.fixture
def run(tmp_path):
    """Executes a notebook; the folder is ``tmp_path / 'evidence'``."""

    def execute_notebook(content, name="evidence", **changes):
        request = ExecutionRequest(**{"time_limit_s": 120, "memory_limit_mib": 3000, "seed": 7, **changes})
        raw = json.dumps(content).encode()
        attempt = Attempt("b2-1", "sha256:" + "0" * 64, "s.ipynb", raw, Student(), content)
        return execute(attempt, request, tmp_path / name)

    return execute_notebook
