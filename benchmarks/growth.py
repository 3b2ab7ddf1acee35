"""``python -m benchmarks.growth [--full] [--no-regrade]``: what grows with the number of attempts, and how fast.

100 and 1,000 attempts; 10,000 with ``--full``. The evidence is synthesised: 100 different runs, and links to the files
of these for the others. An exponent of 1 is a cost that grows with the number of attempts: the slope between two sizes
in logarithms, log(t2 / t1) / log(n2 / n1).
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from benchmarks._common import machine, median_s, table
from benchmarks._synthetic import ASSIGNMENT, collected, leave_evidence, make_course, opened, settings_of, write_class
from grader.model import Attempt, Result
from grader.pipeline import regrade
from grader.pipeline.attempt import score_evidence
from grader.pipeline.context import Context
from grader.pipeline.publish import write_dashboard, write_student
from grader.pipeline.runs import evidence_name
from grader.store import student_key

DISTINCT = 100
DASHBOARD, PAGE = "dashboard built", "one student's two pages"
TARGETS_S = {DASHBOARD: 10.0, PAGE: 0.2}
"""At 10,000 attempts."""


def _timed_s(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _add(context: Context, attempts: list[Attempt], scored: list[Result]) -> None:
    """Every attempt and its result, each in a transaction of its own, as grading does."""
    for number, attempt in enumerate(attempts):
        context.gradebook.add_attempt(attempt)
        own = {"digest": attempt.digest, "source": attempt.source, "student": attempt.student}
        name = evidence_name(context, attempt)
        context.gradebook.add_result(replace(scored[number % len(scored)], **own, evidence=name))


def _build(context: Context) -> None:
    found = context.gradebook.overview(ASSIGNMENT)
    write_dashboard(context, [stored for stored in found.results if stored.attempt_id in found.counting])


def measure(folder: Path, n: int, regraded: bool) -> dict[str, float]:
    """Seconds of each kind of work at ``n`` attempts.

    :param regraded: run the rubric over all of them too, which takes longer than everything else together.
    """
    settings = settings_of(folder, f"workspace-{n}")
    context = opened(settings)
    (context.workspace / "dashboard").mkdir()
    source = write_class(folder, n, f"class-{n}")
    attempts: list[Attempt] = []
    times = {"intake": _timed_s(lambda: attempts.extend(collected(source)))}
    leave_evidence(context, attempts, DISTINCT)
    some = [(a, context.workspace / "evidence" / evidence_name(context, a)) for a in attempts[:20]]
    scored = [one.result for one in score_evidence(context, some)]
    times["gradebook written"] = _timed_s(lambda: _add(context, attempts, scored))
    times["gradebook read"] = median_s(lambda: context.gradebook.counting(ASSIGNMENT), 3)
    times[DASHBOARD] = median_s(lambda: _build(context), 3)
    key = student_key(attempts[n // 2].student, attempts[n // 2].digest)
    assert len(write_student(context, key)) == 1
    times[PAGE] = median_s(lambda: write_student(context, key), 5)
    if regraded:
        times["regrade, without pages"] = _timed_s(lambda: regrade(context))
    context.checks_room.close()
    return times


def exponent(n1: int, t1: float, n2: int, t2: float) -> float:
    """Slope of the cost between two sizes, in logarithms."""
    return math.log(t2 / t1) / math.log(n2 / n1)


def main() -> None:
    """Measures every size and compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="10,000 attempts too")
    parser.add_argument("--no-regrade", action="store_true", help="leave the longest part out")
    chosen = parser.parse_args()
    sizes = [100, 1_000, *([10_000] if chosen.full else [])]
    print(machine())
    with tempfile.TemporaryDirectory(prefix="grader-bench-") as name:
        folder = Path(name)
        make_course(folder)
        found = {n: measure(folder, n, not chosen.no_regrade) for n in sizes}
    steps = list(pairwise(sizes))
    rows = []
    for what in found[sizes[0]]:
        slopes = [exponent(a, found[a][what], b, found[b][what]) for a, b in steps]
        rows.append((what, *(found[n][what] for n in sizes), *slopes, TARGETS_S.get(what)))
    heads = ["s", *(f"{n:,}" for n in sizes), *(f"exponent to {b:,}" for _, b in steps), "target at 10,000"]
    print(table(rows, heads))


if __name__ == "__main__":
    main()
