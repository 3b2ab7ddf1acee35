"""A class in a workspace of its own, made without running anything: results and evidence that look real."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grader.config import Settings, load_settings
from grader.model import (
    Attempt,
    CriterionScore,
    ExecutionOutcome,
    Flag,
    FlagKind,
    Outcome,
    Result,
    Score,
    Status,
    Student,
    Text,
    Visibility,
)
from grader.rubric import Course
from grader.store import Gradebook, open_gradebook

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = ("filters-discussion", "comparison-discussion")
SECRET = "Traceback of a hidden check"


def factory() -> Any:
    """The factory of the tests of reports."""
    if "reporting_factory" not in sys.modules:
        spec = importlib.util.spec_from_file_location("reporting_factory", ROOT / "tests" / "reporting" / "factory.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return sys.modules["reporting_factory"]


@dataclass(frozen=True)
class World:
    """A workspace with a class in it."""

    settings: Settings
    book: Gradebook


def make_world(folder: Path, n: int = 8, **changes: Any) -> World:
    """``n`` students in sections A and B by turns, numbered S001 and on; the first one handed in twice.

    The evidence is one folder that all share; the notebook answers both written tasks.
    """
    settings = load_settings(
        {"workspace": folder / "ws", "data_dir": folder / "no-data", "sandbox": "none", "browser": "none", **changes},
        environ={},
    )
    workspace = settings.workspace
    workspace.mkdir(parents=True, exist_ok=True)
    _roster(workspace, n)
    factory().evidence(workspace / "evidence" / "one")
    factory().evidence(workspace / "evidence" / "two")
    path = workspace / "evidence" / "two" / "executed.ipynb"
    path.write_text(path.read_text("utf-8").replace("epochs=10", "epochs=12"), "utf-8")
    book = open_gradebook(settings)
    for k in range(1, n + 1):
        add_attempt(book, k)
    add_attempt(book, 1, second=True)
    return World(settings, book)


def _roster(workspace: Path, n: int) -> None:
    lines = [f"S{k:03d},{name_of(k)},s{k:03d}@example.org,{section_of(k)}" for k in range(1, n + 2)]
    (workspace / "roster.csv").write_text("student_id,name,email,section\n" + "\n".join(lines) + "\n", "utf-8")


def name_of(k: int) -> str:
    """A made-up name that says which number it is of."""
    family = ("山田", "佐藤", "鈴木", "高橋", "田中", "伊藤", "渡辺", "中村")
    return f"{family[k % 8]} 第{k}"


def section_of(k: int) -> str:
    """A for odd numbers, B for even ones."""
    return "A" if k % 2 else "B"


def add_attempt(book: Gradebook, k: int, assignment: str = "b2-1", *, second: bool = False) -> int:
    """Keeps an attempt of student ``k`` with its result; gives its number in the gradebook."""
    rng = np.random.default_rng(k)
    student = Student(f"S{k:03d}", name_of(k), f"s{k:03d}@example.org")
    digest = f"sha256:{k + 100_000 * second:064x}"
    source = f"class/S{k:03d}{'-2' if second else ''}.ipynb"
    attempt = Attempt(
        assignment, digest, source, b"", student, None, "ja", handed_in_at=f"2026-11-0{1 + second}T10:00:00+00:00"
    )
    ident = book.add_attempt(attempt)
    result = Result(
        assignment,
        digest,
        source,
        student,
        factory().execution(
            ExecutionOutcome.OK, duration_s=float(rng.uniform(8, 90)), cells=factory().execution().cells[:-1]
        ),
        score_of(k, rng, assignment),
        factory().verified(),
        rubric_version="1",
        language="ja",
        handed_in_at=attempt.handed_in_at,
        graded_at=f"2026-11-2{1 + second}T10:00:00+00:00",
        attempt_number=1 + second,
        evidence="two" if second else "one",
        grader_version="0.1.0",
    )
    book.add_result(result)
    return ident


def score_of(k: int, rng: np.random.Generator, assignment: str = "b2-1") -> Score:
    """Mixed outcomes; written criteria wait for a person."""
    rubric = Course().rubric(assignment)
    lines = []
    for criterion in rubric.criteria:
        if criterion.kind == "written":
            lines.append(_line(criterion, Outcome.NEEDS_REVIEW, None))
            continue
        outcome = rng.choice([Outcome.PASSED, Outcome.PARTIAL, Outcome.FAILED], p=[0.7, 0.1, 0.2])
        lines.append(_line(criterion, Outcome(outcome), {"passed": 1.0, "partial": 0.5, "failed": 0.0}[str(outcome)]))
    flags = (Flag(FlagKind.TRAINED_ON_TEST_DATA, Text("trained on test data")),) if k % 5 == 0 else ()
    points = sum(line.points or 0.0 for line in lines)
    pending = sum(line.max_points for line in lines if line.points is None)
    status = Status.NEEDS_REVIEW if pending else Status.GRADED
    return Score(status, points, pending, rubric.max_points, tuple(lines), flags)


def _line(criterion: Any, outcome: Outcome, share: float | None) -> CriterionScore:
    points = None if share is None else share * criterion.points
    staff = criterion.visibility is Visibility.STAFF
    message = Text(SECRET if staff else "ran to the end")
    return CriterionScore(criterion.id, points, criterion.points, outcome, criterion.visibility, message)
