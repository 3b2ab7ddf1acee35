"""Runs the rubric over one attempt's evidence in this process, with pytest kept away from everything around it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from grader.checks.context import Context
from grader.checks.flags import general_flags
from grader.checks.judge import Judge, Sink
from grader.checks.requests import CheckRequest
from grader.errors import GraderError

_LEFT_OUT = ("cacheprovider", "terminal", "faulthandler", "unraisableexception", "threadexception", "logging")
_current: list[Path] = []


def check_attempt(request: CheckRequest, sink: Sink, scratch: Path) -> None:
    """Reports everything to ``sink``; what goes wrong with course, evidence or pytest itself is reported as a fault.

    :param scratch: an empty folder of this process' own, for pytest's (empty) settings.
    """
    try:
        context = Context.load(request)
        flags = general_flags(context.evidence, context.cells or (), public_only=request.public_only)
    except GraderError as error:
        sink(f"{type(error).__name__}: {error}")
        return
    for flag in flags:
        sink(flag)
    judge = Judge(context, sink)
    rubric_dir = request.rubric_dir.resolve()
    settings = scratch / "pytest.ini"
    settings.write_text("[pytest]\n", "ascii")
    arguments = [
        *(str(path) for path in sorted(rubric_dir.glob("test_*.py"))),
        f"--config-file={settings}",
        f"--rootdir={request.course_dir.resolve()}",
        "--noconftest",
        "--assert=plain",
        "--import-mode=importlib",
        "--continue-on-collection-errors",
        "--strict-markers",
        *(f"-pno:{name}" for name in _LEFT_OUT),
        "-pgrader.checks.plugin",
    ]
    _forget_other_rubrics(rubric_dir)
    code = pytest.main(arguments, plugins=[judge])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        sink(f"pytest ended with {code!r}")


def _forget_other_rubrics(rubric_dir: Path) -> None:
    """Modules of one rubric are imported once; those of another have the same names."""
    if _current[-1:] == [rubric_dir]:
        return
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(Path(file).parent == other for other in _current):
            del sys.modules[name]
    _current[:] = [rubric_dir]
