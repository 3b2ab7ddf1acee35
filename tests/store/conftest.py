from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from postgres_server import postgres_server, why_not

from grader.model import (
    Attempt,
    CheckResult,
    CriterionScore,
    Execution,
    ExecutionOutcome,
    Measurement,
    Outcome,
    Result,
    Score,
    Status,
    Student,
    Text,
    Verified,
    Visibility,
    Zone,
)
from grader.store import Gradebook


@pytest.fixture
def clock():
    """A second passes between any two looks at it."""
    moments = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s) for s in itertools.count())
    return lambda: next(moments).isoformat()


@pytest.fixture
def book(tmp_path, clock):
    book = Gradebook(tmp_path / "gradebook.sqlite", clock)
    yield book
    book.close()


@pytest.fixture(scope="session")
def server():
    """A server of our own."""
    if reason := why_not():
        pytest.skip(reason)
    with postgres_server() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request, tmp_path):
    """Where an empty gradebook may be."""
    if request.param == "sqlite":
        return tmp_path / "gradebook.sqlite"
    return request.getfixturevalue("server").new_database()


@pytest.fixture
def attempt():
    def make(name: str = "s01", student: Student | None = None, **fields) -> Attempt:
        content = fields.pop("content", name).encode()
        fields = {"assignment": "b2-1", "source": f"{name}.ipynb", "notebook": None, **fields}
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        return Attempt(digest=digest, content=content, student=student or Student(id=name), **fields)

    return make


@pytest.fixture
def result():
    def make(attempt: Attempt, points: float = 1.0, **fields) -> Result:
        nested = Text("outer {inner} {n:.1f}", {"inner": Text("inner {x}", {"x": 1}), "n": 2.5})
        check = CheckResult("t", "runs", Outcome.PARTIAL, 0.5, nested, measured={"acc": 0.5}, detail="trace")
        line = CriterionScore("runs", points, 2.0, Outcome.PARTIAL, Visibility.PUBLIC, nested, checks=(check,))
        values = {
            "assignment": attempt.assignment,
            "digest": attempt.digest,
            "source": attempt.source,
            "student": attempt.student,
            "execution": Execution(ExecutionOutcome.OK, duration_s=1.5, versions={"keras": "3"}),
            "score": Score(Status.GRADED, points, 0.0, 2.0, (line,)),
            "verified": Verified("mnist", (Measurement("fit-1", 0.9, zone=Zone.VERIFIER),)),
            "rubric_version": "1",
            "language": "ja",
            "notes": (Text("note"),),
            "handed_in_at": attempt.handed_in_at,
            "graded_at": "2026-01-01T00:00:00+00:00",
            "evidence": "e1",
            "report": "reports/1.html",
            "grader_version": "0.1.0",
            **fields,
        }
        return Result(**values)

    return make


@pytest.fixture
def graded(book, attempt, result):
    """Adds an attempt and its result; gives the attempt's number in the gradebook."""

    def add(name: str = "s01", student: Student | None = None, points: float = 1.0, **fields) -> int:
        made = attempt(name, student, **fields)
        ident = book.add_attempt(made)
        book.add_result(result(made, points))
        return ident

    return add
