"""One class for all tests of this folder."""

import os
import shutil

import pytest
from crash.harness import CrashTest
from small_course import make_small_course

SEED = int(os.environ.get("GRADER_TEST_SEED", "1"))


@pytest.fixture(scope="module")
def crash(tmp_path_factory):
    """A class of twelve, graded once as a reference; afterwards nothing of any grader is left."""
    folder = tmp_path_factory.mktemp("crash")
    course = make_small_course(folder / "course")
    crash = CrashTest(folder, course.root, course.data, SEED)
    log = crash.said(folder / "reference")
    assert crash.code == 1, f"one hand-in cannot be read, so the class needs attention; the grader said: {log[-3000:]}"
    yield crash
    shutil.rmtree(crash.temporary)
