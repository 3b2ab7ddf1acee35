"""Many attempts at once, each on its own; every result is in the gradebook as soon as it is there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from grader.execution import Progress
from grader.execution.sockets import require_socket_folder
from grader.model import Attempt, Execution
from grader.pipeline.attempt import Graded, grade_attempt, score_evidence
from grader.pipeline.context import Context
from grader.pipeline.devices import DeviceRunner
from grader.pipeline.locks import locked
from grader.pipeline.replaying import keep_reference_trainings
from grader.pipeline.runs import evidence_folder, evidence_name, is_reusable
from grader.pipeline.submissions import keep_attempts
from grader.pipeline.whole import missing_part
from grader.pipeline.work import Runner, Tell, Work
from grader.scheduling import longest_first
from grader.scratch import remove_strays
from grader.store import StoredAttempt, student_key
from grader.store.durations import durations_s


@dataclass(frozen=True)
class Elsewhere:
    """Other machines that run notebooks. :ivar at_once: how many pieces of work they are given at a time."""

    runner: Runner
    at_once: int


@dataclass
class Batch:
    """What a batch is doing, for a live display; ``running`` holds the latest word of each attempt."""

    total: int
    tell: Callable[[Batch], None] = lambda _: None
    done: list[Graded] = field(default_factory=list)
    running: dict[str, Progress | None] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def started(self, attempt: Attempt) -> None:
        """An attempt is being graded."""
        with self._lock:
            self.running[attempt.source] = None
        self.tell(self)

    def progress(self, progress: Progress) -> None:
        """A kernel said where it is."""
        with self._lock:
            if progress.source in self.running:
                self.running[progress.source] = progress
        self.tell(self)

    def reference(self, progress: Progress) -> None:
        """The reference answer is being trained, before all attempts."""
        with self._lock:
            self.running[progress.source] = progress
        self.tell(self)

    def ended(self, source: str, graded: Graded) -> None:
        """An attempt has its result."""
        with self._lock:
            self.running.pop(source, None)
            self.done.append(graded)
        self.tell(self)


def grade_batch(
    context: Context,
    attempts: Sequence[Attempt],
    *,
    fresh: bool = False,
    batch: Batch | None = None,
    elsewhere: Elsewhere | None = None,
) -> list[Graded]:
    """Grades every attempt, ``settings.jobs`` at a time; results in the order of the attempts.

    Attempts of the same content are run once. The gradebook, if any, has each result before the next one starts. What
    is expected to take longest starts first.

    :param elsewhere: where notebooks run, if not on this machine.
    """
    batch = batch or Batch(len(attempts))
    place = elsewhere or Elsewhere(DeviceRunner(context.device, context.gpus), context.settings.jobs)
    home = threading.Semaphore(context.settings.jobs)
    runner = place.runner if elsewhere is None else _while_away(home, place.runner)
    _prepare(context, attempts, fresh)
    if elsewhere is None:
        waiting = [a for a in attempts if fresh or not is_reusable(context, evidence_folder(context, a))]
        keep_reference_trainings(context, waiting, batch.reference, batch.cancelled)
    groups: dict[str, list[int]] = {}
    for index, attempt in enumerate(attempts):
        groups.setdefault(evidence_name(context, attempt), []).append(index)
    results: dict[int, Graded] = {}

    def one(indices: list[int]) -> list[tuple[int, Graded]]:
        with home:
            return [(i, _one(context, attempts[i], fresh and i == indices[0], batch, runner)) for i in indices]

    work = _in_order(context, attempts, list(groups.values()))
    with ThreadPoolExecutor(max_workers=place.at_once, thread_name_prefix="grader") as pool:
        futures: list[Future[list[tuple[int, Graded]]]] = [pool.submit(one, group) for group in work]
        try:
            for future in as_completed(futures):
                results.update(future.result())
        except BaseException:
            batch.cancelled.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [results[index] for index in range(len(attempts))]


def _while_away(home: threading.Semaphore, runner: Runner) -> Runner:
    """``runner``, which leaves its place here to others while the work is done elsewhere."""

    def away(work: Work, *, tell: Tell, cancelled: threading.Event | None) -> Execution:
        home.release()
        try:
            return runner(work, tell=tell, cancelled=cancelled)
        finally:
            home.acquire()

    return away


def _in_order(context: Context, attempts: Sequence[Attempt], groups: list[list[int]]) -> list[list[int]]:
    """``groups`` of positions, the one that will take longest first, by what the gradebook knows."""
    if context.public_only or len(groups) <= 1:
        return groups
    first = [attempts[group[0]] for group in groups]
    keys = [(a.digest, student_key(a.student, a.digest)) for a in first]
    return [groups[i] for i in longest_first(keys, durations_s(context.gradebook, context.assignment.id))]


def _one(context: Context, attempt: Attempt, fresh: bool, batch: Batch, runner: Runner) -> Graded:
    batch.started(attempt)
    grade = partial(
        grade_attempt, context, attempt, fresh=fresh, tell=batch.progress, cancelled=batch.cancelled, runner=runner
    )
    if context.public_only:
        graded = grade()
    else:
        # Only one grader at a time works on a run; the next one finds its evidence.
        name = evidence_name(context, attempt).replace("/", "-")
        with locked(context.workspace, name, batch.cancelled):
            graded = grade()
            graded = _store(context, [graded])[0]
    batch.ended(attempt.source, graded)
    return graded


def _prepare(context: Context, attempts: Sequence[Attempt], fresh: bool) -> None:
    """Everything that threads share is made before they start; nothing handed in is lost from here on."""
    require_socket_folder()
    remove_strays()
    _ = context.threshold_views, context.test_set
    with locked(context.workspace, "prepare"):
        if fresh or not all(is_reusable(context, evidence_folder(context, a)) for a in attempts):
            context.execution_request()
        if not context.public_only:
            keep_attempts(context, attempts)


def _store(context: Context, graded: Sequence[Graded]) -> list[Graded]:
    """Adds results to the gradebook; a failure of ours never takes the place of a score that is there."""
    failed = any(one.fault is not None and one.evidence is None for one in graded)
    latest = context.gradebook.latest_results(context.assignment.id) if failed else []
    before = {(s.result.digest, s.result.source): s.result for s in latest if s.result.evidence is not None}
    stored = []
    for one in graded:
        earlier = before.get((one.result.digest, one.result.source))
        if one.fault is not None and one.evidence is None and earlier is not None:
            stored.append(replace(one, result=earlier, kept="grading it again failed"))
        else:
            context.gradebook.add_result(one.result)
            stored.append(one)
    return stored


def regrade(context: Context) -> list[Graded]:
    """Scores every attempt of the gradebook again from its evidence; no notebook is run.

    Where evidence is gone, or a part of it, the earlier result stays.
    """
    stored = {(a.digest, a.source): a for a in context.gradebook.attempts(context.assignment.id)}
    latest = {s.attempt_id: s.result for s in context.gradebook.latest_results(context.assignment.id)}
    work: list[tuple[Attempt, Path]] = []
    kept: list[Graded] = []
    for entry in stored.values():
        result = latest.get(entry.id)
        if result is None:
            continue
        directory = context.workspace / "evidence" / (result.evidence or "")
        gone = "all of it" if result.evidence is None else missing_part(directory)
        if gone is None:
            work.append((_attempt(entry), directory))
        else:
            kept.append(Graded(result, kept=f"evidence is missing ({gone}); run 'grader grade' on its file again"))
    return _store(context, score_evidence(context, work)) + kept


def _attempt(stored: StoredAttempt) -> Attempt:
    return Attempt(
        assignment=stored.assignment,
        digest=stored.digest,
        source=stored.source,
        content=b"",
        student=stored.student,
        notebook=None,
        language=stored.language,
        notes=stored.notes,
        conflicts=stored.conflicts,
        unreadable=stored.unreadable,
        handed_in_at=stored.handed_in_at,
    )
