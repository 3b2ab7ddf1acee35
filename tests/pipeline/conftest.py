"""The sample class, the small course it is graded in, and its results."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from small_course import make_small_course


@pytest.fixture(scope="session")
def small_course(tmp_path_factory):
    return make_small_course(tmp_path_factory.mktemp("small"))
