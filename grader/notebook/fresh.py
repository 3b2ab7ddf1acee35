"""A process of its own that runs a notebook in the quick budget: ``python -m grader.notebook.fresh REQUEST RESULT``.

A kernel has an event loop and a ZeroMQ context of its own, in which no other kernel should be started.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from msgspec import Struct

from grader.intake import collect
from grader.model import Result
from grader.notebook.chosen import notebook_settings
from grader.pipeline import grade_attempt, open_context
from grader.rubric import Course
from grader.scratch import scratch_prefix
from grader.store.records import decode, encode


class Request(Struct, frozen=True):
    """What is run: the notebook's file, the course's folder (or an unpacked kit's), the assignment."""

    notebook: str
    course: str
    assignment: str
    language: str | None = None


class Answer(Struct, frozen=True):
    """The result, and what went wrong on our side."""

    result: Result
    fault: str | None = None


def run(request: Request) -> Answer:
    """The same as ``grader check NOTEBOOK``."""
    with tempfile.TemporaryDirectory(prefix=scratch_prefix("fresh"), ignore_cleanup_errors=True) as folder:
        settings = notebook_settings(Path(folder) / "workspace", request.language, "quick")
        context = open_context(settings, request.assignment, course=Course(Path(request.course)), public_only=True)
        graded = grade_attempt(context, collect([Path(request.notebook)], request.assignment)[0])
        context.checks_room.close()
        return Answer(graded.result, graded.fault)


def main(request: Path, answer: Path) -> None:
    """Reads and writes JSON files."""
    answer.write_text(encode(run(Request(**json.loads(request.read_text("utf-8"))))), "utf-8")


def read_answer(path: Path) -> Answer:
    """What :func:`main` wrote."""
    return decode(path.read_text("utf-8"), Answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
