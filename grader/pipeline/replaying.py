"""Trainings that are the same in many notebooks are made once, by the grader itself, from its own reference answers.

Only what a reference answer of the course has trained is ever kept (:mod:`grader.recorder.replay` answers from it); a
student's notebook never adds anything.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import grader
from grader.evidence import Evidence, read_evidence
from grader.execution import Progress
from grader.handout.build import reference_notebook
from grader.model import Attempt, Student
from grader.pipeline.attempt import Graded, score_evidence
from grader.pipeline.context import Context
from grader.pipeline.runs import evidence_name
from grader.pipeline.work import plan_work, run_work
from grader.recorder import keys
from grader.scratch import scratch_prefix
from grader.verification import known

WORTH_IT = 3
"""Attempts to run from which on the reference is trained first: it takes about as long as one of them."""


def keep_reference_trainings(
    context: Context, attempts: Sequence[Attempt], tell: Callable[[Progress], None], cancelled: threading.Event
) -> None:
    """Runs the reference in each language of ``attempts``, or what the context names instead, unless it was run under
    the same conditions before.

    :param attempts: those that have to be run. A reference that cannot be run is left out: they train for themselves.
    :raises asyncio.CancelledError: ``cancelled`` was set.
    """
    store = context.replay_store
    waiting = [a for a in attempts if a.notebook is not None]
    distinct = list({evidence_name(context, a): a for a in waiting}.values())
    if store is None or len(distinct) < WORTH_IT or context.missing_datasets:
        return
    record = partial(_record, context, tell, cancelled)
    if context.references is None:  # one by one: the trainings of one language are mostly those of the next
        for language in dict.fromkeys(_language(context, attempt) for attempt in distinct):
            record(_reference(context, language))
        return
    with ThreadPoolExecutor(context.settings.jobs, thread_name_prefix="reference") as pool:
        try:
            list(pool.map(record, context.references))
        except BaseException:
            cancelled.set()
            raise


def _record(context: Context, tell: Callable[[Progress], None], cancelled: threading.Event, reference: Attempt) -> None:
    """Keeps the trainings of one notebook, if they are not there yet."""
    store = context.replay_store
    if store is None or (mark := store / f"recorded-{_conditions(context, reference)}").exists():
        return
    with (
        suppress(Exception),
        tempfile.TemporaryDirectory(prefix=scratch_prefix("reference"), ignore_cleanup_errors=True) as folder,
    ):
        request = replace(context.execution_request(), runtime="keras3", replay_into=store)
        work = plan_work(context, reference, Path(folder) / "evidence", request)
        execution = run_work(work, tell=tell, cancelled=cancelled)
        mark.write_text(f"{execution.outcome.value}\n", "ascii")


def _language(context: Context, attempt: Attempt) -> str:
    known = context.assignment.languages
    return attempt.language if attempt.language in known else known[0]


def _reference(context: Context, language: str) -> Attempt:
    notebook = reference_notebook(context.assignment, language)
    content = json.dumps(notebook, ensure_ascii=False, sort_keys=True).encode()
    return Attempt(
        assignment=context.assignment.id,
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        source=f"({context.assignment.id}, {language})",
        content=content,
        student=Student(),
        notebook=notebook,
        language=language,
    )


def _conditions(context: Context, reference: Attempt) -> str:
    versions = [keys.VERSION, known.VERSION, grader.__version__, *_installed()]
    what = [reference.digest, context.execution_key(), keys.processor(), versions]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:40]


def _installed() -> list[str]:
    from importlib.metadata import version

    return [version(name) for name in ("tensorflow", "keras", "numpy")]


@dataclass(frozen=True, slots=True)
class ReplayAudit:
    """What running without replay gave. :ivar different: sources of attempts that got something else, and what."""

    checked: int
    different: dict[str, str]


def audit_replay(context: Context, attempts: Sequence[Attempt], graded: Sequence[Graded], share: float) -> ReplayAudit:
    """Runs some of the attempts that were answered from the store again, in fresh processes and without it.

    :param share: of those attempts, 0 to 1; which ones follows from their content.
    """
    pairs = [(a, g) for a, g in zip(attempts, graded, strict=True) if g.evidence and g.result.execution.replayed_fits]
    unique = {g.evidence: (a, g) for a, g in pairs}
    chosen = sorted(unique.values(), key=lambda pair: pair[0].digest)[: math.ceil(share * len(unique))]
    different: dict[str, str] = {}
    for attempt, one in chosen:
        with tempfile.TemporaryDirectory(prefix=scratch_prefix("cold")) as folder:
            cold = Path(folder) / "evidence"
            request = replace(context.execution_request(), warm=None, replay_store=None)
            request = replace(request, runtime=one.result.execution.runtime or request.runtime)
            run_work(plan_work(context, attempt, cold, request), tell=lambda _: None, cancelled=None)
            if found := _difference(context, attempt, one, cold):
                different[attempt.source] = found
    return ReplayAudit(len(chosen), different)


def _difference(context: Context, attempt: Attempt, one: Graded, cold: Path) -> str:
    """In English, for staff; empty where there is none."""
    assert one.evidence is not None  # noqa: S101 - such were chosen
    again = score_evidence(context, [(attempt, cold)])[0].result.score
    if again != one.result.score:
        return f"{one.result.score.points} points with replay, {again.points} without, or other measurements"
    ours, theirs = _weights(read_evidence(one.evidence)), _weights(read_evidence(cold))
    return "" if ours == theirs else "the weights after training differ"


def _weights(evidence: Evidence) -> list[list[str]]:
    return [
        [keys.data_digest(w) for w in evidence.weights(fit.weights_after)] for fit in evidence.fits if fit.weights_after
    ]
