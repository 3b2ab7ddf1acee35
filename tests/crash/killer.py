"""Runs the grader's command line and kills this very process at a chosen moment.

``killer.py STAGE WHEN NTH SIGNAL ARGS…``

``STAGE`` is a key of :data:`STAGES`, ``WHEN`` ``before`` or ``after``, ``NTH`` counts calls of that function from 1.
Without a stage (``-``) nothing is killed from inside. ``GRADER_TEST_BUSY_S`` in the environment is how long a locked
gradebook is waited for.
"""

from __future__ import annotations

import importlib
import itertools
import os
import signal
import sys

STAGES = {
    "collect": ("grader.intake", "collect"),
    "add_attempt": ("grader.store.gradebook:Gradebook", "add_attempt"),
    "claims": ("grader.execution.run", "collect_claims"),
    "replace": ("grader.execution.run", "put_in_place"),
    "verify": ("grader.pipeline.work", "measure"),
    "score": ("grader.pipeline.attempt", "score_evidence"),
    "add_result": ("grader.store.gradebook:Gradebook", "add_result"),
    "page": ("grader.pipeline.publish", "_write"),
    "json": ("grader.cli.common", "write_json"),
}


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
    stage, when, nth, name = sys.argv[1:5]
    if stage != "-":
        arm(stage, when, int(nth), getattr(signal, name))
    if busy_s := os.environ.get("GRADER_TEST_BUSY_S"):
        wait_shorter(int(busy_s))
    sys.argv = ["grader", *sys.argv[5:]]
    from grader.cli import main as run

    run()


def wait_shorter(busy_s: int) -> None:
    """Gives up a locked gradebook sooner."""
    database = importlib.import_module("grader.store.database")
    database.BUSY_TIMEOUT_S = busy_s
    database._PRAGMAS = (*(p for p in database._PRAGMAS if "busy" not in p), f"busy_timeout = {busy_s * 1000}")


def arm(stage: str, when: str, nth: int, number: int) -> None:
    """Wraps the stage's function."""
    place, name = STAGES[stage]
    module, _, owner = place.partition(":")
    holder = importlib.import_module(module)
    holder = getattr(holder, owner) if owner else holder
    original = getattr(holder, name)
    calls = itertools.count(1)

    def wrapped(*args: object, **options: object) -> object:
        due = next(calls) == nth
        if due and when == "before":
            os.kill(os.getpid(), number)
        value = original(*args, **options)
        if due and when == "after":
            os.kill(os.getpid(), number)
        return value

    setattr(holder, name, wrapped)


if __name__ == "__main__":
    main()
