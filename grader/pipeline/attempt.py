"""One attempt through every room, behind one barrier: a fault of ours is never a student's zero."""

from __future__ import annotations

import json
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader import __version__
from grader.checks import Checked, CheckRequest, run_checks
from grader.errors import DataError
from grader.evidence import Evidence, read_evidence
from grader.execution import ExecutionRequest, Progress, execute
from grader.model import Attempt, Execution, ExecutionOutcome, Result, Score, Text, Verified, Visibility
from grader.pipeline.context import Context
from grader.pipeline.retraining import make_tries, wants_tries, with_tries_noted
from grader.pipeline.runtime import execute_auto
from grader.scoring import not_gradable_by_us, score
from grader.scratch import scratch_prefix
from grader.verification import VerifierSettings, verify

_KEY_FILE = "key.json"


@dataclass(frozen=True)
class Graded:
    """One attempt's result. ``fault``: traceback of what went wrong on our side; ``reused``: not run again."""

    result: Result
    evidence: Path | None = None
    fault: str | None = None
    reused: bool = False


def evidence_name(context: Context, attempt: Attempt) -> str:
    """Folder of an attempt's evidence below ``evidence/``."""
    suffix = "" if context.budget == "full" else "-quick"
    return f"{attempt.assignment}/{attempt.digest.removeprefix('sha256:')}{suffix}"


def grade_attempt(
    context: Context,
    attempt: Attempt,
    *,
    fresh: bool = False,
    tell: Callable[[Progress], None] = lambda _: None,
    cancelled: threading.Event | None = None,
) -> Graded:
    """Runs, re-measures, checks and scores one attempt; under further seeds too where a check asks for it.

    :param fresh: run the notebook even where evidence of the same run is there.
    :raises asyncio.CancelledError: ``cancelled`` was set.
    """
    name = evidence_name(context, attempt)
    directory = context.workspace / "evidence" / name
    execution = Execution(ExecutionOutcome.OK, budget=context.budget)
    try:
        reused = not fresh and _is_reusable(context, directory)
        if not reused:
            _require_data(context, attempt)
            run = execute_auto if context.runtime == "auto" else execute
            execution = run(attempt, context.execution_request(), directory, tell=tell, cancelled=cancelled)
            _verify(context, directory)
            (directory / _KEY_FILE).write_text(json.dumps(context.execution_key(), sort_keys=True), "utf-8")
        graded = replace(score_evidence(context, [(attempt, directory)])[0], reused=reused)
    except Exception as error:
        return _failed(context, attempt, execution, error)
    if not wants_tries(context, graded.result, directory):
        return graded

    def run_again(request: ExecutionRequest, folder: Path) -> None:
        _require_data(context, attempt)
        execute(attempt, request, folder, tell=tell, cancelled=cancelled)
        _verify(context, folder)

    try:
        make_tries(context, graded.result.execution, directory, run_again)
        return score_evidence(context, [(attempt, directory)])[0]
    except Exception as error:  # what is in doubt stays open; the rest of the first run is sound
        return replace(graded, fault="".join(traceback.format_exception(error)))


def visible(context: Context) -> set[Visibility] | None:
    """Which criteria count in this run."""
    return {Visibility.PUBLIC} if context.public_only else None


def score_evidence(context: Context, attempts: Sequence[tuple[Attempt, Path]]) -> list[Graded]:
    """Checks and scores evidence folders in one process of the rubric's; no notebook is run.

    An unreadable file has nothing to check: without any other no process is started.
    """
    requests = [check_request(context, a, d) for a, d in attempts if a.unreadable is None]
    checked = iter(run_checks(requests, timeout_s=context.settings.checks_timeout_s))
    return [_scored(context, a, d, Checked() if a.unreadable else next(checked)) for a, d in attempts]


def _scored(context: Context, attempt: Attempt, directory: Path, checked: Checked) -> Graded:
    try:
        evidence = read_evidence(directory)
        readable = evidence.execution.outcome is not ExecutionOutcome.UNREADABLE
        scored = score(
            context.rubric,
            checked.results if readable else (),
            evidence.execution,
            flags=checked.flags if readable else (),
            visible=visible(context),
            reason=attempt.unreadable,
        )
        execution = with_tries_noted(evidence.execution, directory, context.rubric, checked.results)
        return Graded(_result(context, attempt, execution, scored, evidence), directory)
    except Exception as error:  # the attempts beside it are scored all the same
        return _failed(context, attempt, Execution(ExecutionOutcome.OK, budget=context.budget), error)


def _failed(context: Context, attempt: Attempt, execution: Execution, error: Exception) -> Graded:
    scored = not_gradable_by_us(context.rubric, _our_fault(error), visible=visible(context))
    fault = "".join(traceback.format_exception(error))
    return Graded(_result(context, attempt, execution, scored), None, fault)


def check_request(context: Context, attempt: Attempt, directory: Path) -> CheckRequest:
    """What the rubric's process is told."""
    return CheckRequest(
        evidence_dir=directory,
        course_dir=context.course.root,
        assignment=attempt.assignment,
        language=context.language_of(attempt.language),
        data_dir=context.store.root if context.dataset else None,
        budget=context.budget,
        public_only=context.public_only,
    )


def _require_data(context: Context, attempt: Attempt) -> None:
    if attempt.notebook is not None and not context.public_only:
        for name in context.missing_datasets:
            raise DataError(f"data set {name!r} is not installed: run 'grader data install {name}' and grade again")


def _verify(context: Context, directory: Path) -> Verified:
    evidence = read_evidence(directory)
    if context.measured_on is None or not evidence.fits:
        return Verified(dataset=context.assignment.dataset)
    settings = VerifierSettings(
        timeout_s=max(context.settings.verification_timeout_s, context.assignment.verification_time_limit_s or 0.0),
        threads=context.settings.threads_per_kernel,
        sandbox=context.sandbox,
    )
    with tempfile.TemporaryDirectory(prefix=scratch_prefix("verify")) as scratch:
        return verify(
            evidence,
            context.measured_on,
            held_out_seed=context.held_out_seed,
            scratch=Path(scratch),
            settings=settings,
        )


def _is_reusable(context: Context, directory: Path) -> bool:
    """Whether ``directory`` holds the evidence of the very same run; a run that we failed on never counts."""
    try:
        return bool(json.loads((directory / _KEY_FILE).read_text("utf-8")) == context.execution_key())
    except (OSError, ValueError):
        return False


def _our_fault(error: BaseException) -> Text:
    if isinstance(error, DataError):
        return Text("A data set is missing on the grading machine. This costs no points: staff will grade again.")
    return Text("The grader failed on this attempt. This costs no points: staff will look at it.")


def _result(
    context: Context, attempt: Attempt, execution: Execution, scored: Score, evidence: Evidence | None = None
) -> Result:
    return Result(
        assignment=attempt.assignment,
        digest=attempt.digest,
        source=attempt.source,
        student=attempt.student,
        execution=execution,
        score=scored,
        verified=evidence.verified if evidence else Verified(),
        rubric_version=context.rubric.version,
        language=context.language_of(attempt.language),
        notes=attempt.notes if evidence is None else (),
        conflicts=attempt.conflicts,
        handed_in_at=attempt.handed_in_at,
        evidence=evidence_name(context, attempt) if evidence else None,
        grader_version=__version__,
    )
