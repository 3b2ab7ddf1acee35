from __future__ import annotations

import pytest

from grader.messages import Catalogue
from grader.model import CheckResult, Execution, ExecutionOutcome, Outcome, Text, Visibility
from grader.rubric import Criterion, Rubric

_CREDIT = {Outcome.PASSED: 1.0, Outcome.PARTIAL: 0.5, Outcome.FAILED: 0.0, Outcome.BLOCKED: 0.0}


@pytest.fixture
def rubric():
    return Rubric(
        assignment="demo",
        version="1",
        criteria=(
            Criterion(id="runs", points=2.0, title={"en": "It runs", "ja": "動く"}),
            Criterion(id="late", points=3.0, title={"en": "Accuracy"}, visibility=Visibility.AFTER_DUE),
            Criterion(id="secret", points=5.0, title={"en": "Hidden"}, visibility=Visibility.STAFF),
        ),
    )


@pytest.fixture
def one():
    """A rubric of one criterion."""

    def make(points: float = 10.0) -> Rubric:
        return Rubric(
            assignment="demo", version="1", criteria=(Criterion(id="runs", points=points, title={"en": "Runs"}),)
        )

    return make


@pytest.fixture
def check():
    def make(criterion: str, outcome: str, **fields) -> CheckResult:
        outcome = Outcome(outcome)
        fields = {"credit": _CREDIT.get(outcome), "message": Text(f"{outcome} message"), "check": "t", **fields}
        return CheckResult(criterion=criterion, outcome=outcome, **fields)

    return make


@pytest.fixture
def ran():
    return Execution(ExecutionOutcome.OK, runtime="keras3", duration_s=1.0)


@pytest.fixture
def english(tmp_path):
    return Catalogue("en", tmp_path)
