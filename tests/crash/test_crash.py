"""A grader that is killed at any moment loses nothing; the next run goes on where it stopped.

``make crash`` kills 200; the default run kills a few, at moments drawn from a fixed seed.
"""

import os
import shutil
import sys

import pytest
from crash.harness import CrashTest
from small_course import make_small_course

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("GRADER_TEST_KILLS", "6"))
SEED = int(os.environ.get("GRADER_TEST_SEED", "1"))


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_nothing_is_lost_however_often_the_grader_is_killed(tmp_path):
    course = make_small_course(tmp_path / "course")
    crash = CrashTest(tmp_path, course.root, course.data, SEED)
    log = (tmp_path / "reference.log").read_text("utf-8")
    assert crash.code == 1, f"one hand-in cannot be read, so the class needs attention; the grader said: {log[-3000:]}"
    crash.until(KILLS)
    shutil.rmtree(crash.temporary)
    assert crash.kills >= KILLS
    assert crash.finished >= 1
    sys.stdout.write(
        f"{crash.kills} kills, {crash.finished} classes graded to their end, a whole run {crash.whole_s:.1f} s\n"
    )
