"""Asks the checks' process, and makes a whole answer of what it says."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from grader.checks.judge import faulty
from grader.checks.requests import Checked, CheckRequest, Line, Planned, decode_line
from grader.checks.room import Room
from grader.model import CheckResult, Flag, Visibility
from grader.rubric import Course, Rubric


@dataclass
class _Findings:
    planned: tuple[Planned, ...] = ()
    results: list[CheckResult] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, line: Line) -> None:
        """Keeps what one line says."""
        self.planned = line.planned or self.planned
        self.results += [line.result] if line.result else []
        self.flags += [line.flag] if line.flag else []
        self.faults += [line.fault] if line.fault else []


def run_checks(
    requests: Sequence[CheckRequest],
    *,
    timeout_s: float = 60.0,
    python: str = sys.executable,
    room: Room | None = None,
) -> list[Checked]:
    """What the checks find in each attempt, in the order of ``requests``. One process loads a rubric for them all.

    Checks that hang or die leave their attempt with its unreported checks *errored* (our fault), and no other. Every
    criterion that the request looks at has at least one result.

    :param timeout_s: wall clock for any one attempt, and for loading the rubric.
    :param room: keeps the process for the next call; without one it ends with this call.
    :raises CourseError: an assignment or rubric cannot be loaded.
    """
    rubrics = {(course, ident): Course(course).rubric(ident) for course, ident in {_rubric_of(r) for r in requests}}
    place = room or Room(python=python)
    try:
        answers = place.judge(requests, timeout_s) if requests else []
    finally:
        if room is None:
            place.close()
    made = []
    for request, (said, why) in zip(requests, answers, strict=True):
        found = _findings(said)
        found.faults += [why] if why else []
        made.append(checked(request, rubrics[_rubric_of(request)], found))
    return made


def _rubric_of(request: CheckRequest) -> tuple[Path, str]:
    return request.course_dir, request.assignment


def _findings(said: bytes) -> _Findings:
    found = _Findings()
    for raw in said.split(b"\n")[:-1]:
        try:
            found.add(decode_line(raw))
        except msgspec.DecodeError:  # a line that was being written when the process ended
            continue
    return found


def checked(request: CheckRequest, rubric: Rubric, found: _Findings) -> Checked:
    """``found`` made whole: a check, or criterion, that did not report has errored."""
    detail = "\n".join(found.faults)
    reported = {result.check for result in found.results}
    results = [*found.results, *(faulty(p, detail) for p in found.planned if p.check not in reported)]
    covered = {result.criterion for result in results}
    visible = [c for c in rubric.criteria if not request.public_only or c.visibility is Visibility.PUBLIC]
    missing = [Planned("(none)", c.id) for c in visible if c.id not in covered]
    results += [faulty(p, detail or "the rubric has no check for this criterion") for p in missing]
    results.sort(key=lambda r: rubric.ids.index(r.criterion))
    return Checked(tuple(results), tuple(found.flags))
