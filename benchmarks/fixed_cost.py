"""``python -m benchmarks.fixed_cost [--repeats N] [--sandbox NAME]``: an attempt that only imports TensorFlow.

In turn: our execution alone (sandboxed, watched, recorded, evidence written); our whole attempt (checks, score and
gradebook too; then its pages as well); plain nbclient, which starts a kernel for it. The order changes from round to
round, so that a machine that gets slower slows them all down. The warm process starts once for a whole class,
before the rounds; how long that takes is a line of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from benchmarks._common import machine, table
from benchmarks._synthetic import ASSIGNMENT, make_course, opened, settings_of
from grader.execution import execute
from grader.model import Attempt, ExecutionOutcome, Student
from grader.pipeline import grade_batch, publish
from grader.pipeline.context import Context

SOURCE = "import tensorflow as tf\nprint(tf.__version__)"
TARGET_S, TARGET_RATIO = 0.8, 6.0
EXECUTION, CHECKED, PAGES, PEER = (
    "execution alone",
    "whole attempt: checks, score, gradebook",
    "whole attempt and its pages",
    "plain nbclient",
)


def _notebook() -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SOURCE, id="only")])


def _attempt() -> Attempt:
    content = json.dumps(_notebook()).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Attempt(ASSIGNMENT, digest, "only.ipynb", content, Student(id="22X00001"), json.loads(content))


def _execution(context: Context, attempt: Attempt, directory: Path) -> None:
    request = replace(context.execution_request(), runtime="keras3")
    done = execute(attempt, request, directory)
    assert done.outcome is ExecutionOutcome.OK, done


def _whole(context: Context, attempt: Attempt, *, pages: bool = False) -> None:
    (graded,) = grade_batch(context, [attempt], fresh=True)
    assert graded.fault is None, graded.fault
    assert graded.result.execution.outcome is ExecutionOutcome.OK
    if pages:
        publish(context, again=True)


def _peer(folder: Path) -> None:
    client = NotebookClient(_notebook(), timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def alternating_s(actions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Wall times of each action, seconds: one of every action a round, each round beginning with another."""
    names, times = list(actions), {name: list[float]() for name in actions}
    for number in range(repeats + 1):
        turn = number % len(names)
        for name in (*names[turn:], *names[:turn]):
            began = time.perf_counter()
            actions[name]()
            if number:  # the first round warms everything up
                times[name].append(time.perf_counter() - began)
    return times


def report(times: Mapping[str, list[float]]) -> str:
    """Medians, and how many times less than plain nbclient."""
    peer_s = statistics.median(times[PEER])
    targets = {EXECUTION: (TARGET_S, TARGET_RATIO)}
    rows = [
        (
            name,
            statistics.median(mine),
            min(mine),
            max(mine),
            peer_s / statistics.median(mine),
            *targets.get(name, (None, None)),
        )
        for name, mine in times.items()
    ]
    return table(rows, ("", "median s", "least", "most", "times less", "target s", "target times"))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9, help="rounds that count [9]")
    parser.add_argument("--sandbox", default="auto", help="auto, namespaces, bwrap or none [auto]")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="grader-bench-") as name:
        folder = Path(name)
        make_course(folder)
        context = opened(settings_of(folder, sandbox=given.sandbox))
        attempt = _attempt()
        print(machine())
        try:
            began = time.perf_counter()
            _execution(context, attempt, folder / "evidence")
            first_s = time.perf_counter() - began
            actions = {
                EXECUTION: lambda: _execution(context, attempt, folder / "evidence"),
                CHECKED: lambda: _whole(context, attempt),
                PAGES: lambda: _whole(context, attempt, pages=True),
                PEER: lambda: _peer(folder),
            }
            times = alternating_s(actions, given.repeats)
        finally:
            context.checks_room.close()
            if context.warm is not None:
                context.warm.close()
        walls = context.sandbox.name if context.sandbox else "none"
        print(f"\n{SOURCE!r}, sandbox {walls}, {given.repeats} rounds\n{report(times)}")
        print(f"the very first attempt, with the start of the warm process: {first_s:.2f} s")


if __name__ == "__main__":
    main()
