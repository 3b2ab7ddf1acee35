"""One attempt through every room, behind one barrier: a fault of ours is never a student's zero."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from grader import __version__
from grader.checks import Checked, CheckRequest, run_checks
from grader.errors import DataError
from grader.evidence import Evidence, read_evidence
from grader.execution import ExecutionRequest, Progress
from grader.messages import DATA_MISSING, GRADER_FAILED
from grader.model import Attempt, Execution, ExecutionOutcome, Result, Score, Verified, Visibility
from grader.pipeline.checked import checked_file, keep_checked, read_checked, rubric_key
from grader.pipeline.context import Context
from grader.pipeline.retraining import make_tries, wants_tries, with_tries_noted
from grader.pipeline.runs import evidence_folder, is_reusable, keep_outputs, mark_used, outputs_file, settle
from grader.pipeline.whole import write_key
from grader.pipeline.work import Runner, plan_work, run_work
from grader.scoring import not_gradable_by_us, score


@dataclass(frozen=True)
class Graded:
    """One attempt's result.

    :ivar fault: traceback of what went wrong on our side. :ivar reused: the notebook was not run again.
    :ivar kept: why ``result`` is an earlier one, which still counts, in English for staff.
    """

    result: Result
    evidence: Path | None = None
    fault: str | None = None
    reused: bool = False
    kept: str | None = None


def grade_attempt(
    context: Context,
    attempt: Attempt,
    *,
    fresh: bool = False,
    tell: Callable[[Progress], None] = lambda _: None,
    cancelled: threading.Event | None = None,
    runner: Runner = run_work,
) -> Graded:
    """Runs, re-measures, checks and scores one attempt; under further seeds too where a check asks for it.

    :param fresh: run the notebook even where evidence of the same run is there.
    :param runner: runs and re-measures; here, unless somebody has a better place.
    :raises asyncio.CancelledError: ``cancelled`` was set.
    """
    execution = Execution(ExecutionOutcome.OK, budget=context.budget)
    shared = replace(attempt, notes=())  # whoever hands in the same content shares the run, not what is said of a file
    try:
        directory = evidence_folder(context, attempt)
        reused = not fresh and is_reusable(context, directory)
        if not reused:
            execution = runner(plan_work(context, shared, directory), tell=tell, cancelled=cancelled)
            settle(context, directory)
            write_key(directory, context.execution_key())
        keep_outputs(context, attempt)
        mark_used(directory, attempt.digest)
        graded = replace(score_evidence(context, [(attempt, directory)], known=reused)[0], reused=reused)
    except Exception as error:
        return _failed(context, attempt, execution, error)
    if not wants_tries(context, graded.result, directory):
        return graded

    def run_again(request: ExecutionRequest, folder: Path) -> None:
        runner(plan_work(context, shared, folder, request), tell=tell, cancelled=cancelled)
        settle(context, folder)

    try:
        make_tries(context, graded.result.execution, directory, run_again)
        return score_evidence(context, [(attempt, directory)])[0]
    except Exception as error:  # what is in doubt stays open; the rest of the first run is sound
        return replace(graded, fault="".join(traceback.format_exception(error)))


def visible(context: Context) -> set[Visibility] | None:
    """Which criteria count in this run."""
    return {Visibility.PUBLIC} if context.public_only else None


def score_evidence(context: Context, attempts: Sequence[tuple[Attempt, Path]], *, known: bool = False) -> list[Graded]:
    """Checks and scores evidence folders in one process of the rubric's; no notebook is run.

    An unreadable file has nothing to check: without any other no process is started.

    :param known: where this rubric found something in this evidence before, that is taken.
    """
    requests = [check_request(context, a, d) for a, d in attempts if a.unreadable is None]
    rubric = rubric_key(context) if requests else ""
    files = [checked_file(rubric, request) for request in requests]
    found = [read_checked(file) if known else None for file in files]
    unknown = [i for i, one in enumerate(found) if one is None]
    asked = [requests[i] for i in unknown]
    judged = run_checks(asked, timeout_s=context.settings.checks_timeout_s, room=context.checks_room)
    for i, one in zip(unknown, judged, strict=True):
        found[i] = one
        with suppress(OSError):  # it only saves time
            keep_checked(files[i], one)
    checked = iter(found)
    return [_scored(context, a, d, Checked() if a.unreadable else next(checked) or Checked()) for a, d in attempts]


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
    reason = DATA_MISSING if isinstance(error, DataError) else GRADER_FAILED
    scored = not_gradable_by_us(context.rubric, reason, visible=visible(context))
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
        saved=outputs_file(context.workspace, attempt.digest),
    )


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
        notes=tuple(note for note in attempt.notes if note not in execution.notes),
        conflicts=attempt.conflicts,
        handed_in_at=attempt.handed_in_at,
        evidence=evidence.directory.relative_to(context.workspace / "evidence").as_posix() if evidence else None,
        grader_version=__version__,
    )
