"""``python -m benchmarks.regrade [N]``: a changed rubric over N attempts (100), all reports and the dashboard included.

The evidence is synthesised, of full size. The reports are written again in every run.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
import time
from pathlib import Path

from benchmarks._common import machine, median_s, table
from benchmarks._synthetic import collected, leave_evidence, make_course, opened, settings_of, write_class
from grader.config import Settings
from grader.pipeline import grade_batch, publish, regrade

TARGET_S = 10.0


def _whole(settings: Settings) -> None:
    """What ``grader regrade`` does, and the pages of every attempt."""
    context = opened(settings)
    graded = regrade(context)
    assert not [one.fault for one in graded if one.fault]
    assert not publish(context, again=True).faults
    context.checks_room.close()


def main() -> None:
    """Prepares a class, then measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n", nargs="?", type=int, default=100)
    parser.add_argument("--profile", action="store_true", help="of this process; the checks run in others")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="grader-bench-") as name:
        folder = Path(name)
        make_course(folder)
        settings = settings_of(folder)
        context = opened(settings)
        attempts = collected(write_class(folder, chosen.n))
        leave_evidence(context, attempts, distinct=chosen.n)
        first = grade_batch(context, attempts)
        assert all(one.reused and one.fault is None for one in first)
        context.checks_room.close()
        print(machine())
        own_s = median_s(lambda: _own_part(settings), repeats=3)
        if chosen.profile:
            with cProfile.Profile() as profile:
                _whole(settings)
            pstats.Stats(profile).sort_stats("cumtime").print_stats(40)
        whole_s = median_s(lambda: _whole(settings), repeats=3)
    rows = [
        (f"regrade of {chosen.n}: rubric, scores, gradebook", own_s, None),
        (f"regrade of {chosen.n}, {2 * chosen.n} reports and the dashboard included", whole_s, TARGET_S),
    ]
    print(table([(what, s, s / chosen.n, limit) for what, s, limit in rows], ("", "s", "s an attempt", "target s")))


def _own_part(settings: Settings) -> None:
    context = opened(settings)
    regrade(context)
    context.checks_room.close()


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"took {time.perf_counter() - began:.0f} s with its preparations")
