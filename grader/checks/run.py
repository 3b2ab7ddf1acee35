"""Starts the checks' process, watches it, and makes a whole answer of what it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

import grader
from grader.checks.judge import faulty
from grader.checks.requests import Checked, CheckRequest, Line, Planned, decode_line, encode
from grader.model import CheckResult, Flag, Visibility
from grader.rubric import Course
from grader.scratch import scratch_prefix

_POLL_S = 0.02
_OUTPUT_LIMIT = 4_000


@dataclass
class _Findings:
    planned: tuple[Planned, ...] = ()
    results: list[CheckResult] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    done: bool = False

    def add(self, line: Line) -> None:
        """Keeps what one line says."""
        self.planned = line.planned or self.planned
        self.results += [line.result] if line.result else []
        self.flags += [line.flag] if line.flag else []
        self.faults += [line.fault] if line.fault else []
        self.done = self.done or line.done


def run_checks(
    requests: Sequence[CheckRequest], *, timeout_s: float = 60.0, python: str = sys.executable
) -> list[Checked]:
    """What the checks find in each attempt, in the order of ``requests``. One child process grades them all.

    A child that hangs or dies leaves the attempt at hand with its unreported checks *errored* (our fault) and is
    started again for the rest. Every criterion that the request looks at has at least one result.

    :param timeout_s: wall clock for any one attempt; the first one's includes starting Python.
    :raises CourseError: an assignment or rubric cannot be loaded.
    """
    findings = [_Findings() for _ in requests]
    waiting = list(range(len(requests)))
    while waiting:
        with tempfile.TemporaryDirectory(prefix=scratch_prefix("checks"), ignore_cleanup_errors=True) as scratch:
            child = _Child(Path(scratch), [requests[i] for i in waiting], python)
            try:
                why = child.follow([findings[i] for i in waiting], timeout_s)
            finally:
                child.end()
        unfinished = [i for i in waiting if not findings[i].done]
        if unfinished:
            culprit = unfinished[0]
            findings[culprit].faults.append(why)
            findings[culprit].done = True
        waiting = unfinished[1:]
    return [checked(request, found) for request, found in zip(requests, findings, strict=True)]


class _Child:
    """One child process and the files between it and us."""

    def __init__(self, scratch: Path, requests: Sequence[CheckRequest], python: str) -> None:
        self._results = scratch / "results.jsonl"
        self._output = scratch / "output.txt"
        requests_path = scratch / "requests.json"
        requests_path.write_bytes(encode(list(requests)))
        self._results.touch()
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [python, "-m", "grader.checks.child", str(requests_path), str(self._results)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=scratch,
                env=_environment(),
            )

    def follow(self, findings: Sequence[_Findings], timeout_s: float) -> str:
        """Fills ``findings`` until the child ends; why it ended, in words for staff."""
        started = time.monotonic()
        n_done = 0
        with self._results.open("rb") as file:
            rest = b""
            while True:
                ended = self._process.poll() is not None
                rest = _take(rest + file.read(), findings)
                if (now_done := sum(f.done for f in findings)) > n_done:
                    n_done, started = now_done, time.monotonic()
                if ended:
                    return f"the checks' process ended with exit code {self._process.returncode}\n{self._tail()}"
                if time.monotonic() - started > timeout_s:
                    self.end()
                    _take(rest + file.read(), findings)
                    return f"the checks of this attempt took more than {timeout_s:g} s and were stopped\n{self._tail()}"
                time.sleep(_POLL_S)

    def end(self) -> None:
        """Stops the child if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _tail(self) -> str:
        return self._output.read_bytes()[-_OUTPUT_LIMIT:].decode("utf-8", "replace")


def _take(data: bytes, findings: Sequence[_Findings]) -> bytes:
    """Reads whole lines into ``findings``; what follows the last line end is returned."""
    *lines, rest = data.split(b"\n")
    for raw in lines:
        try:
            line = decode_line(raw)
            findings[line.attempt].add(line)
        except (msgspec.DecodeError, IndexError):
            continue
    return rest


def _environment() -> dict[str, str]:
    """Nothing of the caller's pytest reaches the child, and it writes no byte code beside the rubric."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_", "PYTHONSTARTUP"))}
    package = str(Path(grader.__file__).resolve().parents[1])
    path = os.pathsep.join([package, *filter(None, [env.get("PYTHONPATH")])])
    own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
    return env | own | {"PYTHONPATH": path}


def checked(request: CheckRequest, found: _Findings) -> Checked:
    """``found`` made whole: a check, or criterion, that did not report has errored."""
    rubric = Course(request.course_dir).rubric(request.assignment)
    detail = "\n".join(found.faults)
    reported = {result.check for result in found.results}
    results = [*found.results, *(faulty(p, detail) for p in found.planned if p.check not in reported)]
    covered = {result.criterion for result in results}
    visible = [c for c in rubric.criteria if not request.public_only or c.visibility is Visibility.PUBLIC]
    missing = [Planned("(none)", c.id) for c in visible if c.id not in covered]
    results += [faulty(p, detail or "the rubric has no check for this criterion") for p in missing]
    results.sort(key=lambda r: rubric.ids.index(r.criterion))
    return Checked(tuple(results), tuple(found.flags))
