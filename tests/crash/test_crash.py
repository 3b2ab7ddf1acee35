"""A grader that is killed at any moment loses nothing; the next run goes on where it stopped.

``make crash`` kills 200; the default run kills a few, at moments drawn from a fixed seed.
"""

import os
import sys

import pytest

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("GRADER_TEST_KILLS", "6"))


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_nothing_is_lost_however_often_the_grader_is_killed(crash):
    crash.until(KILLS)
    assert crash.kills >= KILLS
    assert crash.finished >= 1
    sys.stdout.write(
        f"\n{crash.kills} kills, {crash.finished} classes graded to their end, a whole run {crash.whole_s:.1f} s\n"
        f"{crash.figures()}\n"
    )
