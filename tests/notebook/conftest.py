"""A kernel of the student's own, with the small course at hand."""

import os

import nbclient
import nbformat
import pytest
from small_course import make_small_course


@pytest.fixture(scope="session")
def small_course(tmp_path_factory):
    return make_small_course(tmp_path_factory.mktemp("small"))


@pytest.fixture
def at_hand(small_course, monkeypatch):
    """What kernels started by this test find."""
    settings = {
        "GRADER_COURSE": str(small_course.root),
        "GRADER_DATA_DIR": str(small_course.data),
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "1",
    }
    for name in ("GRADER_CONFIG", "GRADER_LANGUAGE", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return small_course


@pytest.fixture
def run_cells(tmp_path):
    """Runs sources in a fresh kernel in ``tmp_path``; the notebook with its outputs."""

    def run(*sources):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        client = nbclient.NotebookClient(
            notebook, kernel_name="python3", allow_errors=True, timeout=300, resources={"metadata": {"path": tmp_path}}
        )
        client.execute(env=dict(os.environ))
        return notebook

    return run
