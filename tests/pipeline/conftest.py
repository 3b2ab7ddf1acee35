"""The sample class, the small course it is graded in, and its results."""

import pytest
from small_course import make_small_course


@pytest.fixture(scope="session")
def small_course(tmp_path_factory):
    return make_small_course(tmp_path_factory.mktemp("small"))
