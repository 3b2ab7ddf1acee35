"""pytest plugin: fixtures, markers and verdicts for rubrics.

A check is a pytest function of ``rubrics/<id>/test_*.py``::

    @pytest.mark.criterion("base-model")
    def test_some_model_was_trained(say, fits): ...

For authors, on one attempt's evidence, with pytest's own output and the verdicts below it::

    pytest -p grader.checks.plugin rubrics/b2-1 --evidence workspace/evidence/DIGEST [--language ja] [--data-dir DIR]

=============  ========================================================================================
fixture        what it is
=============  ========================================================================================
say            verdicts and flags (:class:`grader.checks.verdicts.Say`)
submission     all facts (:class:`grader.checks.facts.Submission`); its ``evidence`` and ``execution`` alone
notebook       cells as executed (:class:`grader.checks.facts.NotebookCell`); blocked when there is none
fits           trainings in order (:class:`grader.checks.facts.TrainedFit`); blocked when there is none
models         models in order (:class:`grader.evidence.Model`); blocked when there is none
answers        criterion id to :class:`grader.checks.answers.Answer`
threshold      name to :class:`grader.checks.thresholds.Threshold`
settle         a value against its threshold, with further tries where it is in doubt
               (:class:`grader.checks.doubt.Settle`)
parameter      name to number: what the task itself asks for
data           :class:`grader.checks.facts.DataFacts`, or ``None`` where the data set is not installed
=============  ========================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from grader.checks.answers import Answer
from grader.checks.context import Context
from grader.checks.doubt import Settle
from grader.checks.facts import DataFacts, NotebookCell, Submission, TrainedFit
from grader.checks.judge import JUDGE, PLANNED, Judge
from grader.checks.requests import CheckRequest
from grader.checks.thresholds import Thresholds
from grader.checks.unseen import leave_unseen_training
from grader.checks.verdicts import Say, Verdict
from grader.evidence import Evidence, Model
from grader.model import Execution, Outcome, Text

NO_NOTEBOOK = Text("There is no notebook to look at: it could not be read or run.")
NO_MODEL = Text("No model was built in the notebook.")
NO_TRAINING = Text("No model was trained in the notebook: fit was never called.")
RUN_FIRST = Text("Run all cells from the top and see that the one with fit is reached without an error.")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options for authors."""
    group = parser.getgroup("grader", "checks on one attempt's evidence")
    group.addoption("--evidence", type=Path, metavar="DIR", help="evidence folder of one attempt")
    group.addoption("--language", default="en", help="language of the messages shown")
    group.addoption("--data-dir", type=Path, metavar="DIR", help="data store; default: the user's")


def pytest_configure(config: pytest.Config) -> None:
    """Markers, and the author's attempt."""
    config.addinivalue_line("markers", "criterion(id, weight=1.0): the criterion that a check gives points to")
    config.addinivalue_line("markers", "visibility(name): public, after_due or staff; default: the criterion's")
    if evidence := config.getoption("--evidence", None):
        rubric_dir = _rubric_dir(config)
        request = CheckRequest(
            evidence_dir=evidence.resolve(),
            course_dir=rubric_dir.parents[1],
            assignment=rubric_dir.name,
            language=config.getoption("--language"),
            data_dir=config.getoption("--data-dir"),
        )
        config.pluginmanager.register(Judge.of(Context.load(request), lambda _: None))


def _rubric_dir(config: pytest.Config) -> Path:
    for argument in (Path(a.split("::")[0]).resolve() for a in config.args):
        for folder in (argument, argument.parent):
            if (folder / "rubric.toml").is_file():
                return folder
    raise pytest.UsageError("--evidence needs a rubric: name its folder, as in rubrics/b2-1 --evidence DIR")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """One line a check, for authors."""
    judge = config.stash.get(JUDGE, None)
    if judge is None or not judge.results:
        return
    terminalreporter.section("verdicts")
    for result in judge.results:
        credit = "   ?" if result.credit is None else f"{result.credit:4.2f}"
        message = judge.sentence(result.message)
        terminalreporter.write_line(f"{result.outcome.value:12} {credit} {result.criterion:24} {message}")
    for flag in judge.context.flags:
        terminalreporter.write_line(f"{'flag':12}      {flag.kind.value:24} {judge.sentence(flag.message)}")


def _context(request: pytest.FixtureRequest) -> Context:
    judge = request.config.stash.get(JUDGE, None)
    if judge is None:
        pytest.skip("checks look at one attempt: give --evidence DIR")
    return judge.context


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Say:
    """Verdicts and flags of the running check."""
    return Say(request.node.stash[PLANNED].criterion, _context(request).flags)


@pytest.fixture
def submission(request: pytest.FixtureRequest) -> Submission:
    """All facts of the attempt."""
    return _context(request).submission


@pytest.fixture
def evidence(submission: Submission) -> Evidence:
    """What the execution left."""
    return submission.evidence


@pytest.fixture
def execution(submission: Submission) -> Execution:
    """What the harness itself saw of the run."""
    return submission.execution


@pytest.fixture
def notebook(request: pytest.FixtureRequest) -> tuple[NotebookCell, ...]:
    """Cells as executed."""
    cells = _context(request).cells
    return cells if cells is not None else _blocked(NO_NOTEBOOK)


@pytest.fixture
def models(submission: Submission) -> tuple[Model, ...]:
    """Models in the order they were made."""
    return submission.evidence.models or _blocked(NO_MODEL, RUN_FIRST)


@pytest.fixture
def fits(say: Say, submission: Submission) -> tuple[TrainedFit, ...]:
    """Trainings in order."""
    if not submission.fits:
        leave_unseen_training(say, submission)
    return submission.fits or _blocked(NO_TRAINING, RUN_FIRST)


@pytest.fixture
def answers(request: pytest.FixtureRequest) -> Mapping[str, Answer]:
    """Written answers by criterion id."""
    return _context(request).answers


@pytest.fixture
def threshold(request: pytest.FixtureRequest) -> Thresholds:
    """Thresholds by name."""
    return _context(request).threshold


@pytest.fixture
def settle(request: pytest.FixtureRequest, say: Say, submission: Submission) -> Settle:
    """Decides a value near its threshold."""
    return Settle(say, submission, further=not _context(request).request.public_only)


@pytest.fixture
def parameter(request: pytest.FixtureRequest) -> Mapping[str, float]:
    """Numbers that the task itself states, by name."""
    return _context(request).rubric.parameters


@pytest.fixture
def data(request: pytest.FixtureRequest) -> DataFacts | None:
    """Which images are whose, where the data set is installed."""
    return _context(request).data


def _blocked(message: Text, hint: Text | None = None) -> Any:
    raise Verdict(Outcome.BLOCKED, 0.0, message, {}, hint=hint)
