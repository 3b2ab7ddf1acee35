"""The part of grading that runs a notebook and re-measures its models: a record, so that it can be done anywhere."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from grader.errors import DataError
from grader.evidence import read_evidence
from grader.execution import ExecutionRequest, Progress, execute
from grader.model import Attempt, Execution
from grader.pipeline.context import Context
from grader.pipeline.runtime import execute_auto
from grader.scratch import scratch_prefix
from grader.verification import DatasetView, KnownPredictions, VerifierSettings, verify

Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Measuring:
    """How the models of an execution are re-measured.

    :ivar held_out_seed: secret of the course; ``None`` leaves the held-out accuracy out.
    """

    dataset: DatasetView
    held_out_seed: int | None
    timeout_s: float


@dataclass(frozen=True)
class Work:
    """One execution with its re-measuring; afterwards ``directory`` is the evidence folder.

    :ivar auto: the notebook chooses the generation of Keras; else ``request.runtime`` says.
    :ivar measuring: ``None`` where there is no data set to measure on.
    """

    attempt: Attempt
    request: ExecutionRequest
    directory: Path
    auto: bool = False
    measuring: Measuring | None = None


class Runner(Protocol):
    """Does a piece of work somewhere."""

    def __call__(self, work: Work, *, tell: Tell, cancelled: threading.Event | None) -> Execution:
        """:raises asyncio.CancelledError: ``cancelled`` was set. :raises DataError: a data set is missing there."""


def plan_work(context: Context, attempt: Attempt, directory: Path, request: ExecutionRequest | None = None) -> Work:
    """What has to be done for ``attempt``.

    :param request: instead of the usual one; its runtime is then taken as it stands.
    :raises DataError: a data set of the assignment is not installed.
    """
    if attempt.notebook is not None and not context.public_only:
        for name in context.missing_datasets:
            raise DataError(f"data set {name!r} is not installed: run 'grader data install {name}' and grade again")
    limit_s = max(context.settings.verification_timeout_s, context.assignment.verification_time_limit_s or 0.0)
    dataset = context.measured_on
    return Work(
        attempt,
        request or context.execution_request(),
        directory,
        auto=request is None and context.runtime == "auto",
        measuring=Measuring(dataset, context.held_out_seed, limit_s) if dataset is not None else None,
    )


def run_notebook(work: Work, *, tell: Tell, cancelled: threading.Event | None) -> Execution:
    """The first half: the kernel."""
    run = execute_auto if work.auto else execute
    return run(work.attempt, work.request, work.directory, tell=tell, cancelled=cancelled)


def measure(work: Work) -> None:
    """The second half, in the verifier's own process; always on the CPU, so that it is the same everywhere."""
    if work.measuring is None:
        return
    evidence = read_evidence(work.directory)
    if not evidence.fits:
        return
    settings = VerifierSettings(
        timeout_s=work.measuring.timeout_s,
        threads=work.request.threads,
        sandbox=work.request.sandbox,
        warm=work.request.warm,
        known=_known(work.request),
    )
    with tempfile.TemporaryDirectory(prefix=scratch_prefix("verify")) as scratch:
        verify(
            evidence,
            work.measuring.dataset,
            held_out_seed=work.measuring.held_out_seed,
            scratch=Path(scratch),
            settings=settings,
        )


def _known(request: ExecutionRequest) -> KnownPredictions | None:
    """Predictions of the reference's models; added to while the reference itself is run."""
    if request.replay_into is not None:
        return KnownPredictions(request.replay_into, adds=True)
    return KnownPredictions(request.replay_store) if request.replay_store is not None else None


def run_work(work: Work, *, tell: Tell, cancelled: threading.Event | None) -> Execution:
    """Does it here, on the CPU."""
    execution = run_notebook(replace(work, request=replace(work.request, gpu=None)), tell=tell, cancelled=cancelled)
    measure(work)
    return execution
