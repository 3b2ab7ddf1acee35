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
    context = load_context(request, sink)
    if context is None:
        return
    _forget_other_rubrics(request.rubric_dir.resolve())
    code = pytest.main(pytest_arguments(request, scratch), plugins=[Judge.of(context, sink)])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        sink(f"pytest ended with {code!r}")


def load_context(request: CheckRequest, sink: Sink) -> Context | None:
    """The attempt, whose general flags are reported; ``None`` where course or evidence are wrong, which is a fault."""
    try:
        context = Context.load(request)
        flags = general_flags(
            context.evidence, context.cells or (), public_only=request.public_only, saved=request.saved
        )
    except GraderError as error:
        sink(f"{type(error).__name__}: {error}")
        return None
    for flag in flags:
        sink(flag)
    return context


def pytest_arguments(request: CheckRequest, scratch: Path) -> list[str]:
    """How pytest is called for the rubric of ``request``; output is kept in memory, apart for each process."""
    settings = scratch / "pytest.ini"
    settings.write_text("[pytest]\n", "ascii")
    return [
        *(str(path) for path in sorted(request.rubric_dir.resolve().glob("test_*.py"))),
        f"--config-file={settings}",
        f"--rootdir={request.course_dir.resolve()}",
        "--noconftest",
        "--assert=plain",
        "--capture=sys",
        "--import-mode=importlib",
        "--continue-on-collection-errors",
        "--strict-markers",
        *(f"-pno:{name}" for name in _LEFT_OUT),
        "-pgrader.checks.plugin",
    ]


def _forget_other_rubrics(rubric_dir: Path) -> None:
    """Modules of one rubric are imported once; those of another have the same names."""
    if _current[-1:] == [rubric_dir]:
        return
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(Path(file).parent == other for other in _current):
            del sys.modules[name]
    _current[:] = [rubric_dir]
